// isochio: calls ClearStall after a transfer that is not Success [driverkit-facts 6, row 30].
#pragma once

#include "scenario/driver/pattern.h"

namespace isochio::scenario::driver {

class ClearsStall final : public Pattern {
 public:
  bool clears_stall(IOReturn overall) const override { return overall != kIOReturnSuccess; }
};

}  // namespace isochio::scenario::driver
