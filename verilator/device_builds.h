// isochio: the two builds of the simulated device, each in a source of its own.
#pragma once

#include <memory>

#include "simulated_device.h"

namespace isochio::verilated {

std::unique_ptr<SimulatedLink> make_fast_device(const DeviceOptions& options);
std::unique_ptr<SimulatedLink> make_traced_device(const DeviceOptions& options);

}  // namespace isochio::verilated
