// isochio: plans its start beyond the frames that a controller can schedule [driverkit-facts 2.5].
#pragma once

#include "scenario/driver/pattern.h"

namespace isochio::scenario::driver {

class SubmitsTooEarly final : public Pattern {
 public:
  std::uint64_t first_frame(std::uint64_t now, std::uint32_t) const override {
    constexpr std::uint64_t beyond = 1500;
    return now + beyond;
  }
  AfterRefusal after_refusal(IOReturn code, bool may_vanish) const override {
    return code == kIOReturnIsoTooNew ? AfterRefusal::lose_slot : Pattern::after_refusal(code, may_vanish);
  }
};

}  // namespace isochio::scenario::driver
