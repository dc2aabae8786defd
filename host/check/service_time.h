// isochio: the (micro)frames that an entry of an IsochIO list asked for: one service interval each, the first at the
// request's first frame [driverkit-facts 2.2, 2.5].
#pragma once

#include <cstddef>

#include "usb/types.h"

namespace isochio::check {

struct ServiceWindow {
  usb::FrameTime begin, end;  ///< end is not part of it; in steps of 8 at full speed

  constexpr bool contains(usb::FrameTime t) const { return begin <= t && t < end; }
};

/// `interval` in frames (full speed) or microframes (high speed), as in usb::EndpointConfig.
constexpr ServiceWindow service_window(usb::FrameTime start, std::size_t entry, std::uint32_t interval,
                                       usb::Speed speed) {
  const std::uint64_t step = std::uint64_t{interval} * (speed == usb::Speed::full ? 8U : 1U);
  const std::uint64_t begin = start.value + entry * step;
  return {{begin}, {begin + step}};
}
constexpr ServiceWindow service_window(std::uint64_t first_frame, std::size_t entry, std::uint32_t interval,
                                       usb::Speed speed) {
  return service_window(usb::FrameTime::of(first_frame), entry, interval, speed);
}

/// The (micro)frame of this window in which the endpoint's transactions pass, if its place within the interval is
/// known; else the whole window.
constexpr ServiceWindow exact_window(ServiceWindow window, const usb::EndpointConfig& endpoint, usb::Speed speed) {
  if (!endpoint.phase) return window;
  const std::uint64_t unit = speed == usb::Speed::full ? 8 : 1;
  const std::uint64_t begin = window.begin.value + *endpoint.phase * unit;
  return {{begin}, {begin + unit}};
}

}  // namespace isochio::check
