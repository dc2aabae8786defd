// isochio: one transfer that a client of the served device asks for, in no protocol's words but with the semantics and
// status numbers of Linux' URBs, which both protocols carry or were made after.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "usb/types.h"

namespace isochio::serve {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;

/// What is accepted from the network; more is an error that ends the connection.
struct Limits {
  std::uint32_t transfer_bytes = 1U << 24U;  ///< of one URB (usbfs allows 16 MiB)
  std::uint32_t packets = 1024;              ///< of an isochronous URB, as in the kernel
};

struct IsoPacket {
  std::uint32_t offset = 0, length = 0, actual_length = 0;
  std::int32_t status = 0;
  friend bool operator==(const IsoPacket&, const IsoPacket&) = default;
};

struct Urb {
  std::uint64_t id = 0;           ///< the client's choice; unique among those in flight
  usb::EndpointAddress endpoint;  ///< of control transfers 0x00 or 0x80, by the direction of the data
  bool short_not_ok = false;      ///< IN: fewer bytes than asked for are an error
  bool zero_packet = false;       ///< OUT: a packet of length 0 behind data that end with a whole packet
  std::array<std::uint8_t, 8> setup{};
  Bytes buffer;                    ///< OUT: the data; IN: as many bytes as may come
  std::vector<IsoPacket> packets;  ///< isochronous: each inside the buffer, together not more than it; else empty
};

struct UrbResult {
  std::int32_t status = 0;  ///< 0 or -errno of Linux (linux_errno.h)
  std::size_t actual = 0;   ///< bytes moved
  ByteView data;            ///< IN: what came; of an isochronous URB without holes between the packets
  std::uint32_t start_frame = 0;
  std::uint32_t errors = 0;  ///< packets whose status is not 0
};

/// Who submitted URBs.
class UrbClient {
 public:
  virtual ~UrbClient() = default;
  /// The URB is over; it and the result live until this returns. May come from inside Session::submit(), and may submit
  /// others.
  virtual void on_end(const Urb& urb, const UrbResult& result) = 0;
};

}  // namespace isochio::serve
