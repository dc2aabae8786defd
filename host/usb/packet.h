// isochio: the bytes of packets, from PID to CRC, without SYNC and EOP. Nothing allocates: fixed packets are arrays,
// data packets are built in the caller's buffer. Source: USB 2.0 sections 8.3, 8.4.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <tl/expected.hpp>

#include "usb/crc.h"
#include "usb/pid.h"

namespace isochio::usb {

/// The longest payload of any packet (high-speed isochronous or interrupt) [5.6.3].
inline constexpr std::size_t max_payload = 1024;
/// PID and CRC16 around a payload.
inline constexpr std::size_t data_overhead = 3;

using TokenPacket = std::array<std::uint8_t, 3>;
using HandshakePacket = std::array<std::uint8_t, 1>;

namespace detail {
constexpr TokenPacket make_eleven_bits(Pid pid, std::uint16_t value) {
  const auto field = static_cast<std::uint16_t>((value & 0x7ffU) | (unsigned{crc5(value)} << 11U));
  return {pid_byte(pid), static_cast<std::uint8_t>(field & 0xffU), static_cast<std::uint8_t>(field >> 8U)};
}
}  // namespace detail

/// OUT, IN, SETUP or PING. Bits of `address` above 6 and of `endpoint` above 3 are ignored.
constexpr TokenPacket make_token(Pid pid, std::uint8_t address, std::uint8_t endpoint) {
  return detail::make_eleven_bits(pid, static_cast<std::uint16_t>((address & 0x7fU) | (endpoint & 0xfU) << 7U));
}

/// The low 11 bits of `frame_number` go on the wire.
constexpr TokenPacket make_sof(std::uint16_t frame_number) { return detail::make_eleven_bits(Pid::sof, frame_number); }

constexpr HandshakePacket make_handshake(Pid pid) { return {pid_byte(pid)}; }

/// PID, payload, CRC16 in `buffer`; returns the part used. Empty if the buffer is shorter than payload + 3 bytes.
constexpr std::span<std::uint8_t> make_data(Pid pid, std::span<const std::uint8_t> payload,
                                            std::span<std::uint8_t> buffer) {
  const std::size_t size = payload.size() + data_overhead;
  if (buffer.size() < size) return {};
  buffer[0] = pid_byte(pid);
  std::copy(payload.begin(), payload.end(), buffer.begin() + 1);
  const std::uint16_t crc = crc16(payload);
  buffer[size - 2] = static_cast<std::uint8_t>(crc & 0xffU);
  buffer[size - 1] = static_cast<std::uint8_t>(crc >> 8U);
  return buffer.first(size);
}

enum class PacketError : std::uint8_t {
  empty,
  pid_check,     ///< the upper nibble is not the complement of the lower
  pid_unknown,   ///< the reserved PID, or SPLIT and PRE/ERR, which never come between a host and this device
  wrong_length,  ///< token or SOF not 3 bytes, handshake not 1, data shorter than 3
  crc5,
  crc16,
};

constexpr std::string_view to_string(PacketError error) {
  switch (error) {
    case PacketError::empty:
      return "empty packet";
    case PacketError::pid_check:
      return "PID check nibble wrong";
    case PacketError::pid_unknown:
      return "PID not used here";
    case PacketError::wrong_length:
      return "wrong length for its PID";
    case PacketError::crc5:
      return "CRC5 wrong";
    case PacketError::crc16:
      return "CRC16 wrong";
  }
  return "unknown error";
}

struct ParsedPacket {
  Pid pid = Pid::reserved;
  std::uint8_t address = 0;               ///< tokens
  std::uint8_t endpoint = 0;              ///< tokens
  std::uint16_t frame_number = 0;         ///< SOF, 0 … 2047
  std::span<const std::uint8_t> payload;  ///< data packets; points into the bytes parsed
};

namespace detail {
constexpr tl::expected<ParsedPacket, PacketError> parse_token(Pid pid, std::span<const std::uint8_t> bytes) {
  if (bytes.size() != 3) return tl::unexpected(PacketError::wrong_length);
  const auto field = static_cast<std::uint16_t>(bytes[1] | unsigned{bytes[2]} << 8U);
  if (crc5_residual(field) != crc5_good_residual) return tl::unexpected(PacketError::crc5);
  ParsedPacket packet;
  packet.pid = pid;
  if (pid == Pid::sof) {
    packet.frame_number = field & 0x7ffU;
  } else {
    packet.address = field & 0x7fU;
    packet.endpoint = static_cast<std::uint8_t>(field >> 7U & 0xfU);
  }
  return packet;
}

constexpr tl::expected<ParsedPacket, PacketError> parse_handshake(Pid pid, std::span<const std::uint8_t> bytes) {
  if (bytes.size() != 1) return tl::unexpected(PacketError::wrong_length);
  ParsedPacket packet;
  packet.pid = pid;
  return packet;
}

constexpr tl::expected<ParsedPacket, PacketError> parse_data(Pid pid, std::span<const std::uint8_t> bytes) {
  if (bytes.size() < data_overhead) return tl::unexpected(PacketError::wrong_length);
  if (crc16_residual(bytes.subspan(1)) != crc16_good_residual) return tl::unexpected(PacketError::crc16);
  ParsedPacket packet;
  packet.pid = pid;
  packet.payload = bytes.subspan(1, bytes.size() - data_overhead);
  return packet;
}
}  // namespace detail

/// Checks everything that the packet alone can show. A payload longer than max_payload is not an error here.
constexpr tl::expected<ParsedPacket, PacketError> parse(std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) return tl::unexpected(PacketError::empty);
  if (!pid_check_good(bytes[0])) return tl::unexpected(PacketError::pid_check);
  const Pid pid = pid_of(bytes[0]);
  switch (kind(pid)) {
    case PidKind::token:
    case PidKind::start_of_frame:
      return detail::parse_token(pid, bytes);
    case PidKind::data:
      return detail::parse_data(pid, bytes);
    case PidKind::handshake:
      return detail::parse_handshake(pid, bytes);
    default:
      return tl::unexpected(PacketError::pid_unknown);
  }
}

}  // namespace isochio::usb
