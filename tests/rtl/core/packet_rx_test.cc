// isochio: packet_rx's judgement of CRC5 and CRC16 against a division bit by bit as USB 2.0 section 8.3.5 words it, and
// against vectors that the USB Implementers Forum published ("Cyclic Redundancy Checks in USB").
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "Vpacket_rx.h"

namespace {

using Bytes = std::vector<std::uint8_t>;

class Receiver {
 public:
  Receiver() {
    model_.rst_i = 1;
    clock();
    model_.rst_i = 0;
  }

  /// A packet, a byte a clock; its verdict can be read until the next one.
  void take(const Bytes& packet) {
    payload_.clear();
    model_.in_active_i = 1;
    clock();
    model_.in_valid_i = 1;
    for (const std::uint8_t byte : packet) {
      model_.in_data_i = byte;
      clock();
    }
    model_.in_valid_i = 0;
    model_.in_active_i = 0;
    clock();
  }
  bool token_good() const { return model_.pid_good_o && model_.crc5_good_o; }
  bool data_good() const { return model_.pid_good_o && model_.crc16_good_o; }
  unsigned token() const { return model_.token_o; }
  const Bytes& payload() const { return payload_; }

 private:
  void clock() {
    model_.clk_i = 1;
    model_.eval();
    if (model_.byte_valid_o) payload_.push_back(model_.byte_o);
    model_.clk_i = 0;
    model_.eval();
  }

  VerilatedContext context_;
  Vpacket_rx model_{&context_};
  Bytes payload_;
};

/// CRC of bits in the order of the wire, as the standard's shift register makes it: the CRC's bits come highest first.
unsigned divide(const std::vector<bool>& bits, unsigned width, unsigned polynomial) {
  const unsigned mask = (1U << width) - 1;
  unsigned crc = mask;
  for (const bool bit : bits) {
    const bool top = (crc >> (width - 1) & 1U) != 0;
    crc = crc << 1U & mask;
    if (top != bit) crc ^= polynomial;
  }
  return ~crc & mask;
}

void append(std::vector<bool>& bits, unsigned value, unsigned count) {
  for (unsigned i = 0; i < count; ++i) bits.push_back((value >> i & 1U) != 0);
}

/// The first bit on the wire is the lowest of its byte.
unsigned to_wire(unsigned crc, unsigned width) {
  unsigned value = 0;
  for (unsigned i = 0; i < width; ++i) value |= (crc >> (width - 1 - i) & 1U) << i;
  return value;
}

unsigned wire_bits(std::string_view text) {
  unsigned value = 0;
  for (std::size_t i = 0; i < text.size(); ++i) value |= (text[i] == '1' ? 1U : 0U) << i;
  return value;
}

constexpr std::uint8_t in_pid = 0x69, data0_pid = 0xC3;

Bytes token(unsigned bits, unsigned crc5) {
  const unsigned word = bits | crc5 << 11U;
  return {in_pid, static_cast<std::uint8_t>(word), static_cast<std::uint8_t>(word >> 8U)};
}

Bytes data(const Bytes& payload, unsigned crc16) {
  Bytes packet(1 + payload.size() + 2, data0_pid);
  const auto end = std::copy(payload.begin(), payload.end(), packet.begin() + 1);
  end[0] = static_cast<std::uint8_t>(crc16);
  end[1] = static_cast<std::uint8_t>(crc16 >> 8U);
  return packet;
}

unsigned crc16_of(const Bytes& payload) {
  std::vector<bool> bits;
  for (const std::uint8_t byte : payload) append(bits, byte, 8);
  return to_wire(divide(bits, 16, 0x8005), 16);
}

}  // namespace

TEST_CASE("Of all 65536 tokens exactly those with the CRC5 of the division are good") {
  Receiver receiver;
  unsigned wrong = 0;
  for (unsigned bits = 0; bits < 2048; ++bits) {
    std::vector<bool> wire;
    append(wire, bits, 11);
    const unsigned right = to_wire(divide(wire, 5, 0x05), 5);
    for (unsigned crc = 0; crc < 32; ++crc) {
      receiver.take(token(bits, crc));
      if (receiver.token_good() != (crc == right) || receiver.token() != bits) ++wrong;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("The published CRC5 vectors are good") {
  Receiver receiver;
  const struct {
    unsigned bits;
    std::string_view crc;
  } vectors[] = {
      {0x15U | 0xEU << 7U, "10111"}, {0x3AU | 0xAU << 7U, "11100"}, {0x70U | 0x4U << 7U, "01110"}, {0x001U, "10111"}};
  for (const auto& vector : vectors) {
    receiver.take(token(vector.bits, wire_bits(vector.crc)));
    CHECK(receiver.token_good());
  }
}

TEST_CASE("The published CRC16 vectors are good, and the payload comes without its CRC") {
  Receiver receiver;
  receiver.take(data({0x00, 0x01, 0x02, 0x03}, wire_bits("1111011101011110")));
  CHECK(receiver.data_good());
  CHECK(receiver.payload() == Bytes{0x00, 0x01, 0x02, 0x03});
  receiver.take(data({0x23, 0x45, 0x67, 0x89}, wire_bits("0111000000111000")));
  CHECK(receiver.data_good());
}

TEST_CASE("Packets of every length up to 1024 bytes are good with the CRC16 of the division, and no bit may change") {
  Receiver receiver;
  Bytes payload;
  std::uint32_t state = 1;
  for (unsigned length = 0; length <= 1024; ++length) {
    const Bytes packet = data(payload, crc16_of(payload));
    receiver.take(packet);
    REQUIRE(receiver.data_good());
    REQUIRE(receiver.payload() == payload);
    Bytes bad = packet;
    const std::size_t bit = 8 + state % (8 * (packet.size() - 1));
    bad[bit / 8] = static_cast<std::uint8_t>(bad[bit / 8] ^ 1U << bit % 8);
    receiver.take(bad);
    REQUIRE_FALSE(receiver.data_good());
    state = state * 1664525U + 1013904223U;
    payload.push_back(static_cast<std::uint8_t>(state >> 24U));
  }
}

TEST_CASE("A token of two or four bytes is not good, whatever its bits") {
  Receiver receiver;
  const Bytes good = token(0x15U | 0xEU << 7U, wire_bits("10111"));
  receiver.take({good[0], good[1]});
  CHECK_FALSE(receiver.token_good());
  Bytes longer = good;
  longer.push_back(0);
  receiver.take(longer);
  CHECK_FALSE(receiver.token_good());
}
