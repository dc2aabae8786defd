// isochio: throws a transfer away for its overall status without a look at its entries [driverkit-facts 6, rows 6 and
// 26].
#pragma once

#include "scenario/driver/pattern.h"

namespace isochio::scenario::driver {

class IgnoresEntryStatus final : public Pattern {
 public:
  bool looks_at_entries(IOReturn overall) const override { return overall == kIOReturnSuccess; }
};

}  // namespace isochio::scenario::driver
