#include "reference/call.h"

#include <algorithm>

namespace isochio::reference {
namespace {

constexpr std::uint64_t past_window = 1024;

/// Frames that a first frame has to be a multiple of: intervals longer than a frame.
std::uint64_t alignment(usb::Speed speed, const usb::EndpointConfig& endpoint) {
  return std::max<std::uint64_t>(1, interval_microframes(speed, endpoint) / 8);
}

bool list_is_good(const Terms& terms, const usb::EndpointConfig& endpoint, const Call& call) {
  const auto entries = call.counts.size();
  if (entries == 0 || entries > terms.most_entries) return false;
  // Intervals shorter than a frame have to fill whole ones.
  if (entries * interval_microframes(terms.speed, endpoint) % 8 != 0) return false;
  std::uint64_t sum = 0;
  for (const auto count : call.counts) {
    if (count > endpoint.capacity()) return false;
    sum += count;
  }
  return sum <= call.data_bytes;
}

/// The first frame that a request may start in at all, by the controller's least lead.
std::uint64_t earliest(const Terms& terms, usb::FrameTime now) {
  const std::uint64_t kept_away = now.frame() + std::max(1U, terms.keep_away_frames);
  if (terms.threshold_microframes == 0) return kept_away;
  const std::uint64_t beyond = now.value + terms.threshold_microframes + 1;
  return std::max(kept_away, beyond / 8 + (beyond % 8 != 0 ? 1 : 0));
}

std::uint64_t round_up(std::uint64_t frame, std::uint64_t step) { return frame + (step - frame % step) % step; }

CallPromise refused(std::vector<Code> codes) { return {std::move(codes), {}}; }

/// First frame 0: right behind what is queued, or the next frame that can be had.
CallPromise zero(const Terms& terms, const usb::EndpointConfig& endpoint, std::uint64_t available, usb::FrameTime now) {
  if (!terms.takes_zero) return refused({kIOReturnIsoTooOld});
  const std::uint64_t frame = available != 0 ? available : earliest(terms, now);
  return {{kIOReturnSuccess}, {round_up(frame, alignment(terms.speed, endpoint))}};
}

CallPromise explicit_frame(const Terms& terms, std::uint64_t frame, std::uint64_t available, bool continuous,
                           usb::FrameTime now) {
  const std::uint64_t running = now.frame();
  std::vector<Code> why;
  if (continuous && terms.refuses_explicit_on_zero) why.push_back(kIOReturnBadArgument);
  const bool past = frame < earliest(terms, now);
  const bool forgiven = terms.takes_past_frames && frame + past_window >= running;
  if (frame < available || (past && !forgiven)) why.push_back(kIOReturnIsoTooOld);
  if (frame > running + terms.horizon_frames) why.push_back(kIOReturnIsoTooNew);
  if (!why.empty()) return refused(std::move(why));
  return {{kIOReturnSuccess}, {frame}};
}

}  // namespace

std::uint64_t interval_microframes(usb::Speed speed, const usb::EndpointConfig& endpoint) {
  return std::uint64_t{endpoint.interval} * (speed == usb::Speed::full ? 8 : 1);
}

bool CallPromise::allows(Code code) const { return std::ranges::find(codes, code) != codes.end(); }
bool CallPromise::allows_start(std::uint64_t frame) const { return std::ranges::find(starts, frame) != starts.end(); }

void CallPromise::add(const CallPromise& other) {
  codes.insert(codes.end(), other.codes.begin(), other.codes.end());
  starts.insert(starts.end(), other.starts.begin(), other.starts.end());
}

CallPromise promise(const Terms& terms, const usb::EndpointConfig& endpoint, const PipeState& pipe, const Call& call,
                    usb::FrameTime now) {
  std::vector<Code> why;
  if (!list_is_good(terms, endpoint, call)) why.push_back(kIOReturnBadArgument);
  if (call.first_frame % alignment(terms.speed, endpoint) != 0) why.push_back(kIOReturnBadArgument);
  if (pipe.in_flight >= terms.most_requests) why.push_back(kIOReturnNoResources);
  const auto start = [&](std::uint64_t available, bool continuous) {
    return call.first_frame == 0 ? zero(terms, endpoint, available, now)
                                 : explicit_frame(terms, call.first_frame, available, continuous, now);
  };
  CallPromise answer = start(pipe.available, pipe.continuous);
  if (pipe.drained) answer.add(start(0, false));
  if (why.empty()) return answer;
  // Which of several reasons is told is left open.
  std::erase(answer.codes, kIOReturnSuccess);
  why.insert(why.end(), answer.codes.begin(), answer.codes.end());
  return refused(std::move(why));
}

}  // namespace isochio::reference
