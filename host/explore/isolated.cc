#include "explore/isolated.h"

#include <poll.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "explore/write_all.h"

namespace isochio::explore {
namespace {

using Json = nlohmann::json;

std::string encode(const Finding& finding) {
  return Json::array({static_cast<int>(finding.kind), finding.what, finding.sentence, finding.coverage})
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

Finding crashed(const std::string& what) {
  return {Finding::Kind::crashed, what, "the run ended without a result: " + what, {}};
}

/// A process that computes for longer than `limit` ends by SIGPROF, whatever else the machine does meanwhile.
void limit_processor_time(std::chrono::milliseconds limit) {
  itimerval timer{};
  timer.it_value = {limit.count() / 1000, static_cast<suseconds_t>(limit.count() % 1000 * 1000)};
  ::setitimer(ITIMER_PROF, &timer, nullptr);
}

}  // namespace

const char* to_string(Finding::Kind kind) {
  constexpr const char* words[] = {"passed", "violated", "error", "crashed", "hung", "invalid", "no_target"};
  return words[static_cast<std::size_t>(kind)];
}

void Isolated::start(std::size_t number, const std::string& toml) {
  std::array<int, 2> ends{};
  if (::pipe(ends.data()) != 0) throw std::runtime_error(std::string("no pipe: ") + std::strerror(errno));
  std::fflush(stdout);
  std::fflush(stderr);
  const pid_t pid = ::fork();
  if (pid < 0) throw std::runtime_error(std::string("no process: ") + std::strerror(errno));
  if (pid == 0) {
    ::close(ends[0]);
    limit_processor_time(limit_);
    Finding finding;
    try {
      finding = run_(toml);
    } catch (const std::exception& problem) {
      finding = crashed(problem.what());
    }
    write_all(ends[1], encode(finding));
    ::_exit(0);
  }
  ::close(ends[1]);
  children_.push_back({pid, ends[0], number, Clock::now() + patience * limit_, {}});
}

Isolated::~Isolated() {
  for (const auto& child : children_) {
    ::kill(child.pid, SIGKILL);
    ::close(child.pipe);
    ::waitpid(child.pid, nullptr, 0);
  }
}

/// true when the child has ended.
bool Isolated::read_some(Child& child) const {
  std::array<char, 65536> block{};
  const auto n = ::read(child.pipe, block.data(), block.size());
  if (n > 0) child.text.append(block.data(), static_cast<std::size_t>(n));
  return n == 0 || (n < 0 && errno != EINTR);
}

Finding Isolated::reap(const Child& child, bool late) const {
  if (late) ::kill(child.pid, SIGKILL);
  ::close(child.pipe);
  int status = 0;
  while (::waitpid(child.pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (late || (WIFSIGNALED(status) && WTERMSIG(status) == SIGPROF))
    return {
        Finding::Kind::hung, "limit", fmt::format("no end after {} s", static_cast<double>(limit_.count()) / 1000), {}};
  if (WIFSIGNALED(status)) return crashed(fmt::format("signal {}", WTERMSIG(status)));
  const auto j = Json::parse(child.text, nullptr, false);
  if (!j.is_array() || j.size() != 4) return crashed("no result");
  return {static_cast<Finding::Kind>(j[0].get<int>()), j[1], j[2], j[3]};
}

std::vector<Isolated::Ended> Isolated::wait() {
  std::vector<pollfd> files;
  for (const auto& child : children_) files.push_back({child.pipe, POLLIN, 0});
  constexpr int nap = 100;  // ms
  if (::poll(files.data(), files.size(), nap) < 0) return {};
  std::vector<Ended> ended;
  for (std::size_t i = children_.size(); i-- > 0;) {
    const bool over = files[i].revents != 0 && read_some(children_[i]);
    const bool late = !over && Clock::now() >= children_[i].deadline;
    if (!over && !late) continue;
    ended.push_back({children_[i].number, reap(children_[i], late)});
    children_.erase(children_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return ended;
}

Finding Isolated::run(const std::string& toml) {
  start(0, toml);
  for (;;)
    if (auto ended = wait(); !ended.empty()) return std::move(ended.front().finding);
}

}  // namespace isochio::explore
