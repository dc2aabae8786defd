// isochio: frame timing where no wire is seen (a real host): each service interval's packet is held against the one
// before it, by the device's own stamps. IN: the stamp in the pattern's packets. Otherwise: the device's event log.
// Where the stream begins is the host's business; from then on it must move in every service interval. Rules: late,
// early, missed, duplicate.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "check/frame_timing.h"
#include "check/reporter.h"
#include "controller/host.h"

namespace isochio::check {

class DeviceTiming {
 public:
  explicit DeviceTiming(Reporter& reporter) : reporter_(reporter) {}

  /// The endpoint's place is no longer known: alternate setting, restart.
  void restart(usb::EndpointAddress endpoint) { slot(endpoint).known = slot(endpoint).logged = false; }
  /// An IN entry of a stream with stamps; `bytes` is what came. Without a good stamp only time goes on.
  void entry(const controller::IsochRequest& request, std::size_t index, const usb::EndpointConfig& config,
             usb::Speed speed, std::span<const std::uint8_t> bytes, bus::BusTime now);
  /// The log goes on behind a gap.
  void log_gap();
  /// A DATA_IN or DATA_OUT event of an isochronous endpoint.
  void logged(const usb::EndpointConfig& config, usb::Speed speed, std::uint16_t stamp, bus::BusTime now);

  /// Service intervals of which the device told when they were.
  std::uint64_t judged(usb::EndpointAddress endpoint) { return slot(endpoint).judged; }
  const FrameTiming::Counts& counts(usb::EndpointAddress endpoint) { return slot(endpoint).counts; }

 private:
  struct Slot {
    bool known = false, logged = false;
    std::uint32_t next = 0;         ///< service interval of the next entry, modulo those in 2048 frames
    std::uint32_t last_logged = 0;  ///< … of the last event
    unsigned packets = 0;           ///< events in it
    std::uint64_t judged = 0;
    FrameTiming::Counts counts;
  };
  Slot& slot(usb::EndpointAddress e) { return slots_[e.number() + (e.is_in() ? 16U : 0U)]; }

  Reporter& reporter_;
  std::array<Slot, 32> slots_{};
};

}  // namespace isochio::check
