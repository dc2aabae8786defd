// isochio: a clock whose ticks are a whole number of bit times long, or nearly: it may run fast or slow by parts per
// million, and its rate may change as it goes. Exact: tick n comes at the bit time below its true place, and a million
// seconds later still does. Integers only. Source: USB 2.0 section 7.1.11 (tolerances of host and device).
#pragma once

#include <cstdint>

#include "bus/bus_time.h"

namespace isochio::bus {

template <std::int64_t tick_bits>
class TickClock {
 public:
  /// Tick `first` is at `origin`.
  explicit constexpr TickClock(BusTime origin = {}, std::int64_t first = 0, std::int32_t ppm = 0)
      : origin_(origin.bits), first_(first), ppm_(ppm) {}

  constexpr std::int32_t ppm() const { return ppm_; }
  /// From `tick` on the clock is fast by `ppm` (slow: negative), −100 000 … 100 000. Ask for no earlier tick then.
  constexpr void set_ppm(std::int32_t ppm, std::int64_t tick) {
    origin_ = time(tick);
    first_ = tick;
    ppm_ = ppm;
  }

  /// When a tick comes.
  constexpr std::int64_t time(std::int64_t tick) const {
    const std::int64_t n = tick - first_;
    if (ppm_ == 0) return origin_ + n * tick_bits;
    // 10^6 + ppm ticks take the time of 10^6.
    const std::int64_t whole = floor_div(n, ticks()), rest = n - whole * ticks();
    return origin_ + whole * period + rest * period / ticks();
  }
  /// The last tick at or before a time.
  constexpr std::int64_t last(std::int64_t time) const {
    const std::int64_t d = time - origin_;
    if (ppm_ == 0) return first_ + floor_div(d, tick_bits);
    const std::int64_t whole = floor_div(d, period), rest = d - whole * period;
    return first_ + whole * ticks() + ((rest + 1) * ticks() - 1) / period;
  }
  /// The first tick at or after a time.
  constexpr std::int64_t first(std::int64_t time) const { return last(time - 1) + 1; }

 private:
  static constexpr std::int64_t million = 1'000'000, period = million * tick_bits;

  constexpr std::int64_t ticks() const { return million + ppm_; }
  static constexpr std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

  std::int64_t origin_, first_;
  std::int32_t ppm_;
};

}  // namespace isochio::bus
