// isochio: the records of pcapng link type 266 (LINKTYPE_USB_DARWIN), what macOS writes for each I/O request: a header
// of 32 bytes, then for isochronous requests one block a frame-list entry, for control requests the eight bytes of
// SETUP, then data. All little endian. The layout is the one that Wireshark's dissector reads (epan/dissectors/
// packet-usb.c); tests/unit/capture holds it against tshark.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "usb/types.h"

namespace isochio::capture {

struct DarwinHeader {
  bool complete = false;     ///< false: submit
  std::uint32_t length = 0;  ///< bytes asked for (submit) or moved (complete)
  std::uint32_t status = 0;  ///< IOReturn
  std::uint32_t frames = 0;  ///< entries of an isochronous request
  std::uint64_t id = 0;      ///< the same in submit and complete
  usb::Speed speed{};
  std::uint8_t address = 0;
  usb::EndpointAddress endpoint;
  usb::TransferType type{};
};
void append(std::vector<std::uint8_t>& out, const DarwinHeader& header);

/// One entry of a frame list. A submit has neither status, time nor data.
struct DarwinFrame {
  std::uint64_t number = 0;  ///< 1 ms frame
  std::uint32_t length = 0;  ///< bytes asked for (submit) or moved (complete)
  std::uint32_t status = 0;  ///< IOReturn
  std::uint64_t time = 0;    ///< timeStamp, nanoseconds of bus time
  std::span<const std::uint8_t> data;
};
void append(std::vector<std::uint8_t>& out, const DarwinFrame& frame);

}  // namespace isochio::capture
