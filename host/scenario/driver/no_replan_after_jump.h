// isochio: goes on at its old cursor when the frame counter has jumped, as over sleep [driverkit-facts 6, row 3].
#pragma once

#include "scenario/driver/pattern.h"

namespace isochio::scenario::driver {

class NoReplanAfterJump final : public Pattern {
 public:
  bool plans_again() const override { return false; }
  AfterRefusal after_refusal(IOReturn code, bool may_vanish) const override {
    const bool late = code == kIOReturnIsoTooOld || code == kIOReturnIsoTooNew;
    return late ? AfterRefusal::lose_slot : Pattern::after_refusal(code, may_vanish);
  }
};

}  // namespace isochio::scenario::driver
