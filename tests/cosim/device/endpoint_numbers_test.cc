// What is kept for each endpoint number and direction: whether it exists, its toggle, its halt and its type. (Mutants
// of endpoint_table.v showed that only the numbers of the shipped devices were looked at.)
#include <doctest/doctest.h>

#include "cosim/device/raw_bus.h"

using namespace isochio::test;
using isochio::usb::Pid;
namespace usb = isochio::usb;

namespace {

constexpr std::uint16_t in_bit = 0x80;
constexpr unsigned engines = 6;

/// The test device with its bulk pair at one number and its isochronous pair at another, on every engine in turn.
RawBusOptions at_numbers(unsigned bulk, unsigned isochronous) {
  return {.edit = [=](isochio::description::Description& description) {
    for (auto& setting : description.settings) {
      for (auto& endpoint : setting.endpoints) {
        const unsigned number = endpoint.type == usb::TransferType::bulk ? bulk : isochronous;
        endpoint.engine = static_cast<std::uint8_t>((bulk + (number == bulk ? 0 : 3)) % engines);
        endpoint.address = {static_cast<std::uint8_t>((endpoint.address.is_in() ? in_bit : 0U) | number)};
      }
    }
  }};
}

/// GET_STATUS: 0 or 1, or -1 if there is no such endpoint.
int halted(RawBus& f, std::uint16_t endpoint) {
  const auto status = f.control({0x82, 0, 0, endpoint, 2});
  return status && status->size() == 2 ? (*status)[0] : -1;
}
bool halt(RawBus& f, std::uint16_t endpoint) { return f.control({0x02, 3, 0, endpoint, 0}).has_value(); }
bool release(RawBus& f, std::uint16_t endpoint) { return f.control({0x02, 1, 0, endpoint, 0}).has_value(); }

std::optional<Pid> bulk_out(RawBus& f, std::uint8_t number, Pid pid) {
  f.token(Pid::out, number);
  f.data(pid, RawBus::Bytes(512, number));
  return f.answer();
}
/// The PID of what comes; acknowledged if it is data.
std::optional<Pid> bulk_in(RawBus& f, std::uint8_t number) {
  f.token(Pid::in, number);
  const auto packet = f.receive();
  if (packet.size() > 1) f.send(usb::make_handshake(Pid::ack));
  return packet.empty() ? std::nullopt : std::optional(usb::pid_of(packet[0]));
}

/// Requests and tokens find these endpoints and no others.
void check_present(RawBus& f, const std::vector<std::uint16_t>& present) {
  for (std::uint16_t number = 1; number < 16; ++number) {
    for (const std::uint16_t direction : {std::uint16_t{0}, in_bit}) {
      CAPTURE(number);
      CAPTURE(direction);
      const std::uint16_t endpoint = number | direction;
      const bool expected = std::count(present.begin(), present.end(), endpoint) == 1;
      CHECK(halted(f, endpoint) == (expected ? 0 : -1));
      if (expected) continue;
      f.token(direction != 0 ? Pid::in : Pid::ping, static_cast<std::uint8_t>(number));
      CHECK_FALSE(f.answer());
    }
  }
}

void check_bulk(RawBus& f, std::uint8_t number) {
  CHECK(bulk_out(f, number, Pid::data0) == Pid::ack);
  CHECK(bulk_in(f, number) == Pid::data0);
  CHECK(bulk_out(f, number, Pid::data1) == Pid::ack);
  CHECK(bulk_in(f, number) == Pid::data1);
  CHECK(bulk_out(f, number, Pid::data0) == Pid::ack);
  for (const std::uint16_t direction : {in_bit, std::uint16_t{0}}) {
    const auto here = static_cast<std::uint16_t>(number | direction);
    const auto other = static_cast<std::uint16_t>(number | (direction ^ in_bit));
    CHECK(halt(f, here));
    CHECK(halted(f, here) == 1);
    CHECK(halted(f, other) == 0);
    if (direction != 0) CHECK(bulk_in(f, number) == Pid::stall);
    if (direction == 0) CHECK(bulk_out(f, number, Pid::data1) == Pid::stall);
    CHECK(release(f, here));
    CHECK(halted(f, here) == 0);
  }
  CHECK(bulk_in(f, number) == Pid::data0);
  CHECK(bulk_out(f, number, Pid::data0) == Pid::ack);
  REQUIRE(halt(f, static_cast<std::uint16_t>(number | in_bit)));
  REQUIRE(f.control({0x01, 11, 0, 1, 0}));
  CHECK(halted(f, static_cast<std::uint16_t>(number | in_bit)) == 0);
  CHECK(bulk_out(f, number, Pid::data0) == Pid::ack);
  CHECK(bulk_in(f, number) == Pid::data0);
}

}  // namespace

TEST_CASE("every endpoint number and engine works alike: presence, toggle, halt and type of each are its own") {
  for (std::uint8_t bulk = 1; bulk < 16; ++bulk) {
    const auto isochronous = static_cast<std::uint8_t>(bulk % 15 + 1);
    CAPTURE(int(bulk));
    RawBus f(at_numbers(bulk, isochronous));
    REQUIRE(f.configure(0));
    const std::uint16_t bulk_in_address = bulk | in_bit, in_address = isochronous | in_bit;
    check_present(f, {bulk, bulk_in_address});
    check_bulk(f, bulk);
    REQUIRE(f.control({0x01, 11, 4, 0, 0}));
    CHECK(halted(f, isochronous) == 0);
    CHECK(halted(f, in_address) == 0);
    for (const std::uint16_t endpoint : {std::uint16_t{isochronous}, in_address}) {
      CHECK_FALSE(halt(f, endpoint));
      CHECK(release(f, endpoint));
      CHECK(f.control({0x82, 12, 0, endpoint, 2}).has_value());
    }
    CHECK_FALSE(f.control({0x82, 12, 0, bulk_in_address, 2}).has_value());
    f.next_frame();
    f.token(Pid::in, isochronous);
    CHECK(f.receive().size() == 1024 + 3);
    f.token(Pid::in, isochronous);
    CHECK(f.receive().size() == 3);
    f.next_frame();
    f.token(Pid::in, isochronous);
    CHECK(f.receive().size() == 1024 + 3);
    REQUIRE(f.control({0x01, 11, 0, 0, 0}));
    CHECK(halted(f, in_address) == -1);
    // A bus reset takes all away, halts too.
    REQUIRE(halt(f, bulk_in_address));
    f.reset();
    check_present(f, {});
    REQUIRE(f.configure(0));
    CHECK(halted(f, bulk_in_address) == 0);
    CHECK(bulk_out(f, bulk, Pid::data0) == Pid::ack);
  }
}
