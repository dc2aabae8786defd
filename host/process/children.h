// isochio: work done in child processes, several at once, so that a crash or a hang of one ends nothing else; the text
// that each comes to is handed back through a pipe.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <tl/expected.hpp>

namespace isochio::process {

/// How a child ended.
struct Ended {
  std::size_t number = 0;  ///< as given to start()
  std::string text;        ///< what the work came to; with a signal or a hang whatever came before
  int signal = 0;          ///< that ended it; 0: it ended by itself
  bool hung = false;       ///< ended by its limit, and not by a signal of its own
};

class Children {
 public:
  /// Called in the child. What it throws ends the child by SIGABRT.
  using Work = std::function<std::string()>;
  /// Of processor time, for each child: it does not depend on what else the machine does. Without one a child may take
  /// as long as it likes.
  using Limit = std::optional<std::chrono::milliseconds>;

  explicit Children(Limit limit = {}) : limit_(limit) {}
  ~Children();  ///< ends what still runs
  Children(const Children&) = delete;
  Children& operator=(const Children&) = delete;

  /// Why no process could be started, for people.
  tl::expected<void, std::string> start(std::size_t number, const Work& work);
  std::size_t running() const { return children_.size(); }
  /// Those that have ended; waits for one at most as long as said, and not at all if none runs.
  std::vector<Ended> wait(std::chrono::milliseconds at_most);

  /// A child that waits instead of computing is ended after so many times its limit.
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
  int until_next_deadline(std::chrono::milliseconds at_most) const;

  Limit limit_;
  std::vector<Child> children_;
};

}  // namespace isochio::process
