// What of the libusb target needs no device: statuses, names of devices, sentences, frame arithmetic.
#include <doctest/doctest.h>
#include <libusb-1.0/libusb.h>
#include <rapidcheck.h>

#include <cerrno>

#include "libusb/frame_estimate.h"
#include "libusb/selection.h"
#include "libusb/status.h"

using namespace isochio;
using namespace isochio::libusb;
using controller::Status;

namespace {

Attached attached(std::uint16_t product, std::uint8_t port) {
  return {{0x1209, product}, {1, {port}}, 5, usb::Speed::high, "thing", true};
}
bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("libusb's transfer statuses become the host's") {
  CHECK(transfer_status(LIBUSB_TRANSFER_COMPLETED) == Status::ok);
  CHECK(transfer_status(LIBUSB_TRANSFER_ERROR) == Status::no_response);
  CHECK(transfer_status(LIBUSB_TRANSFER_TIMED_OUT) == Status::timeout);
  CHECK(transfer_status(LIBUSB_TRANSFER_CANCELLED) == Status::aborted);
  CHECK(transfer_status(LIBUSB_TRANSFER_STALL) == Status::stall);
  CHECK(transfer_status(LIBUSB_TRANSFER_NO_DEVICE) == Status::no_device);
  CHECK(transfer_status(LIBUSB_TRANSFER_OVERFLOW) == Status::overrun);
}

TEST_CASE("an isochronous packet's status takes in what became of its transfer") {
  constexpr int good = LIBUSB_TRANSFER_COMPLETED, cancelled = LIBUSB_TRANSFER_CANCELLED;
  CHECK(packet_status({good, good, 100, 100, true}) == Status::ok);
  CHECK(packet_status({good, good, 100, 99, true}) == Status::short_packet);
  CHECK(packet_status({good, good, 100, 0, true}) == Status::short_packet);
  CHECK(packet_status({good, good, 0, 0, true}) == Status::ok);
  CHECK(packet_status({good, good, 100, 100, false}) == Status::ok);
  CHECK(packet_status({good, LIBUSB_TRANSFER_ERROR, 100, 0, true}) == Status::no_response);
  CHECK(packet_status({good, LIBUSB_TRANSFER_OVERFLOW, 100, 100, true}) == Status::overrun);
  CHECK(packet_status({cancelled, good, 100, 100, true}) == Status::ok);  // it came before the cancel
  CHECK(packet_status({cancelled, good, 100, 0, true}) == Status::aborted);
  CHECK(packet_status({cancelled, LIBUSB_TRANSFER_ERROR, 100, 0, true}) == Status::aborted);  // Linux's -EXDEV
  CHECK(packet_status({cancelled, LIBUSB_TRANSFER_ERROR, 100, 50, true}) == Status::no_response);
  CHECK(packet_status({LIBUSB_TRANSFER_NO_DEVICE, good, 100, 0, false}) == Status::no_device);
}

TEST_CASE("refusals of libusb calls become statuses; no room on the bus is told by errno") {
  CHECK(call_status(LIBUSB_SUCCESS) == Status::ok);
  CHECK(call_status(LIBUSB_ERROR_NO_DEVICE) == Status::no_device);
  CHECK(call_status(LIBUSB_ERROR_BUSY) == Status::not_permitted);
  CHECK(call_status(LIBUSB_ERROR_NO_MEM) == Status::no_resources);
  CHECK(call_status(LIBUSB_ERROR_PIPE) == Status::stall);
  CHECK(call_status(LIBUSB_ERROR_OTHER, ENOSPC) == Status::no_bandwidth);
  CHECK(call_status(LIBUSB_ERROR_OTHER, EIO) == Status::no_response);
}

TEST_CASE("VID:PID is four hexadecimal digits, a colon and four more") {
  CHECK(parse_identity("1209:00aF") == Identity{0x1209, 0x00af});
  for (const char* bad :
       {"", "1209", "1209:1", "1209:00g0", "12090:001", "+209:0001", "1209-0001", "0x12:0001", "test"})
    CHECK_FALSE(parse_identity(bad).has_value());
  rc::check([](std::uint16_t vendor, std::uint16_t product) {
    const Identity identity{vendor, product};
    RC_ASSERT(parse_identity(to_string(identity)) == identity);
  });
}

TEST_CASE("a place is a bus and one to seven ports") {
  CHECK(parse_place("3-1.4") == Place{3, {1, 4}});
  CHECK(parse_place("1-1.2.3.4.5.6.7").has_value());
  CHECK(to_string(Place{3, {1, 4}}) == "3-1.4");
  for (const char* bad :
       {"", "3", "3-", "-1", "0-1", "3-0", "3-1.", "3-1..2", "3-256", "256-1", "3-1.2.3.4.5.6.7.8", "3-1a"})
    CHECK_FALSE(parse_place(bad).has_value());
}

TEST_CASE("the device that is meant is found, or a sentence says why not") {
  const std::vector<Attached> all{attached(1, 1), attached(2, 2), attached(1, 3)};
  CHECK(choose(all, {Identity{0x1209, 2}, {}}) == 1U);
  CHECK(choose(all, {{}, Place{1, {3}}}) == 2U);
  CHECK(choose(all, {Identity{0x1209, 1}, Place{1, {3}}}) == 2U);
  const auto none = choose(all, {Identity{0x1209, 3}, {}});
  REQUIRE_FALSE(none.has_value());
  CHECK(has(none.error(), "no device 1209:0003 is attached"));
  CHECK_FALSE(choose(all, {Identity{0x1209, 2}, Place{1, {3}}}).has_value());
  const auto both = choose(all, {Identity{0x1209, 1}, {}});
  REQUIRE_FALSE(both.has_value());
  CHECK(has(both.error(), "2 devices"));
  CHECK(has(both.error(), "1-1, 1-3"));
  CHECK(has(both.error(), "--bus-port"));
}

TEST_CASE("errors have a name, a number and what to do; missing permission names the udev rule") {
  const auto denied = open_problem(attached(1, 4), LIBUSB_ERROR_ACCESS);
  for (const char* part :
       {"1209:0001 at 1-4 (thing)", "LIBUSB_ERROR_ACCESS (-3)", "70-isochio.rules", "/etc/udev/rules.d"})
    CHECK(has(denied, part));
  CHECK(has(open_problem(attached(1, 4), LIBUSB_ERROR_NO_DEVICE), "unplugged"));
  const auto busy = claim_problem(attached(1, 4), 2, LIBUSB_ERROR_BUSY);
  for (const char* part : {"interface 2", "LIBUSB_ERROR_BUSY (-6)", "another program"}) CHECK(has(busy, part));
}

TEST_CASE("frames are counted by the clock, 8 microframes of 125 us each, and at full speed whole") {
  const FrameEstimate frames(1000);
  const bus::BusTime at = bus::BusTime{} + 2500 * bus::microsecond;
  CHECK(frames.at(at, usb::Speed::high) == usb::FrameTime::of(1002, 4));
  CHECK(frames.at(at, usb::Speed::full) == usb::FrameTime::of(1002));
}

TEST_CASE("anchored frames agree with the device's 14 bits and never fall back") {
  rc::check([](std::uint16_t first, std::uint16_t raw, std::uint32_t us) {
    const auto stamp = static_cast<std::uint16_t>(raw & 0x3fffU);
    FrameEstimate frames(first);
    const bus::BusTime at = bus::BusTime{} + std::int64_t{us} * bus::microsecond;
    const auto before = frames.at(at, usb::Speed::high);
    frames.anchor(at, stamp);
    const auto after = frames.at(at, usb::Speed::high);
    RC_ASSERT(after.stamp() == stamp);
    RC_ASSERT(after >= before);
    RC_ASSERT(after.value - before.value < 16384U);
  });
}
