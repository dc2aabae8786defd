// isochio: CRCs against the specification's residuals and the worked examples of the USB-IF's CRC white paper.
#include "usb/crc.h"

#include <array>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "usb/packet.h"

using namespace isochio::usb;

namespace {
/// Bits as the white paper prints them, first on the wire at the left, as a field whose bit 0 is first on the wire.
constexpr std::uint16_t from_wire_order(std::string_view bits) {
  std::uint16_t value = 0;
  for (std::size_t i = 0; i < bits.size(); ++i) value = static_cast<std::uint16_t>(value | (bits[i] - '0') << i);
  return value;
}

/// Section 8.3.5 word for word: shift left, exclusive-or the polynomial if the bits differ.
std::uint32_t crc_by_the_book(const std::vector<bool>& bits, unsigned width, std::uint32_t polynomial) {
  const std::uint32_t top = 1U << (width - 1);
  const std::uint32_t mask = (top << 1U) - 1;
  std::uint32_t crc = mask;
  for (const bool bit : bits) {
    const bool differs = ((crc & top) != 0) != bit;
    crc = (crc << 1U) & mask;
    if (differs) crc ^= polynomial;
  }
  return crc;
}

std::vector<bool> wire_bits(std::uint32_t value, unsigned count) {
  std::vector<bool> bits;
  for (unsigned i = 0; i < count; ++i) bits.push_back((value >> i & 1U) != 0);
  return bits;
}
}  // namespace

TEST_CASE("CRC5 gives the white paper's values") {
  CHECK(crc5(0x15 | 0xe << 7) == from_wire_order("10111"));  // SETUP, address 15, endpoint e
  CHECK(crc5(0x3a | 0xa << 7) == from_wire_order("11100"));  // OUT, address 3a, endpoint a
  CHECK(crc5(0x70 | 0x4 << 7) == from_wire_order("01110"));  // IN, address 70, endpoint 4
  CHECK(crc5(0x001) == from_wire_order("10111"));            // SOF, frame 001
}

TEST_CASE("CRC16 gives the white paper's values") {
  CHECK(crc16(std::array<std::uint8_t, 4>{0x00, 0x01, 0x02, 0x03}) == from_wire_order("1111011101011110"));
  CHECK(crc16(std::array<std::uint8_t, 4>{0x23, 0x45, 0x67, 0x89}) == from_wire_order("0111000000111000"));
}

TEST_CASE("CRC16 of an empty payload is zero, as seen in every zero-length packet") { CHECK(crc16({}) == 0x0000); }

TEST_CASE("CRC32 gives the check value of IEEE 802.3") {
  CHECK(crc32(std::array<std::uint8_t, 9>{'1', '2', '3', '4', '5', '6', '7', '8', '9'}) == 0xcbf43926);
}

TEST_CASE("every token leaves the residual 01100") {
  for (std::uint16_t value = 0; value < 2048; ++value) {
    const auto field = static_cast<std::uint16_t>(value | crc5(value) << 11);
    REQUIRE(crc5_residual(field) == 0b01100);
    REQUIRE(crc_by_the_book(wire_bits(field, 16), 5, 0b00101) == 0b01100);
  }
}

TEST_CASE("any payload with its CRC16 leaves the residual 1000000000001101") {
  CHECK(rc::check([](std::vector<std::uint8_t> bytes) {
    const std::uint16_t crc = crc16(bytes);
    bytes.push_back(static_cast<std::uint8_t>(crc & 0xff));
    bytes.push_back(static_cast<std::uint8_t>(crc >> 8));
    std::vector<bool> bits;
    for (const auto byte : bytes) {
      for (const bool bit : wire_bits(byte, 8)) bits.push_back(bit);
    }
    RC_ASSERT(crc16_residual(bytes) == 0x800d);
    RC_ASSERT(crc_by_the_book(bits, 16, 0x8005) == 0x800d);
  }));
}

TEST_CASE("a single flipped bit never leaves the good residual") {
  CHECK(rc::check([](const std::vector<std::uint8_t>& payload) {
    std::vector<std::uint8_t> packet(payload.size() + 3);
    make_data(Pid::data0, payload, packet);
    const auto bit = *rc::gen::inRange<std::size_t>(8, packet.size() * 8);
    packet[bit / 8] = static_cast<std::uint8_t>(packet[bit / 8] ^ 1U << bit % 8);
    RC_ASSERT(parse(packet).error() == PacketError::crc16);
  }));
}
