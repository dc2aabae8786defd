// isochio: IsochIO as its caller sees it: what each call returned, what each entry of the frame list says, the overall
// status. Independent of the driver's own code, so that any driver can be held against what is expected of it.
#pragma once

#include <cstddef>
#include <cstdint>

#include <DriverKit/IOReturn.h>

#include "controller/host.h"

namespace isochio::driverkit {

class IsochObserver {
 public:
  virtual ~IsochObserver() = default;
  /// The call was accepted; `request` has its id and the frame that it will start in. `running`: the frame of the call.
  virtual void on_accepted(const controller::IsochRequest& request, std::uint64_t running) = 0;
  /// The call was refused: no completion will come. `first_frame` as it was asked for.
  virtual void on_refused(usb::EndpointAddress endpoint, std::uint64_t first_frame, IOReturn code,
                          std::uint64_t running) = 0;
  /// Status and completeCount (`request.entries[index].complete`) of an entry stand in the frame list.
  virtual void on_entry(const controller::IsochRequest& request, std::size_t index, IOReturn status) = 0;
  /// The request has completed; its delivery to the driver's queue may follow later.
  virtual void on_complete(const controller::IsochRequest& request, IOReturn overall) = 0;
};

}  // namespace isochio::driverkit
