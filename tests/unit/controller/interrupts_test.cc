// isochio: when software hears of a completion.
#include "controller/interrupts.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

using namespace isochio;
using controller::InterruptOptions;
using controller::Interrupts;

namespace {

constexpr bus::Duration us(std::int64_t n) { return n * bus::microsecond; }

std::vector<bus::Duration> latencies(const InterruptOptions& options, int n, bus::Duration step = us(1000)) {
  Interrupts interrupts(us(5), options);
  std::vector<bus::Duration> all;
  for (int i = 0; i < n; ++i) {
    const bus::BusTime due = bus::BusTime{} + step * i;
    all.push_back(interrupts.served(due) - due);
  }
  return all;
}

}  // namespace

TEST_SUITE("interrupts") {
  TEST_CASE("a fixed latency is the same for every completion") {
    for (const auto latency : latencies({}, 100)) CHECK(latency == us(5));
  }

  TEST_CASE("a uniform latency fills its range, and is the same again for the same seed") {
    InterruptOptions options{.shape = InterruptOptions::Shape::uniform, .most = us(105), .seed = 7};
    auto all = latencies(options, 2000);
    CHECK(all == latencies(options, 2000));
    options.seed = 8;
    CHECK(all != latencies(options, 2000));
    std::sort(all.begin(), all.end());
    CHECK(all.front() >= us(5));
    CHECK(all.front() < us(6));
    CHECK(all.back() <= us(105));
    CHECK(all.back() > us(104));
    CHECK(std::abs((all[1000] - us(55)).bits) < us(5).bits);
  }

  TEST_CASE("a long tail halves with each further step, and stays below its most") {
    const auto all =
        latencies({.shape = InterruptOptions::Shape::long_tail, .most = us(3000), .tail = us(100), .seed = 3}, 4000);
    const auto above = [&](std::int64_t n) {
      return std::count_if(all.begin(), all.end(), [&](auto latency) { return latency >= us(5 + n); });
    };
    CHECK(above(0) == 4000);
    CHECK(std::abs(above(100) - 2000) < 150);
    CHECK(std::abs(above(200) - 1000) < 120);
    CHECK(std::abs(above(400) - 250) < 70);
    CHECK(above(600) > 20);
    CHECK(*std::max_element(all.begin(), all.end()) <= us(3000));
  }

  TEST_CASE("coalesced completions come together at multiples of the period, none early") {
    Interrupts interrupts(us(5), {.coalesce = us(250)});
    bus::BusTime last{};
    for (int i = 0; i < 100; ++i) {
      const bus::BusTime due = bus::BusTime{} + us(97) * i;
      const bus::BusTime at = interrupts.served(due);
      CHECK(at.bits % us(250).bits == 0);
      CHECK(at >= due + us(5));
      CHECK(at < due + us(5) + us(250));
      CHECK(at >= last);
      last = at;
    }
  }

  TEST_CASE("a stall keeps everything until its end, and nothing outside of it") {
    Interrupts interrupts(us(5), {.stall = us(4000), .stall_every = us(10'000)});
    CHECK(interrupts.served(bus::BusTime{} + us(9990)) == bus::BusTime{} + us(9995));
    CHECK(interrupts.served(bus::BusTime{} + us(9997)) == bus::BusTime{} + us(14'000));
    CHECK(interrupts.served(bus::BusTime{} + us(12'000)) == bus::BusTime{} + us(14'000));
    CHECK(interrupts.served(bus::BusTime{} + us(14'000)) == bus::BusTime{} + us(14'005));
  }
}
