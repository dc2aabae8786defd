// isochio: tests of pattern_source.v and size_schedule.v.
#include <doctest/doctest.h>

#include "bench.h"

using namespace isochio::test;

TEST_CASE("the model of the payload has the check value of CRC-32 and the period start of PRBS31") {
  const Bytes digits = {'1', '2', '3', '4', '5', '6', '7', '8', '9'};
  CHECK(crc32(digits) == 0xCBF43926U);
  // ITU-T O.150: from all ones, 28 zeros follow, then 3 ones.
  Prbs31 prbs(0x7FFFFFFF);
  CHECK(prbs.byte() == 0x00);
  CHECK(prbs.byte() == 0x00);
  CHECK(prbs.byte() == 0x00);
  CHECK(prbs.byte() == 0x0E);
}

TEST_CASE("the source makes the packets of the page byte for byte, at every length") {
  Bench bench;
  bench.high_speed(true);
  bench.setup_in(2, {.function = pattern});
  std::uint32_t sequence = 0;
  for (unsigned length = 0; length <= 1024; length += length < 70 ? 1 : 159) {
    CAPTURE(length);
    bench.frame(7500);
    bench.open(2);
    CHECK(bench.in_packet(2, length) == make_packet({sequence, bench.stamp()}, length));
    if (length != 0) ++sequence;
  }
}

TEST_CASE("engines have their own seed and sequence") {
  Bench bench;
  bench.setup_in(0, {.function = pattern});
  bench.setup_in(5, {.function = pattern});
  bench.write(reg::in(5, reg::seed), 0xDEADBEEF);
  for (std::uint32_t i = 0; i < 20; ++i) {
    bench.frame(60000);
    CHECK(bench.in_packet(0, 40) == make_packet({2 * i, bench.stamp()}, 40));
    CHECK(bench.in_packet(5, 33) == make_packet({i, bench.stamp()}, 33, 0xDEADBEEF));
    CHECK(bench.in_packet(0, 41) == make_packet({2 * i + 1, bench.stamp()}, 41));
  }
}

TEST_CASE("a packet that was not acknowledged is sent again under its number") {
  Bench bench;
  bench.setup_in(1, {.max_packet = 64, .function = pattern});
  CHECK(bench.in_packet(1, 64, false) == make_packet({0, bench.stamp()}, 64));
  CHECK(bench.in_packet(1, 64, true) == make_packet({0, bench.stamp()}, 64));
  CHECK(bench.in_packet(1, 64, true) == make_packet({1, bench.stamp()}, 64));
}

TEST_CASE("a new setup and the restart bit begin the sequence anew") {
  Bench bench;
  bench.setup_in(1, {.function = pattern});
  bench.in_packet(1, 20);
  bench.in_packet(1, 20);
  bench.write(reg::control, 1 | 1U << 10U);
  CHECK(bench.in_packet(1, 20) == make_packet({0, bench.stamp()}, 20));
  bench.setup_in(1, {.function = pattern});
  CHECK(bench.in_packet(1, 20) == make_packet({0, bench.stamp()}, 20));
}

TEST_CASE("plain patterns are those of Gadget Zero") {
  Bench bench;
  bench.setup_in(0, {.function = zeros});
  bench.setup_in(1, {.function = mod63});
  CHECK(bench.in_packet(0, 200) == Bytes(200, 0));
  Bytes expected;
  for (unsigned i = 0; i < 200; ++i) expected.push_back(static_cast<std::uint8_t>(i % 63));
  CHECK(bench.in_packet(1, 200) == expected);
  CHECK(bench.in_packet(1, 200) == expected);
}

TEST_CASE("an engine without a function has nothing") {
  Bench bench;
  bench.setup_in(0, {.function = none});
  CHECK(!bench.open(0));
  CHECK(bench.port().in_bytes_o == 0);
}

TEST_CASE("a fixed size is offered, never more than the endpoint carries, and 0 means all of that") {
  Bench bench;
  bench.setup_in(0, {.max_packet = 1024, .more_packets = 2, .function = pattern, .size = 0});
  CHECK(bench.open(0) == 3072);
  bench.write(reg::in(0, reg::size), 1500);
  CHECK(bench.open(0) == 1500);
  bench.setup_in(0, {.max_packet = 512, .more_packets = 1, .function = pattern, .size = 2000});
  CHECK(bench.open(0) == 1024);
  bench.setup_in(0, {.max_packet = 192, .function = pattern, .size = 192});
  CHECK(bench.open(0) == 192);
}

TEST_CASE("a size list goes round, zero lengths included") {
  Bench bench;
  bench.setup_in(3, {.max_packet = 100, .function = pattern, .size_mode = 1});
  const unsigned list[] = {10, 0, 100, 200};
  for (unsigned i = 0; i < 4; ++i) bench.write(reg::list(3, i), list[i]);
  bench.write(reg::in(3, reg::list_length), 4);
  for (int round = 0; round < 3; ++round) {
    CHECK(bench.open(3) == 10);
    CHECK(bench.read(reg::list(3, 2)) == 100);
    CHECK(bench.port().in_bytes_o == 10);
    CHECK(bench.open(3) == 0);
    CHECK(bench.open(3) == 100);
    CHECK(bench.open(3) == 100);
  }
  bench.open(3);
  bench.write(reg::control, 1 | 1U << 10U);
  CHECK(bench.open(3) == 10);
}

TEST_CASE("idle time between the bytes changes nothing") {
  Bench bench;
  bench.setup_in(2, {.function = pattern});
  bench.gap_every(3);
  CHECK(bench.in_packet(2, 77) == make_packet({0, bench.stamp()}, 77));
}
