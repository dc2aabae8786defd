// isochio: one request on its way through libusb. Internal.
#pragma once

#include <libusb-1.0/libusb.h>

#include <vector>

#include "libusb/libusb_host.h"

namespace isochio::libusb {

struct LibusbHost::Flight {
  ~Flight() { libusb_free_transfer(transfer); }

  libusb_transfer* transfer = nullptr;
  controller::IsochRequest* isoch = nullptr;
  controller::BulkRequest* bulk = nullptr;
  std::vector<std::uint8_t> buffer;  ///< of a control transfer, with its setup packet
  bus::BusTime begin;
  bool ended = false;      ///< libusb has given it back
  bool cancelled = false;  ///< by abort()
};

}  // namespace isochio::libusb
