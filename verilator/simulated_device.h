// isochio: the Verilated device behind a Link. Hides the Verilated class, so that no other file is compiled against it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>

#include "bus/link.h"

namespace isochio::verilated {

struct DeviceOptions {
  std::span<const std::uint8_t> image;  ///< device image (docs/device-image.md), at most 8192 bytes
  bool fs_only = false;                 ///< the configuration pin: the device never chirps
  bool idle_skipping = true;            ///< exact idle skipping (docs/rtl.md)
  std::string wave_path;                ///< FST file; empty = none. Uses the slower build with tracing
  /// The stretch of bus time that the file holds.
  bus::BusTime wave_from{}, wave_until{std::numeric_limits<std::int64_t>::max()};
};

/// A Link with what only a simulation can do to a device.
class SimulatedLink : public bus::Link {
 public:
  /// The device's remote wake-up pin, for one clock, at the next clock.
  virtual void pulse_remote_wakeup() = 0;
};

/// Throws std::runtime_error if the wave file can't be opened or the image is too long.
std::unique_ptr<SimulatedLink> make_simulated_device(const DeviceOptions& options);

}  // namespace isochio::verilated
