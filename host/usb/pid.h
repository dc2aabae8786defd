// isochio: packet identifiers. A PID is a nibble; on the wire its complement stands in the upper four bits.
// Source: USB 2.0 section 8.3.1, table 8-1.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace isochio::usb {

enum class Pid : std::uint8_t {
  reserved = 0x0,
  out = 0x1,
  ack = 0x2,
  data0 = 0x3,
  ping = 0x4,
  sof = 0x5,
  nyet = 0x6,
  data2 = 0x7,
  split = 0x8,
  in = 0x9,
  nak = 0xa,
  data1 = 0xb,
  pre_err = 0xc,  ///< PRE as a token, ERR as a handshake
  setup = 0xd,
  stall = 0xe,
  mdata = 0xf,
};

enum class PidKind : std::uint8_t { token, start_of_frame, data, handshake, special };

/// The PID as it stands on the wire: nibble and complement.
constexpr std::uint8_t pid_byte(Pid pid) {
  const auto nibble = static_cast<std::uint8_t>(pid);
  return static_cast<std::uint8_t>(nibble | (~nibble & 0xfU) << 4U);
}

constexpr bool pid_check_good(std::uint8_t byte) { return ((byte ^ (byte >> 4U)) & 0xfU) == 0xfU; }

/// The nibble of a PID byte, whether or not the check nibble is good.
constexpr Pid pid_of(std::uint8_t byte) { return static_cast<Pid>(byte & 0xfU); }

/// PING is a token with address and endpoint; SPLIT, PRE/ERR and the reserved PID are `special`.
constexpr PidKind kind(Pid pid) {
  switch (pid) {
    case Pid::out:
    case Pid::in:
    case Pid::setup:
    case Pid::ping:
      return PidKind::token;
    case Pid::sof:
      return PidKind::start_of_frame;
    case Pid::data0:
    case Pid::data1:
    case Pid::data2:
    case Pid::mdata:
      return PidKind::data;
    case Pid::ack:
    case Pid::nak:
    case Pid::stall:
    case Pid::nyet:
      return PidKind::handshake;
    default:
      return PidKind::special;
  }
}

constexpr std::string_view to_string(Pid pid) {
  constexpr std::array<std::string_view, 16> names{"reserved", "OUT",   "ACK",   "DATA0", "PING", "SOF",
                                                   "NYET",     "DATA2", "SPLIT", "IN",    "NAK",  "DATA1",
                                                   "PRE/ERR",  "SETUP", "STALL", "MDATA"};
  return names[static_cast<std::size_t>(pid) & 0xfU];
}

}  // namespace isochio::usb
