// isochio: keeps its pipe over a change of the alternate setting [driverkit-facts 6, row 11].
#pragma once

#include "scenario/driver/pattern.h"

namespace isochio::scenario::driver {

class HoldsStalePipe final : public Pattern {
 public:
  bool copies_pipe_again() const override { return false; }
  AfterRefusal after_refusal(IOReturn code, bool may_vanish) const override {
    return code == kIOReturnNotReady ? AfterRefusal::same_again : Pattern::after_refusal(code, may_vanish);
  }
};

}  // namespace isochio::scenario::driver
