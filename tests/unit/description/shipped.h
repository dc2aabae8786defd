// isochio: the shipped device descriptions, for tests.
#pragma once

#include <filesystem>

#include "description/description.h"

namespace isochio::description::testing {

inline std::filesystem::path shipped(const char* name) {
  return std::filesystem::path(ISOCHIO_SOURCE_DIR) / "rtl/devices" / name;
}

inline constexpr const char* shipped_names[] = {"test.toml", "uac1-audio.toml", "uac2-audio.toml", "vendor-hs.toml"};

/// Device descriptor and configuration as sysfs shows them.
inline Bytes dump(const Description& d, usb::Speed speed) {
  Bytes bytes = device_descriptor(d, speed);
  const Bytes configuration = configuration_descriptor(d, speed);
  bytes.insert(bytes.end(), configuration.begin(), configuration.end());
  return bytes;
}

}  // namespace isochio::description::testing
