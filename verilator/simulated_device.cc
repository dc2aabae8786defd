// isochio: chooses between the fast and the traced build of the device.
#include "simulated_device.h"

#include "device_builds.h"

namespace isochio::verilated {

std::unique_ptr<SimulatedLink> make_simulated_device(const DeviceOptions& options) {
  return options.wave_path.empty() ? make_fast_device(options) : make_traced_device(options);
}

}  // namespace isochio::verilated
