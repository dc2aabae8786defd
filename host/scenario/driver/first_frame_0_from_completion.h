// isochio: one transfer, re-armed with first frame 0 from its completion [driverkit-facts 6, row 7].
#pragma once

#include "scenario/driver/pattern.h"

namespace isochio::scenario::driver {

class FirstFrame0 final : public Pattern {
 public:
  std::uint32_t depth(std::uint32_t) const override { return 1; }
  std::uint64_t argument(std::uint64_t, std::uint64_t) const override { return 0; }
};

}  // namespace isochio::scenario::driver
