// isochio: takes the first byte of a feedback value for the samples [driverkit-facts 6, row 22].
#pragma once

#include "scenario/driver/pattern.h"

namespace isochio::scenario::driver {

class FeedbackFirstByte final : public Pattern {
 public:
  std::uint32_t feedback(std::span<const std::uint8_t> bytes, std::uint32_t) const override {
    return bytes.empty() ? 0 : std::uint32_t{bytes.front()} << 16U;
  }
};

}  // namespace isochio::scenario::driver
