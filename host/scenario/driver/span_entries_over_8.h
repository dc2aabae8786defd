// isochio: takes entries / 8 for the frames of a list, whatever bInterval is [driverkit-facts 6, row 4].
#pragma once

#include "scenario/driver/pattern.h"

namespace isochio::scenario::driver {

class SpanEntriesOver8 final : public Pattern {
 public:
  std::uint64_t next(const Listed& request) const override { return request.first_frame + request.entries / 8; }
  AfterRefusal after_refusal(IOReturn code, bool may_vanish) const override {
    return code == kIOReturnIsoTooOld ? AfterRefusal::lose_slot : Pattern::after_refusal(code, may_vanish);
  }
};

}  // namespace isochio::scenario::driver
