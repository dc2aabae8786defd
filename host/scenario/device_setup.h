// isochio: the device as a scenario wants it: opened, configured, its settings selected and its registers written; at
// the beginning of a run, and again when it was reset or comes back.
#pragma once

#include <memory>
#include <string>

#include <tl/expected.hpp>

#include "check/suite.h"
#include "driverkit/runtime.h"
#include "scenario/device_access.h"
#include "scenario/plan.h"
#include "scenario/scenario.h"

namespace isochio::scenario {

class DeviceSetup {
 public:
  /// All outlive this. The suite is told what the device begins anew.
  DeviceSetup(const Scenario& scenario, const Plan& plan, driverkit::Runtime& runtime, check::Suite& suite)
      : scenario_(scenario), plan_(plan), runtime_(runtime), suite_(suite) {}

  /// Sessions, configuration, settings and registers. Blocks in bus time, as write_registers.
  tl::expected<void, std::string> open();
  /// The registers alone, after a setting was selected anew.
  tl::expected<void, std::string> write_registers();
  /// null: the device has no test requests, or was not opened yet.
  DeviceAccess* access() { return access_.get(); }

 private:
  const Scenario& scenario_;
  const Plan& plan_;
  driverkit::Runtime& runtime_;
  check::Suite& suite_;
  std::unique_ptr<DeviceAccess> access_;
};

}  // namespace isochio::scenario
