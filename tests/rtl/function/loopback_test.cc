// isochio: tests of loopback_buffer.v. The bench's buffer has 4096 bytes a pair.
#include <doctest/doctest.h>

#include "bench.h"

using namespace isochio::test;

namespace {

Bytes numbered(unsigned first, unsigned length) {
  Bytes bytes;
  for (unsigned i = 0; i < length; ++i)
    bytes.push_back(static_cast<std::uint8_t>((first + i) * 37 + (first + i) / 256));
  return bytes;
}

void join(Bench& bench, unsigned engine, unsigned max_packet = 1024, unsigned more = 2) {
  bench.setup_out(engine, {.max_packet = max_packet, .more_packets = more, .function = loopback});
  bench.setup_in(engine, {.max_packet = max_packet, .more_packets = more, .function = loopback});
}

}  // namespace

TEST_CASE("what came in one interval goes out in one, zero lengths included, for many times the buffer's size") {
  Bench bench;
  join(bench, 2);
  CHECK(!bench.open(2));
  unsigned first = 0;
  for (unsigned i = 0; i < 60; ++i) {
    const unsigned a = i * 97 % 1500;
    const unsigned b = i * 31 % 700;
    bench.out_packet(2, numbered(first, a), Bench::After::commit);
    bench.out_packet(2, numbered(first + a, 0), Bench::After::commit_with_end);
    bench.out_packet(2, numbered(first + a, b), Bench::After::commit_with_end);
    CHECK(bench.in_interval(2) == numbered(first, a));
    CHECK(bench.open(2) == 0);
    bench.in_packet(2, 0);
    CHECK(bench.in_interval(2) == numbered(first + a, b));
    CHECK(!bench.open(2));
    first += a + b;
  }
}

TEST_CASE("three packets of an interval go out as one interval of three") {
  Bench bench;
  join(bench, 0);
  for (unsigned i = 0; i < 3; ++i) bench.out_packet(0, numbered(1024 * i, 1024), Bench::After::nothing);
  CHECK(!bench.open(0));
  bench.out_commit(0);
  CHECK(bench.open(0) == 3072);
  for (unsigned i = 0; i < 3; ++i) CHECK(bench.in_packet(0, 1024) == numbered(1024 * i, 1024));
}

TEST_CASE("pairs do not mix, and packets of several may interleave") {
  Bench bench;
  for (unsigned engine = 0; engine < 6; ++engine) join(bench, engine);
  for (unsigned part = 0; part < 2; ++part)
    for (unsigned engine = 0; engine < 6; ++engine)
      bench.out_packet(engine, numbered(1000 * engine + 300 * part, 300), Bench::After::nothing);
  for (unsigned engine = 0; engine < 6; ++engine) bench.out_commit(engine);
  for (unsigned engine = 0; engine < 6; ++engine) CHECK(bench.open(engine) == 600);
  for (unsigned part = 0; part < 2; ++part)
    for (unsigned engine = 0; engine < 6; ++engine)
      CHECK(bench.in_packet(engine, 300) == numbered(1000 * engine + 300 * part, 300));
}

TEST_CASE("discarded data does not come back") {
  Bench bench;
  join(bench, 1);
  bench.out_packet(1, numbered(0, 50), Bench::After::commit);
  bench.out_packet(1, numbered(777, 500), Bench::After::nothing);
  bench.out_packet(1, numbered(888, 100), Bench::After::discard, false);
  bench.out_packet(1, numbered(50, 60), Bench::After::commit);
  CHECK(bench.in_interval(1) == numbered(0, 50));
  CHECK(bench.in_interval(1) == numbered(50, 60));
  CHECK(!bench.open(1));
}

TEST_CASE("an interval that does not fit is dropped whole and counted, what was there stays") {
  Bench bench;
  join(bench, 3);
  for (unsigned i = 0; i < 4; ++i) bench.out_packet(3, numbered(1000 * i, 1000));
  CHECK(!bench.port().out_overflow_o);
  bench.out_packet(3, numbered(5000, 97), Bench::After::nothing);
  CHECK(bench.port().out_overflow_o);
  bench.out_commit(3);
  CHECK(!bench.port().out_overflow_o);
  CHECK(bench.read(reg::out(3, reg::overflow)) == 1);
  bench.out_packet(3, numbered(4000, 96));
  for (unsigned i = 0; i < 4; ++i) CHECK(bench.in_interval(3) == numbered(1000 * i, 1000));
  CHECK(bench.in_interval(3) == numbered(4000, 96));
  CHECK(!bench.open(3));
  bench.out_packet(3, numbered(9, 1024), Bench::After::nothing);
  bench.out_packet(3, numbered(1033, 1024), Bench::After::nothing);
  bench.out_packet(3, numbered(2057, 1024));
  CHECK(bench.open(3) == 3072);
  CHECK(bench.read(reg::out(3, reg::overflow)) == 1);
}

TEST_CASE("too many small intervals overflow the queue of lengths, not the data") {
  Bench bench;
  join(bench, 3);
  for (unsigned i = 0; i < 130; ++i) bench.out_packet(3, numbered(i, 1));
  CHECK(bench.read(reg::out(3, reg::overflow)) == 2);
  for (unsigned i = 0; i < 128; ++i) CHECK(bench.in_interval(3) == numbered(i, 1));
  CHECK(!bench.open(3));
}

TEST_CASE("a bulk packet that was not acknowledged is sent again") {
  Bench bench;
  join(bench, 0, 512, 0);
  bench.out_packet(0, numbered(0, 512));
  bench.out_packet(0, numbered(512, 30));
  CHECK(bench.open(0) == 512);
  CHECK(bench.in_packet(0, 512, false) == numbered(0, 512));
  CHECK(bench.in_packet(0, 512, false) == numbered(0, 512));
  CHECK(bench.in_packet(0, 512, true) == numbered(0, 512));
  CHECK(bench.open(0) == 30);
  CHECK(bench.in_packet(0, 30) == numbered(512, 30));
}

TEST_CASE("what was offered and never sent is offered again; what was sent in part is over") {
  Bench bench;
  join(bench, 0);
  bench.out_packet(0, numbered(0, 1024), Bench::After::nothing);
  bench.out_packet(0, numbered(1024, 1024));
  bench.out_packet(0, numbered(2048, 40));
  CHECK(bench.open(0) == 2048);
  CHECK(bench.open(0) == 2048);
  CHECK(bench.in_packet(0, 1024) == numbered(0, 1024));
  CHECK(bench.in_interval(0) == numbered(2048, 40));
}

TEST_CASE("room for a bulk packet follows the filling") {
  Bench bench;
  join(bench, 0, 512, 0);
  bench.settle();
  for (unsigned i = 0; i < 8; ++i) {
    CHECK(bench.port().out_room_o);
    bench.out_packet(0, numbered(512 * i, 512));
    bench.settle();
  }
  CHECK(!bench.port().out_room_o);
  bench.in_interval(0, 512);
  bench.settle();
  CHECK(bench.port().out_room_o);
  bench.out_packet(0, numbered(0, 512));
  bench.settle();
  CHECK(!bench.port().out_room_o);
  CHECK(bench.read(reg::out(0, reg::overflow)) == 0);
  // Putting an endpoint on either engine of the pair empties it.
  bench.setup_out(0, {.max_packet = 512, .function = loopback});
  bench.settle();
  CHECK(bench.port().out_room_o);
  CHECK(!bench.open(0));
}

TEST_CASE("idle time between the bytes changes nothing in the loopback") {
  Bench bench;
  join(bench, 5);
  bench.gap_every(7);
  bench.out_packet(5, numbered(0, 100));
  CHECK(bench.in_interval(5) == numbered(0, 100));
}
