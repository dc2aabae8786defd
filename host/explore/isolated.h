// isochio: runs that can't harm the campaign: each in a process of its own, with a limit of processor time; a crash and
// a hang are findings. Several at once.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "explore/finding.h"

namespace isochio::explore {

/// Runs the scenario with this text; in the child process.
using RunScenario = std::function<Finding(const std::string& toml)>;

class Isolated {
 public:
  Isolated(RunScenario run, std::chrono::milliseconds limit) : run_(std::move(run)), limit_(limit) {}
  ~Isolated();  ///< ends what still runs
  Isolated(const Isolated&) = delete;
  Isolated& operator=(const Isolated&) = delete;

  /// `number` names the run in next().
  void start(std::size_t number, const std::string& toml);
  std::size_t running() const { return children_.size(); }
  struct Ended {
    std::size_t number = 0;
    Finding finding;
  };
  /// Waits for one to end, a tenth of a second at most; empty: none has.
  std::vector<Ended> wait();
  /// One run, to its end.
  Finding run(const std::string& toml);

  /// A run that waits instead of computing ends after so many times its limit.
  static constexpr int patience = 10;

 private:
  using Clock = std::chrono::steady_clock;
  struct Child {
    pid_t pid = -1;
    int pipe = -1;
    std::size_t number = 0;
    Clock::time_point deadline;
    std::string text;
  };
  bool read_some(Child& child) const;
  Finding reap(const Child& child, bool late) const;

  RunScenario run_;
  std::chrono::milliseconds limit_;
  std::vector<Child> children_;
};

}  // namespace isochio::explore
