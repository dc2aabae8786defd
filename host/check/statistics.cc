// isochio: histogram with logarithmic classes.
#include "check/statistics.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace isochio::check {
namespace {

/// Below 32 one class a bit time, then 32 classes an octave.
std::size_t class_of(std::uint64_t value) {
  if (value < 32) return static_cast<std::size_t>(value);
  const auto shift = static_cast<unsigned>(std::bit_width(value)) - 6U;
  return std::min<std::size_t>((std::size_t{shift} + 1) * 32 + ((value >> shift) & 31U), Histogram::classes - 1);
}

}  // namespace

void Histogram::add(bus::Duration value) {
  min_ = count_ == 0 ? value : std::min(min_, value);
  max_ = count_ == 0 ? value : std::max(max_, value);
  ++count_;
  sum_ += value.bits;
  ++counts_[class_of(value.bits < 0 ? 0U : static_cast<std::uint64_t>(value.bits))];
}

double Histogram::mean_bits() const {
  return count_ == 0 ? 0.0 : static_cast<double>(sum_) / static_cast<double>(count_);
}

bus::Duration Histogram::upper_bound(std::size_t index) {
  if (index < 32) return {static_cast<std::int64_t>(index)};
  const std::size_t shift = index / 32 - 1;
  return {static_cast<std::int64_t>(((32ULL + index % 32 + 1) << shift) - 1)};
}

bus::Duration Histogram::percentile(double percent) const {
  if (count_ == 0) return {};
  const auto rank =
      std::max<std::uint64_t>(1, static_cast<std::uint64_t>(std::ceil(percent / 100.0 * static_cast<double>(count_))));
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < classes; ++i) {
    below += counts_[i];
    if (below >= rank) return std::clamp(upper_bound(i), min_, max_);
  }
  return max_;
}

}  // namespace isochio::check
