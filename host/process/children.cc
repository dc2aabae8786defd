#include "process/children.h"

#include <poll.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

namespace isochio::process {
namespace {

/// All of `text`, also if a signal comes between. A parent that has gone away is no error: nobody is left to tell.
void write_all(int file, const std::string& text) {
  std::size_t done = 0;
  while (done < text.size()) {
    const auto n = ::write(file, text.data() + done, text.size() - done);
    if (n < 0 && errno != EINTR) return;
    if (n > 0) done += static_cast<std::size_t>(n);
  }
}

/// Appends what there is; true when the writer has ended.
bool read_some(int file, std::string& text) {
  std::array<char, 65536> block{};
  const auto n = ::read(file, block.data(), block.size());
  if (n > 0) text.append(block.data(), static_cast<std::size_t>(n));
  return n == 0 || (n < 0 && errno != EINTR);
}

/// A process that computes for longer ends by SIGPROF.
void limit_processor_time(std::chrono::milliseconds limit) {
  itimerval timer{};
  timer.it_value = {limit.count() / 1000, static_cast<suseconds_t>(limit.count() % 1000 * 1000)};
  ::setitimer(ITIMER_PROF, &timer, nullptr);
}

/// The child's whole life. noexcept: an exception must not carry it back into the parent's code.
[[noreturn]] void live(int pipe, const Children::Work& work, Children::Limit limit) noexcept {
  if (limit) limit_processor_time(*limit);
  write_all(pipe, work());
  ::_exit(0);
}

/// The signal that ended it, 0 if none did.
int end_of(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

tl::unexpected<std::string> not_started(int error) {
  return tl::unexpected(std::string("no process could be started: ") + std::strerror(error));
}

}  // namespace

tl::expected<void, std::string> Children::start(std::size_t number, const Work& work) {
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) return not_started(errno);
  // What is still in them would come out twice.
  std::fflush(stdout);
  std::fflush(stderr);
  const pid_t pid = ::fork();
  const int error = errno;
  if (pid == 0) {
    ::close(ends[0]);
    live(ends[1], work, limit_);
  }
  ::close(ends[1]);
  if (pid < 0) {
    ::close(ends[0]);
    return not_started(error);
  }
  const auto deadline = limit_ ? Clock::now() + patience * *limit_ : Clock::time_point::max();
  children_.push_back({pid, ends[0], number, deadline, {}});
  return {};
}

Children::~Children() {
  for (const auto& child : children_) {
    ::kill(child.pid, SIGKILL);
    ::close(child.pipe);
    end_of(child.pid);
  }
}

/// ms, rounded up.
int Children::until_next_deadline(std::chrono::milliseconds at_most) const {
  auto wake = Clock::now() + at_most;
  for (const auto& child : children_) wake = std::min(wake, child.deadline);
  const auto rest = std::chrono::ceil<std::chrono::milliseconds>(wake - Clock::now());
  return std::max(0, static_cast<int>(rest.count()));
}

std::vector<Ended> Children::wait(std::chrono::milliseconds at_most) {
  std::vector<pollfd> files;
  for (const auto& child : children_) files.push_back({child.pipe, POLLIN, 0});
  if (files.empty() || ::poll(files.data(), files.size(), until_next_deadline(at_most)) < 0) return {};
  std::vector<Ended> ended;
  for (std::size_t i = children_.size(); i-- > 0;) {
    auto& child = children_[i];
    const bool over = files[i].revents != 0 && read_some(child.pipe, child.text);
    const bool late = !over && Clock::now() >= child.deadline;
    if (!over && !late) continue;
    if (late) ::kill(child.pid, SIGKILL);
    ::close(child.pipe);
    const int signal = end_of(child.pid);
    const bool hung = late || (limit_ && signal == SIGPROF);
    ended.push_back({child.number, std::move(child.text), signal, hung});
    children_.erase(children_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return ended;
}

}  // namespace isochio::process
