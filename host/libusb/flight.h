// isochio: one request on its way through libusb. Internal.
#pragma once

#include <libusb-1.0/libusb.h>

#include <vector>

#include "libusb/libusb_host.h"

namespace isochio::libusb {

/// Kernel and libusb write into the flight's own buffer and not into the caller's: a flight that is never given back
/// can be set aside, and its caller can go on.
struct LibusbHost::Flight {
  Flight(std::size_t packets, std::size_t bytes)
      : transfer(libusb_alloc_transfer(static_cast<int>(packets))), buffer(bytes) {}
  ~Flight() { libusb_free_transfer(transfer); }
  Flight(const Flight&) = delete;
  Flight& operator=(const Flight&) = delete;

  libusb_transfer* transfer;  ///< null: no memory
  controller::IsochRequest* isoch = nullptr;
  controller::BulkRequest* bulk = nullptr;
  std::vector<std::uint8_t> buffer;
  bus::BusTime begin;
  bool ended = false;      ///< libusb has given it back
  bool cancelled = false;  ///< by abort()
};

}  // namespace isochio::libusb
