// isochio: descriptor bytes of small test devices, put together by hand so that they depend on nothing that is tested.
#pragma once

#include <cstdint>
#include <vector>

#include "usb/types.h"

namespace isochio::test {

using Bytes = std::vector<std::uint8_t>;

/// One endpoint as its descriptor has it.
struct EndpointSpec {
  std::uint8_t address = 0;
  usb::TransferType type = usb::TransferType::isochronous;
  std::uint16_t max_packet_field = 0;  ///< wMaxPacketSize with its bits 12..11
  std::uint8_t interval = 1;           ///< bInterval
};

/// wMaxPacketSize of a high-bandwidth endpoint.
constexpr std::uint16_t packet_field(unsigned bytes, unsigned transactions = 1) {
  return static_cast<std::uint16_t>(bytes | (transactions - 1U) << 11U);
}

/// One configuration of value 1: interface i has the alternate settings interfaces[i], each a list of endpoints.
using Setting = std::vector<EndpointSpec>;
using Interface = std::vector<Setting>;
Bytes configuration_bytes(const std::vector<Interface>& interfaces);

/// Vendor 0x1209, product 0x0001, one configuration, strings 1 … 3.
Bytes device_bytes(std::uint8_t max_packet_0 = 64);

/// UTF-16 string descriptor of an ASCII text.
Bytes string_bytes(const char* text);

}  // namespace isochio::test
