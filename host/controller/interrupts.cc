#include "controller/interrupts.h"

#include <algorithm>
#include <bit>

namespace isochio::controller {

/// SplitMix64: any seed is a good one.
std::uint64_t Interrupts::random() {
  std::uint64_t z = state_ += 0x9e3779b97f4a7c15U;
  z = (z ^ z >> 30U) * 0xbf58476d1ce4e5b9U;
  z = (z ^ z >> 27U) * 0x94d049bb133111ebU;
  return z ^ z >> 31U;
}

bus::Duration Interrupts::draw() {
  const auto up_to = [this](std::int64_t n) {
    return n <= 0 ? 0 : static_cast<std::int64_t>(random() % (static_cast<std::uint64_t>(n) + 1));
  };
  switch (options_.shape) {
    case InterruptOptions::Shape::fixed:
      return latency_;
    case InterruptOptions::Shape::uniform:
      return latency_ + bus::Duration{up_to((options_.most - latency_).bits)};
    case InterruptOptions::Shape::long_tail: {
      // Leading zeros of a random number: n or more of them with a probability of 2^-n.
      const auto steps = std::countl_zero(random());
      const auto beyond = bus::Duration{steps * options_.tail.bits + up_to(options_.tail.bits)};
      return std::min(latency_ + beyond, std::max(latency_, options_.most));
    }
  }
  return latency_;
}

bus::BusTime Interrupts::served(bus::BusTime due) {
  bus::BusTime at = due + draw();
  if (const std::int64_t grid = options_.coalesce.bits; grid > 0) at.bits = (at.bits + grid - 1) / grid * grid;
  if (const std::int64_t every = options_.stall_every.bits; every > 0 && options_.stall.bits > 0) {
    const std::int64_t into = at.bits % every;
    if (into < options_.stall.bits) at.bits += options_.stall.bits - into;
  }
  return at;
}

}  // namespace isochio::controller
