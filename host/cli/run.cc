// isochio run: runs scenarios and says what was found.
#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "cli/annotations.h"
#include "cli/command.h"
#include "cli/compare_profiles.h"
#include "cli/coverage_file.h"
#include "cli/progress.h"
#include "cli/tasks.h"
#include "cli/wave_on_violation.h"
#include "controller/profile.h"
#include "libusb/libusb_host.h"
#include "libusb/watch.h"
#include "report/report.h"
#include "report/wave_file.h"
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
  bool buffered = false;
  unsigned jobs = 1;
  double wave_window_ms = 2;
  std::string profile;
  std::string target = "sim", speed, json, html, junit, coverage, wave, wave_on_violation, capture, payload, received,
              device, bus_port;
};

std::atomic<bool> interrupted{false};  // set by the handler, the only thing that it may do

std::unique_ptr<bus::Link> simulator(const scenario::LinkRequest& request) {
  return verilated::make_simulated_device({request.image, request.fs_only, request.idle_skipping, request.wave_path,
                                           request.wave_window.from, request.wave_window.until});
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
    if (!options.wave.empty() || !options.wave_on_violation.empty() || !options.capture.empty() || options.no_skip)
      return "--wave, --capture and --no-skip look into the simulation; --target libusb has no such thing";
    if (!options.bus_port.empty() && !libusb::parse_place(options.bus_port))
      return fmt::format("--bus-port {}: a bus and its ports, as isochio devices shows them, e.g. 1-4.2",
                         options.bus_port);
    return {};
  }
  if (identity) return fmt::format("--device {} names an attached device; add --target libusb", options.device);
  if (!options.bus_port.empty()) return "--bus-port names an attached device; add --target libusb";
  if (options.wait) return "--wait waits for an attached device; add --target libusb";
  if (options.buffered) return "--buffered says what an attached device is behind; add --target libusb";
  return {};
}

/// With several scenarios an output is a folder with one file for each.
std::string output(const std::string& option, const std::string& scenario, const char* extension, bool several) {
  if (option.empty() || !several) return option;
  return (fs::path(option) / (scenario + extension)).string();
}

/// As a shell takes it for one word.
std::string shell_word(const std::string& text) {
  constexpr const char* plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,@%+";
  if (!text.empty() && text.find_first_not_of(plain) == std::string::npos) return text;
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? "'\\''" : std::string(1, c);
  return word + "'";
}

/// What stands in the way of the outputs, to be known before a long run; empty: nothing.
std::string output_problem(const Options& options, bool several) {
  for (const auto* folder :
       {&options.json, &options.html, &options.wave, &options.wave_on_violation, &options.capture}) {
    if (!several || folder->empty() || *folder == "-") continue;
    std::error_code error;
    fs::create_directories(*folder, error);
    if (error) return fmt::format("{}: the folder for several files can't be made: {}", *folder, error.message());
  }
  if (!options.junit.empty())
    if (const auto checked = report::OutputFile::check(options.junit); !checked) return checked.error();
  return options.coverage.empty() ? std::string() : check_coverage_file(options.coverage);
}

std::string repeat_command(const Options& options, const std::string& name, const std::string& profile,
                           std::optional<std::uint64_t> seed) {
  auto text = "isochio run " + shell_word(name);
  if (seed) text += fmt::format(" --seed {}", *seed);
  if (!options.speed.empty()) text += " --speed " + options.speed;
  if (options.frames) text += fmt::format(" --frames {}", *options.frames);
  if (!profile.empty()) text += " --profile " + profile;
  if (options.target != "sim") text += " --target " + options.target;
  if (!options.device.empty()) text += " --device " + shell_word(options.device);
  if (!options.bus_port.empty()) text += " --bus-port " + options.bus_port;
  if (options.buffered) text += " --buffered";
  if (!options.payload.empty()) text += " --payload " + shell_word(options.payload);
  return text;
}

/// What the command line says goes before what the file says.
tl::expected<scenario::Scenario, InputError> load(const Options& options, const std::string& name,
                                                  const std::string& profile) {
  const auto file = scenario::find(scenario::Shelf::scenarios, name);
  if (!file) return tl::unexpected(file.error());
  auto loaded = scenario::load_scenario(*file, profile);
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

/// What reports say of a scenario that could not be run.
report::RunResult not_run(const Task& task, const Options& options) {
  report::RunResult result;
  result.scenario = fs::path(task.scenario).stem().string();
  result.seed = options.seed.value_or(0);
  result.repeat_command = repeat_command(options, task.scenario, task.profile, options.seed);
  return result;
}

/// Opened before the run, so that a path that can't be written costs no time; none for an empty path.
tl::expected<std::optional<report::WaveFile>, std::string> open_wave(const std::string& path) {
  if (path.empty()) return std::nullopt;
  auto file = report::WaveFile::create(path);
  if (!file) return tl::unexpected(file.error());
  return std::optional<report::WaveFile>(std::move(*file));
}

/// One run of a scenario; `trouble` says why there is no result.
Finished run_one(const Options& options, const Task& task, bool several, const std::string& json,
                 const std::function<void(double)>& progress) {
  Finished finished;
  const auto failed = [&](int code, const std::string& message) {
    finished.trouble = code;
    finished.message = message;
    return finished;
  };
  const bool annotate = in_github_workflow();
  finished.result = not_run(task, options);
  const auto loaded = load(options, task.scenario, task.profile);
  if (!loaded) {
    if (annotate) finished.notes = annotation(loaded.error());
    return failed(bad_input, loaded.error().to_string());
  }
  const auto name = task.in_all_profiles ? loaded->name + "." + task.profile : loaded->name;
  scenario::RunOptions run;
  run.make_link = simulator;
  if (options.target == "libusb")
    run.make_host = [&](const scenario::HostRequest& request) { return real_host(options, request); };
  run.buffered = options.buffered;
  run.idle_skipping = !options.no_skip;
  run.json = !json.empty() ? json : options.json == "-" ? "" : output(options.json, name, ".json", several);
  run.html = output(options.html, name, ".html", several);
  auto wave = open_wave(output(options.wave, name, ".fst", several));
  if (!wave) return failed(bad_input, wave.error());
  if (wave->has_value()) run.wave = (*wave)->part();
  const auto wave_path = output(options.wave_on_violation, name, ".fst", several);
  if (const auto checked = open_wave(wave_path); !checked) return failed(bad_input, checked.error());
  run.capture = output(options.capture, name, ".pcapng", several);
  run.payload = options.payload;
  run.received = options.received;
  run.repeat_command =
      repeat_command(options, several && !task.is_path ? loaded->name : task.scenario, task.profile, loaded->seed);
  run.progress = progress;
  run.interrupted = &interrupted;
  if (const auto* profile = controller::find_profile(loaded->profile);
      task.in_all_profiles && !profile->drives(loaded->speed)) {
    finished.result.scenario = loaded->name;
    finished.result.profile = loaded->profile;
    finished.not_driven = true;
    return finished;
  }
  auto outcome = scenario::run(*loaded, run);
  if (!outcome) {
    if (annotate) finished.notes = annotation({loaded->file.string(), 0, "", outcome.error().message});
    return failed(outcome.error().kind == scenario::RunError::Kind::target ? target_not_available : bad_input,
                  outcome.error().message);
  }
  if (annotate) finished.notes = annotations(*loaded, *outcome);
  finished.output_failed = outcome->output_failed;
  if (wave->has_value())
    if (const auto whole = (*wave)->finish(); !whole) {
      finished.notes += "isochio: " + whole.error() + "\n";
      finished.output_failed = true;
    }
  if (!options.wave_on_violation.empty() && outcome->result.verdict == report::Verdict::failed && !interrupted) {
    const auto waves = write_waves(*loaded, run, *outcome,
                                   {wave_path, bus::from_ns(static_cast<std::int64_t>(options.wave_window_ms * 1e6))});
    finished.notes += (waves ? *waves : "isochio: " + waves.error()) + "\n";
    finished.output_failed = finished.output_failed || !waves;
  }
  finished.result = std::move(outcome->result);
  finished.first = std::move(outcome->first);
  return finished;
}

/// Each scenario with the profile that is asked for, or with all of them.
std::vector<Task> tasks_of(const Options& options) {
  std::vector<Task> tasks;
  const auto add = [&](const std::string& name, bool is_path) {
    if (options.profile != "all") {
      tasks.push_back({name, options.profile, false, is_path});
      return;
    }
    for (const auto& profile : controller::profiles())
      tasks.push_back({name, std::string(profile.name), true, is_path});
  };
  for (const auto& name : options.scenarios) add(name, true);
  if (options.all)
    for (const auto& file : scenario::list(scenario::Shelf::scenarios)) add(file.string(), false);
  return tasks;
}

std::string usage_problem(const Options& options, std::size_t tasks) {
  if (options.all && !options.scenarios.empty()) return "give scenarios or --all, not both";
  if (tasks == 0) return "which scenario? isochio list shows them; --all runs all";
  if (options.json == "-" && tasks > 1 && options.profile != "all")
    return "--json - is for one scenario; several go into a folder";
  if (options.profile == "all" && (options.target != "sim" || !options.payload.empty()))
    return "--profile is for the simulated host and a scenario's own payload";
  return target_problem(options);
}

/// Tells of each run in the order of the tasks.
class Teller {
 public:
  Teller(const Options& options, bool several) : options_(options), several_(several) {}

  void tell(const Finished& finished) {
    if (finished.trouble != passed) {
      complain(finished.message);
      fmt::print(talk_, "{}", finished.notes);
      trouble_ = finished.trouble;
      junit_.push_back({finished.result, {}});
      junit_.back().result.error = finished.message;
      return;
    }
    if (finished.not_driven) return;
    const bool good = finished.result.verdict == report::Verdict::passed;
    all_good_ = all_good_ && good;
    // Of many runs only those are told in full that are not as they should be; all stand in the table.
    if (!good || !(options_.all || options_.profile == "all" || options_.jobs > 1))
      fmt::print(talk_, "{}\n", report::console_summary(finished.result, finished.first, colour_));
    fmt::print(talk_, "{}", finished.notes);
    std::fflush(talk_);
    if (finished.output_failed) trouble_ = bad_input;
    covered_.merge(finished.result.coverage);
    results_.push_back(finished.result);
    junit_.push_back({finished.result, finished.first});
    if (options_.profile == "all") junit_.back().result.scenario += "." + finished.result.profile;
  }

  int finish() {
    if (several_ && options_.profile != "all") fmt::print(talk_, "{}\n", report::console_table(results_, colour_));
    if (several_) {
      const auto count = [&](report::Verdict verdict) {
        return std::ranges::count_if(results_, [&](const auto& result) { return result.verdict == verdict; });
      };
      fmt::print(talk_, "{} runs: {} passed, {} failed, {} with errors\n", results_.size(),
                 count(report::Verdict::passed), count(report::Verdict::failed), count(report::Verdict::error));
    }
    if (!options_.junit.empty()) {
      const auto written = report::write_file(options_.junit, report::junit_xml(junit_));
      if (!written) return complain(written.error());
    }
    if (!options_.coverage.empty())
      if (const auto problem = merge_coverage(options_.coverage, covered_); !problem.empty()) return complain(problem);
    if (trouble_ != passed) return trouble_;
    return all_good_ ? passed : checks_failed;
  }
  std::FILE* talk() const { return talk_; }

 private:
  const Options& options_;
  bool several_;
  bool colour_ = report::use_colour(stdout);
  std::FILE* talk_ = options_.json == "-" ? stderr : stdout;
  std::vector<report::RunResult> results_;
  std::vector<report::JUnitRun> junit_;
  coverage::Hits covered_;
  int trouble_ = passed;  // of scenarios that could not be run; the others are run all the same
  bool all_good_ = true;
};

/// The tables of --profile all, and their JSON.
int tell_comparisons(const Options& options, const std::vector<Finished>& all, std::FILE* talk) {
  const auto comparisons = compare_profiles(all);
  fmt::print(talk, "{}", comparison_text(comparisons));
  if (options.json.empty()) return passed;
  const auto json = comparison_json(comparisons);
  if (options.json == "-") {
    fmt::print("{}\n", json);
    return passed;
  }
  const auto written = report::write_file((fs::path(options.json) / "profiles.json").string(), json + "\n");
  return written ? passed : complain(written.error());
}

int run_scenarios(const Options& options) {
  const auto tasks = tasks_of(options);
  if (const auto problem = usage_problem(options, tasks.size()); !problem.empty()) return complain(problem);
  const bool several = tasks.size() > 1;
  if (const auto problem = output_problem(options, several); !problem.empty()) return complain(problem);
  const StandardOutput standard_output(options.json == "-" && !several);

  for (const int signal : {SIGINT, SIGTERM})
    std::signal(signal, [](int number) {
      interrupted = true;
      std::signal(number, SIG_DFL);  // the second time it ends the program at once
    });
  Teller teller(options, several);
  std::vector<Finished> all;
  Progress progress(several ? fmt::format("{} runs", tasks.size()) : fs::path(tasks.front().scenario).stem().string());
  const auto tell = [&](const Finished& finished) {
    progress.clear();
    teller.tell(finished);
    if (options.profile == "all") all.push_back(finished);
  };
  const auto run = [&](const Task& task, const std::function<void(double)>& show) {
    return run_one(options, task, several, standard_output.path(), show);
  };
  run_tasks(
      tasks, options.jobs, run, tell, [&](double share) { progress.show(share); }, interrupted);
  progress.clear();
  if (options.json == "-" && !several) copy_to_stdout(standard_output.path());
  const int code = teller.finish();
  if (options.profile != "all") return code;
  const int told = tell_comparisons(options, all, teller.talk());
  return told != passed ? told : code;
}

}  // namespace

void add_run(CLI::App& app, Action& action) {
  auto* command =
      app.add_subcommand("run", "Run scenarios on the simulated device, or on a real one, and judge every frame");
  const auto options = std::make_shared<Options>();
  command->add_option("SCENARIO", options->scenarios, "Names from isochio list, or paths of scenario files");
  command->add_flag("--all", options->all, "All scenarios of isochio list");
  command->add_option("--jobs", options->jobs, "So many runs at once, each in a process of its own")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  auto profiles = controller::profile_names();
  profiles.emplace_back("all");
  command
      ->add_option("--profile", options->profile,
                   "Host controller instead of the scenario's (isochio list --profiles); all: compare them")
      ->check(CLI::IsMember(profiles));
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
  command->add_flag("--buffered", options->buffered,
                    "With --target libusb: between it and us stands a buffer, as QEMU's usb-redir (docs/libusb.md)");
  command->add_option("--seed", options->seed, "Another seed for the payload than the scenario's");
  command->add_option("--speed", options->speed, "fs (full speed) or hs (high speed) instead of the scenario's")
      ->check(CLI::IsMember({"fs", "hs"}));
  command->add_option("--frames", options->frames, "Length of the streams in frames (1 ms)")
      ->check(CLI::Range(1, 1'000'000'000));
  command->add_option("--json", options->json, "Write the report here (docs/report.schema.json); - is standard output");
  command->add_option("--html", options->html, "Write a report for people here: one file, opens in a browser offline");
  command->add_option("--junit", options->junit, "Write a JUnit report here, one test suite a scenario");
  command->add_option("--coverage", options->coverage,
                      "Merge what the runs covered into this file, for isochio coverage (docs/coverage.md)");
  command->add_option("--wave", options->wave, "Write the device's signals here (FST, for GTKWave); slow");
  command->add_option("--wave-on-violation", options->wave_on_violation,
                      "Only if a check fails: run again up to there, and write the signals around the first violation\n"
                      "here, with a save file for GTKWave beside it");
  command->add_option("--wave-window", options->wave_window_ms, "With --wave-on-violation: milliseconds on each side")
      ->check(CLI::Range(0.001, 10'000.0))
      ->capture_default_str();
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
      "With several scenarios, --json, --html, --wave… and --capture name folders that get one file for each.\n"
      "The same seed gives the same report (but for \"perf\") and the same capture, byte for byte.\n"
      "Ctrl-C ends a run early and leaves whole files.\n"
      "\n"
      "Examples:\n"
      "  isochio run hs-3x1024-in\n"
      "  isochio run loopback --payload song.wav            a real file there and back\n"
      "  isochio run my.toml --seed 7 --frames 100 --json - | jq .violations\n"
      "  isochio run fs-audio --capture fs.pcapng && tshark -r fs.pcapng\n"
      "  isochio run fs-audio --html fs.html && xdg-open fs.html\n"
      "  isochio run my.toml --wave-on-violation my.fst; gtkwave my.gtkw\n"
      "  isochio run --all --jobs 2 --junit report.xml\n"
      "  isochio run too-late --profile all                 where host controllers differ\n"
      "  isochio run hs-1x1024-in --target libusb           on a device that is plugged in\n"
      "  isochio run fs-audio --target libusb --wait 60     … or will be within a minute\n"
      "\n"
      "Exit codes: 0 passed, 1 checks failed, 2 bad usage or input, 3 target not available.");
  command->callback([&action, options] { action = [options] { return run_scenarios(*options); }; });
}

}  // namespace isochio::cli
