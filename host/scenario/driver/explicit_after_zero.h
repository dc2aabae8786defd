// isochio: starts with first frame 0 and goes on with explicit frames [driverkit-facts 2.5].
#pragma once

#include "scenario/driver/pattern.h"

namespace isochio::scenario::driver {

class ExplicitAfterZero final : public Pattern {
 public:
  std::uint64_t argument(std::uint64_t cursor, std::uint64_t submissions) const override {
    return submissions == 0 ? 0 : cursor;
  }
  AfterRefusal after_refusal(IOReturn code, bool may_vanish) const override {
    return code == kIOReturnBadArgument ? AfterRefusal::end : Pattern::after_refusal(code, may_vanish);
  }
};

}  // namespace isochio::scenario::driver
