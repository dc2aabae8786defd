// isochio: which microframe runs at a bus time, by arithmetic alone: frames follow one another without a gap from power
// on, 480 000 bit times of the host's clock each [USB 2.0 8.4.3]; a controller that has slept may number them anew.
#pragma once

#include <cstdint>

#include "bus/bus_time.h"
#include "reference/terms.h"

namespace isochio::reference {

class Grid {
 public:
  explicit Grid(const Terms& terms) : ppm_(terms.clock_ppm), shift_(static_cast<std::int64_t>(terms.first_frame)) {}

  /// The microframe that runs at `time`, counted in the frames' present numbers.
  usb::FrameTime at(bus::BusTime time) const { return {static_cast<std::uint64_t>(count(time) + shift_ * 8)}; }
  /// The frame that runs at `time` has this number, and those behind it follow.
  void renumber(std::uint64_t frame, bus::BusTime time) { shift_ = static_cast<std::int64_t>(frame) - count(time) / 8; }
  /// So near to a microframe's begin that a clock with another rounding may tell another one.
  bool is_edge(bus::BusTime time) const {
    return ppm_ != 0 && (count({time.bits - 2}) != count(time) || count({time.bits + 2}) != count(time));
  }

 private:
  std::int64_t count(bus::BusTime time) const {
    constexpr __int128 million = 1'000'000;
    return static_cast<std::int64_t>(time.bits * (million + ppm_) / (bus::microframe.bits * million));
  }

  std::int32_t ppm_;
  std::int64_t shift_;  ///< number of the frame at bus time 0
};

}  // namespace isochio::reference
