// isochio: reflected CRCs eight bytes at a time (slicing-by-8), so that checking costs little. The checks have CRCs of
// their own on purpose (not those of usb/crc.h): a fault in the host's would not be seen by itself. CRC16: USB 2.0
// section 8.3.5; CRC-32: IEEE 802.3.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace isochio::check {

class SlicedCrc {
 public:
  constexpr explicit SlicedCrc(std::uint32_t reflected_polynomial) {
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = (value >> 1U) ^ ((value & 1U) != 0 ? reflected_polynomial : 0U);
      table_[0][i] = value;
    }
    for (std::size_t slice = 1; slice < 8; ++slice)
      for (std::size_t i = 0; i < 256; ++i)
        table_[slice][i] = (table_[slice - 1][i] >> 8U) ^ table_[0][table_[slice - 1][i] & 0xffU];
  }

  /// The register after `bytes`; preset and inversion are the caller's.
  constexpr std::uint32_t update(std::uint32_t crc, std::span<const std::uint8_t> bytes) const {
    std::size_t i = 0;
    for (; i + 8 <= bytes.size(); i += 8) {
      const std::uint32_t low = crc ^ word(bytes, i);
      const std::uint32_t high = word(bytes, i + 4);
      crc = table_[7][low & 0xffU] ^ table_[6][(low >> 8U) & 0xffU] ^ table_[5][(low >> 16U) & 0xffU] ^
            table_[4][low >> 24U] ^ table_[3][high & 0xffU] ^ table_[2][(high >> 8U) & 0xffU] ^
            table_[1][(high >> 16U) & 0xffU] ^ table_[0][high >> 24U];
    }
    for (; i < bytes.size(); ++i) crc = (crc >> 8U) ^ table_[0][(crc ^ bytes[i]) & 0xffU];
    return crc;
  }

 private:
  static constexpr std::uint32_t word(std::span<const std::uint8_t> bytes, std::size_t i) {
    return std::uint32_t{bytes[i]} | std::uint32_t{bytes[i + 1]} << 8U | std::uint32_t{bytes[i + 2]} << 16U |
           std::uint32_t{bytes[i + 3]} << 24U;
  }
  std::array<std::array<std::uint32_t, 256>, 8> table_{};
};

inline constexpr SlicedCrc crc32_table{0xEDB88320U};
inline constexpr SlicedCrc crc16_table{0xA001U};

constexpr std::uint32_t crc32(std::span<const std::uint8_t> bytes) {
  return crc32_table.update(0xffffffffU, bytes) ^ 0xffffffffU;
}
/// `bytes` with their CRC16 behind them: good? The residual 1000000000001101 of the specification, reflected.
constexpr bool crc16_good(std::span<const std::uint8_t> bytes) {
  return bytes.size() >= 2 && crc16_table.update(0xffffU, bytes) == 0xB001U;
}
}  // namespace isochio::check
