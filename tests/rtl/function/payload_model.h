// isochio: docs/payload.md in C++, bit by bit, independent of the Verilog and of host/check.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace isochio::test {

using Bytes = std::vector<std::uint8_t>;

inline constexpr std::uint32_t default_seed = 0x49534F49;

inline std::uint32_t crc32(std::span<const std::uint8_t> bytes) {
  std::uint32_t crc = 0xFFFFFFFFU;
  for (const std::uint8_t byte : bytes)
    for (unsigned bit = 0; bit < 8; ++bit) {
      const bool feedback = ((crc ^ (byte >> bit)) & 1U) != 0;
      crc = (crc >> 1U) ^ (feedback ? 0xEDB88320U : 0U);
    }
  return ~crc;
}

/// PRBS31, x^31 + x^28 + 1, one bit after the other, most significant bit of a byte first.
class Prbs31 {
 public:
  explicit Prbs31(std::uint32_t state) : state_(state) {}
  std::uint8_t byte() {
    std::uint8_t value = 0;
    for (int i = 0; i < 8; ++i) {
      const std::uint32_t bit = ((state_ >> 30U) ^ (state_ >> 27U)) & 1U;
      state_ = ((state_ << 1U) | bit) & 0x7FFFFFFFU;
      value = static_cast<std::uint8_t>((value << 1U) | bit);
    }
    return value;
  }

 private:
  std::uint32_t state_;
};

struct Header {
  std::uint32_t sequence = 0;
  std::uint16_t stamp = 0;
};

inline Bytes make_packet(Header header, std::size_t length, std::uint32_t seed = default_seed) {
  Bytes packet;
  for (unsigned i = 0; i < 4; ++i) packet.push_back(static_cast<std::uint8_t>(header.sequence >> (8 * i)));
  for (unsigned i = 0; i < 2; ++i) packet.push_back(static_cast<std::uint8_t>(header.stamp >> (8 * i)));
  for (unsigned i = 0; i < 2; ++i) packet.push_back(static_cast<std::uint8_t>(length >> (8 * i)));
  if (length < 12) {
    packet.resize(length);
    return packet;
  }
  Prbs31 prbs(((seed ^ (header.sequence * 0x9E3779B1U)) & 0x7FFFFFFFU) | 1U);
  while (packet.size() < length - 4) packet.push_back(prbs.byte());
  const std::uint32_t crc = crc32(packet);
  for (unsigned i = 0; i < 4; ++i) packet.push_back(static_cast<std::uint8_t>(crc >> (8 * i)));
  return packet;
}

}  // namespace isochio::test
