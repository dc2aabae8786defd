// The shipped scenarios in short: what of the device they see, they see in a few frames.
#include <doctest/doctest.h>

#include "scenario/run.h"
#include "simulated_device.h"

using namespace isochio;

TEST_CASE("the shipped scenarios pass in their first frames with every check") {
  for (const char* name : {"hs-duplex-2x1024", "hs-3x1024-out", "hs-3x1024-in", "fs-audio", "loopback", "hs-interval-4",
                           "fs-1023", "fs-1023-out", "feedback-44k1", "vendor-feedback", "bulk-interference"}) {
    CAPTURE(std::string(name));
    auto scenario = scenario::load_scenario(std::string(ISOCHIO_SOURCE_DIR "/tests/scenarios/") + name + ".toml");
    REQUIRE(scenario.has_value());
    scenario->frames = 5;
    scenario::RunOptions options;
    options.make_link = [](const scenario::LinkRequest& request) {
      return verilated::make_simulated_device(
          {request.image, request.fs_only, request.idle_skipping, request.wave_path});
    };
    const auto outcome = scenario::run(*scenario, options);
    REQUIRE_MESSAGE(outcome.has_value(), (outcome ? "" : outcome.error().message));
    CHECK_MESSAGE(outcome->result.error.empty(), outcome->result.error);
    for (const auto& violation : outcome->first)
      FAIL_CHECK(to_string(violation.rule) << ": expected " << violation.expected << ", seen " << violation.seen);
    CHECK(outcome->result.verdict == report::Verdict::passed);
  }
}
