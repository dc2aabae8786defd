// isochio: whether an OUT stream sends as many samples as the device's clock counts, over all the time since it has
// settled.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>

namespace isochio::scenario {

class RateCheck {
 public:
  /// `rate` in samples per second, by a clock that is `clock_ppm` millionths fast.
  RateCheck(std::uint32_t rate, int clock_ppm, std::uint32_t tolerance_ppm)
      : per_frame_(rate / 1000.0 * (1 + clock_ppm * 1e-6)), tolerance_(tolerance_ppm * 1e-6) {}

  struct Off {
    std::uint64_t frames = 0;  ///< since when
    std::uint64_t sent = 0;
    double expected = 0;
  };
  /// The next request of the stream, its frames and samples. The result is what is wrong with all before it.
  std::optional<Off> sent(std::uint64_t frames, std::uint64_t samples) {
    frames_ += frames;
    // Feedback values come late at first, and the requests in flight were filled before.
    if (frames_ <= settling_frames) return std::nullopt;
    const Off now{counted_frames_, samples_, per_frame_ * static_cast<double>(counted_frames_)};
    counted_frames_ += frames;
    samples_ += samples;
    // A sample is whole, and so is the one at the other end.
    const double allowed = 2 + now.expected * tolerance_;
    if (std::abs(static_cast<double>(now.sent) - now.expected) <= allowed) return std::nullopt;
    return now;
  }

  static constexpr std::uint64_t settling_frames = 300;

 private:
  double per_frame_, tolerance_;
  std::uint64_t frames_ = 0, counted_frames_ = 0, samples_ = 0;
};

}  // namespace isochio::scenario
