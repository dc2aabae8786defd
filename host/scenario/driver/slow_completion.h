// isochio: works 40 ms in every 16th completion, on the queue that delivers the others [driverkit-facts 6, row 17].
#pragma once

#include "scenario/driver/pattern.h"

namespace isochio::scenario::driver {

class SlowCompletion final : public Pattern {
 public:
  bus::Duration work(std::uint64_t completions) const override {
    constexpr std::uint64_t every = 16;
    return completions % every == 0 ? 40 * bus::millisecond : bus::Duration{};
  }
};

}  // namespace isochio::scenario::driver
