// isochio: see darwin_usb.h.
#include "capture/darwin_usb.h"

#include <concepts>

namespace isochio::capture {
namespace {

constexpr std::uint16_t version = 0x0100;
constexpr std::uint8_t header_bytes = 32;
constexpr std::uint32_t frame_header_bytes = 28;
constexpr std::uint32_t location = 0x01'00'00'00;  // bus 1, no hub
constexpr std::size_t alignment = 4;               // of each frame's header

template <std::unsigned_integral T>
void put(std::vector<std::uint8_t>& out, T value) {
  for (unsigned i = 0; i < sizeof(T); ++i)
    out.push_back(static_cast<std::uint8_t>(static_cast<std::uint64_t>(value) >> (8U * i)));
}

}  // namespace

void append(std::vector<std::uint8_t>& out, const DarwinHeader& header) {
  put(out, version);
  put(out, header_bytes);
  put(out, static_cast<std::uint8_t>(header.complete ? 1 : 0));
  put(out, header.length);
  put(out, header.status);
  put(out, header.frames);
  put(out, header.id);
  put(out, location);
  put(out, static_cast<std::uint8_t>(header.speed == usb::Speed::full ? 1 : 2));
  put(out, header.address);
  put(out, header.endpoint.value);
  put(out, static_cast<std::uint8_t>(header.type));  // in the order of bmAttributes, as here
}

void append(std::vector<std::uint8_t>& out, const DarwinFrame& frame) {
  while (out.size() % alignment != 0) out.push_back(0);
  put(out, frame_header_bytes);
  put(out, frame.length);
  put(out, frame.status);
  put(out, frame.number);
  put(out, frame.time);
  out.insert(out.end(), frame.data.begin(), frame.data.end());
}

}  // namespace isochio::capture
