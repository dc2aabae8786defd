// Endpoint 0 as a host finds it that keeps to no order.
#include <doctest/doctest.h>

#include "cosim/device/raw_bus.h"

using namespace isochio::test;
using isochio::usb::Pid;

namespace {

constexpr std::uint16_t sample_rate = 0x00a, suspends = 0x01f;
const RawBus::Setup get_device{0x80, 6, 0x0100, 0, 18};

}  // namespace

TEST_CASE("the image's sample rate is in its register after power-up, and a bus reset leaves the register alone") {
  for (const bool fs_only : {false, true}) {
    CAPTURE(fs_only);
    RawBus f({.fs_only = fs_only});
    REQUIRE(f.configure(0));
    CHECK(f.read(sample_rate) == 44'100);  // test.toml
    REQUIRE(f.write(sample_rate, 96'000));
    REQUIRE(f.configure(0));
    CHECK(f.read(sample_rate) == 96'000);
  }
}

TEST_CASE("a rate of three bytes stored for the audio device sets the register; the byte that was not sent is 0") {
  RawBus f({.device = "uac1-audio", .fs_only = true});
  REQUIRE(f.configure(0));
  CHECK(f.read(sample_rate) == 48'000);
  REQUIRE(f.write(0x101, 0xFFFFFFFF));  // a word of ones has passed
  REQUIRE(f.control({0x22, 1, 0x0100, 0x0001, 3}, {0x44, 0xac, 0x00}));
  CHECK(f.read(sample_rate) == 44'100);
  CHECK(f.control({0xa2, 0x81, 0x0100, 0x0001, 3}) == RawBus::Bytes{0x44, 0xac, 0x00});
  REQUIRE(f.write(0x101, 0xFFFFFFFF));
  REQUIRE(f.control({0x22, 1, 0x0100, 0x0001, 1}, {0x40}));
  CHECK(f.read(sample_rate) == 0x40);
}

TEST_CASE("a data stage ends with a zero-length packet only where the host asks for more than a whole packet") {
  for (const bool fs_only : {false, true}) {
    RawBus f({.fs_only = fs_only});
    REQUIRE(f.configure(0));
    const auto all = f.control({0x80, 6, 0x0200, 0, 4096});
    REQUIRE(all);
    REQUIRE(all->size() > 128);
    for (const std::uint16_t length : {1, 8, 63, 64, 65, 127, 128}) {
      CAPTURE(length);
      CHECK(f.control({0x80, 6, 0x0200, 0, length}) == RawBus::Bytes(all->begin(), all->begin() + length));
    }
    CHECK(f.control({0x80, 6, 0x0200, 0, 0}) == RawBus::Bytes{});
    // 16 registers are one packet; 64 bytes more than that are asked for, and there are always more registers.
    CHECK(f.control({0xc0, 1, 0, 0x300, 128})->size() == 128);
  }
}

TEST_CASE("a status stage may come early, and a SETUP at any moment") {
  for (const bool fs_only : {false, true}) {
    RawBus f({.fs_only = fs_only});
    REQUIRE(f.configure(0));
    // The host has enough after the first packet.
    REQUIRE(f.send_setup({0x80, 6, 0x0200, 0, 4096}));
    CHECK(f.transact_in().size() == 67);
    CHECK(f.transact_out(Pid::data1, {}) == Pid::ack);
    CHECK(f.control(get_device)->size() == 18);
    // In the middle of a data stage, of either direction, and before a status stage.
    REQUIRE(f.send_setup({0x80, 6, 0x0200, 0, 4096}));
    CHECK(f.transact_in().size() == 67);
    CHECK(f.control(get_device)->size() == 18);
    REQUIRE(f.send_setup({0x40, 1, 0, 0x300, 128}));
    CHECK(f.transact_out(Pid::data1, RawBus::Bytes(64, 1)) == Pid::ack);
    CHECK(f.control(get_device)->size() == 18);
    REQUIRE(f.send_setup({0x00, 5, 99, 0, 0}));  // SET_ADDRESS without a status stage: nothing happens
    CHECK(f.control(get_device)->size() == 18);
    // After a stall.
    CHECK_FALSE(f.control({0x80, 6, 0x2200, 0, 18}));
    CHECK(f.control(get_device)->size() == 18);
    // More data than announced ends in a stall, less in an early status stage.
    REQUIRE(f.send_setup({0x40, 1, 0, 0x300, 4}));
    CHECK(f.transact_out(Pid::data1, RawBus::Bytes(4, 1)) == Pid::ack);
    CHECK(f.transact_out(Pid::data0, RawBus::Bytes(4, 1)) == Pid::stall);
    CHECK(f.control(get_device)->size() == 18);
  }
}

TEST_CASE(
    "a data packet that comes again is acknowledged and not taken again; one with a high-bandwidth PID is nothing") {
  for (const bool fs_only : {false, true}) {
    RawBus f({.fs_only = fs_only});
    REQUIRE(f.configure(0));
    RawBus::Bytes first(64, 0), second(64, 0);
    for (std::size_t i = 0; i < 64; i += 4) {
      first[i] = static_cast<std::uint8_t>(i + 1);
      second[i] = static_cast<std::uint8_t>(i + 2);
    }
    REQUIRE(f.send_setup({0x40, 1, 0, 0x300, 128}));
    f.token(Pid::out, 0);
    f.data(Pid::mdata, first);
    CHECK_FALSE(f.answer());
    CHECK(f.transact_out(Pid::data1, first) == Pid::ack);
    CHECK(f.transact_out(Pid::data1, first) == Pid::ack);  // our ACK was lost
    CHECK(f.transact_out(Pid::data0, second) == Pid::ack);
    CHECK(f.transact_in().size() == 3);
    first.insert(first.end(), second.begin(), second.end());
    CHECK(f.control({0xc0, 1, 0, 0x300, 128}) == first);
  }
}

TEST_CASE("PING of endpoint 0 is answered at high speed, and is no token at full speed") {
  RawBus high({});
  REQUIRE(high.configure(0));
  REQUIRE(high.send_setup({0x40, 1, 0, 0x300, 4}));
  high.pass(20 * isochio::bus::microsecond);
  high.token(Pid::ping, 0);
  CHECK(high.answer() == Pid::ack);
  CHECK(high.control(get_device)->size() == 18);
  RawBus full({.fs_only = true});
  REQUIRE(full.configure(0));
  full.token(Pid::ping, 0);
  CHECK_FALSE(full.answer());
  CHECK(full.control(get_device)->size() == 18);
}

TEST_CASE(
    "SET_INTERFACE and CLEAR_FEATURE(ENDPOINT_HALT) set the toggle to DATA0, also in the middle of a transaction") {
  for (const bool fs_only : {false, true}) {
    RawBus f({.fs_only = fs_only});
    REQUIRE(f.configure(0));
    // Long enough to last from the moment at which SET_INTERFACE takes the endpoint away until it is there again.
    const RawBus::Bytes payload(fs_only ? 64 : 512, 9);
    const auto bulk_out = [&](Pid pid) {
      f.token(Pid::out, 2);
      f.data(pid, payload);
      return f.answer();
    };
    const auto bulk_in = [&] {
      f.token(Pid::in, 2);
      const auto packet = f.receive();
      f.send(isochio::usb::make_handshake(Pid::ack));
      return packet.empty() ? Pid::reserved : isochio::usb::pid_of(packet[0]);
    };
    CHECK(bulk_out(Pid::data0) == Pid::ack);
    CHECK(bulk_in() == Pid::data0);
    REQUIRE(f.control({0x01, 11, 0, 1, 0}));
    CHECK(bulk_out(Pid::data0) == Pid::ack);
    CHECK(bulk_in() == Pid::data0);
    REQUIRE(f.control({0x02, 1, 0, 0x02, 0}));
    REQUIRE(f.control({0x02, 1, 0, 0x82, 0}));
    CHECK(bulk_out(Pid::data0) == Pid::ack);
    CHECK(bulk_in() == Pid::data0);
    // The request is carried out before, while or after a packet goes to the endpoint: the next one is DATA0's all the
    // same.
    for (int delay = 0; delay < 80; ++delay) {
      CAPTURE(delay);
      REQUIRE(bulk_out(Pid::data0) == Pid::ack);
      REQUIRE(f.send_setup({0x01, 11, 0, 1, 0}));
      f.pass(isochio::bus::Duration{delay * 120});
      bulk_out(Pid::data1);  // not answered where the endpoint does not exist for a moment
      REQUIRE(f.transact_in().size() == 3);
      REQUIRE(bulk_in() == Pid::nak);
      REQUIRE(bulk_out(Pid::data0) == Pid::ack);
      REQUIRE(bulk_in() == Pid::data0);
      REQUIRE(f.control({0x01, 11, 0, 1, 0}));
    }
  }
}

TEST_CASE("after a reset shorter than the wait for a host's chirp the device answers and suspends at full speed") {
  RawBus f({.full_speed_host = true});
  f.hold(isochio::bus::LineState::se0, 2 * isochio::bus::millisecond);
  f.link().release();
  f.pass(2 * isochio::bus::millisecond);
  f.suspend();
  f.resume();
  CHECK(f.control(get_device)->size() == 18);
  CHECK(f.read(suspends) == 1);
}

TEST_CASE(
    "requests to what is not there are stalled: an interface, an endpoint, a setting, a qualifier without high speed") {
  RawBus f({});
  f.reset();
  // Not configured.
  for (const std::uint8_t request : {0, 10}) CHECK_FALSE(f.control({0x81, request, 0, 0, 1}));
  CHECK_FALSE(f.control({0x01, 11, 0, 0, 0}));
  CHECK_FALSE(f.control({0x82, 0, 0, 0x81, 2}));
  CHECK(f.control({0x82, 0, 0, 0x80, 2}) == RawBus::Bytes{0, 0});
  CHECK(f.control({0x80, 8, 0, 0, 1}) == RawBus::Bytes{0});
  REQUIRE(f.configure(1));
  for (const std::uint16_t index : {2, 7, 8, 255, 256, 0x8001}) {
    CAPTURE(index);
    CHECK_FALSE(f.control({0x81, 0, 0, index, 2}));
    CHECK_FALSE(f.control({0x81, 10, 0, index, 1}));
    CHECK_FALSE(f.control({0x01, 11, 0, index, 0}));
  }
  for (const std::uint16_t index : {0x03, 0x83, 0x11, 0x101}) {
    CAPTURE(index);
    CHECK_FALSE(f.control({0x82, 0, 0, index, 2}));
    CHECK_FALSE(f.control({0x02, 1, 0, index, 0}));
    CHECK_FALSE(f.control({0x02, 3, 0, index, 0}));
  }
  for (const std::uint16_t alternate : {11, 15, 16, 256}) CHECK_FALSE(f.control({0x01, 11, alternate, 0, 0}));
  CHECK(f.control({0x81, 10, 0, 0, 1}) == RawBus::Bytes{1});
  RawBus audio({.device = "uac1-audio", .full_speed_host = true});
  REQUIRE(audio.configure(0));
  CHECK_FALSE(audio.control({0x80, 6, 0x0600, 0, 10}));
  CHECK_FALSE(audio.control({0x80, 6, 0x0700, 0, 9}));
}
