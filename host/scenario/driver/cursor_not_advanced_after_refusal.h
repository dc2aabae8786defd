// isochio: asks for the same frame again after a refusal, and so for ever [driverkit-facts 6, row 1].
#pragma once

#include "scenario/driver/pattern.h"

namespace isochio::scenario::driver {

class CursorNotAdvanced final : public Pattern {
 public:
  AfterRefusal after_refusal(IOReturn code, bool may_vanish) const override {
    return code == kIOReturnIsoTooOld ? AfterRefusal::same_again : Pattern::after_refusal(code, may_vanish);
  }
};

}  // namespace isochio::scenario::driver
