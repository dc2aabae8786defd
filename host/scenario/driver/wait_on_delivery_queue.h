// isochio: Stop waits for completions on the queue that has to deliver them [driverkit-facts 6, row 9].
#pragma once

#include "scenario/driver/pattern.h"

namespace isochio::scenario::driver {

class WaitOnDeliveryQueue final : public Pattern {
 public:
  StopStyle stop() const override { return StopStyle::wait_on_queue; }
};

}  // namespace isochio::scenario::driver
