// isochio: clocks that are a little off.
#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "bus/tick_clock.h"

using isochio::bus::TickClock;

TEST_CASE("a clock that is right ticks at its multiples") {
  const TickClock<8> clock;
  CHECK(clock.time(5) == 40);
  CHECK(clock.last(40) == 5);
  CHECK(clock.last(47) == 5);
  CHECK(clock.first(40) == 5);
  CHECK(clock.first(41) == 6);
  CHECK(clock.first(0) == 0);
}

TEST_CASE("a clock that is 500 ppm fast gains 500 ticks in a million, and exactly so after days") {
  const TickClock<8> clock({}, 0, 500);
  CHECK(clock.time(1'000'500) == 8'000'000);
  constexpr std::int64_t day = std::int64_t{86'400} * 480'000'000;
  CHECK(clock.last(100 * day) == 100 * day / 8 + 100 * day / 8 / 2000);
}

TEST_CASE("whatever the rate, times rise, last() finds each tick, and first() the next") {
  CHECK(rc::check([] {
    const auto ppm = *rc::gen::inRange<std::int32_t>(-10'000, 10'001);
    const auto change = *rc::gen::inRange<std::int64_t>(0, 1'000'000'000);
    const auto later = *rc::gen::inRange<std::int64_t>(0, 1'000'000'000'000);
    TickClock<8> clock({1000}, 3, ppm);
    clock.set_ppm(*rc::gen::inRange<std::int32_t>(-10'000, 10'001), 3 + change);
    const std::int64_t tick = 3 + change + later, time = clock.time(tick);
    RC_ASSERT(time < clock.time(tick + 1));
    RC_ASSERT(clock.last(time) == tick);
    RC_ASSERT(clock.first(time) == tick);
    RC_ASSERT(clock.first(time + 1) == tick + 1);
    RC_ASSERT(clock.last(clock.time(tick + 1) - 1) == tick);
  }));
}
