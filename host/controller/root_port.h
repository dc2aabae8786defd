// isochio: the port: attach, bus reset with the high-speed handshake, suspend and resume. Blocks in bus time; what
// software has planned meanwhile runs, except during the handshake itself, whose times are too tight for that.
// Source: USB 2.0 sections 7.1.7.3, 7.1.7.5 … 7.1.7.7.
#pragma once

#include "bus/link.h"
#include "controller/sim_controller.h"

namespace isochio::controller {

class RootPort {
 public:
  explicit RootPort(SimController& controller) : controller_(controller), link_(controller.link()) {}

  /// Powers the port and waits out the debounce interval. False: no device is seen.
  bool attach();
  /// Bus reset. Returns the speed found; SOFs run from then on, and the recovery time has passed.
  usb::Speed reset();
  void suspend();
  void resume();
  bool suspended() const { return suspended_; }
  /// The device has gone: nothing runs any more.
  void disconnected();

 private:
  bool device_chirps(bus::BusTime reset_begin);
  void answer_chirp(bus::BusTime reset_end);
  void hold(bus::LineState state, bus::BusTime until);
  void pass(bus::BusTime until) { controller_.run_until(until, {}); }

  SimController& controller_;
  bus::Link& link_;
  bool suspended_ = false;
  bus::BusTime suspended_since_{};
  usb::Speed speed_ = usb::Speed::full;  ///< before suspend()
};

}  // namespace isochio::controller
