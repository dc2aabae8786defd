// isochio: asks for 1024 entries in one list [driverkit-facts 6, row 27].
#pragma once

#include "scenario/driver/pattern.h"

namespace isochio::scenario::driver {

class ListOf1024 final : public Pattern {
 public:
  std::size_t entries(std::size_t) const override { return 1024; }
  AfterRefusal after_refusal(IOReturn code, bool may_vanish) const override {
    return code == kIOReturnBadArgument ? AfterRefusal::lose_slot : Pattern::after_refusal(code, may_vanish);
  }
};

}  // namespace isochio::scenario::driver
