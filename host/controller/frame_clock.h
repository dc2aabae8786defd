// isochio: (micro)frames as a function of bus time. Frames follow one another at exactly 480 000 bits (of the host's
// clock, which may be a little fast or slow) from power-on to the end of the run, whatever the port does; only SOF
// packets come and go. The numbers may start anew, as they do when a controller has slept.
// Source: USB 2.0 sections 8.4.3, 8.4.3.1.
#pragma once

#include <cstdint>

#include "bus/bus_time.h"
#include "bus/tick_clock.h"
#include "usb/types.h"

namespace isochio::controller {

class FrameClock {
 public:
  /// Frame `first_frame` begins at `origin`. The host's clock is fast by `ppm` (slow: negative).
  FrameClock(bus::BusTime origin, std::uint64_t first_frame, std::int32_t ppm = 0)
      : clock_(origin, static_cast<std::int64_t>(first_frame) * 8, ppm) {}

  /// The (micro)frame that is running at `t` (not before the origin). At full speed the microframe is 0.
  usb::FrameTime at(bus::BusTime t, usb::Speed speed) const {
    const auto microframes = static_cast<std::uint64_t>(clock_.last(t.bits));
    return {speed == usb::Speed::high ? microframes : microframes & ~std::uint64_t{7}};
  }
  /// The frame that is running at `now` has this number, and those after it follow. Only for what is not before it.
  void renumber(bus::BusTime now, std::uint64_t frame) {
    clock_ = Clock(start(at(now, usb::Speed::full)), static_cast<std::int64_t>(frame) * 8, clock_.ppm());
  }
  /// 1 ms frames.
  std::uint64_t frame(bus::BusTime t) const { return at(t, usb::Speed::full).frame(); }
  /// When a (micro)frame begins (not before the origin).
  bus::BusTime start(usb::FrameTime t) const { return {clock_.time(static_cast<std::int64_t>(t.value))}; }
  /// The first (micro)frame that begins at `t` or later.
  usb::FrameTime next(bus::BusTime t, usb::Speed speed) const {
    const usb::FrameTime running = at(t, speed);
    return start(running) == t ? running : usb::FrameTime{running.value + step(speed)};
  }
  /// From one (micro)frame's value to the next one's.
  static constexpr std::uint64_t step(usb::Speed speed) { return speed == usb::Speed::high ? 1 : 8; }

 private:
  using Clock = bus::TickClock<bus::microframe.bits>;
  Clock clock_;
};

}  // namespace isochio::controller
