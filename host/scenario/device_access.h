// isochio: the test registers and the event log of the device (docs/registers.md), read and written by vendor requests
// through DriverKit's DeviceRequest. All calls block in bus time.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "driverkit/runtime.h"

namespace isochio::scenario {

class DeviceAccess {
 public:
  /// `request` is bRequest of REGISTERS; LOG is the next one. The device must be open for the runtime's client.
  DeviceAccess(driverkit::Runtime& runtime, std::uint8_t request) : runtime_(runtime), request_(request) {}

  /// The error says which register and with which code.
  tl::expected<void, std::string> write(std::uint16_t number, std::uint32_t value);
  tl::expected<std::vector<std::uint32_t>, std::string> read(std::uint16_t first, std::size_t count);
  /// Takes all entries out of the log; whole 12-byte entries, oldest first. Stop the log before: this call's own
  /// transactions would be logged too.
  tl::expected<void, std::string> take_log(const std::function<void(std::span<const std::uint8_t>)>& take);

 private:
  tl::expected<std::vector<std::uint8_t>, std::string> request(bool in, std::uint8_t request, std::uint16_t index,
                                                               std::vector<std::uint8_t> data);
  driverkit::Runtime& runtime_;
  std::uint8_t request_;
};

}  // namespace isochio::scenario
