// isochio: reads 16.16 feedback as 10.14 [driverkit-facts 6, row 22].
#pragma once

#include "scenario/driver/pattern.h"

namespace isochio::scenario::driver {

class FeedbackWrongFormat final : public Pattern {
 public:
  std::uint32_t feedback(std::span<const std::uint8_t>, std::uint32_t right) const override { return right << 2U; }
};

}  // namespace isochio::scenario::driver
