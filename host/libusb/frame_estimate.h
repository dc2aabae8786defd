// isochio: which (micro)frame runs on a real bus, as far as host software can tell: counted by the machine's own clock,
// and anchored once on what the device reads in its FRAME register (docs/registers.md). An estimate, good to about a
// frame: no check is built on it.
#pragma once

#include <cstdint>

#include "bus/bus_time.h"
#include "usb/types.h"

namespace isochio::libusb {

class FrameEstimate {
 public:
  /// Frame `first_frame` runs at time 0.
  explicit FrameEstimate(std::uint64_t first_frame) : microframes_(first_frame * 8U) {}

  /// At `at` the device read the 14 bits of `stamp` (usb::FrameTime::stamp). Only ever goes forward, by less than 2048
  /// frames, so that the numbers given out never fall back.
  void anchor(bus::BusTime at, std::uint16_t stamp) {
    microframes_ += (std::uint64_t{stamp} - this->at(at, usb::Speed::high).value) & 0x3fffU;
  }

  /// At full speed the microframe is 0.
  usb::FrameTime at(bus::BusTime t, usb::Speed speed) const {
    const auto value = microframes_ + static_cast<std::uint64_t>((t - bus::BusTime{}) / bus::microframe);
    return {speed == usb::Speed::high ? value : value & ~std::uint64_t{7}};
  }

 private:
  std::uint64_t microframes_;  ///< that run at time 0
};

}  // namespace isochio::libusb
