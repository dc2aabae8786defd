#include "scenario/driver/pattern.h"

#include <algorithm>
#include <array>

#include "scenario/driver/clears_stall.h"
#include "scenario/driver/counts_cancelled_completions.h"
#include "scenario/driver/cursor_not_advanced_after_refusal.h"
#include "scenario/driver/depth_1.h"
#include "scenario/driver/explicit_after_zero.h"
#include "scenario/driver/feedback_first_byte.h"
#include "scenario/driver/feedback_wrong_format.h"
#include "scenario/driver/first_frame_0_from_completion.h"
#include "scenario/driver/forgotten_resubmit.h"
#include "scenario/driver/frees_before_completions.h"
#include "scenario/driver/holds_stale_pipe.h"
#include "scenario/driver/ignores_per_frame_status.h"
#include "scenario/driver/late_resubmit.h"
#include "scenario/driver/list_of_1024.h"
#include "scenario/driver/max_packet_stride.h"
#include "scenario/driver/no_replan_after_jump.h"
#include "scenario/driver/not_whole_frames.h"
#include "scenario/driver/overlapping.h"
#include "scenario/driver/rearm_on_abort.h"
#include "scenario/driver/slow_completion.h"
#include "scenario/driver/span_entries_over_8.h"
#include "scenario/driver/submits_too_early.h"
#include "scenario/driver/unserved_action_target.h"
#include "scenario/driver/wait_on_delivery_queue.h"

namespace isochio::scenario::driver {
namespace {

struct Known {
  PatternName name;
  std::unique_ptr<Pattern> (*make)();
};

template <typename Made>
std::unique_ptr<Pattern> make() {
  return std::make_unique<Made>();
}

constexpr auto known = std::to_array<Known>({
    {{"repaired", "several requests in flight, a cursor, a lead, and a new start when it is late"}, make<Pattern>},
    {{"cursor_not_advanced_after_refusal", "asks for the same frame again after a refusal, and so for ever"},
     make<CursorNotAdvanced>},
    {{"span_entries_over_8", "takes entries / 8 for the frames of a list, whatever bInterval is"},
     make<SpanEntriesOver8>},
    {{"overlapping", "begins each request in the last frame of the one before"}, make<Overlapping>},
    {{"depth_1", "one transfer at a time, the next one in the frame behind it: no lead"}, make<Depth1>},
    {{"first_frame_0_from_completion", "one transfer, re-armed with first frame 0 from its completion"},
     make<FirstFrame0>},
    {{"ignores_per_frame_status", "throws a transfer away for its overall status without a look at its entries"},
     make<IgnoresEntryStatus>},
    {{"rearm_on_abort", "submits again whatever the completion says, also when the device has gone"},
     make<RearmOnAbort>},
    {{"wait_on_delivery_queue", "Stop waits for completions on the queue that has to deliver them"},
     make<WaitOnDeliveryQueue>},
    {{"frees_before_completions", "Stop frees what completions that are still queued work on"},
     make<FreesBeforeCompletions>},
    {{"counts_cancelled_completions", "Stop cancels its actions and then waits for their completions"},
     make<CountsCancelled>},
    {{"no_replan_after_jump", "goes on at its old cursor when the frame counter has jumped, as over sleep"},
     make<NoReplanAfterJump>},
    {{"max_packet_stride", "writes packets at a stride of wMaxPacketSize though the entries are smaller"},
     make<MaxPacketStride>},
    {{"holds_stale_pipe", "keeps its pipe over a change of the alternate setting"}, make<HoldsStalePipe>},
    {{"late_resubmit", "two requests in flight, and now and then both lie for 12 ms before they are submitted again"},
     make<LateResubmit>},
    {{"forgotten_resubmit", "forgets every 16th buffer, until nothing is in flight"}, make<ForgottenResubmit>},
    {{"submits_too_early", "plans its start beyond the frames that a controller can schedule"}, make<SubmitsTooEarly>},
    {{"slow_completion", "works 40 ms in every 16th completion, on the queue that delivers the others"},
     make<SlowCompletion>},
    {{"unserved_action_target", "its actions' target is no service: completions never come"}, make<UnservedTarget>},
    {{"list_of_1024", "asks for 1024 entries in one list"}, make<ListOf1024>},
    {{"explicit_after_zero", "starts with first frame 0 and goes on with explicit frames"}, make<ExplicitAfterZero>},
    {{"clears_stall", "calls ClearStall after a transfer that is not Success"}, make<ClearsStall>},
    {{"feedback_first_byte", "takes the first byte of a feedback value for the samples"}, make<FeedbackFirstByte>},
    {{"feedback_wrong_format", "reads 16.16 feedback as 10.14"}, make<FeedbackWrongFormat>},
    {{"not_whole_frames", "makes lists that do not fill whole frames"}, make<NotWholeFrames>},
});

}  // namespace

std::span<const PatternName> pattern_names() {
  static const auto names = [] {
    std::vector<PatternName> all;
    all.reserve(known.size());
    for (const auto& one : known) all.push_back(one.name);
    return all;
  }();
  return names;
}

std::vector<std::string> pattern_words() {
  std::vector<std::string> words;
  words.reserve(known.size());
  for (const auto& one : known) words.emplace_back(one.name.name);
  return words;
}

std::unique_ptr<Pattern> make_pattern(std::string_view name) {
  const auto found = std::find_if(known.begin(), known.end(), [&](const Known& one) { return name == one.name.name; });
  return found == known.end() ? nullptr : found->make();
}

}  // namespace isochio::scenario::driver
