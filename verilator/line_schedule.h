// isochio: what is going to change on the line as the device sees it, in order of clock edges. A small ring: it holds
// the few changes between the wire and the transceiver's outputs.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

namespace isochio::verilated {

inline constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

struct LineChange {
  enum class Source : std::uint8_t {
    packet,         ///< value: PacketLine
    host,           ///< value: HostLine
    remote_wakeup,  ///< value: 0 or 1, the pin
  };
  std::int64_t edge = never;
  Source source = Source::packet;
  std::uint8_t value = 0;
};

/// What a packet makes of the line; none between packets.
enum class PacketLine : std::uint8_t { se0, j, k, none };
/// What the host drives; released between its signals.
enum class HostLine : std::uint8_t { se0, j, k, released };

class LineSchedule {
 public:
  /// Changes come in order of time; one that would stand before the last is put right after it.
  void add(std::int64_t edge, LineChange::Source source, std::uint8_t value) {
    if (count_ != 0) edge = std::max(edge, changes_[(first_ + count_ - 1) % size].edge);
    changes_[(first_ + count_) % size] = {edge, source, value};
    ++count_;
  }
  bool full() const { return count_ == size; }
  bool empty() const { return count_ == 0; }
  std::int64_t next_edge() const { return count_ == 0 ? never : changes_[first_].edge; }
  LineChange take() {
    const LineChange change = changes_[first_];
    first_ = (first_ + 1) % size;
    --count_;
    return change;
  }

 private:
  static constexpr unsigned size = 32;
  std::array<LineChange, size> changes_{};
  unsigned first_ = 0, count_ = 0;
};

}  // namespace isochio::verilated
