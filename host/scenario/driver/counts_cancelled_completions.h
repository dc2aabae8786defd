// isochio: Stop cancels its actions and then waits for their completions [driverkit-facts 6, row 10].
#pragma once

#include "scenario/driver/pattern.h"

namespace isochio::scenario::driver {

class CountsCancelled final : public Pattern {
 public:
  StopStyle stop() const override { return StopStyle::cancel_and_wait; }
};

}  // namespace isochio::scenario::driver
