// isochio: runs that can't harm the campaign: each in a process of its own, with a limit of processor time; a crash and
// a hang are findings. Several at once.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "explore/finding.h"
#include "process/children.h"

namespace isochio::explore {

/// Runs the scenario with this text; in the child process.
using RunScenario = std::function<Finding(const std::string& toml)>;

class Isolated {
 public:
  Isolated(RunScenario run, std::chrono::milliseconds limit) : run_(std::move(run)), limit_(limit), children_(limit) {}

  /// `number` names the run in wait(). Throws std::runtime_error if the machine has no process left.
  void start(std::size_t number, const std::string& toml);
  std::size_t running() const { return children_.running(); }
  struct Ended {
    std::size_t number = 0;
    Finding finding;
  };
  /// Waits for one to end, a tenth of a second at most; empty: none has.
  std::vector<Ended> wait();
  /// One run, to its end.
  Finding run(const std::string& toml);

 private:
  Finding finding_of(const process::Ended& child) const;

  RunScenario run_;
  std::chrono::milliseconds limit_;
  process::Children children_;
};

}  // namespace isochio::explore
