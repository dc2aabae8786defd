// isochio: what macOS makes of a host controller's outcomes, as options of this layer.
#pragma once

#include "controller/profile.h"
#include "driverkit/runtime.h"

namespace isochio::driverkit {

/// Sets what a profile decides; all else stays.
void apply(const controller::ControllerProfile& profile, RuntimeOptions& options);

}  // namespace isochio::driverkit
