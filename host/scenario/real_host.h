// isochio: which scenarios a real host can run.
#pragma once

#include <string>

#include "scenario/scenario.h"

namespace isochio::scenario {

/// Why this scenario is for the simulation only; empty if a real host can run it as well (docs/libusb.md).
std::string simulation_only(const Scenario& scenario);

}  // namespace isochio::scenario
