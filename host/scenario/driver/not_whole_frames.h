// isochio: makes lists that do not fill whole frames [driverkit-facts 2.2].
#pragma once

#include "scenario/driver/pattern.h"

namespace isochio::scenario::driver {

class NotWholeFrames final : public Pattern {
 public:
  std::size_t entries(std::size_t wanted) const override { return wanted - 1; }
  AfterRefusal after_refusal(IOReturn code, bool may_vanish) const override {
    return code == kIOReturnBadArgument ? AfterRefusal::lose_slot : Pattern::after_refusal(code, may_vanish);
  }
};

}  // namespace isochio::scenario::driver
