// isochio: USB/IP on the wire: messages to and from bytes. Pure: no I/O, nothing is kept, every length and count that
// comes from the network is checked against what is there and against Limits. All integers are big-endian.
// Source: the Linux kernel's Documentation/usb/usbip_protocol.rst, version 1.1.1 of the protocol.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include <tl/expected.hpp>

#include "serve/device_info.h"
#include "serve/urb.h"

namespace isochio::serve {

inline constexpr std::uint16_t usbip_version = 0x0111;
inline constexpr std::size_t bus_id_size = 32;

// --- before a device is imported

struct ListRequest {};
struct ImportRequest {
  std::string bus_id;  ///< up to the first zero byte
};

// --- after it

/// Flags of an URB as the protocol has them (those of Linux) that matter here.
enum TransferFlag : std::uint32_t {
  short_not_ok = 0x0001,
  iso_asap = 0x0002,
  zero_packet = 0x0040,
};

struct Submit {
  std::uint32_t seqnum = 0, devid = 0;
  bool in = false;
  std::uint8_t endpoint = 0;  ///< 0 … 15
  std::uint32_t flags = 0;
  std::uint32_t length = 0;           ///< of the transfer buffer
  std::uint32_t start_frame = 0;      ///< as sent; only meaningful without iso_asap
  std::uint32_t packets_as_sent = 0;  ///< 0 or 0xffffffff: not isochronous
  std::uint32_t interval = 0;
  std::array<std::uint8_t, 8> setup{};
  ByteView data;                   ///< OUT: `length` bytes; IN: none. Valid as long as what was parsed
  std::vector<IsoPacket> packets;  ///< offset + length <= this->length for each, the sum of the lengths too
};

struct Unlink {
  std::uint32_t seqnum = 0, devid = 0;
  std::uint32_t unlink_seqnum = 0;
};

struct SubmitReply {
  std::uint32_t seqnum = 0;
  std::int32_t status = 0;  ///< 0 or -errno of Linux
  std::uint32_t actual_length = 0;
  std::uint32_t start_frame = 0;
  std::uint32_t packets_as_sent = 0;
  std::uint32_t error_count = 0;
  ByteView data;  ///< IN: actual_length bytes; of an isochronous URB without holes between the packets
  std::span<const IsoPacket> packets;
};

struct UnlinkReply {
  std::uint32_t seqnum = 0;
  std::int32_t status = 0;  ///< -ECONNRESET: taken back; 0: it had been completed
};

/// A whole message at the start of what was given, and how many bytes it took.
template <typename... Kinds>
struct Message {
  std::variant<Kinds...> content;
  std::size_t size = 0;
};
/// Not whole yet: at least so many bytes are needed from its first byte on.
struct Incomplete {
  std::size_t needed = 0;
};

using Operation = std::variant<Incomplete, Message<ListRequest, ImportRequest>>;
using Command = std::variant<Incomplete, Message<Submit, Unlink>>;

/// The error says what is wrong; there is no way to go on in the byte stream after it.
tl::expected<Operation, std::string> parse_operation(ByteView bytes);
tl::expected<Command, std::string> parse_command(ByteView bytes, const Limits& limits = {});

/// Appended to `out`.
void build_list_reply(Bytes& out, std::span<const DeviceInfo> devices);
void build_import_reply(Bytes& out, const DeviceInfo& device);
void build_import_refusal(Bytes& out);
void build(Bytes& out, const SubmitReply& reply);
void build(Bytes& out, const UnlinkReply& reply);

}  // namespace isochio::serve
