// isochio: lets every 16th buffer lie for 40 ms before it submits it again [driverkit-facts 6, rows 2 and 17].
#pragma once

#include "scenario/driver/pattern.h"

namespace isochio::scenario::driver {

class LateResubmit final : public Pattern {
 public:
  bus::Duration pause(std::uint64_t completions) const override {
    constexpr std::uint64_t every = 16;
    return completions % every == 0 ? 40 * bus::millisecond : bus::Duration{};
  }
};

}  // namespace isochio::scenario::driver
