// isochio coverage: what runs have covered so far, and what they have not.
#include <memory>

#include <fmt/format.h>

#include "cli/command.h"
#include "cli/coverage_file.h"
#include "coverage/report.h"
#include "report/report.h"

namespace isochio::cli {

std::string merge_coverage(const std::string& file, const coverage::Hits& hits) {
  auto all = coverage::Hits::load(file);
  if (!all) return all.error();
  all->merge(hits);
  const auto written = report::write_file(file, all->to_json());
  return written ? std::string() : written.error();
}

std::string check_coverage_file(const std::string& file) {
  if (const auto there = coverage::Hits::load(file); !there) return there.error();
  const auto checked = report::OutputFile::check(file);
  return checked ? std::string() : checked.error();
}

namespace {

struct Options {
  std::vector<std::string> files;
  std::string html, json;
  std::size_t holes = 20;
  double at_least = 0;
};

int show_coverage(const Options& options) {
  coverage::Hits hits;
  for (const auto& file : options.files) {
    const auto one = coverage::Hits::load(file);
    if (!one) return complain(one.error());
    hits.merge(*one);
  }
  const auto summary = coverage::summarize(hits);
  fmt::print(options.json == "-" ? stderr : stdout, "{}", coverage::text(summary, hits.runs(), options.holes));
  const auto write = [](const std::string& file, const std::string& text) -> std::string {
    if (file.empty()) return {};
    if (file == "-") {
      fmt::print("{}", text);
      return {};
    }
    const auto written = report::write_file(file, text);
    return written ? std::string() : written.error();
  };
  for (const auto& problem : {write(options.json, coverage::json(summary, hits.runs())),
                              write(options.html, options.html.empty() ? "" : coverage::html(hits, summary))})
    if (!problem.empty()) return complain(problem);
  return summary.all.percent() < options.at_least ? checks_failed : passed;
}

}  // namespace

void add_coverage(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("coverage", "Say what runs have covered so far, and what would fill the holes");
  const auto options = std::make_shared<Options>();
  command->add_option("FILE", options->files, "Coverage that isochio run or explore --coverage has written; merged")
      ->required()
      ->check(CLI::ExistingFile);
  command->add_option("--holes", options->holes, "List so many holes")->capture_default_str();
  command->add_option("--html", options->html, "Write tables of all pairs here: one file, opens in a browser offline");
  command->add_option("--json", options->json, "Write percentages, holes and exclusions here; - is standard output");
  command->add_option("--at-least", options->at_least, "Exit code 1 below so many percent")
      ->check(CLI::Range(0.0, 100.0));
  command->footer(
      "What counts: speed, direction, transactions, interval, size, start, depth, fault, status and profile, each "
      "crossed\n"
      "with each (docs/coverage.md). Impossible crosses don't count; each has its reason.\n"
      "\n"
      "Examples:\n"
      "  isochio run --all --jobs 2 --coverage c.json\n"
      "  isochio explore --runs 500 --jobs 2 --coverage c.json      merged into the same file\n"
      "  isochio coverage c.json --html coverage.html\n"
      "  isochio explore --fill c.json --coverage c.json            scenarios for what is missing\n"
      "  isochio coverage mine.json theirs.json --at-least 95\n"
      "\n"
      "Exit codes: 0 good, 1 below --at-least, 2 bad usage or input.");
  command->callback([&action, options] { action = [options] { return show_coverage(*options); }; });
}

}  // namespace isochio::cli
