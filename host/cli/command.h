// isochio: the parts of the command. Each subcommand registers itself with its options and help; main() parses and runs
// what was chosen.
#pragma once

#include <functional>

#include <CLI/CLI.hpp>

namespace isochio::cli {

enum ExitCode : int {
  passed = 0,
  checks_failed = 1,
  bad_input = 2,             ///< usage, a scenario, a device description, a file that can't be written
  target_not_available = 3,  ///< the simulator or board could not be started
};

/// What main() runs after parsing; set by the subcommand that was chosen. Returns an ExitCode.
using Action = std::function<int()>;

void add_run(CLI::App& app, Action& action);
void add_list(CLI::App& app, Action& action);
void add_diff(CLI::App& app, Action& action);
void add_bandwidth(CLI::App& app, Action& action);
void add_devices(CLI::App& app, Action& action);
void add_describe(CLI::App& app, Action& action);
void add_serve(CLI::App& app, Action& action);
void add_coverage(CLI::App& app, Action& action);
void add_explore(CLI::App& app, Action& action);

/// "isochio: " and the message on standard error; returns bad_input.
int complain(const std::string& message);

}  // namespace isochio::cli
