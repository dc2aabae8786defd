// isochio: which attached device is meant, and the sentences for when there is none, more than one, or no permission.
// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "usb/types.h"

namespace isochio::libusb {

struct Identity {  ///< idVendor, idProduct [9.6.1]
  std::uint16_t vendor = 0, product = 0;
  friend bool operator==(const Identity&, const Identity&) = default;
};
std::string to_string(Identity identity);  ///< "1209:0001"
/// Four hexadecimal digits, ':', four more; empty if it is anything else.
std::optional<Identity> parse_identity(std::string_view text);

/// Where a device is plugged in, as Linux names it: "3-1.4" is bus 3, port 1 of the root hub, port 4 of the hub there.
struct Place {
  std::uint8_t bus = 0;
  std::vector<std::uint8_t> ports;
  friend bool operator==(const Place&, const Place&) = default;
};
std::string to_string(const Place& place);
std::optional<Place> parse_place(std::string_view text);  ///< at most seven ports [4.1.1]

/// One device that is attached.
struct Attached {
  Identity identity;
  Place place;
  std::uint8_t address = 0;
  std::optional<usb::Speed> speed;  ///< empty: neither full nor high
  std::string product;              ///< its name; empty if it has none or can't be asked
  bool permitted = true;            ///< it can be opened
};

struct Selection {
  std::optional<Identity> identity;
  std::optional<Place> place;
};

/// Index of the one that is meant, or a sentence that says what to do.
tl::expected<std::size_t, std::string> choose(std::span<const Attached> attached, const Selection& wanted);

/// Why a device can't be opened or claimed: name, number and a sentence. `code`: enum libusb_error.
std::string open_problem(const Attached& device, int code);
std::string claim_problem(const Attached& device, unsigned interface, int code);

}  // namespace isochio::libusb
