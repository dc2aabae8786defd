// isochio: results as Linux hosts name them, by number, because they go over the network whatever system serves them.
// Source: the kernel's Documentation/driver-api/usb/error-codes.rst, include/uapi/asm-generic/errno.h.
#pragma once

#include <cstdint>

#include "controller/host.h"

namespace isochio::serve {

enum LinuxErrno : std::int32_t {
  enoent = 2,
  enomem = 12,
  ebusy = 16,
  exdev = 18,
  einval = 22,
  enospc = 28,
  epipe = 32,
  etime = 62,
  eproto = 71,
  eoverflow = 75,
  eilseq = 84,
  emsgsize = 90,
  econnreset = 104,
  eshutdown = 108,
  etimedout = 110,
  eremoteio = 121,
};

/// 0 or a negative number, as URBs carry it.
constexpr std::int32_t urb_status(controller::Status status) {
  using controller::Status;
  switch (status) {
    case Status::ok:
    case Status::short_packet:
      return 0;
    case Status::no_response:
    case Status::bit_stuff:
    case Status::pid_error:
    case Status::sequence_error:
    case Status::pending:
      return -eproto;
    case Status::crc_error:
      return -eilseq;
    case Status::overrun:
      return -eoverflow;
    case Status::missed:
    case Status::too_old:
    case Status::too_new:
      return -exdev;
    case Status::stall:
      return -epipe;
    case Status::timeout:
      return -etimedout;
    case Status::aborted:
    case Status::no_device:
    case Status::not_ready:
      return -eshutdown;
    case Status::bad_argument:
      return -einval;
    case Status::not_open:
      return -enoent;
    case Status::not_permitted:
      return -ebusy;
    case Status::no_bandwidth:
      return -enospc;
    case Status::no_resources:
      return -enomem;
  }
  return -eproto;
}

}  // namespace isochio::serve
