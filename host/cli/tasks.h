// isochio: many runs, some at once. Each run that is not alone has a process of its own (a run uses the process: one
// Runtime, one simulated device); what it found comes back through a pipe. What is told is in the order of the tasks.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "report/report.h"

namespace isochio::cli {

struct Task {
  std::string scenario;  ///< a name or path
  std::string profile;   ///< empty: the scenario's own
  bool in_all_profiles = false;
  bool is_path = false;  ///< given by the user: repeat commands name it so
};

struct Finished {
  report::RunResult result;
  std::vector<check::Violation> first;
  int trouble = 0;  ///< an ExitCode; not passed: there is no result, and `message` says why
  std::string message;
  std::string notes;           ///< lines to print behind the result: annotations, where waves are
  bool output_failed = false;  ///< a file could not be written
  bool not_driven = false;     ///< the profile can't drive the scenario's speed
};

/// Calls `run` for each task and `tell` with each result, in the tasks' order. With `jobs` 1 everything happens in this
/// process. `progress`: share of the tasks that is done. Ends early when `interrupted` is set.
void run_tasks(const std::vector<Task>& tasks, unsigned jobs,
               const std::function<Finished(const Task&, const std::function<void(double)>&)>& run,
               const std::function<void(const Finished&)>& tell, const std::function<void(double)>& progress,
               const std::atomic<bool>& interrupted);

/// What goes through the pipe: all that console, table, comparison and JUnit tell.
std::string encode(const Finished& finished);
/// Empty text or damaged text: a Finished with trouble.
Finished decode(const std::string& text);

}  // namespace isochio::cli
