// isochio: reports, as programs read them.
#include <doctest/doctest.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "report/report.h"
#include "support/read_file.h"

using namespace isochio;
using namespace isochio::report;
using isochio::test::read_file;

namespace {

check::Violation a_violation() {
  return {check::Rule::late,
          3,
          7,
          {0x81},
          usb::FrameTime::of(1002, 3),
          {4'800'000},
          "a <transaction> in 1002.3",
          "moved \"later\" & in\n1002.4\x01"};
}

RunResult a_result() {
  RunResult r;
  r.scenario = "hs-3x1024-in";
  r.seed = 42;
  r.speed = usb::Speed::high;
  r.frames = 100;
  r.repeat_command = "isochio run hs-3x1024-in --seed 42";
  check::StreamStatistics s;
  s.endpoint = {0x81};
  s.requests = 10;
  s.entries = 320;
  s.bytes = 983'040;
  s.latency.add(5 * bus::microsecond);
  r.streams.push_back(s);
  r.latency.add(5 * bus::microsecond);
  r.sof = {801, 800, bus::microframe, {60'001}, {1}};
  r.perf = {60'000'000, 20'000'000, 0.1, 0.2};
  return r;
}

/// A whole report with `n` violations; its text.
std::string json_text(const std::string& path, std::uint64_t n, RunResult result) {
  std::remove(path.c_str());
  auto json = JsonReport::create(path);
  REQUIRE(json);
  check::Reporter reporter(**json, 2);
  for (std::uint64_t i = 0; i < n; ++i) reporter.report(a_violation());
  result.conclude(reporter);
  CHECK(read_file(path).empty());  // nothing under its name before it is whole
  REQUIRE((*json)->finish(result));
  return read_file(path);
}

bool have_validator() { return std::system("python3 -c 'import jsonschema' 2>/dev/null") == 0; }

/// Exit code of validating a report against the schema that is in the repository.
int validate(const std::string& path) {
  const std::string command =
      std::string("python3 -c \"import json,jsonschema,sys; s=json.load(open('") + ISOCHIO_SOURCE_DIR +
      "/docs/report.schema.json')); " + "jsonschema.Draft202012Validator.check_schema(s); " +
      "jsonschema.Draft202012Validator(s).validate(json.load(open('" + path + "')))\" >/dev/null 2>&1";
  return std::system(command.c_str());
}

}  // namespace

TEST_CASE("the JSON report has the promised keys, and its violations are capped and counted") {
  const auto j = nlohmann::json::parse(json_text("report.json", 5, a_result()));
  for (const char* key : {"scenario", "seed", "speed", "verdict", "requests", "entries", "bytes", "lost", "corrupt",
                          "duplicate", "reordered", "violations", "latency", "sof", "perf"})
    CHECK_MESSAGE(j.contains(key), key);
  CHECK(j["verdict"] == "failed");
  CHECK(j["violations"].size() == 2);
  CHECK(j["violation_counts"]["late"]["count"] == 5);
  CHECK(j["violations"][0]["request"] == 3);
  CHECK(j["violations"][0]["entry"] == 7);
  CHECK(j["violations"][0]["frame"] == 1002);
  CHECK(j["violations"][0]["time_ns"] == 10'000'000);
  CHECK(j["sof"]["max"] == doctest::Approx(125'002.083));
  CHECK(j["sof"]["min"] == 125'000);
  CHECK(j["perf"]["realtime_ratio"] == 0.5);
  std::remove("report.json");
}

TEST_CASE("a JSON report is the same text each time") {
  CHECK(json_text("a.json", 3, a_result()) == json_text("b.json", 3, a_result()));
  std::remove("a.json");
  std::remove("b.json");
}

TEST_CASE("reports validate against the schema in docs, and what is wrong does not") {
  if (!have_validator()) {
    MESSAGE("python3-jsonschema is not installed: not tested");
    return;
  }
  json_text("valid.json", 0, a_result());
  CHECK(validate("valid.json") == 0);
  json_text("valid.json", 3, a_result());
  CHECK(validate("valid.json") == 0);
  auto j = nlohmann::json::parse(read_file("valid.json"));
  j["verdict"] = "perhaps";
  REQUIRE(write_file("valid.json", j.dump()));
  CHECK(validate("valid.json") != 0);
  j["verdict"] = "failed";
  j.erase("sof");
  REQUIRE(write_file("valid.json", j.dump()));
  CHECK(validate("valid.json") != 0);
  std::remove("valid.json");
}

TEST_CASE("a run that ends without results leaves a valid report with the verdict error") {
  {
    auto json = JsonReport::create("broken.json");
    REQUIRE(json);
    (*json)->report(a_violation());
  }
  const auto j = nlohmann::json::parse(read_file("broken.json"));
  CHECK(j["verdict"] == "error");
  CHECK(j["violations"].size() == 1);
  if (have_validator()) CHECK(validate("broken.json") == 0);
  std::remove("broken.json");
}

TEST_CASE("a report that can't be written names file and reason") {
  const auto json = JsonReport::create("no/such/folder/r.json");
  REQUIRE(!json);
  CHECK(json.error() == "no/such/folder/r.json: the report can't be opened: No such file or directory");
  CHECK(!write_file("no/such/folder/x.xml", ""));
}

TEST_CASE("a report to a full disk fails by name, and the device it was sent to is still a device") {
  if (!std::filesystem::is_character_file("/dev/full")) return;
  auto json = JsonReport::create("/dev/full");
  REQUIRE(json);
  const auto finished = (*json)->finish(a_result());
  REQUIRE(!finished);
  CHECK(finished.error() == "/dev/full: the report can't be written: No space left on device");
  CHECK(std::filesystem::is_character_file("/dev/full"));
  CHECK(!std::filesystem::exists("/dev/full.part"));
}

TEST_CASE("JUnit has a case for the run and each group, the reason, and the command to repeat") {
  JUnitRun run{a_result(), {a_violation()}};
  run.result.violations[static_cast<std::size_t>(check::Rule::late)] = 5;
  run.result.verdict = Verdict::failed;
  run.result.skipped[static_cast<std::size_t>(check::Group::device_log)] = true;
  JUnitRun broken{a_result(), {}};
  broken.result.verdict = Verdict::error;
  broken.result.error = "no <device>";
  const std::string xml = junit_xml({run, broken});
  CHECK(xml.find("tests=\"18\" failures=\"1\" errors=\"1\"") != std::string::npos);
  CHECK(xml.find("name=\"frame_timing\" time=\"0\">\n      <failure message=\"5 violations, first late: request 3 ") !=
        std::string::npos);
  CHECK(xml.find("a &lt;transaction&gt; in 1002.3, seen moved &quot;later&quot; &amp; in&#10;1002.4?") !=
        std::string::npos);
  CHECK(xml.find("and 4 more") != std::string::npos);
  CHECK(xml.find("Repeat: isochio run hs-3x1024-in --seed 42") != std::string::npos);
  CHECK(xml.find("name=\"device_log\" time=\"0\"><skipped/>") != std::string::npos);
  REQUIRE(write_file("junit.xml", xml));
  CHECK(std::system("python3 -c \"import xml.dom.minidom as m; m.parse('junit.xml')\"") == 0);
  std::remove("junit.xml");
}

TEST_CASE(
    "the console summary names verdict, figures and the first violations, and is plain unless colour is asked for") {
  RunResult r = a_result();
  r.violations[static_cast<std::size_t>(check::Rule::late)] = 5;
  r.verdict = Verdict::failed;
  const std::string text = console_summary(r, {a_violation()}, false);
  CHECK(text.find('\x1b') == std::string::npos);
  CHECK(text.find("failed  hs-3x1024-in at high speed, seed 42") == 0);
  CHECK(text.find("0x81 IN") != std::string::npos);
  CHECK(text.find("request 3 entry 7 endpoint 0x81 frame 1002.3") != std::string::npos);
  CHECK(text.find("… and 4 more") != std::string::npos);
  CHECK(text.find("repeat: isochio run") != std::string::npos);
  CHECK(console_summary(r, {}, true).find("\x1b[1;31mfailed") == 0);
  CHECK(console_table({r, r}, true).find("\x1b[1;31mfailed") != std::string::npos);
}

TEST_CASE("colour is only for terminals that want it") {
  std::FILE* file = std::fopen("plain.txt", "w");
  CHECK(!use_colour(file));
  std::fclose(file);
  std::remove("plain.txt");
}

TEST_CASE("the tee keeps the first few of each group and passes all on") {
  ViolationTee tee(2);
  ViolationTee all(100);
  tee.add(&all);
  check::Violation v = a_violation();
  for (int i = 0; i < 5; ++i) tee.report(v);
  v.rule = check::Rule::crc;
  tee.report(v);
  CHECK(tee.kept().size() == 3);
  CHECK(all.kept().size() == 6);
}
