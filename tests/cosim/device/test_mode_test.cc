// SET_FEATURE(TEST_MODE): what the port does then [7.1.20, 9.4.9].
#include <doctest/doctest.h>

#include "cosim/device/raw_bus.h"

using namespace isochio::test;
using isochio::usb::Pid;
namespace bus = isochio::bus;

namespace {

bool set_test_mode(RawBus& f, std::uint16_t index) { return f.control({0x00, 3, 2, index, 0}).has_value(); }

}  // namespace

TEST_CASE("Test_J and Test_K drive the line, and neither silence nor a reset ends that") {
  for (const std::uint16_t selector : {1, 2}) {
    CAPTURE(selector);
    RawBus f({});
    f.reset();
    REQUIRE(set_test_mode(f, selector << 8U));  // in the default state
    const auto line = selector == 1 ? bus::LineState::j : bus::LineState::k;
    CHECK(f.link().wait_device_drives(line, f.link().now() + 3 * bus::millisecond));
    CHECK_FALSE(f.link().wait_device_releases(f.link().now() + 50 * bus::millisecond));
    f.hold(bus::LineState::se0, 10 * bus::millisecond);
    f.link().release();
    CHECK_FALSE(f.link().wait_device_releases(f.link().now() + 10 * bus::millisecond));
  }
}

TEST_CASE("Test_SE0_NAK answers every IN with NAK, and nothing else") {
  RawBus f({});
  REQUIRE(f.configure(4));
  REQUIRE(set_test_mode(f, 3U << 8U));
  f.pass(50 * bus::millisecond);
  for (const std::uint8_t address : {7, 0, 99}) {
    for (const std::uint8_t endpoint : {0, 1, 9}) {
      f.send(isochio::usb::make_token(Pid::in, address, endpoint));
      CHECK(f.receive() == RawBus::Bytes{0x5a});
    }
  }
  auto damaged = isochio::usb::make_token(Pid::in, 7, 0);
  damaged[2] ^= 0x80;
  f.send(damaged);
  CHECK(f.receive().empty());
  CHECK_FALSE(f.send_setup({0x80, 6, 0x0100, 0, 18}));
  f.out(2, Pid::data0, RawBus::Bytes(10));
  CHECK(f.receive().empty());
}

TEST_CASE("Test_Packet sends the specification's packet again and again, with allowed gaps") {
  // The bytes before NRZI and bit stuffing, as the specification gives them, with the CRC16 that is published with
  // them.
  const RawBus::Bytes expected = {0xc3, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xaa, 0xaa, 0xaa, 0xaa,
                                  0xaa, 0xaa, 0xaa, 0xaa, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xfe, 0xff,
                                  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xbf, 0xdf, 0xef,
                                  0xf7, 0xfb, 0xfd, 0xfc, 0x7e, 0xbf, 0xdf, 0xef, 0xf7, 0xfb, 0xfd, 0x7e, 0xb6, 0xce};
  RawBus f({});
  REQUIRE(f.configure(4));
  REQUIRE(f.control({0xc0, 1, 0, 0, 1}));  // what is left of this register is not in the packet
  REQUIRE(set_test_mode(f, 4U << 8U));
  bus::BusTime end = f.link().now();
  for (int i = 0; i < 100; ++i) {
    bus::Packet packet;
    REQUIRE(f.link().receive(f.link().now() + bus::millisecond, packet));
    REQUIRE(RawBus::Bytes(packet.bytes.begin(), packet.bytes.end()) == expected);
    CHECK_FALSE(packet.rx_error);
    if (i != 0) {
      CHECK((packet.start - end).bits >= 88);
      CHECK(packet.start - end <= 125 * bus::microsecond);
    }
    end = packet.end;
  }
}

TEST_CASE("no test begins at full speed, with a selector that a device's port has not, or without a status stage") {
  RawBus full({.fs_only = true});
  REQUIRE(full.configure(0));
  CHECK_FALSE(set_test_mode(full, 1U << 8U));
  CHECK(full.read(0) == 0x4F495349);
  RawBus high({});
  REQUIRE(high.configure(0));
  for (const std::uint16_t index : {0x0000, 0x0500, 0x0600, 0x8100, 0xff00, 0x0101}) {
    CAPTURE(index);
    CHECK_FALSE(set_test_mode(high, index));
  }
  CHECK_FALSE(high.control({0x00, 1, 2, 0x0100, 0}));  // CLEAR_FEATURE
  REQUIRE(high.send_setup({0x00, 3, 2, 0x0100, 0}));
  CHECK(high.read(0) == 0x4F495349);
  REQUIRE(high.control({0x00, 9, 1, 0, 0}));
  CHECK(high.read(0) == 0x4F495349);
}
