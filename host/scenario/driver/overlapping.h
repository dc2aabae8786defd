// isochio: begins each request in the last frame of the one before [driverkit-facts 2.5].
#pragma once

#include "scenario/driver/pattern.h"

namespace isochio::scenario::driver {

class Overlapping final : public Pattern {
 public:
  std::uint64_t next(const Listed& request) const override { return request.first_frame + request.frames - 1; }
  AfterRefusal after_refusal(IOReturn code, bool may_vanish) const override {
    return code == kIOReturnIsoTooOld ? AfterRefusal::lose_slot : Pattern::after_refusal(code, may_vanish);
  }
};

}  // namespace isochio::scenario::driver
