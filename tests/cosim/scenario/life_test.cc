// isochio: what happens to device and host while streams run, on the simulated device: every request completes once,
// and the streams go on afterwards if they should.
#include <doctest/doctest.h>

#include <random>
#include <string>

#include <fmt/format.h>

#include "support/scenario_text.h"

using namespace isochio;
using namespace isochio::test;
using check::Group;
using check::Rule;

namespace {

std::string stream_text(const char* driver = "repaired") {
  return fmt::format(
      "frames = 120\n[[stream]]\nalternate = 1\nendpoint = \"in\"\nframes_per_request = 2\ndriver = \"{}\"\n", driver);
}

std::string event(const char* kind, const std::string& at, const std::string& more = "") {
  return fmt::format("[[event]]\nkind = \"{}\"\nat = \"{}\"\n{}\n", kind, at, more);
}

const check::StreamStatistics& of(const scenario::RunOutcome& outcome, std::uint8_t address) {
  for (const auto& stream : outcome.result.streams)
    if (stream.endpoint.value == address) return stream;
  FAIL("no such stream");
  return outcome.result.streams.front();
}

/// What an interruption must not do, whatever it is.
void check_whole(const scenario::RunOutcome& outcome) {
  CAPTURE(outcome.result.error);
  CHECK(outcome.result.error.empty());
  for (const auto& stream : outcome.result.streams) CHECK(stream.requests == stream.completed);
  for (const auto group : {Group::payload, Group::pid_sequence, Group::wire_timing, Group::driver, Group::device_log}) {
    CAPTURE(findings(outcome, group));
    CHECK(outcome.result.violation_count(group) == 0);
  }
}

struct Life {
  const char* name;
  std::string events;
};

}  // namespace

TEST_SUITE("life") {
  TEST_CASE("streams with requests in flight survive each interruption, and deliver all their frames") {
    const std::string point = "40.3.1234";
    for (const auto& [name, events] : {
             Life{"bus reset", event("bus_reset", point)},
             Life{"unplug and plug", event("unplug", point) + event("plug", "60")},
             Life{"the same setting", event("alternate", point, "setting = 1")},
             Life{"another setting and back",
                  event("alternate", point, "setting = 0") + event("alternate", "50.1.77", "setting = 1")},
             Life{"abort", event("abort", point, "stream = \"in\"")},
             Life{"synchronous abort", event("abort", point, "stream = \"in\"\nmode = \"sync\"")},
             Life{"sleep, counter goes on", event("sleep", point) + event("wake", "90")},
             Life{"sleep, counter starts anew", event("sleep", point) + event("wake", "90", "frame = 3")},
             Life{"sleep, counter jumps ahead", event("sleep", point) + event("wake", "90", "jump = 5000")},
         }) {
      CAPTURE(std::string(name));
      const auto outcome = run_text(stream_text() + events);
      check_whole(outcome);
      const auto& in = of(outcome, 0x81);
      CHECK((in.aborted > 0 || std::string(name) == "unplug and plug"));
      CHECK(in.entries >= 120 * 8);
      CHECK(in.entries - in.aborted > 90 * 8);
    }
  }

  TEST_CASE("suspend makes entries miss their time, and nothing else") {
    const auto outcome = run_text(stream_text() + event("suspend", "40.3.1234") + event("resume", "60"));
    check_whole(outcome);
    CHECK(count(outcome, Rule::missed) > 0);
    CHECK(of(outcome, 0x81).aborted == 0);
  }

  TEST_CASE("suspend lets a high-bandwidth interval's packets out; an abort amid them leaves an entry that counts 0") {
    // The three packets of a microframe take some 27 000 bit times; setting 6 is IN, 7 OUT.
    for (const unsigned alternate : {6U, 7U})
      for (unsigned bit = 1'000; bit < 30'000; bit += 4'777)
        for (const bool suspends : {true, false}) {
          CAPTURE(alternate);
          CAPTURE(bit);
          CAPTURE(suspends);
          const auto point = fmt::format("10.3.{}", bit);
          const auto outcome =
              run_text(fmt::format("frames = 30\n[[stream]]\nname = \"three\"\nalternate = {}\nendpoint = \"{}\"\n",
                                   alternate, alternate == 6 ? "in" : "out") +
                       (suspends ? event("suspend", point) + event("resume", "20")
                                 : event("abort", point, "stream = \"three\"")));
          CHECK(outcome.result.error.empty());
          for (const auto rule : {Rule::promise, Rule::status, Rule::count}) CHECK(count(outcome, rule) == 0);
          if (!suspends) continue;
          check_whole(outcome);
          CHECK(count(outcome, Rule::missed) > 0);
        }
  }

  TEST_CASE("when the plug is pulled for good, all requests end and so does the run") {
    const auto outcome = run_text(stream_text() + event("unplug", "40.3.1234"));
    check_whole(outcome);
    CHECK(of(outcome, 0x81).completed < 60);
  }

  TEST_CASE("an interruption that is not gone on from ends the stream") {
    for (const char* kind : {"bus_reset", "alternate", "abort"}) {
      CAPTURE(kind);
      const auto more = std::string(kind) == "abort" ? "go_on = false\nstream = \"in\"" : "go_on = false";
      const auto outcome = run_text(stream_text() + event(kind, "40.3.1234", more));
      check_whole(outcome);
      CHECK(of(outcome, 0x81).completed < 60);
    }
  }

  TEST_CASE("drivers that take an interruption badly are diagnosed") {
    struct Bad {
      const char* driver;
      Rule rule;
      std::string events;
    };
    for (const auto& [driver, rule, events] : {
             Bad{"rearm_on_abort", Rule::rearmed_on_abort, event("abort", "40.3", "stream = \"in\"")},
             Bad{"rearm_on_abort", Rule::rearmed_on_abort, event("unplug", "40.3")},
             Bad{"holds_stale_pipe", Rule::stale_pipe, event("alternate", "40.3", "setting = 1")},
             Bad{"no_replan_after_jump", Rule::not_replanned,
                 event("sleep", "40.3") + event("wake", "90", "frame = 3")},
             Bad{"no_replan_after_jump", Rule::not_replanned,
                 event("sleep", "40.3") + event("wake", "90", "jump = 5000")},
         }) {
      CAPTURE(driver);
      CAPTURE(events);
      const auto outcome = run_text(stream_text(driver) + events);
      CAPTURE(findings(outcome, Group::driver));
      CHECK(outcome.result.error.empty());
      CHECK(count(outcome, rule) == 1);
      CHECK(outcome.result.violation_count(Group::driver) == 1);
    }
  }

  TEST_CASE("events at random bit times never hang, and every request completes once") {
    for (unsigned seed = 1; seed <= 24; ++seed) {
      std::mt19937 random(seed);
      const auto upto = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
      std::string text = fmt::format("speed = \"{}\"\nframes = 24\nseed = {}\n", upto(3) == 0 ? "fs" : "hs", seed);
      const unsigned setting = 4 + upto(2);
      for (const char* direction : {"in", "out"})
        text += fmt::format(
            "[[stream]]\nalternate = {}\nendpoint = \"{}\"\nframes_per_request = {}\ndepth = {}\nsize = 200\n", setting,
            direction, 1 + upto(3), 2 + upto(7));
      if (upto(2) == 0) text += "[[bulk]]\ninterface = 1\nalternate = 0\nname = \"load\"\nendpoint = \"out\"\n";
      unsigned frame = 2;
      for (unsigned i = 0; i < 3; ++i) {
        frame += 1 + upto(5);
        const auto at = fmt::format("{}.{}.{}", frame, upto(8), upto(60'000));
        switch (upto(6)) {
          case 0:
            text += event("bus_reset", at);
            break;
          case 1:
            text += event("unplug", at) + event("plug", std::to_string(frame + 20));
            frame += 20;
            break;
          case 2:
            text += event("abort", at, upto(2) == 0 ? "stream = \"in\"\nmode = \"sync\"" : "stream = \"out\"");
            break;
          case 3:
            text += event("alternate", at, fmt::format("setting = {}", setting));
            break;
          case 4:
            text += event("suspend", at) + event("resume", std::to_string(frame + 10));
            frame += 10;
            break;
          default:
            text += event("sleep", at) + event("wake", std::to_string(frame + 12), "jump = -500");
            frame += 12;
        }
      }
      CAPTURE(seed);
      CAPTURE(text);
      const auto outcome = run_text(text);
      CAPTURE(outcome.result.error);
      CHECK(outcome.result.error.empty());
      for (const auto& stream : outcome.result.streams) {
        CAPTURE(static_cast<unsigned>(stream.endpoint.value));
        CHECK(stream.requests == stream.completed);
      }
      CAPTURE(findings(outcome, Group::driver));
      CHECK(outcome.result.violation_count(Group::driver) == 0);
    }
  }
}
