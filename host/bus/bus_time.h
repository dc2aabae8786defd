// isochio: bus time, the only clock of a run. The unit is the high-speed bit time, 1/480 us, in which frame,
// microframe, FS bit, UTMI clock and 48 MHz clock are all integers. All conversions live here. Source: USB 2.0
// sections 7.1.11, 7.1.12, 8.4.3.
#pragma once

#include <compare>
#include <cstdint>

namespace isochio::bus {

struct Duration {
  std::int64_t bits = 0;  ///< high-speed bit times

  friend constexpr auto operator<=>(Duration, Duration) = default;
  friend constexpr Duration operator+(Duration a, Duration b) { return {a.bits + b.bits}; }
  friend constexpr Duration operator-(Duration a, Duration b) { return {a.bits - b.bits}; }
  friend constexpr Duration operator*(Duration a, std::int64_t n) { return {a.bits * n}; }
  friend constexpr Duration operator*(std::int64_t n, Duration a) { return {a.bits * n}; }
  friend constexpr std::int64_t operator/(Duration a, Duration b) { return a.bits / b.bits; }
  constexpr Duration& operator+=(Duration d) {
    bits += d.bits;
    return *this;
  }
};

/// A point in time since power-on of the bus.
struct BusTime {
  std::int64_t bits = 0;

  friend constexpr auto operator<=>(BusTime, BusTime) = default;
  friend constexpr BusTime operator+(BusTime t, Duration d) { return {t.bits + d.bits}; }
  friend constexpr BusTime operator-(BusTime t, Duration d) { return {t.bits - d.bits}; }
  friend constexpr Duration operator-(BusTime a, BusTime b) { return {a.bits - b.bits}; }
  constexpr BusTime& operator+=(Duration d) {
    bits += d.bits;
    return *this;
  }
};

inline constexpr Duration hs_bit{1};
inline constexpr Duration utmi_clock{8};  ///< 60 MHz
inline constexpr Duration clock_48mhz{10};
inline constexpr Duration fs_bit{40};
inline constexpr Duration microsecond{480};
inline constexpr Duration microframe{60'000};
inline constexpr Duration frame{480'000};  ///< also a millisecond
inline constexpr Duration millisecond{480'000};
inline constexpr Duration second{480'000'000};

/// Nanoseconds, rounded to nearest: 1 bit = 25/12 ns.
constexpr std::int64_t to_ns(Duration d) { return (d.bits * 25 + (d.bits < 0 ? -6 : 6)) / 12; }
constexpr std::int64_t to_ns(BusTime t) { return to_ns(Duration{t.bits}); }
/// Nearest bus time of a number of nanoseconds.
constexpr Duration from_ns(std::int64_t ns) { return {(ns * 12 + (ns < 0 ? -12 : 12)) / 25}; }
constexpr double to_seconds(Duration d) { return static_cast<double>(d.bits) / 480e6; }

}  // namespace isochio::bus
