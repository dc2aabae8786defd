// isochio: when host software hears of what the controller has done: the interrupt latency as a distribution,
// interrupts that are moderated (coalesced), and stalls in which none is served. Integer arithmetic and a generator of
// its own, so that a seed gives the same times on every machine. Source: driverkit-facts 2.6, 6 (rows 2, 9, 17, 23).
#pragma once

#include <cstdint>

#include "bus/bus_time.h"

namespace isochio::controller {

struct InterruptOptions {
  enum class Shape : std::uint8_t {
    fixed,      ///< always SimHostOptions::interrupt_latency
    uniform,    ///< from interrupt_latency to `most`
    long_tail,  ///< interrupt_latency and a part beyond it; each further `tail` is half as likely; never above `most`
  };
  Shape shape = Shape::fixed;
  bus::Duration most{};
  bus::Duration tail{};
  /// Interrupts are served only at multiples of this: completions in between come together. 0: at once.
  bus::Duration coalesce{};
  /// In the first `stall` of every `stall_every` of bus time no interrupt is served. 0: never.
  bus::Duration stall{}, stall_every{};
  std::uint64_t seed = 1;
};

class Interrupts {
 public:
  Interrupts(bus::Duration latency, const InterruptOptions& options)
      : latency_(latency), options_(options), state_(options.seed) {}

  /// When software is told of what was done at `due`. Each call is one draw.
  bus::BusTime served(bus::BusTime due);

 private:
  std::uint64_t random();
  bus::Duration draw();

  bus::Duration latency_;
  InterruptOptions options_;
  std::uint64_t state_;
};

}  // namespace isochio::controller
