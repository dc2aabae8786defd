// isochio: the receiving half of the transceiver: a packet from the host, wire time in, one byte a clock out. Knows
// only the edges at which the device's inputs change; who clocks the device asks for the next one.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "line_schedule.h"
#include "usb/bit_stuffing.h"
#include "utmi_timing.h"

namespace isochio::verilated {

class ReceivePath {
 public:
  static constexpr std::size_t max_bytes = 4096;
  static constexpr std::size_t no_error = ~std::size_t{0};

  enum class Event : std::uint8_t { active, byte, inactive };

  /// `clock`: the device's, which says at which edge it sees what arrives.
  explicit ReceivePath(const DeviceClock& clock) : clock_(clock) {}

  /// A packet whose first SYNC bit is at `start`. Bytes beyond max_bytes are not delivered.
  void begin(std::span<const std::uint8_t> bytes, std::int64_t start, const WireTiming& timing, std::int64_t eop,
             std::size_t error_at) {
    size_ = std::min(bytes.size(), max_bytes);
    std::copy_n(bytes.begin(), size_, bytes_.begin());
    bit_ = timing.bit;
    // The latency is part of every time below, so it is added once.
    arrived_ = start + timing.sync + timing.rx_latency;
    eop_ = eop;
    error_at_ = error_at;
    run_ = {};
    index_ = 0;
    event_ = Event::active;
    next_edge_ = clock_.first(arrived_);
  }

  bool busy() const { return next_edge_ != never; }
  std::int64_t next_edge() const { return next_edge_; }
  Event next_event() const { return event_; }

  void take_active() { expect_byte(); }
  /// The byte whose event is due, and whether rx_error comes with it.
  std::uint8_t take_byte(bool& error) {
    const std::uint8_t byte = bytes_[index_];
    error = index_ == error_at_;
    ++index_;
    expect_byte();
    return byte;
  }
  void take_inactive() { next_edge_ = never; }

 private:
  void expect_byte() {
    if (index_ < size_) {
      event_ = Event::byte;
      arrived_ += bit_ * (8 + static_cast<std::int64_t>(usb::stuffed_bits(run_, bytes_[index_])));
      // Of two bytes that a slow clock finds at one edge, the elasticity buffer keeps the second for the next.
      next_edge_ = std::max(clock_.first(arrived_), next_edge_ + 1);
    } else {
      event_ = Event::inactive;
      // Never in the clock of the last byte, however short the EOP.
      next_edge_ = std::max(clock_.first(arrived_ + eop_), next_edge_ + 1);
    }
  }

  const DeviceClock& clock_;
  std::array<std::uint8_t, max_bytes> bytes_{};
  std::size_t size_ = 0, index_ = 0, error_at_ = no_error;
  std::int64_t bit_ = 1, arrived_ = 0, eop_ = 0, next_edge_ = never;
  usb::StuffRun run_;
  Event event_ = Event::active;
};

}  // namespace isochio::verilated
