// isochio: IsochIO as its caller sees it: what each call returned, what each entry of the frame list says, the overall
// status. Independent of the driver's own code, so that any driver can be held against what is expected of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <DriverKit/IOReturn.h>

#include "controller/host.h"

namespace isochio::driverkit {

/// A call of IsochIO with its arguments, before anything is made of them.
struct IsochCall {
  usb::EndpointAddress endpoint;
  std::uint64_t first_frame = 0;
  std::span<const std::uint32_t> counts;  ///< requestCount of each entry of the list
  std::uint64_t data_bytes = 0;           ///< length of the buffer
};

class IsochObserver {
 public:
  virtual ~IsochObserver() = default;
  /// Right before on_accepted or on_refused.
  virtual void on_call(const IsochCall&) {}
  /// What is in flight on a pipe is aborted: by IOUSBHostPipe::Abort, or because the pipe goes.
  virtual void on_abort(usb::EndpointAddress) {}
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
