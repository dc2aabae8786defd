// isochio: the command from outside: what it prints, what it writes, how it exits.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <nlohmann/json.hpp>

namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "isochio-test-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() { fs::remove_all(path_); }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

struct Result {
  int code = -1;
  std::string out;  ///< standard output and error
};

Result isochio(const std::string& arguments, const char* redirect = "2>&1") {
  const auto line = std::string(ISOCHIO_COMMAND) + " " + arguments + " " + redirect;
  std::FILE* pipe = popen(line.c_str(), "r");
  REQUIRE(pipe != nullptr);
  Result result;
  std::array<char, 4096> block{};
  for (std::size_t n = 0; (n = std::fread(block.data(), 1, block.size(), pipe)) > 0;)
    result.out.append(block.data(), n);
  const int status = pclose(pipe);
  result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

std::string read(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

void write(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("every subcommand's help has examples and leaves with 0") {
  for (const char* command : {"", "run", "list", "devices", "bandwidth", "describe"}) {
    CAPTURE(command);
    const auto help = isochio(std::string(command) + " --help");
    CHECK(help.code == 0);
    CHECK(has(help.out, "Examples:\n  isochio"));
  }
  CHECK(has(isochio("--version").out, "isochio 0."));
}

TEST_CASE("bad usage and bad input leave with 2 and say what to do") {
  CHECK(isochio("").code == 2);
  CHECK(isochio("fly").code == 2);
  CHECK(isochio("run").code == 2);
  CHECK(isochio("run hs-1x1024-in --speed ss").code == 2);
  CHECK(isochio("run hs-1x1024-in --payload /no/such/file").code == 2);
  const auto near = isochio("run hs-3x1024in");
  CHECK(near.code == 2);
  CHECK(has(near.out, "did you mean \"hs-3x1024-in\""));
  const auto no_loopback = isochio("run hs-1x1024-in --payload " ISOCHIO_SOURCE_DIR "/LICENSE");
  CHECK(no_loopback.code == 2);
  CHECK(has(no_loopback.out, "loopback"));
  CHECK(isochio("run hs-1x1024-in --frames 2 --json /no/such/folder/x.json").code == 2);
  CHECK(isochio("run hs-1x1024-in --frames 2 --device nothing").code == 2);
  CHECK(isochio("describe nothing").code == 2);

  const Folder folder;
  write(folder / "bad.toml", "[[stream]]\nendpoint = \"in\"\nalternat = 2\n");
  const auto bad = isochio("run " + (folder / "bad.toml"));
  CHECK(bad.code == 2);
  CHECK(has(bad.out, "bad.toml:3: stream[0].alternat:"));
  write(folder / "big.toml", "[[stream]]\nendpoint = \"in\"\nsize = 1000\n");
  const auto big = isochio("run " + (folder / "big.toml"));
  CHECK(big.code == 2);
  CHECK(has(big.out, "stream[0].size: 1000 bytes"));
}

TEST_CASE("waves that can't be written leave with 2") {
  CHECK(isochio("run hs-1x1024-in --frames 2 --wave /no/such/folder/x.fst").code == 2);
}

TEST_CASE("a device that is not attached leaves with 3, and options that don't go with the target with 2") {
  const auto none = isochio("run hs-1x1024-in --target libusb --device ffff:fffe");
  CHECK(none.code == 3);
  CHECK(none.out.find("isochio: ") == 0);
  for (const char* bad : {"--device 1209:0001", "--bus-port 1-4", "--target libusb --bus-port 4",
                          "--target libusb --wave x.fst", "--target libusb --capture x.pcapng", "--target other"}) {
    CAPTURE(bad);
    CHECK(isochio(std::string("run hs-1x1024-in ") + bad).code == 2);
  }
}

TEST_CASE("checks that find something leave with 1") {
  const Folder folder;
  // A completion may come no later than 1 us after the end: the modelled interrupt takes 5.
  write(folder / "late.toml",
        "frames = 8\n[[stream]]\nalternate = 2\nendpoint = \"in\"\n[checks]\ncompletion_latency_us = 1\n");
  const auto result = isochio("run " + (folder / "late.toml") + " --json " + (folder / "late.json") + " --junit " +
                              (folder / "late.xml"));
  CHECK(result.code == 1);
  CHECK(has(result.out, "failed"));
  const auto report = nlohmann::json::parse(read(folder / "late.json"));
  CHECK(report["verdict"] == "failed");
  CHECK(report["violations"].size() == 2);
  CHECK(report["violations"][0]["rule"] == "completion_latency");
  CHECK(has(read(folder / "late.xml"), "<failure"));
}

TEST_CASE("a device or a stream that does something else than the scenario says is found") {
  struct Case {
    const char *name, *scenario, *rule;
  };
  const Case cases[] = {
      {"the device sends other bytes", "[[stream]]\nalternate = 2\nendpoint = \"in\"\n[registers]\n\"IN0.SEED\" = 5\n",
       "payload_corrupt"},
      {"the device expects other bytes",
       "[[stream]]\nalternate = 3\nendpoint = \"out\"\n[registers]\n\"OUT0.SEED\" = 5\n", "payload_corrupt"},
      {"entries ask for half of what comes", "[[stream]]\nalternate = 2\nendpoint = \"in\"\nrequest = 512\n",
       "payload_truncated"},
      {"one request in flight is always too late",
       "[[stream]]\nalternate = 2\nendpoint = \"in\"\ndepth = 1\nlead = 2\n", "status"},
      {"what comes back is not what went out",
       "[[stream]]\nalternate = 4\nendpoint = \"out\"\n[[stream]]\nalternate = 4\nendpoint = \"in\"\npayload = "
       "\"loopback\"\n"
       "[registers]\n\"IN0.FUNCTION\" = 2\n",
       "payload_corrupt"},
      {"feedback is not that of the sample rate",
       "[[stream]]\nalternate = 9\nendpoint = \"in\"\npayload = \"feedback\"\nsample_rate = 44100\n"
       "[registers]\nSAMPLE_RATE = 48000\nSAMPLE_MODE = 1\n",
       "payload_corrupt"},
      {"feedback is that of a clock which is 100 ppm slow",
       "[[stream]]\nalternate = 9\nendpoint = \"in\"\npayload = \"feedback\"\nsample_rate = 44100\n"
       "tolerance_ppm = 50\n[registers]\nSAMPLE_RATE = 44100\nSAMPLE_PPM = -100\n",
       "payload_corrupt"},
  };
  const Folder folder;
  for (const auto& wrong : cases) {
    CAPTURE(wrong.name);
    write(folder / "wrong.toml", std::string("frames = 40\n") + wrong.scenario);
    CHECK(isochio("run " + (folder / "wrong.toml") + " --json " + (folder / "wrong.json")).code == 1);
    const auto report = nlohmann::json::parse(read(folder / "wrong.json"));
    CHECK(report["verdict"] == "failed");
    CHECK(report["violation_counts"].contains(wrong.rule));
  }
}

TEST_CASE("the report on standard output is JSON and nothing else") {
  const auto result = isochio("run hs-interval-4 --frames 4 --seed 9 --json -", "2>/dev/null");
  CHECK(result.code == 0);
  const auto report = nlohmann::json::parse(result.out);
  CHECK(report["scenario"] == "hs-interval-4");
  CHECK(report["seed"] == 9);
  CHECK(report["verdict"] == "passed");
}

TEST_CASE("several scenarios write one file each and end in a table") {
  const Folder folder;
  const auto result = isochio("run hs-interval-4 fs-1023 --frames 4 --json " + (folder / "json") + " --capture " +
                              (folder / "captures"));
  CHECK(result.code == 0);
  CHECK(nlohmann::json::parse(read(folder / "json/fs-1023.json"))["speed"] == "fs");
  CHECK(nlohmann::json::parse(read(folder / "json/hs-interval-4.json"))["speed"] == "hs");
  CHECK(read(folder / "captures/fs-1023.pcapng").starts_with("\x0a\x0d\x0d\x0a"));
}

TEST_CASE("another seed gives other bytes on the wire, the same seed the same") {
  const Folder folder;
  int run = 0;
  for (const char* seed : {"1", "1", "2"})
    CHECK(isochio(std::string("run hs-interval-4 --frames 4 --seed ") + seed + " --capture " +
                  (folder / std::to_string(run++)))
              .code == 0);
  CHECK(read(folder / "0") == read(folder / "1"));
  CHECK(read(folder / "0") != read(folder / "2"));
}

TEST_CASE("a real file goes out, through the device, comes back in and is the same") {
  const Folder folder;
  std::mt19937 random(7);
  std::string bytes(100'003, '\0');
  for (auto& byte : bytes) byte = static_cast<char>(random());
  for (const std::size_t size : {bytes.size(), std::size_t{1}, std::size_t{0}, std::size_t{1024 * 32}}) {
    CAPTURE(size);
    write(folder / "payload", bytes.substr(0, size));
    const auto result = isochio("run loopback --payload " + (folder / "payload") + " --received " +
                                (folder / "received") + " --json " + (folder / "json"));
    CHECK(result.code == 0);
    CHECK(read(folder / "received") == bytes.substr(0, size));
    CHECK(nlohmann::json::parse(read(folder / "json"))["bytes_compared"] == size);
  }
}

TEST_CASE("a description made from a descriptor dump can be run") {
  const Folder folder;
  CHECK(isochio("describe test --toml > " + (folder / "again.toml")).code == 0);
  CHECK(isochio("run hs-1x1024-in --frames 4 --device " + (folder / "again.toml")).code == 0);
}

TEST_CASE("the bandwidth tables are those of the specification") {
  const auto result = isochio("bandwidth --json -", "2>/dev/null");
  const auto tables = nlohmann::json::parse(result.out);
  REQUIRE(tables.size() == 2);
  CHECK(tables[0]["rows"][0]["transactions"] == 150);
  CHECK(tables[1]["rows"][0]["transactions"] == 192);
  CHECK(tables[1]["rows"][10]["payload"] == 1024);
  CHECK(tables[1]["rows"][10]["transactions"] == 7);
}

TEST_CASE("Ctrl-C ends a run early with whole files") {
  const Folder folder;
  const auto line = "timeout --preserve-status -s INT 4 " ISOCHIO_COMMAND " run hs-3x1024-in --frames 1000000 --json " +
                    (folder / "json") + " --capture " + (folder / "capture") + " >/dev/null 2>&1";
  CHECK(WEXITSTATUS(std::system(line.c_str())) == 1);
  const auto report = nlohmann::json::parse(read(folder / "json"));
  CHECK(report["verdict"] == "error");
  CHECK(has(report["error"].get<std::string>(), "interrupted"));
  // Whole blocks to the end: the last four bytes repeat the length that stands at the block's begin.
  const auto capture = read(folder / "capture");
  std::size_t at = 0, blocks = 0;
  while (at + 12 <= capture.size()) {
    std::uint32_t length = 0;
    std::memcpy(&length, capture.data() + at + 4, 4);
    REQUIRE(length >= 12);
    at += length;
    ++blocks;
  }
  CHECK(at == capture.size());
  CHECK(blocks > 100);
}

TEST_CASE("a scenario with an expectation passes only if exactly that happens") {
  const std::string late =
      "frames = 24\n[[stream]]\nalternate = 2\nendpoint = \"in\"\ndepth = 1\nlead = 2\n[expect]\ndiagnosis = "
      "\"no_lead\"\n";
  struct Case {
    const char *expect, *found;  // null: passes
  };
  // Each of the six requests of 4 frames ends when the frame behind it has begun: too late for that one.
  const Case cases[] = {
      {"refused = [{ code = \"iso_too_old\", count = 5 }]\nrequest = [{ request = \"0..\", lead = 2, gap = 2 }]",
       nullptr},
      {"refused = [{ call = \"1../2\", code = \"iso_too_old\" }]", nullptr},
      {"", "call 1 (for frame"},
      {"refused = [{ code = \"iso_too_old\", count = 4 }]", "expected 4 calls refused with iso_too_old, got 5"},
      {"refused = [{ code = \"iso_too_old\", count = 5 }]\nviolations = { missed = 1 }",
       "expected 1 of the rule missed, got 0"},
  };
  const Folder folder;
  for (const auto& one : cases) {
    CAPTURE(one.expect);
    write(folder / "late.toml", late + one.expect + "\n");
    const auto result = isochio("run " + (folder / "late.toml") + " --json " + (folder / "late.json") + " --junit " +
                                (folder / "late.xml"));
    CHECK(result.code == (one.found == nullptr ? 0 : 1));
    const auto report = nlohmann::json::parse(read(folder / "late.json"));
    CHECK(report["expectation"]["met"] == (one.found == nullptr));
    CHECK(has(read(folder / "late.xml"), "not as expected") == (one.found != nullptr));
    if (one.found != nullptr) CHECK(has(result.out, one.found));
  }
}

TEST_CASE("isochio list filters by text, tag, speed and source, and knows the profiles") {
  const auto names = [](const std::string& filter) {
    std::string all;
    for (const auto& one : nlohmann::json::parse(isochio("list --json " + filter, "2>/dev/null").out))
      all += one["name"].get<std::string>() + " ";
    return all;
  };
  CHECK(has(names(""), "fs-1023 "));
  CHECK(has(names("--source \"driverkit-facts 6.4\""), "span-entries-over-8 "));
  CHECK_FALSE(has(names("--source \"driverkit-facts 6.4\""), "fs-1023 "));
  CHECK(has(names("--tag refused"), "lead-0-is-too-old "));
  CHECK_FALSE(has(names("--speed fs"), "lead-0-is-too-old "));
  CHECK(has(names("HORIZON 1025"), "horizon-1025 "));
  CHECK(isochio("list no-such-text-anywhere").code == 2);
  const auto profiles = nlohmann::json::parse(isochio("list --profiles --json", "2>/dev/null").out);
  REQUIRE(profiles.size() == 5);
  CHECK(profiles[1]["name"] == "xhci");
  CHECK(profiles[1]["facts"][1]["source"] == "xHCI 5.5.1");
}

TEST_CASE("runs in parallel tell the same, in the same order, as one after the other") {
  const Folder folder;
  const std::string scenarios = "run lead-1 fs-in-1 depth-1 lead-0-is-too-old zero-in --junit ";
  const auto one = isochio(scenarios + (folder / "one.xml") + " --json " + (folder / "one"));
  const auto two = isochio(scenarios + (folder / "two.xml") + " --jobs 3 --json " + (folder / "two"));
  CHECK(one.code == 0);
  CHECK(two.code == 0);
  CHECK(has(two.out, "5 runs: 5 passed"));
  const auto without_times = [](std::string text) {
    for (std::size_t at = 0; (at = text.find(" time=\"", at)) != std::string::npos;)
      text.erase(at, text.find('"', at + 7) - at + 1);
    return text;
  };
  CHECK(without_times(read(folder / "one.xml")) == without_times(read(folder / "two.xml")));
  for (const char* name : {"lead-1", "depth-1"}) {
    auto a = nlohmann::json::parse(read(folder / (std::string("one/") + name + ".json")));
    auto b = nlohmann::json::parse(read(folder / (std::string("two/") + name + ".json")));
    a.erase("perf");
    b.erase("perf");
    CHECK(a == b);
  }
  write(folder / "bad.toml", "[[stream]]\nendpoint = \"in\"\nalternat = 2\n");
  const auto bad = isochio("run lead-1 " + (folder / "bad.toml") + " --jobs 2");
  CHECK(bad.code == 2);
  CHECK(has(bad.out, "bad.toml:3: stream[0].alternat"));
}

TEST_CASE("--profile all shows where host controllers differ") {
  const Folder folder;
  write(folder / "chain.toml",
        "speed = \"fs\"\nframes = 8\n[[stream]]\nalternate = 2\nendpoint = \"in\"\ndepth = 1\nsize = 100\n[expect]\n");
  const auto shown = isochio("run " + (folder / "chain.toml") + " --profile all");
  CHECK(has(shown.out, "in: refused calls"));
  CHECK(has(shown.out, "1 iso_too_old"));
  const auto rows = nlohmann::json::parse(
      isochio("run " + (folder / "chain.toml") + " --profile all --json -", "2>/dev/null").out)[0]["rows"];
  bool found = false;
  for (const auto& row : rows) {
    if (row["aspect"] != "in: entries not success") continue;
    found = true;
    CHECK(row["differs"] == true);
    CHECK(row["values"]["xhci"] == "none");
    CHECK(row["values"]["uhci"] == "0..7 underrun");
    CHECK(row["values"]["ehci"].is_null());
  }
  CHECK(found);
  const auto refused = isochio("run " + (folder / "chain.toml") + " --profile ehci");
  CHECK(refused.code == 2);
  CHECK(has(refused.out, "ehci does not drive devices at full speed"));
}
