// isochio: see status.h.
#include "libusb/status.h"

#include <libusb-1.0/libusb.h>

#include <cerrno>

namespace isochio::libusb {

using controller::Status;

Status transfer_status(int status) {
  switch (status) {
    case LIBUSB_TRANSFER_COMPLETED:
      return Status::ok;
    case LIBUSB_TRANSFER_TIMED_OUT:
      return Status::timeout;
    case LIBUSB_TRANSFER_CANCELLED:
      return Status::aborted;
    case LIBUSB_TRANSFER_STALL:
      return Status::stall;
    case LIBUSB_TRANSFER_NO_DEVICE:
      return Status::no_device;
    case LIBUSB_TRANSFER_OVERFLOW:
      return Status::overrun;
    default:
      return Status::no_response;
  }
}

Status packet_status(const PacketEnd& end) {
  const Status packet = transfer_status(end.packet_status);
  const Status whole = transfer_status(end.transfer_status);
  const bool untouched = end.moved == 0 && (whole == Status::aborted || whole == Status::no_device);
  if (untouched) return whole;
  if (packet != Status::ok) return packet;
  return end.in && end.moved < end.asked ? Status::short_packet : Status::ok;
}

Status call_status(int error, int system_error) {
  switch (error) {
    case LIBUSB_SUCCESS:
      return Status::ok;
    case LIBUSB_ERROR_INVALID_PARAM:
    case LIBUSB_ERROR_NOT_FOUND:
    case LIBUSB_ERROR_NOT_SUPPORTED:
      return Status::bad_argument;
    case LIBUSB_ERROR_ACCESS:
    case LIBUSB_ERROR_BUSY:
      return Status::not_permitted;
    case LIBUSB_ERROR_NO_DEVICE:
      return Status::no_device;
    case LIBUSB_ERROR_TIMEOUT:
      return Status::timeout;
    case LIBUSB_ERROR_OVERFLOW:
      return Status::overrun;
    case LIBUSB_ERROR_PIPE:
      return Status::stall;
    case LIBUSB_ERROR_NO_MEM:
      return Status::no_resources;
    case LIBUSB_ERROR_INTERRUPTED:
      return Status::aborted;
    default:
      // The kernel's "no bandwidth for this setting" has no code of its own in libusb.
      return system_error == ENOSPC ? Status::no_bandwidth : Status::no_response;
  }
}

}  // namespace isochio::libusb
