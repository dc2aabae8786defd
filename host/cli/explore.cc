// isochio explore: random scenarios against the executable reference; what fails is made small and written down.
#include <atomic>
#include <csignal>
#include <filesystem>
#include <memory>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/coverage_file.h"
#include "cli/progress.h"
#include "explore/campaign.h"
#include "explore/judge.h"
#include "report/report.h"
#include "simulated_device.h"

namespace isochio::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct Options {
  explore::CampaignOptions campaign;
  double limit_seconds = 60;
  std::vector<std::string> aims;
  std::string folder = ".", json, coverage, fill;
};

std::atomic<bool> interrupted{false};  // set by the handler, the only thing that it may do

explore::Finding run_in_simulation(const std::string& toml) {
  return explore::judge(toml, [](const scenario::LinkRequest& request) -> std::unique_ptr<bus::Link> {
    return verilated::make_simulated_device({.image = request.image, .fs_only = request.fs_only, .wave_path = {}});
  });
}

/// "fault=bit_error,profile=uhci"
std::string read_aims(Options& options) {
  for (const auto& text : options.aims) {
    explore::Aim aim;
    for (std::size_t at = 0; at < text.size();) {
      const auto comma = std::min(text.find(',', at), text.size());
      const auto equals = text.find('=', at);
      if (equals >= comma) return fmt::format("--aim {}: DIMENSION=VALUE, several with commas between them", text);
      aim[text.substr(at, equals - at)] = text.substr(equals + 1, comma - equals - 1);
      at = comma + 1;
    }
    options.campaign.aims.push_back(std::move(aim));
  }
  return {};
}

/// --fill: what has not been covered is what is aimed at.
std::string read_holes(Options& options) {
  if (options.fill.empty()) return {};
  const auto hits = coverage::Hits::load(options.fill);
  if (!hits) return hits.error();
  for (const auto& hole : coverage::summarize(*hits).holes) options.campaign.aims.push_back(hole);
  return options.campaign.aims.empty() ? options.fill + ": there are no holes" : std::string();
}

/// What the campaign tells, as text, files and JSON.
class Teller {
 public:
  explicit Teller(const Options& options) : options_(options) {}

  void failed(const explore::Failure& failure) {
    const auto path =
        (fs::path(options_.folder) / fmt::format("explore-{}-{}.toml", options_.campaign.seed, failure.run)).string();
    const auto written = report::write_file(path, explore::file_of(failure, options_.campaign, path));
    if (!written) problem_ = written.error();
    fmt::print(talk_, "failed  run {}: {} ({})\n  {}\n  made smaller in {} tries; repeat it: isochio run {}\n",
               failure.run, to_string(failure.finding.kind), failure.finding.what, failure.finding.sentence,
               failure.tries, path);
    failures_.push_back({{"run", failure.run},
                         {"kind", to_string(failure.finding.kind)},
                         {"what", failure.finding.what},
                         {"sentence", failure.finding.sentence},
                         {"tries", failure.tries},
                         {"scenario", failure.smallest.to_toml()},
                         {"file", path}});
  }

  int finish(const explore::Totals& totals) {
    fmt::print(talk_, "{} runs with seed {}: {} failed{}\n", totals.runs, options_.campaign.seed, totals.failures,
               interrupted ? ", interrupted" : "");
    if (!options_.json.empty()) write_json(totals);
    if (!problem_.empty()) return complain(problem_);
    return totals.failures == 0 ? passed : checks_failed;
  }
  std::FILE* talk() const { return talk_; }

 private:
  void write_json(const explore::Totals& totals) {
    const auto text = Json{{"seed", options_.campaign.seed},
                           {"first", options_.campaign.first},
                           {"runs", totals.runs},
                           {"failures", failures_}}
                          .dump(2, ' ', false, Json::error_handler_t::replace) +
                      "\n";
    if (options_.json == "-") return fmt::print("{}", text);
    if (const auto written = report::write_file(options_.json, text); !written) problem_ = written.error();
  }

  const Options& options_;
  std::FILE* talk_ = options_.json == "-" ? stderr : stdout;
  Json failures_ = Json::array();
  std::string problem_;  ///< a file that can't be written
};

/// What is written at the end, known before a long campaign.
std::string output_problem(const Options& options) {
  if (!options.json.empty() && options.json != "-")
    if (const auto checked = report::OutputFile::check(options.json); !checked) return checked.error();
  return options.coverage.empty() ? std::string() : check_coverage_file(options.coverage);
}

int explore_scenarios(Options& options) {
  if (const auto problem = read_aims(options); !problem.empty()) return complain(problem);
  std::error_code error;
  fs::create_directories(options.folder, error);
  if (error) return complain(options.folder + ": " + error.message());
  options.campaign.limit = std::chrono::milliseconds(static_cast<std::int64_t>(options.limit_seconds * 1000));
  for (const int signal : {SIGINT, SIGTERM})
    std::signal(signal, [](int number) {
      interrupted = true;
      std::signal(number, SIG_DFL);  // the second time it ends the program at once
    });
  if (const auto problem = read_holes(options); !problem.empty()) return complain(problem);
  if (const auto problem = output_problem(options); !problem.empty()) return complain(problem);
  Teller teller(options);
  Progress progress(fmt::format("{} runs", options.campaign.runs));
  explore::Observed observed;
  coverage::Hits covered;
  observed.ended = [&](std::uint64_t, const explore::Finding& finding) {
    if (const auto hits = coverage::Hits::parse(finding.coverage)) covered.merge(*hits);
  };
  observed.failed = [&](const explore::Failure& failure) {
    progress.clear();
    teller.failed(failure);
  };
  observed.progress = [&](double share) { progress.show(share); };
  observed.stop = [] { return interrupted.load(); };
  const auto totals = explore::explore(options.campaign, run_in_simulation, observed);
  progress.clear();
  if (!totals.problem.empty()) {
    complain(totals.problem);
    return totals.runs > 0 ? target_not_available : bad_input;
  }
  const int code = teller.finish(totals);
  const auto problem = options.coverage.empty() ? std::string() : merge_coverage(options.coverage, covered);
  return problem.empty() ? code : complain(problem);
}

}  // namespace

void add_explore(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand(
      "explore", "Run random scenarios, hold them against what IsochIO promises, and make small what fails");
  const auto options = std::make_shared<Options>();
  auto& campaign = options->campaign;
  command->add_option("--runs", campaign.runs, "So many scenarios")
      ->check(CLI::Range(1, 100'000'000))
      ->capture_default_str();
  command->add_option("--seed", campaign.seed, "From it all scenarios follow")->capture_default_str();
  command->add_option("--from", campaign.first, "Number of the first run; with --runs 1 one scenario alone")
      ->capture_default_str();
  command->add_option("--jobs", campaign.jobs, "So many at once")->check(CLI::Range(1, 64))->capture_default_str();
  command->add_option("--limit", options->limit_seconds, "A run that takes more processor time, in seconds, hangs")
      ->check(CLI::Range(0.001, 3600.0))
      ->capture_default_str();
  command->add_option("--device", campaign.devices, "Devices whose settings are used: names or paths")
      ->capture_default_str();
  command->add_option("--aim", options->aims,
                      "What the scenarios should have, e.g. fault=bit_error,profile=uhci (docs/coverage.md has the\n"
                      "dimensions); several are taken in turn");
  command
      ->add_option("--shrink", campaign.shrink_tries, "So many runs to make one failure smaller; 0: leave it as it is")
      ->check(CLI::Range(0, 100'000))
      ->capture_default_str();
  command->add_option("--failures", campaign.most_failures, "End after so many")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  command->add_option("--coverage", options->coverage,
                      "Merge what the runs covered into this file, for isochio coverage");
  command->add_option("--fill", options->fill, "Aim at the holes of this coverage file")->check(CLI::ExistingFile);
  command->add_option("--folder", options->folder, "Where scenarios that fail are written")->capture_default_str();
  command->add_option("--json", options->json, "Write what was found here; - is standard output");
  command->footer(
      "Each scenario is judged by all checks and by the executable reference (docs/reference.md), which works out "
      "from\n"
      "calls, faults and events what each call, entry and completion is promised. A broken promise, an unexpected\n"
      "violation, a crash or a run beyond the limit is a failure: it is made as small as can be and written as\n"
      "explore-SEED-RUN.toml, which isochio run repeats.\n"
      "\n"
      "Examples:\n"
      "  isochio explore --runs 1000 --seed 7 --jobs 2\n"
      "  isochio explore --seed 7 --from 123 --runs 1          run 123 of that alone\n"
      "  isochio explore --aim fault=late_answer,speed=fs --runs 50\n"
      "  isochio explore --fill c.json --coverage c.json       what has not been covered yet\n"
      "  isochio explore --device my-device.toml --runs 200    the settings of a device of your own\n"
      "\n"
      "Exit codes: 0 nothing failed, 1 something did, 2 bad usage or input, 3 target not available.");
  command->callback([&action, options] { action = [options] { return explore_scenarios(*options); }; });
}

}  // namespace isochio::cli
