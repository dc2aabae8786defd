// isochio: the device without waves.
#include <Vdevice.h>
#include <Vdevice___024root.h>

#include "device_builds.h"
#include "device_model.h"

namespace isochio::verilated {

std::unique_ptr<SimulatedLink> make_fast_device(const DeviceOptions& options) {
  using Model = DeviceModel<Vdevice, Vdevice___024root, false>;
  return std::make_unique<UtmiLink<Model>>(Model(options), options.idle_skipping);
}

}  // namespace isochio::verilated
