// isochio: its actions' target is no service: completions never come [driverkit-facts 6, row 13].
#pragma once

#include "scenario/driver/pattern.h"

namespace isochio::scenario::driver {

class UnservedTarget final : public Pattern {
 public:
  bool served_target() const override { return false; }
};

}  // namespace isochio::scenario::driver
