// isochio: how often each value came, for the histograms of the HTML report. Exact while there are few different
// values, as on a bus there are; then neighbours are counted together, twice as many each time, so memory is bounded
// and the page has next to nothing to read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>

namespace isochio::report {

class Distribution {
 public:
  explicit Distribution(std::size_t most_places = 4096) : most_(most_places) {}

  void add(std::int64_t value) {
    if (total_++ == 0 || value < least_) least_ = value;
    if (total_ == 1 || value > greatest_) greatest_ = value;
    ++counts_[value >> shift_];
    while (counts_.size() > most_) coarsen();
  }

  std::uint64_t total() const { return total_; }
  std::int64_t least() const { return least_; }
  std::int64_t greatest() const { return greatest_; }
  /// Of each place: values from `first` up to but without `first` + width().
  std::int64_t width() const { return std::int64_t{1} << shift_; }
  /// Calls `visit(first, count)` in order of the values.
  template <typename Visit>
  void for_each(Visit visit) const {
    for (const auto& [place, count] : counts_) visit(place * width(), count);
  }

 private:
  void coarsen() {
    ++shift_;
    std::map<std::int64_t, std::uint64_t> coarser;
    for (const auto& [place, count] : counts_) coarser[place >> 1] += count;
    counts_ = std::move(coarser);
  }

  std::size_t most_;
  unsigned shift_ = 0;
  std::uint64_t total_ = 0;
  std::int64_t least_ = 0, greatest_ = 0;
  std::map<std::int64_t, std::uint64_t> counts_;
};

}  // namespace isochio::report
