// isochio: each failing driver pattern on the simulated device gets its diagnosis, and the driver that does it right,
// in the same circumstances, none.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "scenario/driver/pattern.h"
#include "support/scenario_text.h"

using namespace isochio;
using namespace isochio::test;
using check::Rule;

namespace {

struct Case {
  const char* pattern;
  Rule rule;
  const char* words;           ///< of the diagnosis
  const char* stream;          ///< the stream's keys
  const char* circumstance{};  ///< other tables
};

constexpr const char* plain_in = "alternate = 2\nendpoint = \"in\"\n";
constexpr const char* feedback = "alternate = 9\nendpoint = \"in\"\npayload = \"feedback\"\nsample_rate = 44100\n";
constexpr const char* blocked =
    "[software]\nqueue_block_us = 60000\nqueue_block_every_us = 90000\n[checks]\ncompletion_latency_us = 1e6\n";

const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {"cursor_not_advanced_after_refusal", Rule::cursor_not_advanced, "cursor not advanced after a refused submit",
       plain_in, blocked},
      {"span_entries_over_8", Rule::wrong_span, "cursor advanced by entries/8 = 4 although one entry spans a frame",
       "alternate = 8\nendpoint = \"in\"\nframes_per_request = 32\n"},
      {"overlapping", Rule::overlapping, "of the one before", plain_in},
      {"depth_1", Rule::no_lead, "single outstanding transfer: no lead", plain_in},
      {"first_frame_0_from_completion", Rule::rearmed_with_zero, "re-armed with first frame 0 from its completion",
       plain_in},
      {"ignores_per_frame_status", Rule::transfer_thrown_away, "whole transfer thrown away", plain_in,
       "[driverkit]\noverall_status = \"always_overrun\"\n"},
      {"wait_on_delivery_queue", Rule::waits_on_own_queue, "on the queue that has to deliver them", plain_in},
      {"frees_before_completions", Rule::freed_too_early, "after the driver freed", plain_in},
      {"counts_cancelled_completions", Rule::completion_dropped, "dropped by OSAction::Cancel", plain_in},
      {"max_packet_stride", Rule::wrong_stride, "stride of wMaxPacketSize",
       "alternate = 3\nendpoint = \"out\"\nsize = 500\n"},
      {"late_resubmit", Rule::late_resubmit, "after its completion", plain_in},
      {"forgotten_resubmit", Rule::not_resubmitted, "was not submitted again", plain_in},
      {"submits_too_early", Rule::too_early, "IsoTooNew", plain_in},
      {"slow_completion", Rule::slow_completion, "the last request in flight had ended", plain_in},
      {"unserved_action_target", Rule::completion_unserved, "is no IOService", plain_in},
      {"list_of_1024", Rule::bad_list, "a list of 1024 entries", plain_in},
      {"explicit_after_zero", Rule::explicit_on_continuous, "on a stream that was started with first frame 0", plain_in,
       "[driverkit]\nexplicit_on_continuous = \"bad_argument\"\n"},
      {"clears_stall", Rule::clears_stall, "it can't stall", plain_in,
       "[driverkit]\noverall_status = \"always_overrun\"\n"},
      {"feedback_first_byte", Rule::feedback_misread, "bytes or fixed point misread", feedback},
      {"feedback_wrong_format", Rule::feedback_misread, "bytes or fixed point misread", feedback},
      {"not_whole_frames", Rule::bad_list, "no whole number of frames", plain_in},
  };
  return all;
}

std::string text_of(const Case& c, const char* driver) {
  return std::string("frames = 250\n[[stream]]\n") + c.stream + "driver = \"" + driver + "\"\n" +
         (c.circumstance != nullptr ? c.circumstance : "");
}

}  // namespace

TEST_SUITE("driver patterns") {
  TEST_CASE("each failing pattern is diagnosed by name") {
    for (const Case& c : cases()) {
      CAPTURE(c.pattern);
      const auto outcome = run_text(text_of(c, c.pattern));
      const auto said = findings(outcome, check::Group::driver);
      CAPTURE(said);
      CHECK(outcome.result.error.empty());
      CHECK(outcome.result.verdict == report::Verdict::failed);
      CHECK(count(outcome, c.rule) == 1);
      CHECK(said.find(c.words) != std::string::npos);
      CHECK(outcome.result.violation_count(check::Group::driver) == 1);
    }
  }

  TEST_CASE("the repaired driver has no diagnosis where the patterns have theirs") {
    for (const Case& c : cases()) {
      CAPTURE(c.pattern);
      const auto outcome = run_text(text_of(c, "repaired"));
      CAPTURE(findings(outcome, check::Group::driver));
      CHECK(outcome.result.error.empty());
      CHECK(outcome.result.violation_count(check::Group::driver) == 0);
      // What the circumstances cost it, if anything, is a gap, not data.
      CHECK(outcome.result.violation_count(check::Group::payload) == 0);
    }
  }
}
