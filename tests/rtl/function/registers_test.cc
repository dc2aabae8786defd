// isochio: tests of registers.v, counters.v and event_log.v. The bench's log has 16 entries.
#include <random>

#include <doctest/doctest.h>

#include "bench.h"

using namespace isochio::test;

TEST_CASE("the read-only registers tell what the build and the device are") {
  Bench bench;
  CHECK(bench.read(reg::id) == 0x4F495349U);
  CHECK(bench.read(reg::version) == 1);
  CHECK(bench.read(reg::build) == (12U << 16U | 4U << 8U | 6U << 4U | 6U));
  CHECK(bench.read(reg::status) == 0);
  bench.high_speed(true);
  bench.port().configured_i = 1;
  bench.port().address_i = 0x55;
  CHECK(bench.read(reg::status) == (0x55U << 8U | 3U));
  bench.port().suspended_i = 1;
  bench.port().frame_locked_i = 1;
  bench.port().frame_i = 0x2A5B;
  CHECK(bench.read(reg::status) == (0x55U << 8U | 7U));
  CHECK(bench.read(reg::frame) == (0x80000000U | 0x2A5BU));
  bench.port().stamp_i = 0xFFFFFFF0;
  CHECK(bench.read(reg::stamp) >= 0xFFFFFFF0U);
  for (const unsigned number : {0x020U, 0x106U, 0x10BU, 0x117U, 0x1C0U, 0x206U, 0x215U, 0x2C1U, 0x360U, 0x3FFU})
    CHECK(bench.read(number) == 0);
}

TEST_CASE("reset values are those of the page") {
  Bench bench;
  CHECK(bench.read(reg::control) == 1);
  CHECK(bench.read(reg::log_mask) == 0xFFFF);
  CHECK(bench.read(reg::sample_rate) == 48000);
  CHECK(bench.read(reg::sample_mode) == 0);
  CHECK(bench.read(reg::sample_ppm) == 0);
  CHECK(bench.read(reg::feedback) == 48U << 16U);
  for (unsigned engine = 0; engine < 6; ++engine) {
    CHECK(bench.read(reg::in(engine, reg::seed)) == default_seed);
    CHECK(bench.read(reg::out(engine, reg::seed)) == default_seed);
    for (const unsigned which : {reg::function, reg::size_mode, reg::size, reg::sample_bytes, reg::packets, reg::bytes,
                                 reg::faults, reg::fault, reg::fault_argument, reg::fault_every, reg::fault_frame})
      CHECK(bench.read(reg::in(engine, which)) == 0);
    for (const unsigned which : {reg::faults, reg::fault, reg::fault_argument, reg::fault_every, reg::fault_frame})
      CHECK(bench.read(reg::out(engine, which)) == 0);
  }
}

TEST_CASE("what is written is read back, and only there") {
  Bench bench;
  std::mt19937 random(1);
  struct Field {
    unsigned number;
    std::uint32_t largest;
  };
  std::vector<Field> fields = {{reg::log_mask, 0xFFFF},
                               {reg::sample_rate, 0x1FFFFFF},
                               {reg::sample_mode, 1},
                               {reg::feedback_override, ~0U},
                               {0x00E, ~0U}};
  for (unsigned engine = 0; engine < 6; ++engine) {
    fields.push_back({reg::in(engine, reg::function), 15});
    fields.push_back({reg::in(engine, reg::seed), ~0U});
    fields.push_back({reg::in(engine, reg::size_mode), 3});
    fields.push_back({reg::in(engine, reg::size), 4095});
    fields.push_back({reg::in(engine, reg::sample_bytes), 255});
    fields.push_back({reg::in(engine, reg::list_length), 16});
    fields.push_back({reg::out(engine, reg::function), 15});
    fields.push_back({reg::out(engine, reg::seed), ~0U});
    for (unsigned i = 0; i < 16; ++i) fields.push_back({reg::list(engine, i), 4095});
    for (const unsigned base : {reg::in(engine, 0), reg::out(engine, 0)}) {
      fields.push_back({base + reg::fault, 15});
      fields.push_back({base + reg::fault_argument, 4095});
      fields.push_back({base + reg::fault_every, 65535});
      fields.push_back({base + reg::fault_frame, 65535});
    }
  }
  std::vector<std::uint32_t> values;
  for (const Field& field : fields) {
    const auto value =
        static_cast<std::uint32_t>(field.largest == ~0U ? random() : random() % (std::uint64_t{field.largest} + 1));
    values.push_back(value);
    bench.write(field.number, value);
  }
  for (std::size_t i = 0; i < fields.size(); ++i) {
    CAPTURE(fields[i].number);
    CHECK(bench.read(fields[i].number) == values[i]);
    if (fields[i].number == reg::log_mask || fields[i].largest == ~0U) continue;
    bench.write(fields[i].number, 0x80000000U);
    CHECK(bench.read(fields[i].number) == fields[i].largest);
  }
  bench.write(reg::id, 1);
  bench.write(reg::in(6, reg::size), 77);
  CHECK(bench.read(reg::id) == 0x4F495349U);
  CHECK(bench.read(reg::in(6, reg::size)) == 0);
}

TEST_CASE("an endpoint row sets the registers of its engine") {
  Bench bench;
  bench.setup_in(3, {.function = mod63, .size_mode = 2, .size = 1234, .sample_bytes = 6});
  CHECK(bench.read(reg::in(3, reg::function)) == mod63);
  CHECK(bench.read(reg::in(3, reg::size_mode)) == 2);
  CHECK(bench.read(reg::in(3, reg::size)) == 1234);
  CHECK(bench.read(reg::in(3, reg::sample_bytes)) == 6);
  CHECK(bench.read(reg::in(2, reg::size)) == 0);
  bench.setup_out(5, {.function = zeros});
  CHECK(bench.read(reg::out(5, reg::function)) == zeros);
}

TEST_CASE("events are counted where they belong") {
  Bench bench;
  struct Case {
    unsigned kind, status, counter;
  };
  const Case cases[] = {{0, 0, 0}, {1, 0, 1}, {6, 1, 3}, {6, 2, 4},  {4, 2, 4},  {6, 3, 5},  {6, 4, 6},
                        {6, 5, 7}, {6, 6, 8}, {6, 7, 9}, {8, 0, 10}, {6, 8, 11}, {7, 1, 14}, {7, 4, 15}};
  std::array<std::uint32_t, 16> expected{};
  for (unsigned round = 0; round < 3; ++round)
    for (const Case& c : cases) {
      bench.event({.kind = c.kind, .endpoint = 2, .engine = 1, .status = c.status});
      ++expected[c.counter];
      bench.settle();
    }
  bench.event({.kind = 0, .status = 1});  // unexpected number
  ++expected[0];
  ++expected[2];
  for (const unsigned kind : {2U, 5U}) bench.event({.kind = kind, .status = 0});
  bench.event({.kind = 4, .status = 0});
  bench.event({.kind = 7, .status = 2});
  bench.event({.kind = 6, .status = 9});
  for (unsigned i = 0; i < 16; ++i) {
    CAPTURE(i);
    CHECK(bench.read(reg::counters + i) == expected[i]);
  }
  CHECK(bench.read(reg::out(1, reg::sequence_errors)) == 3);
  bench.write(reg::control, 1 | 1U << 8U);
  for (unsigned i = 0; i < 16; ++i) CHECK(bench.read(reg::counters + i) == 0);
  CHECK(bench.read(reg::out(1, reg::sequence_errors)) == 0);
}

TEST_CASE("IN packets are counted from their events") {
  Bench bench;
  bench.event({.kind = 3, .endpoint = 0x11, .engine = 4, .length = 1024});
  bench.event({.kind = 3, .endpoint = 0x11, .engine = 4, .length = 0, .status = 1});
  bench.event({.kind = 3, .endpoint = 0x11, .engine = 4, .length = 0, .status = 2});
  bench.event({.kind = 3, .endpoint = 0x10, .engine = 4, .length = 64});  // control
  CHECK(bench.read(reg::in(4, reg::packets)) == 3);
  CHECK(bench.read(reg::in(4, reg::bytes)) == 1024);
  CHECK(bench.read(reg::in(4, reg::zero_length)) == 2);
  CHECK(bench.read(reg::in(4, reg::duplicate)) == 1);
  CHECK(bench.read(reg::counters + 13) == 1);
}

TEST_CASE("no event of a burst is lost to the counters, even while registers are read") {
  Bench bench;
  for (int burst = 0; burst < 50; ++burst) {
    for (int i = 0; i < 6; ++i) {
      bench.port().reg_re_i = i % 2;
      bench.event({.kind = 8});
    }
    bench.event({.kind = 0});
    for (int i = 0; i < 2; ++i) bench.event({.kind = 6, .status = 3});
    for (int i = 0; i < 12; ++i) bench.clock();
  }
  CHECK(bench.read(reg::counters + 0) == 50);
  CHECK(bench.read(reg::counters + 5) == 100);
  CHECK(bench.read(reg::counters + 10) == 300);
}

TEST_CASE("a log entry has the layout of the page") {
  Bench bench;
  bench.port().frame_i = 0x1234;
  bench.port().stamp_i = 0xCAFE0000;
  bench.event({.kind = 4, .endpoint = 0x15, .engine = 1, .length = 0x3FF, .pid = 0xC3, .status = 2});
  const auto entry = bench.pop();
  REQUIRE(entry);
  CHECK((*entry)[0] == 0xCAFE0000U);
  CHECK((*entry)[1] == (0x1234U | 0x85U << 16U | 4U << 24U));
  CHECK((*entry)[2] == (0x3FFU | 0xC3U << 16U | 2U << 24U));
  CHECK(!bench.pop());
}

TEST_CASE("the log keeps the oldest and counts what it lost") {
  Bench bench;
  for (unsigned i = 0; i < 30; ++i) {
    bench.event({.kind = 2, .length = i});
    bench.settle();
  }
  const std::uint32_t count = bench.read(reg::log_count);
  CHECK(count >= 16);
  CHECK(count + bench.read(reg::log_lost) == 30);
  for (unsigned i = 0; i < count; ++i) {
    const auto entry = bench.pop();
    REQUIRE(entry);
    CHECK(((*entry)[2] & 0xFFFFU) == i);
  }
  CHECK(!bench.pop());
  bench.event({.kind = 2, .length = 99});
  CHECK((bench.pop().value()[2] & 0xFFFFU) == 99);
  bench.event({.kind = 2, .length = 99});
  bench.settle();
  bench.write(reg::control, 1 | 1U << 9U);
  CHECK(!bench.pop());
  CHECK(bench.read(reg::log_lost) == 0);
}

TEST_CASE("the log takes a burst of one event a clock") {
  Bench bench;
  for (unsigned i = 0; i < 10; ++i) bench.event({.kind = 5, .length = i});
  for (unsigned i = 0; i < 10; ++i) CHECK((bench.pop().value()[2] & 0xFFFFU) == i);
}

TEST_CASE("mask and enable keep events out of the log, not out of the counters; tokens for others are never logged") {
  Bench bench;
  bench.write(reg::log_mask, 0xFFFF & ~1U);
  bench.event({.kind = 0});
  bench.event({.kind = 2});
  bench.event({.kind = 8});
  CHECK(bench.read(reg::log_count) == 1);
  bench.write(reg::control, 0);
  bench.event({.kind = 2});
  bench.event({.kind = 6, .status = 1});
  CHECK(bench.read(reg::log_count) == 1);
  CHECK(bench.read(reg::counters + 0) == 1);
  CHECK(bench.read(reg::counters + 3) == 1);
  CHECK(bench.read(reg::counters + 10) == 1);
  CHECK(bench.read(reg::log_lost) == 0);
}

TEST_CASE("without a strobe and not busy, nothing changes, whatever went before") {
  Bench bench;
  std::mt19937 random(7);
  for (unsigned engine = 0; engine < 6; ++engine) {
    bench.setup_in(engine, {.function = engine, .size_mode = engine % 3, .sample_bytes = 4});
    bench.setup_out(engine, {.function = engine % 5});
  }
  bench.write(reg::sample_mode, 1);
  for (int i = 0; i < 400; ++i) {
    const unsigned engine = random() % 6;
    switch (random() % 9) {
      case 0:
        bench.frame(59990 + random() % 20);
        break;
      case 1:
        bench.open(engine);
        break;
      case 2:
        bench.in_packet(engine, random() % 50, random() % 2);
        break;
      case 3:
        bench.out_packet(engine, Bytes(random() % 50, 1), Bench::After::commit_with_end);
        break;
      case 4:
        bench.out_packet(engine, Bytes(random() % 50, 1), Bench::After::discard, false);
        break;
      case 5:
        bench.event({.kind = static_cast<unsigned>(random() % 9),
                     .endpoint = 1,
                     .status = static_cast<unsigned>(random() % 11)});
        break;
      case 6:
        bench.pop();
        break;
      case 7:
        bench.read(static_cast<unsigned>(random() % 1024));
        break;
      default:
        bench.out_packet(engine, Bytes(random() % 50, 1), Bench::After::nothing);
        break;
    }
    bench.idle(1 + random() % 20);
  }
}

TEST_CASE("a clock offset is signed, and one that is too large becomes the largest that fits") {
  Bench bench;
  const auto after = [&](std::int32_t ppm) {
    bench.write(reg::sample_ppm, static_cast<std::uint32_t>(ppm));
    return static_cast<std::int32_t>(bench.read(reg::sample_ppm));
  };
  for (const std::int32_t ppm : {0, 1, -1, 100, -100, 2047, -2048}) CHECK(after(ppm) == ppm);
  CHECK(after(2048) == 2047);
  CHECK(after(1'000'000) == 2047);
  CHECK(after(-2049) == -2048);
  CHECK(after(INT32_MIN) == -2048);
}
