// isochio: when IsochIO says no. Pure arithmetic over the frame list, the endpoint and the frame counter
// (driverkit-facts 1.4, 2.2, 2.5).
#pragma once

#include <cstdint>
#include <span>

#include "driverkit/runtime.h"
#include "usb/types.h"

namespace isochio::driverkit {

/// Entries that fill whole frames must come in multiples of this: 8 / interval at high speed below one frame, else 1.
std::uint32_t entries_per_frame(usb::Speed speed, std::uint32_t interval);
/// Frames that one entry lasts: interval / 8 at high speed, interval at full speed; at least 1.
std::uint32_t frames_per_entry(usb::Speed speed, std::uint32_t interval);
/// Frames that a list of `entries` lasts (entries must fill whole frames).
std::uint64_t span_in_frames(usb::Speed speed, std::uint32_t interval, std::size_t entries);

/// Frame list and buffer: entry count, whole frames, each entry within the endpoint's capacity, the buffer large
/// enough. Success or kIOReturnBadArgument.
IOReturn check_list(usb::Speed speed, const usb::EndpointConfig& endpoint, std::uint64_t list_bytes,
                    std::span<const std::uint32_t> request_counts, std::uint64_t data_bytes,
                    const RuntimeOptions& options);

struct StartState {
  std::uint64_t now = 0;        ///< the frame that is running
  std::uint64_t available = 0;  ///< first frame after the last accepted request; 0 when nothing is queued
  bool continuous = false;      ///< what is queued was started with first frame 0
};
/// An explicit first frame (not 0): Success, BadArgument, IsoTooOld or IsoTooNew.
IOReturn check_start(usb::Speed speed, const usb::EndpointConfig& endpoint, std::uint64_t first_frame,
                     const StartState& state, const RuntimeOptions& options);

}  // namespace isochio::driverkit
