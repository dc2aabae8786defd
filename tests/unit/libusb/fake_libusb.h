// isochio: libusb-1.0 with one device that a test scripts. The test program's own definitions of the libusb_ functions
// go before those of the library, so LibusbHost runs over this without knowing.
#pragma once

#include <libusb-1.0/libusb.h>

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "support/descriptor_bytes.h"

namespace isochio::test {

/// One at a time: from its constructor to its destructor it is "the machine's USB".
struct FakeUsb {
  FakeUsb();
  ~FakeUsb();
  FakeUsb(const FakeUsb&) = delete;
  FakeUsb& operator=(const FakeUsb&) = delete;

  // --- the device
  Bytes device = device_bytes();
  Bytes configuration;
  int speed = LIBUSB_SPEED_HIGH;
  bool attached = true;
  std::uint8_t address = 5;
  std::set<int> kernel_drivers;  ///< interfaces that a kernel driver has
  /// Vendor and class requests: fills `data`, says how many bytes of it. Default: zeros, all of them.
  std::function<std::size_t(const libusb_control_setup& setup, std::uint8_t* data)> on_control;

  // --- how libusb and the kernel behave
  bool hotplug = true;          ///< libusb reports arrivals and removals
  bool answers_control = true;  ///< false: control transfers stay in flight, whatever their timeout
  bool gives_back = true;       ///< false: cancelled transfers, and those of a device that is gone, stay away
  int open_code = 0, events_code = 0, alternate_code = 0;  ///< what these calls answer
  /// How the transfers of a device that is unplugged come back: as NO_DEVICE, or completed with packets in error, as
  /// the kernel kills them.
  bool killed = false;

  // --- what happens
  std::function<void()> on_events;  ///< called whenever libusb handles events
  std::vector<libusb_transfer*> in_flight;
  std::vector<std::string> calls;  ///< claim 0, detach 0, attach 0, release 0, alternate 0 1, configuration 1, reset, …
  std::size_t most_in_flight = 0, events_handled = 0;
  bool removal_pending = false, arrival_pending = false;

  /// The oldest `n` non-control transfers complete, all their bytes moved; IN buffers are filled with `fill`.
  void complete(std::size_t n = 1, std::uint8_t fill = 0x5a);
  void give_back(libusb_transfer* transfer, libusb_transfer_status status);
  void unplug();
  void plug_in();

  static FakeUsb& get();
};

}  // namespace isochio::test
