// isochio: the figures of a run. All of fixed size, whatever the run's length.
#pragma once

#include <array>
#include <cstdint>

#include "bus/bus_time.h"
#include "usb/types.h"

namespace isochio::check {

/// Durations by logarithmic classes of 1/32 octave (relative error of a percentile below 3.2 %); minimum, maximum and
/// mean are exact. Negative durations count as 0 in the classes.
class Histogram {
 public:
  void add(bus::Duration value);

  std::uint64_t count() const { return count_; }
  bus::Duration min() const { return count_ == 0 ? bus::Duration{} : min_; }
  bus::Duration max() const { return count_ == 0 ? bus::Duration{} : max_; }
  double mean_bits() const;
  /// The upper bound of the class in which the `percent`-th percentile lies, not beyond max().
  bus::Duration percentile(double percent) const;
  /// (upper bound of the class, count) of class `index`; for histograms in reports.
  static constexpr std::size_t classes = std::size_t{61} * 32;
  static bus::Duration upper_bound(std::size_t index);
  std::uint64_t class_count(std::size_t index) const { return counts_[index]; }

 private:
  std::array<std::uint64_t, classes> counts_{};
  std::uint64_t count_ = 0;
  std::int64_t sum_ = 0;
  bus::Duration min_{}, max_{};
};

struct SofStatistics {
  std::uint64_t count = 0;      ///< SOFs seen
  std::uint64_t intervals = 0;  ///< intervals measured
  bus::Duration min{}, max{};   ///< of the intervals
  bus::Duration jitter{};       ///< the largest difference between two consecutive intervals
};

/// A PatternChecker counts the packets that it was given; StreamStatistics those that moved on the wire.
struct PayloadStatistics {
  std::uint64_t packets = 0, zero_length = 0, bytes = 0;
  std::uint64_t lost = 0, duplicate = 0, reordered = 0, truncated = 0, corrupt = 0, mistimed = 0;

  /// What another look at the same stream found, on top.
  void add_findings(const PayloadStatistics& other) {
    lost += other.lost;
    duplicate += other.duplicate;
    reordered += other.reordered;
    truncated += other.truncated;
    corrupt += other.corrupt;
    mistimed += other.mistimed;
  }
};

struct StreamStatistics {
  usb::EndpointAddress endpoint;
  std::uint64_t requests = 0;  ///< accepted
  std::uint64_t refused = 0;
  std::uint64_t completed = 0;
  std::uint64_t entries = 0;  ///< ended
  std::uint64_t bytes = 0;    ///< sum of completeCount (isochronous) or of bulk transfers
  std::uint64_t late = 0, early = 0, missed = 0, duplicate_entries = 0, aborted = 0, errors = 0;
  PayloadStatistics payload;
  Histogram latency;  ///< completion latency
};

}  // namespace isochio::check
