#include "scenario/device_setup.h"

#include <fmt/format.h>

#include "driverkit/return_words.h"
#include "scenario/register_names.h"

namespace isochio::scenario {

tl::expected<void, std::string> DeviceSetup::open() {
  const auto check = [](const char* what, kern_return_t code) -> tl::expected<void, std::string> {
    if (code == kIOReturnSuccess) return {};
    return tl::unexpected(driverkit::failed_with(what, code));
  };
  auto done = check("Open of the device", runtime_.device()->Open(runtime_.client(), 0, 0));
  if (done) done = check("SetConfiguration", runtime_.configure());
  for (const auto& [number, alternate] : plan_.alternates) {
    if (!done) return done;
    auto* interface = runtime_.interface(number);
    if (interface == nullptr) return tl::unexpected(fmt::format("the device has no interface {}", number));
    done = check("Open of the interface", interface->Open(runtime_.client(), 0, nullptr));
    if (done) done = check("SelectAlternateSetting", interface->SelectAlternateSetting(alternate));
  }
  if (done) done = write_registers();
  return done;
}

tl::expected<void, std::string> DeviceSetup::write_registers() {
  if (!plan_.device.test_requests) return {};
  access_ = std::make_unique<DeviceAccess>(runtime_, *plan_.device.test_requests);
  for (const auto& [number, value] : plan_.registers) {
    if (auto done = access_->write(number, value); !done) return done;
    if (number == reg::log_mask) suite_.device_log_mask(value);
  }
  const auto control = reg::control_restart | reg::control_clear_counters | reg::control_clear_log |
                       (scenario_.checks.device_log ? reg::control_log_enabled : 0U);
  if (auto done = access_->write(reg::control, control); !done) return done;
  for (const auto* targets : {&plan_.streams, &plan_.bulk})
    for (const auto& target : *targets) suite_.restart(target.endpoint.address);
  return {};
}

}  // namespace isochio::scenario
