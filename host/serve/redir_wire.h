// isochio: usbredir on the wire, as far as libusbredirparser leaves it to its user: where a message ends and whether
// its length may be believed, before anything is allocated for it; and the tables of status and endpoint numbers.
// Source: usb-redirection-protocol.md 0.7 of usbredir; integers are little-endian.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <usbredirproto.h>
#include <tl/expected.hpp>

#include "serve/device_info.h"
#include "serve/urb.h"

namespace isochio::serve {

/// What the two greetings have settled.
struct RedirState {
  bool greeted = false;   ///< the peer's hello has come
  bool wide_ids = false;  ///< 64-bit numbers in headers
};

/// Bytes of the message at the front; 0: more are needed to know, or for it to be whole. The error: a client may not
/// send that.
tl::expected<std::size_t, std::string> redir_message(ByteView bytes, RedirState state, const Limits& limits = {});

/// Of a Linux status.
std::uint8_t redir_status(std::int32_t status);

/// Endpoints are numbered 0 … 15 OUT, then 0 … 15 IN.
constexpr std::size_t redir_index(std::uint8_t address) {
  return (address & 0x0fU) | ((address & 0x80U) != 0 ? 0x10U : 0U);
}

usb_redir_device_connect_header redir_connect(const DeviceInfo& device);
usb_redir_interface_info_header redir_interfaces(const DeviceInfo& device);
usb_redir_ep_info_header redir_endpoints(const std::vector<OpenEndpoint>& endpoints);

}  // namespace isochio::serve
