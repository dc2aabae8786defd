// isochio: see isoch_rules.h.
#include "driverkit/isoch_rules.h"

#include <algorithm>

namespace isochio::driverkit {

namespace {
constexpr std::uint64_t past_window = 1024;  ///< frames; how far back the old kernel extensions accepted a start
}

std::uint32_t entries_per_frame(usb::Speed speed, std::uint32_t interval) {
  return speed == usb::Speed::high && interval < 8 && interval > 0 ? 8 / interval : 1;
}

std::uint32_t frames_per_entry(usb::Speed speed, std::uint32_t interval) {
  return std::max(1U, speed == usb::Speed::high ? interval / 8 : interval);
}

std::uint64_t span_in_frames(usb::Speed speed, std::uint32_t interval, std::size_t entries) {
  return entries / entries_per_frame(speed, interval) * frames_per_entry(speed, interval);
}

IOReturn check_list(usb::Speed speed, const usb::EndpointConfig& endpoint, std::uint64_t list_bytes,
                    std::span<const std::uint32_t> request_counts, std::uint64_t data_bytes,
                    const RuntimeOptions& options) {
  if (list_bytes % sizeof(IOUSBIsochronousFrame) != 0) return kIOReturnBadArgument;
  if (request_counts.empty() || request_counts.size() > options.max_entries) return kIOReturnBadArgument;
  if (request_counts.size() % entries_per_frame(speed, endpoint.interval) != 0) return kIOReturnBadArgument;
  std::uint64_t sum = 0;
  for (const std::uint32_t count : request_counts) {
    if (count > endpoint.capacity()) return kIOReturnBadArgument;
    sum += count;
  }
  return sum <= data_bytes ? kIOReturnSuccess : kIOReturnBadArgument;
}

IOReturn check_start(usb::Speed speed, const usb::EndpointConfig& endpoint, std::uint64_t first_frame,
                     const StartState& state, const RuntimeOptions& options) {
  if (first_frame % frames_per_entry(speed, endpoint.interval) != 0) return kIOReturnBadArgument;
  if (state.continuous && options.explicit_on_continuous == ExplicitOnContinuous::bad_argument)
    return kIOReturnBadArgument;
  if (first_frame < state.available) return kIOReturnIsoTooOld;
  if (first_frame > state.now && first_frame - state.now > options.horizon_frames) return kIOReturnIsoTooNew;
  if (options.accept_past_frames) {
    return first_frame + past_window < state.now ? kIOReturnIsoTooOld : kIOReturnSuccess;
  }
  return first_frame < state.now + std::max(1U, options.keep_away_frames) ? kIOReturnIsoTooOld : kIOReturnSuccess;
}

}  // namespace isochio::driverkit
