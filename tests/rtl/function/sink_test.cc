// isochio: tests of pattern_sink.v: every verdict, and that only committed packets count.
#include <doctest/doctest.h>

#include "bench.h"

using namespace isochio::test;

namespace {

struct Sums {
  std::uint32_t packets = 0, bytes = 0, zero_length = 0, lost = 0, duplicate = 0, reordered = 0, corrupt = 0,
                mistimed = 0, truncated = 0;
  bool operator==(const Sums&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Sums& s) {
  return out << "packets " << s.packets << " bytes " << s.bytes << " zero " << s.zero_length << " lost " << s.lost
             << " duplicate " << s.duplicate << " reordered " << s.reordered << " corrupt " << s.corrupt << " mistimed "
             << s.mistimed << " truncated " << s.truncated;
}

Sums sums(Bench& bench, unsigned engine) {
  const auto get = [&](unsigned which) { return bench.read(reg::out(engine, which)); };
  return {get(reg::packets),   get(reg::bytes),   get(reg::zero_length), get(reg::lost),     get(reg::duplicate),
          get(reg::reordered), get(reg::corrupt), get(reg::mistimed),    get(reg::truncated)};
}

struct FirstBad {
  std::uint32_t sequence;
  unsigned offset, expected, seen;
  bool operator==(const FirstBad&) const = default;
};

FirstBad first_bad(Bench& bench, unsigned engine) {
  const std::uint32_t value = bench.read(reg::out(engine, reg::first_bad));
  CHECK((value >> 31U) == 1);
  return {bench.read(reg::out(engine, reg::first_bad_sequence)), (value >> 16U) & 0x7FFU, (value >> 8U) & 0xFFU,
          value & 0xFFU};
}

Bench& ready(Bench& bench, unsigned engine = 1, unsigned function = pattern) {
  bench.high_speed(true);
  bench.setup_out(engine, {.function = function});
  bench.frame(7500);
  return bench;
}

}  // namespace

TEST_CASE("good packets of every length are good") {
  Bench bench;
  ready(bench);
  Sums expected;
  std::uint32_t sequence = 0;
  for (unsigned length = 0; length <= 1024; length += length < 40 ? 1 : 123) {
    bench.frame(7500);
    bench.out_packet(1, make_packet({sequence, bench.stamp()}, length),
                     length % 2 ? Bench::After::commit : Bench::After::commit_with_end);
    if (length != 0) ++sequence;
    ++expected.packets;
    expected.bytes += length;
    expected.zero_length += length == 0 ? 1 : 0;
  }
  CHECK(sums(bench, 1) == expected);
  CHECK(bench.read(reg::out(1, reg::first_bad)) == 0);
  CHECK(sums(bench, 0) == Sums{});
}

TEST_CASE("idle time between the bytes does not change the verdict") {
  Bench bench;
  ready(bench);
  bench.gap_every(5);
  bench.out_packet(1, make_packet({0, bench.stamp()}, 60));
  bench.out_packet(1, make_packet({1, bench.stamp()}, 60));
  CHECK(sums(bench, 1) == Sums{.packets = 2, .bytes = 120});
}

TEST_CASE("lost, duplicate and reordered packets are told apart") {
  Bench bench;
  ready(bench);
  const auto send = [&](std::uint32_t sequence) { bench.out_packet(1, make_packet({sequence, bench.stamp()}, 30)); };
  send(0);
  send(3);
  CHECK(sums(bench, 1).lost == 2);
  send(3);
  CHECK(sums(bench, 1).duplicate == 1);
  send(1);
  CHECK(sums(bench, 1).reordered == 1);
  send(4);
  CHECK(sums(bench, 1) == Sums{.packets = 5, .bytes = 150, .lost = 2, .duplicate = 1, .reordered = 1});
  // Far ahead: the body of any number is known.
  send(0x789ABCDE);
  CHECK(sums(bench, 1) == Sums{.packets = 6, .bytes = 180, .lost = 2 + 0x789ABCDE - 5, .duplicate = 1, .reordered = 1});
  send(0x89ABCDEF);
  send(0x89ABCDF0);
  CHECK(sums(bench, 1).corrupt == 0);
  CHECK(sums(bench, 1).lost == 2 + 0x89ABCDEF - 6);
}

TEST_CASE("short packets are judged by the sequence they carry") {
  Bench bench;
  ready(bench);
  const auto send = [&](std::uint32_t sequence, std::size_t n) {
    bench.out_packet(1, make_packet({sequence, bench.stamp()}, n));
  };
  for (std::uint32_t i = 0; i < 260; ++i) send(i, 1 + i % 3);
  CHECK(sums(bench, 1).lost == 0);
  CHECK(sums(bench, 1).reordered == 0);
  send(262, 1);
  CHECK(sums(bench, 1).lost == 2);
  send(262, 1);
  CHECK(sums(bench, 1).duplicate == 1);
  send(250, 1);
  CHECK(sums(bench, 1).reordered == 1);
  send(263, 11);
  CHECK(sums(bench, 1).corrupt == 0);
  CHECK(sums(bench, 1).truncated == 0);
}

TEST_CASE("a stamp of another microframe is mistimed, and nothing else") {
  Bench bench;
  ready(bench);
  bench.out_packet(1, make_packet({0, static_cast<std::uint16_t>(bench.stamp() - 1)}, 100));
  CHECK(sums(bench, 1) == Sums{.packets = 1, .bytes = 100, .mistimed = 1});
  bench.out_packet(1, make_packet({1, static_cast<std::uint16_t>(bench.stamp() + 1)}, 7));
  CHECK(sums(bench, 1) == Sums{.packets = 2, .bytes = 107, .mistimed = 2});
}

TEST_CASE("a damaged byte is named, wherever it is") {
  for (const unsigned length : {12U, 13U, 16U, 64U, 200U}) {
    Bench bench;
    ready(bench);
    std::uint32_t sequence = 0;
    std::uint32_t corrupt = 0;
    for (; sequence < 5; ++sequence) bench.out_packet(1, make_packet({sequence, bench.stamp()}, length));
    for (unsigned at = 0; at < length; ++at)
      for (const unsigned bit : {0U, 7U}) {
        CAPTURE(length);
        CAPTURE(at);
        CAPTURE(bit);
        bench.write(reg::control, 1 | 1U << 8U);
        Bytes packet = make_packet({sequence, bench.stamp()}, length);
        const Bytes right = packet;
        packet[at] ^= static_cast<std::uint8_t>(1U << bit);
        bench.out_packet(1, packet);
        CHECK(sums(bench, 1) == Sums{.packets = 1, .bytes = length, .corrupt = 1});
        CHECK(first_bad(bench, 1) == FirstBad{sequence, at, right[at], packet[at]});
        ++sequence;
        ++corrupt;
      }
    // None of them upset the sequence.
    bench.write(reg::control, 1 | 1U << 8U);
    bench.out_packet(1, make_packet({sequence, bench.stamp()}, length));
    CHECK(sums(bench, 1) == Sums{.packets = 1, .bytes = length});
  }
}

TEST_CASE("the first corrupt packet stays the first") {
  Bench bench;
  ready(bench);
  for (std::uint32_t i = 0; i < 3; ++i) {
    Bytes packet = make_packet({i, bench.stamp()}, 50);
    packet[20 + i] ^= 1U;
    bench.out_packet(1, packet);
  }
  CHECK(sums(bench, 1).corrupt == 3);
  CHECK(first_bad(bench, 1).offset == 20);
  CHECK(first_bad(bench, 1).sequence == 0);
}

TEST_CASE("a wrong body under a good CRC32 is corrupt") {
  Bench bench;
  ready(bench);
  const Bytes packet = make_packet({0, bench.stamp()}, 50, 0x11111111);
  bench.out_packet(1, packet);
  CHECK(sums(bench, 1).corrupt == 1);
  CHECK(first_bad(bench, 1).offset == 8);
}

TEST_CASE("a truncated packet is truncated, not corrupt, at every length from 12 bytes") {
  Bench bench;
  ready(bench);
  std::uint32_t sequence = 0;
  for (unsigned length = 8; length < 100; ++length, ++sequence) {
    CAPTURE(length);
    Bytes packet = make_packet({sequence, bench.stamp()}, 100);
    packet.resize(length);
    bench.out_packet(1, packet);
    CHECK(sums(bench, 1).truncated == sequence + 1);
    CHECK(sums(bench, 1).corrupt == 0);
    CHECK(sums(bench, 1).lost == 0);
  }
  Bytes packet = make_packet({sequence, bench.stamp()}, 100);
  packet.resize(103, 0x55);
  bench.out_packet(1, packet);
  CHECK(sums(bench, 1).truncated == sequence + 1);
}

TEST_CASE("a packet damaged in the body and cut is corrupt") {
  Bench bench;
  ready(bench);
  Bytes packet = make_packet({0, bench.stamp()}, 100);
  packet.resize(60);
  packet[30] ^= 4U;
  bench.out_packet(1, packet);
  CHECK(sums(bench, 1) == Sums{.packets = 1, .bytes = 60, .corrupt = 1});
  CHECK(first_bad(bench, 1).offset == 30);
}

TEST_CASE("three packets of an interval wait for the commit together") {
  Bench bench;
  ready(bench);
  for (std::uint32_t i = 0; i < 3; ++i)
    bench.out_packet(1, make_packet({i, bench.stamp()}, 1024), Bench::After::nothing);
  CHECK(sums(bench, 1) == Sums{});
  bench.out_commit(1);
  CHECK(sums(bench, 1) == Sums{.packets = 3, .bytes = 3072});
}

TEST_CASE("what is discarded never was: counts, sequence and verdicts") {
  Bench bench;
  ready(bench);
  bench.out_packet(1, make_packet({0, bench.stamp()}, 20));
  bench.out_packet(1, make_packet({9, bench.stamp()}, 20), Bench::After::nothing);
  bench.out_packet(1, make_packet({7, bench.stamp()}, 20), Bench::After::discard);
  bench.out_packet(1, make_packet({77, bench.stamp()}, 20), Bench::After::discard, false);
  bench.out_packet(1, make_packet({1, bench.stamp()}, 20));
  CHECK(sums(bench, 1) == Sums{.packets = 2, .bytes = 40});
  CHECK(bench.read(reg::counters + 12) == 2);
}

TEST_CASE("engines that discard at successive clocks are all counted") {
  Bench bench;
  for (int round = 0; round < 3; ++round) {
    for (unsigned engine = 0; engine < 6; ++engine) bench.out_discard(engine);
    bench.event({.kind = 0});
    for (unsigned engine = 0; engine < 4; ++engine) bench.out_discard(engine);
    bench.settle();
  }
  CHECK(bench.read(reg::counters + 12) == 30);
}

TEST_CASE("intervals of two engines may interleave") {
  Bench bench;
  ready(bench, 1);
  bench.setup_out(2, {.function = pattern});
  for (std::uint32_t i = 0; i < 6; ++i) {
    bench.out_packet(1, make_packet({i, bench.stamp()}, 40), Bench::After::nothing);
    bench.out_packet(2, make_packet({i, bench.stamp()}, 50), Bench::After::nothing);
    if (i % 3 != 2) continue;
    bench.out_commit(1);
    bench.settle();
    bench.out_commit(2);
  }
  CHECK(sums(bench, 1) == Sums{.packets = 6, .bytes = 240});
  CHECK(sums(bench, 2) == Sums{.packets = 6, .bytes = 300});
}

TEST_CASE("plain patterns are checked byte by byte") {
  Bench bench;
  ready(bench, 0, mod63);
  Bytes packet;
  for (unsigned i = 0; i < 150; ++i) packet.push_back(static_cast<std::uint8_t>(i % 63));
  bench.out_packet(0, packet);
  CHECK(sums(bench, 0) == Sums{.packets = 1, .bytes = 150});
  packet[130] = 0xFF;
  bench.out_packet(0, packet);
  CHECK(sums(bench, 0) == Sums{.packets = 2, .bytes = 300, .corrupt = 1});
  CHECK(first_bad(bench, 0) == FirstBad{1, 130, 130 % 63, 0xFF});
  ready(bench, 3, zeros);
  bench.out_packet(3, Bytes(77, 0));
  CHECK(sums(bench, 3).corrupt == 0);
  bench.out_packet(3, Bytes(77, 1));
  CHECK(sums(bench, 3).corrupt == 1);
}

TEST_CASE("an engine that discards counts what it got") {
  Bench bench;
  ready(bench, 4, none);
  bench.out_packet(4, Bytes(33, 9));
  CHECK(sums(bench, 4) == Sums{.packets = 1, .bytes = 33});
}
