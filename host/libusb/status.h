// isochio: libusb's codes in the terms of controller::Status. Pure. What libusb folds together stays together: on Linux
// a packet that failed on the bus and one that the host controller missed are both LIBUSB_TRANSFER_ERROR.
#pragma once

#include <cstdint>

#include "controller/host.h"

namespace isochio::libusb {

/// How a whole control, bulk or interrupt transfer ended (libusb_transfer_status).
controller::Status transfer_status(int libusb_transfer_status);

/// One packet of an isochronous transfer.
struct PacketEnd {
  int transfer_status = 0;  ///< libusb_transfer_status of the whole transfer
  int packet_status = 0;    ///< … of the packet
  std::uint32_t asked = 0, moved = 0;
  bool in = true;
};
/// A packet that a cancelled or disconnected transfer never came to is marked "completed, 0 bytes" or "error" by
/// libusb: it is aborted or no_device here. An error of the bus is no_response.
controller::Status packet_status(const PacketEnd& end);

/// What a libusb call answered (enum libusb_error, negative) and the errno it left behind.
controller::Status call_status(int libusb_error, int system_error = 0);

}  // namespace isochio::libusb
