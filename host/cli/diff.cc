// isochio diff: what changed between two runs.
#include <memory>

#include <fmt/format.h>

#include "cli/command.h"
#include "report/diff.h"

namespace isochio::cli {
namespace {

struct Options {
  std::string a, b;
  bool json = false;
  std::size_t limit = 50;
};

int show_diff(const Options& options) {
  const auto diff = report::diff_reports(options.a, options.b, options.limit);
  if (!diff) return complain(diff.error());
  if (options.json) {
    fmt::print("{}\n", report::to_json(*diff).dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
  } else {
    fmt::print("{}", report::to_text(*diff, options.a, options.b, options.limit));
  }
  return diff->same() ? passed : checks_failed;
}

}  // namespace

void add_diff(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("diff", "Say what changed between two runs, frame by frame");
  const auto options = std::make_shared<Options>();
  command->add_option("A", options->a, "A report of isochio run --json")->required();
  command->add_option("B", options->b, "Another one")->required();
  command->add_flag("--json", options->json, "Print JSON instead of text");
  command->add_option("--limit", options->limit, "At most so many lines of violations and of frames; all are counted")
      ->capture_default_str();
  command->footer(
      "Compares results (wall-clock figures apart), violations, and what each service interval asked for, moved and\n"
      "was told. Frames are matched by number, so runs of different lengths can be compared.\n"
      "\n"
      "Examples:\n"
      "  isochio run mine.toml --json before.json; $EDITOR mine.toml; isochio run mine.toml --json after.json\n"
      "  isochio diff before.json after.json\n"
      "  isochio diff before.json after.json --json | jq '.frames[0]'\n"
      "\n"
      "Exit codes: 0 the same, 1 different, 2 bad usage or input.");
  command->callback([&action, options] { action = [options] { return show_diff(*options); }; });
}

}  // namespace isochio::cli
