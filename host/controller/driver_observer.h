// isochio: what a driver above the host controller is seen to do: its completions as they run on its queue, completions
// that never will, its aborts, and tasks that hold a queue up. The DriverKit layer tells it; check::Diagnosis judges
// it.
#pragma once

#include <cstdint>

#include "bus/bus_time.h"
#include "controller/host.h"

namespace isochio::controller {

/// One completion on its way from the controller to the driver's code.
struct Delivery {
  std::uint64_t request = 0;  ///< IsochRequest::id
  usb::EndpointAddress endpoint;
  Status status{};        ///< as the controller ended it
  std::int32_t code = 0;  ///< the IOReturn that the driver gets
};

class DriverObserver {
 public:
  virtual ~DriverObserver() = default;
  /// The driver's completion routine begins and ends. In between it may let time pass, and calls of IsochIO are its
  /// own.
  virtual void on_callback(const Delivery&, bus::BusTime begin) { (void)begin; }
  virtual void on_callback_end(const Delivery&, bus::BusTime end) { (void)end; }
  enum class Dropped : std::uint8_t {
    cancelled,   ///< OSAction::Cancel came before the completion's turn
    not_served,  ///< the action's target is no IOService: nothing would ever run it
  };
  virtual void on_dropped(const Delivery&, Dropped, bus::BusTime) {}
  /// A task of a driver's queue that is no completion let time pass.
  virtual void on_task(bus::BusTime begin, bus::BusTime end) {
    (void)begin;
    (void)end;
  }
  /// IOUSBHostPipe::ClearStall on an isochronous pipe, which can't stall.
  virtual void on_clear_stall(usb::EndpointAddress, bus::BusTime) {}
  /// IOUSBHostPipe::Abort.
  virtual void on_abort(usb::EndpointAddress, bool synchronous, bus::BusTime) { (void)synchronous; }
};

}  // namespace isochio::controller
