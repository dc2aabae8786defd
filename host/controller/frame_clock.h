// isochio: (micro)frames as a function of bus time. Frames follow one another at exactly 480 000 bits from power-on to
// the end of the run, whatever the port does; only SOF packets come and go. The numbers may start anew, as they do when
// a controller has slept. Source: USB 2.0 sections 8.4.3, 8.4.3.1.
#pragma once

#include <cstdint>

#include "bus/bus_time.h"
#include "usb/types.h"

namespace isochio::controller {

class FrameClock {
 public:
  /// Frame `first_frame` begins at `origin`.
  FrameClock(bus::BusTime origin, std::uint64_t first_frame) : origin_(origin), first_{first_frame * 8U} {}

  /// The (micro)frame that is running at `t` (not before the origin). At full speed the microframe is 0.
  usb::FrameTime at(bus::BusTime t, usb::Speed speed) const {
    const auto microframes = first_ + static_cast<std::uint64_t>((t - origin_) / bus::microframe);
    return {speed == usb::Speed::high ? microframes : microframes & ~std::uint64_t{7}};
  }
  /// The frame that is running at `now` has this number, and those after it follow. Only for what is not before it.
  void renumber(bus::BusTime now, std::uint64_t frame) {
    origin_ = start(at(now, usb::Speed::full));
    first_ = frame * 8U;
  }
  /// 1 ms frames.
  std::uint64_t frame(bus::BusTime t) const { return at(t, usb::Speed::full).frame(); }
  /// When a (micro)frame begins (not before the origin).
  bus::BusTime start(usb::FrameTime t) const {
    return origin_ + static_cast<std::int64_t>(t.value - first_) * bus::microframe;
  }
  /// The first (micro)frame that begins at `t` or later.
  usb::FrameTime next(bus::BusTime t, usb::Speed speed) const {
    const usb::FrameTime running = at(t, speed);
    return start(running) == t ? running : usb::FrameTime{running.value + step(speed)};
  }
  /// From one (micro)frame's value to the next one's.
  static constexpr std::uint64_t step(usb::Speed speed) { return speed == usb::Speed::high ? 1 : 8; }

 private:
  bus::BusTime origin_;
  std::uint64_t first_;
};

}  // namespace isochio::controller
