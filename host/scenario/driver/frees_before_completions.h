// isochio: Stop frees what completions that are still queued work on [driverkit-facts 6, row 8].
#pragma once

#include "scenario/driver/pattern.h"

namespace isochio::scenario::driver {

class FreesBeforeCompletions final : public Pattern {
 public:
  StopStyle stop() const override { return StopStyle::free_at_once; }
};

}  // namespace isochio::scenario::driver
