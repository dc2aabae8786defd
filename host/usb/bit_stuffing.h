// isochio: how many bits stuffing adds to a byte sequence. A zero follows every six consecutive ones; the last bit of
// SYNC is a one and counts as the first of a run; a zero is inserted even after the last bit before EOP.
// Source: USB 2.0 section 7.1.9.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace isochio::usb {

/// The consecutive ones so far, 0 … 5 (after the sixth a zero was sent, so the run is 0 again).
struct StuffRun {
  std::uint8_t ones = 1;  ///< 1: right after SYNC
};

namespace detail {

/// Bits 2..0 the run after the byte, bits 5..4 the zeros inserted in it or right after it (0 … 2).
constexpr std::uint8_t stuff_byte(unsigned ones, unsigned byte) {
  unsigned stuffed = 0;
  for (unsigned bit = 0; bit < 8; ++bit) {
    ones = (byte >> bit & 1U) != 0 ? ones + 1 : 0;
    if (ones == 6) {
      ++stuffed;
      ones = 0;
    }
  }
  return static_cast<std::uint8_t>(ones | stuffed << 4U);
}

constexpr auto make_stuff_table() {
  std::array<std::array<std::uint8_t, 256>, 6> table{};
  for (unsigned ones = 0; ones < 6; ++ones) {
    for (unsigned byte = 0; byte < 256; ++byte) table[ones][byte] = stuff_byte(ones, byte);
  }
  return table;
}

inline constexpr auto stuff_table = make_stuff_table();

}  // namespace detail

/// Zeros inserted in `byte` or right after its last bit, 0 … 2; carries the run on.
constexpr unsigned stuffed_bits(StuffRun& run, std::uint8_t byte) {
  const std::uint8_t entry = detail::stuff_table[run.ones][byte];
  run.ones = entry & 7U;
  return entry >> 4U;
}

constexpr std::size_t stuffed_bits(StuffRun& run, std::span<const std::uint8_t> bytes) {
  std::size_t stuffed = 0;
  for (const auto byte : bytes) stuffed += stuffed_bits(run, byte);
  return stuffed;
}

/// For a whole packet, PID to CRC, behind its SYNC.
constexpr std::size_t stuffed_bits(std::span<const std::uint8_t> packet) {
  StuffRun run;
  return stuffed_bits(run, packet);
}

}  // namespace isochio::usb
