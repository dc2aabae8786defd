// isochio run: runs scenarios and says what was found.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/command.h"
#include "cli/progress.h"
#include "libusb/libusb_host.h"
#include "libusb/watch.h"
#include "report/report.h"
#include "scenario/catalogue.h"
#include "scenario/run.h"
#include "scenario/scenario.h"
#include "simulated_device.h"

namespace isochio::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::vector<std::string> scenarios;
  bool all = false, no_skip = false;
  std::optional<std::uint64_t> seed, frames;
  std::optional<unsigned> wait;  // seconds
  std::string target = "sim", speed, json, html, junit, wave, capture, payload, received, device, bus_port;
};

std::atomic<bool> interrupted{false};  // set by the handler, the only thing that it may do

std::unique_ptr<bus::Link> simulator(const scenario::LinkRequest& request) {
  return verilated::make_simulated_device({request.image, request.fs_only, request.idle_skipping, request.wave_path});
}

/// The device that --bus-port or --device VID:PID names, else the one that the scenario's description names.
std::unique_ptr<controller::Host> real_host(const Options& options, const scenario::HostRequest& request) {
  libusb::Selection wanted;
  wanted.identity = libusb::parse_identity(options.device);
  wanted.place = libusb::parse_place(options.bus_port);
  if (!wanted.identity && !wanted.place) wanted.identity = libusb::Identity{request.vendor_id, request.product_id};
  if (options.wait) {
    const auto attached =
        libusb::wait_until_attached(wanted, *options.wait * bus::second, [] { return interrupted.load(); });
    if (!attached) throw std::runtime_error(attached.error());
  }
  auto host = libusb::LibusbHost::open(wanted, {request.first_frame, request.test_requests});
  if (!host) throw std::runtime_error(host.error());
  return std::move(*host);
}

/// Options that don't go together; empty = nothing is wrong.
std::string target_problem(const Options& options) {
  const bool identity = libusb::parse_identity(options.device).has_value();
  if (options.target == "libusb") {
    if (!options.wave.empty() || !options.capture.empty() || options.no_skip)
      return "--wave, --capture and --no-skip look into the simulation; --target libusb has no such thing";
    if (!options.bus_port.empty() && !libusb::parse_place(options.bus_port))
      return fmt::format("--bus-port {}: a bus and its ports, as isochio devices shows them, e.g. 1-4.2",
                         options.bus_port);
    return {};
  }
  if (identity) return fmt::format("--device {} names an attached device; add --target libusb", options.device);
  if (!options.bus_port.empty()) return "--bus-port names an attached device; add --target libusb";
  if (options.wait) return "--wait waits for an attached device; add --target libusb";
  return {};
}

/// With several scenarios an output is a folder with one file for each.
std::string output(const std::string& option, const std::string& scenario, const char* extension, bool several) {
  if (option.empty() || !several) return option;
  fs::create_directories(option);
  return (fs::path(option) / (scenario + extension)).string();
}

std::string repeat_command(const Options& options, const std::string& name, std::uint64_t seed) {
  auto text = fmt::format("isochio run {} --seed {}", name, seed);
  if (!options.speed.empty()) text += " --speed " + options.speed;
  if (options.frames) text += fmt::format(" --frames {}", *options.frames);
  if (options.target != "sim") text += " --target " + options.target;
  if (!options.device.empty()) text += " --device " + options.device;
  if (!options.bus_port.empty()) text += " --bus-port " + options.bus_port;
  if (!options.payload.empty()) text += " --payload " + options.payload;
  return text;
}

/// What the command line says goes before what the file says.
tl::expected<scenario::Scenario, InputError> load(const Options& options, const std::string& name) {
  const auto file = scenario::find(scenario::Shelf::scenarios, name);
  if (!file) return tl::unexpected(file.error());
  auto loaded = scenario::load_scenario(*file);
  if (!loaded) return loaded;
  if (options.seed) loaded->seed = *options.seed;
  if (options.frames) loaded->frames = *options.frames;
  if (!options.speed.empty()) loaded->speed = options.speed == "fs" ? usb::Speed::full : usb::Speed::high;
  if (!options.device.empty() && !libusb::parse_identity(options.device)) {
    const auto device = scenario::find(scenario::Shelf::devices, options.device);
    if (!device) return tl::unexpected(device.error());
    loaded->device = fs::absolute(*device).string();
  }
  return loaded;
}

void copy_to_stdout(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::string block(1U << 16U, '\0');
  while (stream.read(block.data(), static_cast<std::streamsize>(block.size())) || stream.gcount() > 0)
    std::fwrite(block.data(), 1, static_cast<std::size_t>(stream.gcount()), stdout);
}

/// A JSON report for standard output is written to a file first, because it is finished there.
class StandardOutput {
 public:
  explicit StandardOutput(bool wanted) {
    if (!wanted) return;
    std::string name = (fs::temp_directory_path() / "isochio-XXXXXX").string();
    if (mkdtemp(name.data()) != nullptr) folder_ = name;
  }
  ~StandardOutput() {
    std::error_code ignored;
    if (!folder_.empty()) fs::remove_all(folder_, ignored);
  }
  StandardOutput(const StandardOutput&) = delete;
  StandardOutput& operator=(const StandardOutput&) = delete;

  std::string path() const { return folder_.empty() ? "" : folder_ + "/report.json"; }

 private:
  std::string folder_;
};

int run_scenarios(Options options) {
  if (options.all) {
    if (!options.scenarios.empty()) return complain("give scenarios or --all, not both");
    for (const auto& file : scenario::list(scenario::Shelf::scenarios)) options.scenarios.push_back(file.string());
  }
  if (options.scenarios.empty()) return complain("which scenario? isochio list shows them; --all runs all");
  if (const auto problem = target_problem(options); !problem.empty()) return complain(problem);
  const bool several = options.scenarios.size() > 1;
  const StandardOutput standard_output(options.json == "-" && !several);
  if (options.json == "-" && several) return complain("--json - is for one scenario; several go into a folder");
  const auto colour = report::use_colour(stdout);
  auto* talk = options.json == "-" ? stderr : stdout;

  for (const int signal : {SIGINT, SIGTERM})
    std::signal(signal, [](int number) {
      interrupted = true;
      std::signal(number, SIG_DFL);  // the second time it ends the program at once
    });
  std::vector<report::RunResult> results;
  std::vector<report::JUnitRun> junit;
  int trouble = passed;  // of scenarios that could not be run; the others are run all the same
  for (const auto& name : options.scenarios) {
    const auto loaded = load(options, name);
    if (!loaded) {
      trouble = complain(loaded.error().to_string());
      continue;
    }
    Progress progress(loaded->name);
    scenario::RunOptions run;
    run.make_link = simulator;
    if (options.target == "libusb")
      run.make_host = [&](const scenario::HostRequest& request) { return real_host(options, request); };
    run.idle_skipping = !options.no_skip;
    run.json = options.json == "-" ? standard_output.path() : output(options.json, loaded->name, ".json", several);
    run.html = output(options.html, loaded->name, ".html", several);
    run.wave = output(options.wave, loaded->name, ".fst", several);
    run.capture = output(options.capture, loaded->name, ".pcapng", several);
    run.payload = options.payload;
    run.received = options.received;
    run.repeat_command = repeat_command(options, several ? loaded->name : name, loaded->seed);
    run.progress = [&](double share) { progress.show(share); };
    run.interrupted = &interrupted;
    const auto outcome = scenario::run(*loaded, run);
    progress.clear();
    if (!outcome) {
      complain(outcome.error().message);
      trouble = outcome.error().kind == scenario::RunError::Kind::target ? target_not_available : bad_input;
      continue;
    }
    fmt::print(talk, "{}\n", report::console_summary(outcome->result, outcome->first, colour));
    std::fflush(talk);
    if (options.json == "-") copy_to_stdout(standard_output.path());
    results.push_back(outcome->result);
    junit.push_back({outcome->result, outcome->first});
    if (interrupted) break;
  }
  if (several) fmt::print(talk, "{}\n", report::console_table(results, colour));
  if (!options.junit.empty()) {
    const auto written = report::write_file(options.junit, report::junit_xml(junit));
    if (!written) return complain(written.error());
  }
  if (trouble != passed) return trouble;
  const auto failed = [](const report::RunResult& result) { return result.verdict != report::Verdict::passed; };
  return std::any_of(results.begin(), results.end(), failed) ? checks_failed : passed;
}

}  // namespace

void add_run(CLI::App& app, Action& action) {
  auto* command =
      app.add_subcommand("run", "Run scenarios on the simulated device, or on a real one, and judge every frame");
  const auto options = std::make_shared<Options>();
  command->add_option("SCENARIO", options->scenarios, "Names from isochio list, or paths of scenario files");
  command->add_flag("--all", options->all, "All scenarios of isochio list");
  command
      ->add_option("--target", options->target,
                   "sim: the simulated device; libusb: one that is attached (docs/libusb.md)")
      ->check(CLI::IsMember({"sim", "libusb"}))
      ->capture_default_str();
  command->add_option("--bus-port", options->bus_port, "With --target libusb: where it is plugged in, e.g. 1-4.2");
  command
      ->add_option("--wait", options->wait,
                   "With --target libusb: wait up to so many seconds until the device is plugged in")
      ->check(CLI::Range(1, 86'400));
  command->add_option("--seed", options->seed, "Another seed for the payload than the scenario's");
  command->add_option("--speed", options->speed, "fs (full speed) or hs (high speed) instead of the scenario's")
      ->check(CLI::IsMember({"fs", "hs"}));
  command->add_option("--frames", options->frames, "Length of the streams in frames (1 ms)")
      ->check(CLI::Range(1, 1'000'000'000));
  command->add_option("--json", options->json, "Write the report here (docs/report.schema.json); - is standard output");
  command->add_option("--html", options->html, "Write a report for people here: one file, opens in a browser offline");
  command->add_option("--junit", options->junit, "Write a JUnit report here, one test suite a scenario");
  command->add_option("--wave", options->wave, "Write the device's signals here (FST, for GTKWave); slow");
  command->add_option("--capture", options->capture, "Write every packet on the wire here (pcapng, for Wireshark)");
  command
      ->add_option(
          "--payload", options->payload,
          "Send this file through OUT, loopback and IN, and compare it whole; wants a scenario with a loopback stream")
      ->check(CLI::ExistingFile);
  command->add_option("--received", options->received, "With --payload: keep what came back here")->needs("--payload");
  command->add_option(
      "--device", options->device,
      "Another device description than the scenario's: a name or a path; with --target libusb also VID:PID");
  command->add_flag("--no-skip", options->no_skip, "Evaluate every clock of the device; same results, slower");
  command->footer(
      "With several scenarios, --json, --html, --wave and --capture name folders that get one file for each.\n"
      "The same seed gives the same report (but for \"perf\") and the same capture, byte for byte.\n"
      "Ctrl-C ends a run early and leaves whole files.\n"
      "\n"
      "Examples:\n"
      "  isochio run hs-3x1024-in\n"
      "  isochio run loopback --payload song.wav            a real file there and back\n"
      "  isochio run my.toml --seed 7 --frames 100 --json - | jq .violations\n"
      "  isochio run fs-audio --capture fs.pcapng && tshark -r fs.pcapng\n"
      "  isochio run fs-audio --html fs.html && xdg-open fs.html\n"
      "  isochio run --all --junit report.xml\n"
      "  isochio run hs-1x1024-in --target libusb           on a device that is plugged in\n"
      "  isochio run fs-audio --target libusb --wait 60     … or will be within a minute\n"
      "\n"
      "Exit codes: 0 passed, 1 checks failed, 2 bad usage or input, 3 target not available.");
  command->callback([&action, options] { action = [options] { return run_scenarios(*options); }; });
}

}  // namespace isochio::cli
