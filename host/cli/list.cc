// isochio list: the scenarios there are.
#include <memory>

#include <fmt/format.h>

#include "cli/command.h"
#include "scenario/catalogue.h"
#include "scenario/scenario.h"

namespace isochio::cli {
namespace {

int list_scenarios(bool paths) {
  int code = passed;
  for (const auto& file : scenario::list(scenario::Shelf::scenarios)) {
    const auto loaded = scenario::load_scenario(file);
    if (!loaded) {
      code = complain(loaded.error().to_string());
      continue;
    }
    fmt::print("{:<20} {}  {}\n", loaded->name, usb::to_string(loaded->speed),
               paths ? file.string() : loaded->description);
  }
  return code;
}

}  // namespace

void add_list(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("list", "List the scenarios, one line each: name, speed, what it is");
  const auto paths = std::make_shared<bool>(false);
  command->add_flag("--paths", *paths, "Print where each file is instead of its description");
  command->footer(
      "Scenarios are the .toml files of $ISOCHIO_DATA/scenarios if ISOCHIO_DATA is set, else those that came\n"
      "with isochio. A scenario of your own need not be listed: isochio run PATH.\n"
      "\n"
      "Examples:\n"
      "  isochio list\n"
      "  cp \"$(isochio list --paths | awk '$1 == \"loopback\" {print $3}')\" mine.toml");
  command->callback([&action, paths] { action = [paths] { return list_scenarios(*paths); }; });
}

}  // namespace isochio::cli
