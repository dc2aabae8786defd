// isochio: strong types of the USB vocabulary. Pure, constexpr, no dependency.
// Source: USB 2.0 sections 8.3, 9.6.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>

namespace isochio::usb {

enum class Speed : std::uint8_t { full, high };

constexpr const char* to_string(Speed speed) { return speed == Speed::full ? "fs" : "hs"; }

enum class Direction : std::uint8_t { out, in };

enum class TransferType : std::uint8_t { control, isochronous, bulk, interrupt };

/// bEndpointAddress: bits 3..0 number, bit 7 direction (1 = IN) [9.6.6].
struct EndpointAddress {
  std::uint8_t value = 0;

  constexpr std::uint8_t number() const { return value & 0x0fU; }
  constexpr Direction direction() const { return (value & 0x80U) != 0 ? Direction::in : Direction::out; }
  constexpr bool is_in() const { return (value & 0x80U) != 0; }
  friend constexpr auto operator<=>(EndpointAddress, EndpointAddress) = default;
};

constexpr EndpointAddress endpoint(std::uint8_t number, Direction direction) {
  return {static_cast<std::uint8_t>((number & 0x0fU) | (direction == Direction::in ? 0x80U : 0U))};
}

/// A (micro)frame counted by host software in 64 bits: frame * 8 + microframe. Never wraps; at full speed the
/// microframe is 0. The frame is what DriverKit's GetFrameNumber counts (1 ms).
struct FrameTime {
  std::uint64_t value = 0;

  static constexpr FrameTime of(std::uint64_t frame, unsigned microframe = 0) { return {frame * 8U + microframe}; }
  constexpr std::uint64_t frame() const { return value / 8U; }
  constexpr unsigned microframe() const { return static_cast<unsigned>(value % 8U); }
  /// The 14 bits that stamps and FRINDEX carry: bits 13..3 frame number modulo 2048, bits 2..0 microframe.
  constexpr std::uint16_t stamp() const { return static_cast<std::uint16_t>(value & 0x3fffU); }
  friend constexpr auto operator<=>(FrameTime, FrameTime) = default;
};

/// What one endpoint of the current alternate setting is, in the terms the schedule needs [9.6.6].
struct EndpointConfig {
  EndpointAddress address;
  TransferType type = TransferType::control;
  std::uint16_t max_packet = 0;   ///< bytes in one transaction, wMaxPacketSize bits 10..0
  std::uint8_t transactions = 1;  ///< in a microframe: 1, 2 or 3, wMaxPacketSize bits 12..11 + 1 (high-speed periodic)
  std::uint32_t interval = 1;     ///< service interval in frames (full speed) or microframes (high speed)
  /// Place within the service interval, in its units, 0 … interval − 1: where the host's schedule put the endpoint.
  /// None: not scheduled, or the host does not tell.
  std::optional<std::uint32_t> phase{};

  /// Bytes that one service interval can carry: max_packet * transactions.
  constexpr std::uint32_t capacity() const { return std::uint32_t{max_packet} * transactions; }
};

}  // namespace isochio::usb
