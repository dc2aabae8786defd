// Runs the driver for 20 ms of bus time on the simulated device, and fails if a microframe came short.
#include <cstdio>

#include "ReaderDriver.h"
#include "controller/sim_host.h"
#include "description/description.h"
#include "driverkit/runtime.h"
#include "simulated_device.h"

using namespace isochio;

int main() {
  const auto device = description::load(DEVICE);
  const auto image = description::compile_image(device.value());
  const auto link = verilated::make_simulated_device({image.value()});
  controller::SimHost host(*link);
  if (const auto up = host.enumerate(); !up) {
    std::fprintf(stderr, "%s\n", up.error().c_str());
    return 1;
  }
  driverkit::Runtime runtime(host);
  IOService* service = nullptr;
  if (runtime.configure() != kIOReturnSuccess ||
      runtime.start(gReaderDriverMetaClass, runtime.interface(0), &service) != kIOReturnSuccess)
    return 1;
  runtime.run_for(20 * bus::millisecond);
  auto* driver = OSDynamicCast(ReaderDriver, service);
  const auto bytes = driver->Bytes(), bad = driver->BadEntries();
  runtime.stop(service);
  std::printf("%llu bytes, %llu bad entries\n", static_cast<unsigned long long>(bytes),
              static_cast<unsigned long long>(bad));
  return bytes >= 14 * 8 * 3072 && bad == 0 ? 0 : 1;
}
