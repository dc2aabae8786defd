// isochio: the CRCs of the bus, and the CRC-32 of payload packets (docs/payload.md). Pure; tables made at compile time.
// Source: USB 2.0 section 8.3.5. Both CRCs are preset to ones and sent inverted. USB sends the CRC's highest power
// first and everything else least significant bit first, so the registers here are reflected: bit 0 is the highest
// power, and a CRC is a plain little-endian field of its packet.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace isochio::usb {

namespace detail {

template <typename Register>
constexpr std::array<Register, 256> make_crc_table(Register reflected_polynomial) {
  std::array<Register, 256> table{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    auto crc = static_cast<Register>(byte);
    for (int bit = 0; bit < 8; ++bit) {
      crc = static_cast<Register>((crc >> 1U) ^ ((crc & 1U) != 0 ? reflected_polynomial : Register{0}));
    }
    table[byte] = crc;
  }
  return table;
}

inline constexpr auto crc16_table = make_crc_table<std::uint16_t>(0xa001);      // x^16 + x^15 + x^2 + 1
inline constexpr auto crc32_table = make_crc_table<std::uint32_t>(0xedb88320);  // IEEE 802.3

/// One step of the CRC5 register, x^5 + x^2 + 1, over `bits` bits of `value`, least significant first.
constexpr std::uint8_t crc5_step(std::uint8_t crc, std::uint32_t value, unsigned bits) {
  for (unsigned i = 0; i < bits; ++i, value >>= 1U) {
    const bool feedback = ((crc ^ value) & 1U) != 0;
    crc = static_cast<std::uint8_t>((crc >> 1U) ^ (feedback ? 0x14U : 0U));
  }
  return crc;
}

constexpr std::array<std::uint8_t, 2048> make_crc5_table() {
  std::array<std::uint8_t, 2048> table{};
  for (unsigned value = 0; value < 2048; ++value) {
    table[value] = static_cast<std::uint8_t>(crc5_step(0x1f, value, 11) ^ 0x1fU);
  }
  return table;
}

inline constexpr auto crc5_table = make_crc5_table();

constexpr std::uint32_t reverse_bits(std::uint32_t value, unsigned bits) {
  std::uint32_t reversed = 0;
  for (unsigned i = 0; i < bits; ++i) reversed |= ((value >> i) & 1U) << (bits - 1U - i);
  return reversed;
}

}  // namespace detail

/// CRC5 of the 11 bits of a token or SOF (address in 6..0, endpoint in 10..7; or the frame number), as bits 15..11 of
/// the field. Bits above the 11 are ignored.
constexpr std::uint8_t crc5(std::uint16_t value) { return detail::crc5_table[value & 0x7ffU]; }

/// What the CRC5 register holds after all 16 bits of a token's field, in the specification's bit order: 01100 if good.
constexpr std::uint8_t crc5_residual(std::uint16_t field) {
  return static_cast<std::uint8_t>(detail::reverse_bits(detail::crc5_step(0x1f, field, 16), 5));
}
inline constexpr std::uint8_t crc5_good_residual = 0b01100;

/// The running CRC16: start with crc16_preset, step by byte, invert to send.
inline constexpr std::uint16_t crc16_preset = 0xffff;

constexpr std::uint16_t crc16_step(std::uint16_t crc, std::uint8_t byte) {
  return static_cast<std::uint16_t>((crc >> 8U) ^ detail::crc16_table[(crc ^ byte) & 0xffU]);
}

constexpr std::uint16_t crc16_step(std::uint16_t crc, std::span<const std::uint8_t> bytes) {
  for (const auto byte : bytes) crc = crc16_step(crc, byte);
  return crc;
}

/// CRC16 of a payload as sent, low byte first.
constexpr std::uint16_t crc16(std::span<const std::uint8_t> payload) {
  return static_cast<std::uint16_t>(~crc16_step(crc16_preset, payload));
}

/// What the CRC16 register holds after payload and CRC, in the specification's bit order: 1000000000001101 if good.
constexpr std::uint16_t crc16_residual(std::span<const std::uint8_t> payload_and_crc) {
  return static_cast<std::uint16_t>(detail::reverse_bits(crc16_step(crc16_preset, payload_and_crc), 16));
}
inline constexpr std::uint16_t crc16_good_residual = 0x800d;

inline constexpr std::uint32_t crc32_preset = 0xffff'ffff;

constexpr std::uint32_t crc32_step(std::uint32_t crc, std::uint8_t byte) {
  return (crc >> 8U) ^ detail::crc32_table[(crc ^ byte) & 0xffU];
}

/// IEEE 802.3 CRC-32, preset and inverted, little endian in the packet.
constexpr std::uint32_t crc32(std::span<const std::uint8_t> bytes) {
  std::uint32_t crc = crc32_preset;
  for (const auto byte : bytes) crc = crc32_step(crc, byte);
  return ~crc;
}

}  // namespace isochio::usb
