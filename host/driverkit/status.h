// isochio: from the Host's neutral status to what DriverKit reports.
#pragma once

#include <cstdint>
#include <span>

#include "driverkit/runtime.h"

namespace isochio::driverkit {

/// A refusal, or the end of a control or bulk transfer.
IOReturn to_return(controller::Status status);
/// One entry of a frame list.
IOReturn entry_return(controller::Status status, const RuntimeOptions& options);
/// The overall status by the accumulated rule (driverkit-facts 2.4): the last error other than Underrun, else Underrun.
class AccumulatedStatus {
 public:
  void add(IOReturn entry);
  IOReturn value() const { return value_; }

 private:
  IOReturn value_ = kIOReturnSuccess;
};

}  // namespace isochio::driverkit
