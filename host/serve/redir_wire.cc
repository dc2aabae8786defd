#include "serve/redir_wire.h"

#include <algorithm>

#include <fmt/format.h>

#include "serve/linux_errno.h"

namespace isochio::serve {

namespace {

constexpr std::size_t narrow_header = 12, wide_header = 16;
constexpr std::uint32_t most_hello = sizeof(usb_redir_hello_header) + 64;
constexpr std::uint32_t most_filter = 4096;
constexpr std::uint32_t most_type_header = 64;  ///< of what clients send, hello apart

std::uint32_t u32(ByteView bytes, std::size_t at) {
  return std::uint32_t{bytes[at]} | std::uint32_t{bytes[at + 1]} << 8U | std::uint32_t{bytes[at + 2]} << 16U |
         std::uint32_t{bytes[at + 3]} << 24U;
}

}  // namespace

tl::expected<std::size_t, std::string> redir_message(ByteView bytes, RedirState state, const Limits& limits) {
  if (bytes.size() < 8) return 0;
  const std::uint32_t type = u32(bytes, 0), length = u32(bytes, 4);
  if (state.greeted == (type == usb_redir_hello))
    return tl::unexpected(fmt::format("usbredir message {} {}", type,
                                      state.greeted ? "is a second hello" : "comes first; a client begins with hello"));
  const std::uint32_t most = type == usb_redir_hello           ? most_hello
                             : type == usb_redir_filter_filter ? most_filter
                                                               : limits.transfer_bytes + most_type_header;
  if (length > most)
    return tl::unexpected(fmt::format("usbredir message {} has {} bytes; at most {} are taken", type, length, most));
  const std::size_t size = (state.wide_ids ? wide_header : narrow_header) + length;
  return bytes.size() < size ? 0 : size;
}

std::uint8_t redir_status(std::int32_t status) {
  switch (-status) {
    case 0:
      return usb_redir_success;
    case enoent:
    case einval:
    case emsgsize:
      return usb_redir_inval;
    case epipe:
      return usb_redir_stall;
    case etimedout:
      return usb_redir_timeout;
    case eoverflow:
      return usb_redir_babble;
    case econnreset:
    case eshutdown:
      return usb_redir_cancelled;
    default:
      return usb_redir_ioerror;
  }
}

usb_redir_device_connect_header redir_connect(const DeviceInfo& device) {
  usb_redir_device_connect_header header{};
  header.speed = device.speed == 2 ? usb_redir_speed_full : usb_redir_speed_high;
  header.device_class = device.class_code;
  header.device_subclass = device.subclass;
  header.device_protocol = device.protocol;
  header.vendor_id = device.vendor_id;
  header.product_id = device.product_id;
  header.device_version_bcd = device.version;
  return header;
}

usb_redir_interface_info_header redir_interfaces(const DeviceInfo& device) {
  usb_redir_interface_info_header header{};
  const std::size_t count = std::min<std::size_t>(device.interfaces.size(), 32);
  header.interface_count = static_cast<std::uint32_t>(count);
  for (std::size_t i = 0; i < count; ++i) {
    const InterfaceClass& interface = device.interfaces[i];
    header.interface[i] = interface.number;
    header.interface_class[i] = interface.class_code;
    header.interface_subclass[i] = interface.subclass;
    header.interface_protocol[i] = interface.protocol;
  }
  return header;
}

usb_redir_ep_info_header redir_endpoints(const std::vector<OpenEndpoint>& endpoints) {
  usb_redir_ep_info_header header{};
  std::ranges::fill(header.type, std::uint8_t{usb_redir_type_invalid});
  for (const int address : {0x00, 0x80})
    header.type[redir_index(static_cast<std::uint8_t>(address))] = usb_redir_type_control;
  for (const OpenEndpoint& endpoint : endpoints) {
    const auto& config = endpoint.config;
    const std::size_t i = redir_index(config.address.value);
    header.type[i] = static_cast<std::uint8_t>(config.type);
    header.interval[i] = static_cast<std::uint8_t>(std::min<std::uint32_t>(config.interval, 255));
    header.interface[i] = endpoint.interface;
    header.max_packet_size[i] = static_cast<std::uint16_t>(config.capacity());
  }
  return header;
}

}  // namespace isochio::serve
