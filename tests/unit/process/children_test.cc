#include "process/children.h"

#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <map>
#include <stdexcept>

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using isochio::process::Children;
using isochio::process::Ended;

namespace {

Ended end_of_next(Children& children) {
  for (;;)
    if (auto ended = children.wait(10s); !ended.empty()) return ended.front();
}

Ended end_of(const Children::Work& work, Children::Limit limit = {}) {
  Children children(limit);
  REQUIRE(children.start(7, work));
  auto ended = end_of_next(children);
  CHECK(ended.number == 7);
  CHECK(children.running() == 0);
  return ended;
}

}  // namespace

TEST_CASE("a child's text comes back whole, however long it is") {
  // More than a pipe holds, more than one read takes, and not a multiple of either.
  std::string much;
  while (much.size() < 1'000'003) much += std::to_string(much.size());
  const auto ended = end_of([&] { return much; });
  CHECK(ended.text == much);
  CHECK(ended.signal == 0);
  CHECK_FALSE(ended.hung);
}

TEST_CASE("a child that writes nothing ends like any other") {
  const auto ended = end_of([] { return std::string(); });
  CHECK(ended.text.empty());
  CHECK(ended.signal == 0);
  CHECK_FALSE(ended.hung);
}

TEST_CASE("a child that crashes or is killed says by which signal it ended") {
  CHECK(end_of([]() -> std::string {
          ::signal(SIGSEGV, SIG_DFL);  // doctest has a handler of its own
          ::raise(SIGSEGV);
          return "not reached";
        }).signal == SIGSEGV);
  const auto killed = end_of([]() -> std::string {
    ::kill(::getpid(), SIGKILL);
    return "not reached";
  });
  CHECK(killed.signal == SIGKILL);
  CHECK(killed.text.empty());
  CHECK_FALSE(killed.hung);
}

TEST_CASE("what a child throws ends the child only") {
  const auto ended = end_of([]() -> std::string {
    ::signal(SIGABRT, SIG_DFL);
    ::close(STDERR_FILENO);  // the runtime's message belongs to no test's output
    throw std::runtime_error("thrown on purpose");
  });
  CHECK(ended.signal == SIGABRT);
  CHECK(ended.text.empty());
}

TEST_CASE("a child that computes for longer than its limit is hung") {
  const auto ended = end_of(
      []() -> std::string {
        for (volatile unsigned turns = 0;;) turns = turns + 1;
      },
      50ms);
  CHECK(ended.hung);
}

TEST_CASE("a child that waits for longer than its limit allows is hung, too") {
  const auto ended = end_of(
      []() -> std::string {
        for (;;) ::pause();
      },
      10ms);
  CHECK(ended.hung);
}

TEST_CASE("a child within its limit is not hung, and another's hang does not touch it") {
  Children children(500ms);
  REQUIRE(children.start(1, []() -> std::string {
    for (;;) ::pause();
  }));
  REQUIRE(children.start(2, [] { return std::string("done"); }));
  std::map<std::size_t, Ended> ended;
  while (children.running() > 0)
    for (auto& one : children.wait(10s)) ended[one.number] = one;
  CHECK(ended[1].hung);
  CHECK_FALSE(ended[2].hung);
  CHECK(ended[2].text == "done");
}

TEST_CASE("with none running nobody waits, and with one that takes its time no longer than asked") {
  Children children;
  const auto began = std::chrono::steady_clock::now();
  CHECK(children.wait(10min).empty());
  REQUIRE(children.start(0, []() -> std::string {
    for (;;) ::pause();
  }));
  CHECK(children.wait(10ms).empty());
  CHECK(std::chrono::steady_clock::now() - began < 1min);
  CHECK(children.running() == 1);
}

TEST_CASE("children that still run end with their owner") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  {
    Children children;
    REQUIRE(children.start(0, []() -> std::string {
      for (;;) ::pause();
    }));
    ::close(ends[1]);  // the child alone holds it now
  }
  char byte = 0;
  CHECK(::read(ends[0], &byte, 1) == 0);  // and so it comes to an end
  ::close(ends[0]);
}
