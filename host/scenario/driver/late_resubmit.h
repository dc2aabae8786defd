// isochio: two requests in flight, and now and then both lie for 12 ms before they are submitted again
// [driverkit-facts 6, row 2].
#pragma once

#include "scenario/driver/pattern.h"

namespace isochio::scenario::driver {

class LateResubmit final : public Pattern {
 public:
  std::uint32_t depth(std::uint32_t) const override { return 2; }
  bus::Duration pause(std::uint64_t completions) const override {
    constexpr std::uint64_t every = 8;
    return completions % every < 2 ? 12 * bus::millisecond : bus::Duration{};
  }
};

}  // namespace isochio::scenario::driver
