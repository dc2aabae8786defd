// isochio: tests of sample_clock.v: samples per (micro)frame, and feedback.
#include <cmath>

#include <doctest/doctest.h>

#include "bench.h"

using namespace isochio::test;

TEST_CASE("44.1 kHz, synchronous, is nine times 44 and once 45 samples in ten frames, whatever the device's clock") {
  Bench bench;
  bench.setup_in(0, {.max_packet = 1023, .function = pattern, .size_mode = 2, .sample_bytes = 4});
  bench.write(reg::sample_rate, 44100);
  bench.frame(60000);
  bench.open(0);
  for (int round = 0; round < 30; ++round) {
    int fives = 0;
    int sum = 0;
    for (int i = 0; i < 10; ++i) {
      bench.frame(60017);
      const int samples = static_cast<int>(*bench.open(0)) / 4;
      CHECK((samples == 44 || samples == 45));
      fives += samples == 45 ? 1 : 0;
      sum += samples;
    }
    CHECK(fives == 1);
    CHECK(sum == 441);
  }
}

TEST_CASE("at high speed 44.1 kHz is 441 samples in 80 microframes, and 48 kHz always 6") {
  Bench bench;
  bench.high_speed(true);
  bench.setup_in(0, {.function = pattern, .size_mode = 2, .sample_bytes = 8});
  bench.write(reg::sample_rate, 44100);
  bench.frame(7500);
  bench.open(0);
  for (int round = 0; round < 5; ++round) {
    unsigned sum = 0;
    for (int i = 0; i < 80; ++i) {
      bench.frame(7500);
      sum += *bench.open(0) / 8;
    }
    CHECK(sum == 441);
  }
  bench.write(reg::sample_rate, 48000);
  bench.frame(7500);
  bench.open(0);
  for (int i = 0; i < 40; ++i) {
    bench.frame(7500);
    CHECK(bench.open(0) == 48);
  }
}

TEST_CASE("an endpoint of a longer interval takes the samples of all its microframes") {
  Bench bench;
  bench.high_speed(true);
  bench.setup_in(1, {.interval = 2, .function = pattern, .size_mode = 2, .sample_bytes = 2});
  bench.write(reg::sample_rate, 44100);
  for (int i = 0; i < 4; ++i) bench.frame(7500);
  bench.open(1);
  unsigned sum = 0;
  for (int i = 0; i < 20; ++i) {
    for (int j = 0; j < 4; ++j) bench.frame(7500);
    const unsigned samples = *bench.open(1) / 2;
    CHECK(samples >= 22);
    CHECK(samples <= 23);
    sum += samples;
  }
  CHECK(sum == 441);
}

TEST_CASE("after a gap one interval's worth is offered, not what piled up") {
  Bench bench;
  bench.setup_in(0, {.max_packet = 1023, .function = pattern, .size_mode = 2, .sample_bytes = 4});
  for (int i = 0; i < 500; ++i) bench.frame(60000);
  CHECK(bench.open(0) == 192);
  bench.frame(60000);
  CHECK(bench.open(0) == 192);
  for (int i = 0; i < 7; ++i) bench.frame(60000);
  CHECK(bench.open(0) == 192);
  for (int i = 0; i < 2; ++i) bench.frame(60000);
  CHECK(bench.open(0) == 192);
}

TEST_CASE("asynchronous mode counts the device's clock: +100 ppm and -500 ppm show exactly") {
  for (const int ppm : {100, -500, 0, 20}) {
    CAPTURE(ppm);
    Bench bench;
    bench.setup_in(0, {.max_packet = 1023, .function = pattern, .size_mode = 2, .sample_bytes = 4});
    bench.write(reg::sample_mode, 1);
    bench.frame(60000);
    bench.open(0);
    std::uint64_t clocks = 0;
    std::uint64_t sum = 0;
    for (int i = 0; i < 2000; ++i) {
      // The exact rate on average, with the rounding and the jitter of real frames.
      const std::uint64_t until = static_cast<std::uint64_t>((i + 1) * (60000.0 + 0.06 * ppm)) + (i % 3);
      bench.frame(static_cast<unsigned>(until - clocks));
      clocks = until;
      sum += *bench.open(0) / 4;
      // The counter never strays from the integral: floor(clocks * rate / 60 MHz).
      CHECK(sum == clocks * 48000 / 60000000);
    }
  }
}

TEST_CASE("the feedback value is the device's samples per host frame, in the row's format") {
  struct Case {
    bool high_speed;
    unsigned format, period, bytes;
    double unit;  // samples per frame = value / unit
  };
  for (const Case& c : {Case{false, 0, 6, 3, 16384.0}, Case{true, 1, 7, 4, 65536.0 / 8}, Case{true, 0, 7, 3, 16384.0},
                        Case{false, 1, 6, 4, 65536.0 / 8}})
    for (const int ppm : {0, 100, -500}) {
      CAPTURE(c.high_speed);
      CAPTURE(c.format);
      CAPTURE(ppm);
      Bench bench;
      bench.high_speed(c.high_speed);
      bench.write(reg::sample_mode, 1);
      bench.write(reg::sample_rate, 44100);
      bench.setup_in(4,
                     {.max_packet = 4, .function = feedback, .feedback_period = c.period, .feedback_format = c.format});
      REQUIRE(bench.open(4) == c.bytes);
      const auto value = [&] {
        bench.open(4);
        const Bytes wire = bench.in_packet(4, c.bytes);
        std::uint32_t v = 0;
        for (unsigned i = 0; i < c.bytes; ++i) v |= std::uint32_t{wire[i]} << (8 * i);
        return v / c.unit;
      };
      CHECK(value() == doctest::Approx(44.1).epsilon(4e-5));
      std::uint64_t clocks = 0;
      const double frame = c.high_speed ? 7500 : 60000;
      const int frames = 3 << c.period;
      for (int i = 0; i < frames; ++i) {
        const auto until = static_cast<std::uint64_t>((i + 1) * frame * (1 + ppm * 1e-6));
        bench.frame(static_cast<unsigned>(until - clocks));
        clocks = until;
      }
      // A period is some 10^6 clocks or more, so one clock is 1 ppm; a unit of the coarsest format 1.4 ppm (2.8
      // for 10.14 at high speed).
      const double expected = 44.1 * (1 + ppm * 1e-6);
      CHECK(std::abs(value() - expected) <= 44.1 * 2e-6 + 2 / c.unit);
      CHECK(std::abs(bench.read(reg::feedback) / 65536.0 * (c.high_speed ? 8 : 1) - expected) <
            44.1 * 2e-6 + 8 / 65536.0);
    }
}

TEST_CASE(
    "a clock that is set to run fast or slow counts exactly so many samples more or less, at both speeds and in both "
    "modes") {
  for (const bool high_speed : {false, true})
    for (const bool asynchronous : {false, true})
      for (const int ppm : {100, -100, 1, 2047, -2048}) {
        CAPTURE(high_speed);
        CAPTURE(asynchronous);
        CAPTURE(ppm);
        Bench bench;
        bench.high_speed(high_speed);
        bench.setup_in(0, {.max_packet = 1023, .function = pattern, .size_mode = 2, .sample_bytes = 1});
        bench.write(reg::sample_mode, asynchronous ? 1 : 0);
        bench.write(reg::sample_ppm, static_cast<std::uint32_t>(ppm));
        bench.write(reg::sample_rate, 96000);
        bench.open(0);
        const std::int64_t nominal = high_speed ? 7500 : 60000;
        const std::int64_t late = asynchronous ? 2 : 0;  // clocks that each frame is longer by
        std::int64_t sum = 0;
        for (std::int64_t i = 1; i <= 1000; ++i) {
          bench.frame(static_cast<unsigned>(nominal + late));
          sum += *bench.open(0);
          // Whole clocks, rounded down, of (1 + ppm) times the time that has passed.
          const std::int64_t millionths = i * nominal * ppm;
          const std::int64_t extra = (millionths - (millionths < 0 ? 999'999 : 0)) / 1'000'000;
          CHECK(sum == (i * (nominal + late) + extra) * 96000 / 60000000);
        }
      }
}

TEST_CASE("feedback shows a clock that runs 100 ppm fast or slow") {
  for (const int ppm : {100, -100}) {
    Bench bench;
    bench.high_speed(true);
    bench.write(reg::sample_ppm, static_cast<std::uint32_t>(ppm));
    bench.setup_in(4, {.max_packet = 4, .function = feedback, .feedback_period = 10, .feedback_format = 1});
    for (int i = 0; i < 3 << 10; ++i) bench.frame(7500);
    CHECK(std::abs(bench.read(reg::feedback) / 65536.0 - 6 * (1 + ppm * 1e-6)) <= 1.5 / 65536);
  }
}

TEST_CASE("a feedback override goes on the wire as it is") {
  Bench bench;
  bench.setup_in(4, {.max_packet = 4, .function = feedback});
  bench.write(reg::feedback_override, 0x00A1B2C3);
  CHECK(bench.open(4) == 3);
  CHECK(bench.in_packet(4, 3) == Bytes{0xC3, 0xB2, 0xA1});
}

TEST_CASE("without an engine that wants samples a frame costs nothing") {
  Bench bench;
  bench.setup_in(0, {.function = pattern});
  bench.port().frame_tick_i = 1;
  bench.clock();
  CHECK(!bench.port().busy_o);
}
