// isochio: one transfer at a time, the next one in the frame behind it: no lead [driverkit-facts 6, row 5].
#pragma once

#include "scenario/driver/pattern.h"

namespace isochio::scenario::driver {

class Depth1 final : public Pattern {
 public:
  std::uint32_t depth(std::uint32_t) const override { return 1; }
};

}  // namespace isochio::scenario::driver
