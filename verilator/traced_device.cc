// isochio: the device that writes waves.
#include <Vdevice_traced.h>
#include <Vdevice_traced___024root.h>

#include "device_builds.h"
#include "device_model.h"

namespace isochio::verilated {

std::unique_ptr<SimulatedLink> make_traced_device(const DeviceOptions& options) {
  using Model = DeviceModel<Vdevice_traced, Vdevice_traced___024root, true>;
  return std::make_unique<UtmiLink<Model>>(Model(options), options.idle_skipping);
}

}  // namespace isochio::verilated
