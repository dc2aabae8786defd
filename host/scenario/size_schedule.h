// isochio: how many bytes each service interval of a stream carries. All arithmetic is in integers, so that the average
// is exact: samples are spread by carrying the remainder from one interval to the next [USB 2.0 5.12.4.2].
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "scenario/scenario.h"
#include "usb/types.h"

namespace isochio::scenario {

/// Samples per frame (full speed) or microframe (high speed) in 16.16: what a feedback endpoint says, whatever its
/// format on the wire.
struct FeedbackValue {
  std::uint32_t q16 = 0;

  /// 3 bytes are 10.14 samples per frame, 4 bytes 16.16 per microframe [5.12.4.2]; other lengths are no value. Devices
  /// send the 3 bytes also at high speed.
  static std::optional<FeedbackValue> read(std::span<const std::uint8_t> bytes, usb::Speed speed);
  /// The nearest value for a rate in samples per second, by a clock that runs `ppm` millionths fast.
  static FeedbackValue of_rate(std::uint32_t samples_per_second, usb::Speed speed, int ppm = 0);
  friend bool operator==(FeedbackValue, FeedbackValue) = default;
};

class SizeSchedule {
 public:
  SizeSchedule(const SizePlan& plan, const usb::EndpointConfig& endpoint, usb::Speed speed);

  /// Bytes of the next service interval, at most the endpoint's capacity. `feedback` counts only for a plan that
  /// follows a feedback stream; until it has a value, the nominal rate does.
  std::uint32_t next();
  void set_feedback(FeedbackValue value) { per_unit_ = value.q16; }
  /// The most that next() can give; 0 = never anything.
  std::uint32_t largest() const;

 private:
  SizePlan plan_;
  std::uint32_t capacity_, interval_;
  std::uint64_t units_per_second_;
  std::uint64_t position_ = 0;   ///< next entry of the list
  std::uint64_t remainder_ = 0;  ///< rate: in samples × units per second; feedback: in 1/65536 samples
  std::uint32_t per_unit_ = 0;   ///< feedback: samples per (micro)frame, 16.16
};

}  // namespace isochio::scenario
