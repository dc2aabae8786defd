// isochio: stuffing against worked examples and a bit-by-bit encoder.
#include "usb/bit_stuffing.h"

#include <vector>

#include <doctest/doctest.h>
#include <rapidcheck.h>

using namespace isochio::usb;

namespace {
using Bytes = std::vector<std::uint8_t>;

/// Writes the bits out, SYNC's last one first, and counts what a transmitter would insert.
std::size_t by_the_bit(const Bytes& bytes) {
  std::vector<bool> wire{true};
  std::size_t inserted = 0;
  const auto ends_in_six_ones = [&wire] {
    if (wire.size() < 6) return false;
    for (std::size_t i = wire.size() - 6; i < wire.size(); ++i) {
      if (!wire[i]) return false;
    }
    return true;
  };
  for (const auto byte : bytes) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      wire.push_back((byte >> bit & 1U) != 0);
      if (ends_in_six_ones()) {
        wire.push_back(false);
        ++inserted;
      }
    }
  }
  return inserted;
}
}  // namespace

TEST_CASE("SYNC's last one counts as the first of a run") {
  CHECK(stuffed_bits(Bytes{0x1f}) == 1);  // five ones behind SYNC's
  CHECK(stuffed_bits(Bytes{0x0f}) == 0);
  StuffRun in_the_middle{.ones = 0};
  CHECK(stuffed_bits(in_the_middle, 0x1f) == 0);
}

TEST_CASE("a zero is inserted even after the last bit before EOP") { CHECK(stuffed_bits(Bytes{0x00, 0xfc}) == 1); }

TEST_CASE("ones without end are stuffed once in six") {
  CHECK(stuffed_bits(Bytes{0xff}) == 1);        // 1 + 8 = 6 + 3
  CHECK(stuffed_bits(Bytes{0xff, 0xff}) == 2);  // 17 = 2 * 6 + 5
  CHECK(stuffed_bits(Bytes(3, 0xff)) == 4);     // 25 = 4 * 6 + 1
  CHECK(stuffed_bits(Bytes(1023, 0xff)) == 8185 / 6);
}

TEST_CASE("a run is carried from byte to byte") {
  StuffRun run{.ones = 0};
  CHECK(stuffed_bits(run, 0xe0) == 0);
  CHECK(run.ones == 3);
  CHECK(stuffed_bits(run, 0x07) == 1);
  CHECK(run.ones == 0);
}

TEST_CASE("the table agrees with a transmitter that goes bit by bit") {
  CHECK(rc::check([] {
    const auto dense = rc::gen::element<std::uint8_t>(0xff, 0xfe, 0x7f, 0x3f, 0xfc, 0x00, 0xef);
    const auto bytes = *rc::gen::container<Bytes>(rc::gen::oneOf(dense, rc::gen::arbitrary<std::uint8_t>()));
    RC_ASSERT(stuffed_bits(bytes) == by_the_bit(bytes));
  }));
}
