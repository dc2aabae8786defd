// isochio: the Verilated device behind a Link. Hides the Verilated class, so that no other file is compiled against it.
#pragma once

#include <cstdint>
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
};

/// Throws std::runtime_error if the wave file can't be opened or the image is too long.
std::unique_ptr<bus::Link> make_simulated_device(const DeviceOptions& options);

}  // namespace isochio::verilated
