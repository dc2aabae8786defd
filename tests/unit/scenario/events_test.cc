// isochio: events, software and driver patterns as a scenario file has them.
#include <doctest/doctest.h>

#include <string>

#include "scenario/driver/pattern.h"
#include "scenario/scenario.h"

using namespace isochio;
using scenario::Event;

namespace {

const std::string in = "[[stream]]\nendpoint = \"in\"\n";

std::string event(const std::string& kind, const std::string& at, const std::string& more = "") {
  return "[[event]]\nkind = \"" + kind + "\"\nat = " + at + "\n" + more;
}

scenario::Scenario good(const std::string& text) {
  auto parsed = scenario::parse_scenario(in + text, "x.toml");
  if (!parsed) FAIL(parsed.error().to_string());
  return *parsed;
}

bool refuses(const std::string& text, const std::string& words) {
  const auto parsed = scenario::parse_scenario(in + text, "x.toml");
  if (parsed) return false;
  CAPTURE(parsed.error().to_string());
  CHECK(parsed.error().to_string().find(words) != std::string::npos);
  return true;
}

}  // namespace

TEST_CASE("an event's time is a frame, a microframe and a bit of the streams' own") {
  CHECK(good(event("bus_reset", "7")).events.at(0).at == 7 * bus::frame);
  CHECK(good(event("bus_reset", "\"7\"")).events.at(0).at == 7 * bus::frame);
  CHECK(good(event("bus_reset", "\"7.3\"")).events.at(0).at == 7 * bus::frame + 3 * bus::microframe);
  CHECK(good(event("bus_reset", "\"7.3.59999\"")).events.at(0).at ==
        7 * bus::frame + 3 * bus::microframe + bus::Duration{59'999});
  CHECK(good(event("bus_reset", "\"0.0.479999\"")).events.at(0).at == bus::Duration{479'999});
  for (const char* bad : {"-1", "\"7.8\"", "\"7.3.480000\"", "\"7.\"", "\"\"", "\"a\"", "7.5", "\"1.2.3.4\"", "true"}) {
    CAPTURE(std::string(bad));
    CHECK(refuses(event("bus_reset", bad), "event[0].at: when it happens"));
  }
  CHECK(refuses("[[event]]\nkind = \"bus_reset\"\n", "event[0].at: when it happens"));
}

TEST_CASE("what an event needs is there, and keys belong to their kinds") {
  const auto abort = good(event("abort", "3", "stream = \"in\"\nmode = \"sync\"\ngo_on = false\n")).events.at(0);
  CHECK(abort.kind == Event::Kind::abort);
  CHECK(abort.synchronous);
  CHECK_FALSE(abort.go_on);
  const auto wake = good(event("sleep", "3") + event("wake", "9", "jump = -40\n")).events.at(1);
  CHECK(wake.jump == -40);
  CHECK_FALSE(wake.frame.has_value());
  CHECK(good(event("block_queue", "3", "duration_us = 1500\n")).events.at(0).duration == 1500 * bus::microsecond);

  CHECK(refuses(event("explode", "3"), "event[0].kind"));
  CHECK(refuses(event("abort", "3"), "event[0].stream"));
  CHECK(refuses(event("abort", "3", "stream = \"nobody\"\n"), "no isochronous stream named \"nobody\""));
  CHECK(refuses(event("suspend", "3"), "write a resume event"));
  CHECK(refuses(event("resume", "3"), "needs a suspend event before it"));
  CHECK(refuses(event("plug", "3") + event("unplug", "4"), "needs a unplug event before it"));
  CHECK(refuses(event("wake", "3"), "needs a sleep event before it"));
  CHECK(refuses(event("unplug", "3", "setting = 1\n"), "only with kind = \"alternate\""));
  CHECK(refuses(event("bus_reset", "3", "jump = 1\n"), "only with kind = \"wake\""));
  CHECK(refuses(event("sleep", "3") + event("wake", "9", "jump = 1\nframe = 5\n"), "only one of"));
  CHECK(refuses(event("block_queue", "3"), "duration_us"));
}

TEST_CASE("software is kept from its work in ways that make sense") {
  const auto scenario = good(
      "[software]\ninterrupt_latency_us = 10\ninterrupt_latency = \"long_tail\"\ninterrupt_latency_max_us = 900\n"
      "interrupt_tail_us = 50\ninterrupt_coalesce_us = 125\ninterrupt_stall_us = 2000\ninterrupt_stall_every_us = "
      "9000\nqueue_block_us = 30000\nqueue_block_every_us = 100000\n");
  CHECK(scenario.controller.interrupt_latency == 10 * bus::microsecond);
  CHECK(scenario.controller.interrupts.shape == controller::InterruptOptions::Shape::long_tail);
  CHECK(scenario.controller.interrupts.most == 900 * bus::microsecond);
  CHECK(scenario.controller.interrupts.coalesce == 125 * bus::microsecond);
  CHECK(scenario.software.queue_block == 30 * bus::millisecond);
  CHECK(refuses("[software]\ninterrupt_latency = \"uniform\"\n", "interrupt_latency_max_us"));
  CHECK(
      refuses("[software]\ninterrupt_latency = \"long_tail\"\ninterrupt_latency_max_us = 100\n", "interrupt_tail_us"));
  CHECK(refuses("[software]\ninterrupt_stall_us = 100\n", "interrupt_stall_every_us"));
  CHECK(refuses("[software]\nqueue_block_us = 100\nqueue_block_every_us = 100\n", "queue_block_every_us"));
}

TEST_CASE("a driver pattern is known by its name, and asked only for what it can do") {
  for (const auto& pattern : scenario::driver::pattern_names()) {
    CAPTURE(std::string(pattern.name));
    CHECK(scenario::driver::make_pattern(pattern.name) != nullptr);
    CHECK(std::string(pattern.sentence).size() > 10);
  }
  CHECK(scenario::driver::make_pattern("no such") == nullptr);
  CHECK(good("driver = \"depth_1\"\n").streams.at(0).driver == "depth_1");
  CHECK(refuses("driver = \"depth1\"\n", "did you mean \"depth_1\"?"));
  CHECK(refuses("driver = \"max_packet_stride\"\n", "a mistake of OUT streams"));
  CHECK(refuses("driver = \"depth_1\"\nmode = \"sync\"\n", "stream[0].driver"));
}
