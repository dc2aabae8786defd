// isochio: the sending half of the transceiver: bytes taken from the device by tx_ready at the pace of the wire, and
// the packet they make there. Times are those of the device's clock: edge n at 8 n, a bit as long as that clock makes
// it.
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

class TransmitPath {
 public:
  /// A longer packet is babble: it is cut here, and the rest thrown away.
  static constexpr std::size_t max_bytes = 4096;

  /// tx_valid was seen at `edge`. SYNC follows the start latency, but not before the last packet's EOP is over.
  void begin(std::int64_t edge, const WireTiming& timing) {
    timing_ = timing;
    start_ = std::max(edge * clock_bits + timing.tx_latency, end_);
    size_ = 0;
    run_ = {};
    active_ = true;
    cut_ = collided_ = false;
    byte_starts_ = start_ + timing.sync;
    next_edge_ = edge_of_byte();
  }

  bool active() const { return active_; }
  /// The edge at which the next byte is needed; if the device has none then, the packet is over.
  std::int64_t next_edge() const { return next_edge_; }

  /// True if the packet has just reached max_bytes: it ends here for the host, while the device goes on.
  bool take(std::uint8_t byte) {
    byte_starts_ += timing_.bit * (8 + static_cast<std::int64_t>(usb::stuffed_bits(run_, byte)));
    next_edge_ = edge_of_byte();
    if (cut_) return false;
    bytes_[size_++] = byte;
    if (size_ < max_bytes) return false;
    cut_ = true;
    end_ = byte_starts_;
    return true;
  }
  /// The device has no more bytes: EOP.
  void finish() {
    end_ = byte_starts_ + timing_.eop(false);
    active_ = false;
    next_edge_ = never;
  }
  void collide() { collided_ = true; }

  /// The host has seen the end already.
  bool cut() const { return cut_; }
  bool bad() const { return cut_ || collided_ || size_ == 0; }
  std::int64_t start() const { return start_; }
  std::int64_t end() const { return end_; }
  /// When EOP begins, once the packet is finished.
  std::int64_t eop_start() const { return byte_starts_; }
  const WireTiming& timing() const { return timing_; }
  std::span<const std::uint8_t> bytes() const { return {bytes_.data(), size_}; }

 private:
  std::int64_t edge_of_byte() const { return (byte_starts_ - timing_.tx_latency) / clock_bits; }

  std::array<std::uint8_t, max_bytes> bytes_{};
  std::size_t size_ = 0;
  WireTiming timing_ = wire_timing(usb::Speed::full);
  usb::StuffRun run_;
  bool active_ = false, cut_ = false, collided_ = false;
  std::int64_t start_ = 0, end_ = 0, byte_starts_ = 0, next_edge_ = never;
};

}  // namespace isochio::verilated
