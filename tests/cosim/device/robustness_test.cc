// "Nothing that arrives, in any order, may leave the core unable to answer the next good token": a host that sends what
// a seed tells it, and now and then asks for the device descriptor.
#include <doctest/doctest.h>

#include <random>

#include "cosim/device/raw_bus.h"

using namespace isochio::test;
using isochio::usb::Pid;
namespace bus = isochio::bus;
namespace usb = isochio::usb;

namespace {

class Vandal {
 public:
  Vandal(RawBus& f, std::uint32_t seed) : f_(f), random_(seed) {}

  /// One thing that no good host does, or does only in its place. `setups`: also SETUPs whose meaning is left to
  /// chance.
  void strike(bool setups) {
    switch (below(setups ? 13 : 12)) {
      case 0:
        return f_.send(random_bytes(1 + below(12)));
      case 1:
        return f_.send(random_bytes(1 + below(below(20) == 0 ? 4000 : 80)));
      case 2:
        return f_.token(any_pid(), any_endpoint());
      case 3:
        return f_.data(any_data_pid(), random_bytes(length()));
      case 4:
        return f_.send(usb::make_handshake(any_pid()));
      case 5:
        return out();
      case 6:
        return in();
      case 7:
        return truncated();
      case 8:
        return damaged();
      case 9:
        return f_.send(usb::make_token(any_pid(), static_cast<std::uint8_t>(random_()), any_endpoint()));
      case 10:
        return f_.next_frame(below(3) == 0);
      case 11:
        return f_.send(usb::make_sof(static_cast<std::uint16_t>(random_())), f_.high_speed());
      default:
        return setup();
    }
  }
  unsigned below(unsigned n) { return static_cast<unsigned>(random_() >> 8U) % n; }

  /// A reset at any moment: behind a token, in the device's answer, between SETUP and status stage.
  void strike_and_reset() {
    const unsigned what = below(4);
    if (what == 0) f_.token(Pid::out, any_endpoint());
    if (what == 1) f_.send_setup({0x01, 11, static_cast<std::uint16_t>(below(9)), 0, 0});
    if (what >= 2) {
      f_.token(Pid::in, what == 2 ? 1 : 0);
      f_.pass({below(3000)});
    }
    f_.reset();
  }

 private:
  RawBus::Bytes random_bytes(std::size_t size) {
    RawBus::Bytes bytes(size);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random_() >> 8U);
    return bytes;
  }
  std::size_t length() {
    constexpr std::size_t lengths[] = {0, 1, 7, 8, 9, 63, 64, 65, 192, 511, 512, 513, 1023, 1024, 1025, 2000};
    return below(4) == 0 ? below(70) : lengths[below(f_.high_speed() ? 16 : 10)];
  }
  Pid any_pid() { return static_cast<Pid>(below(16)); }
  Pid any_data_pid() { return static_cast<Pid>(below(4) * 4 + 3); }
  std::uint8_t any_endpoint() { return static_cast<std::uint8_t>(below(3) == 0 ? below(16) : below(3)); }

  // A SETUP to endpoint 0 is left to setup(), because it may change the address.
  void out() {
    f_.token(below(6) == 0 ? Pid::ping : Pid::out, any_endpoint());
    if (below(8) != 0) f_.data(any_data_pid(), random_bytes(length()));
    if (below(2) == 0) f_.answer();
  }
  void in() {
    f_.token(Pid::in, any_endpoint());
    // Without waiting, the next packet runs into the answer.
    if (below(4) != 0) f_.answer();
    if (below(2) == 0) f_.send(usb::make_handshake(below(4) == 0 ? any_pid() : Pid::ack));
  }
  void truncated() {
    f_.token(Pid::out, any_endpoint());
    RawBus::Bytes buffer(67);
    const auto packet = usb::make_data(any_data_pid(), random_bytes(64), buffer);
    f_.send(packet.first(1 + below(66)));
  }
  void damaged() {
    f_.token(Pid::out, any_endpoint());
    RawBus::Bytes buffer(67);
    const auto packet = usb::make_data(any_data_pid(), random_bytes(64), buffer);
    if (below(2) == 0)
      f_.link().inject_rx_error(below(67));
    else
      packet[below(67)] ^= static_cast<std::uint8_t>(1U << below(8));
    f_.send(packet);
  }
  void setup() {
    const auto word = [this] { return static_cast<std::uint16_t>(below(3) == 0 ? random_() : below(4)); };
    constexpr std::uint8_t types[] = {0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0x40, 0xc0, 0x41, 0xc1};
    RawBus::Setup request{types[below(10)], static_cast<std::uint8_t>(below(14)), word(), word(), word()};
    if (request.type == 0x00 && request.request == 3) request.value = 1;  // a test mode ends with the power
    f_.send_setup(request);
  }

  RawBus& f_;
  std::minstd_rand random_;
};

bool answers(RawBus& f) {
  f.pass(f.high_speed() ? 20 * bus::microsecond : bus::millisecond);  // an answer that nobody waited for is over
  const auto descriptor = f.control({0x80, 6, 0x0100, 0, 18});
  return descriptor && descriptor->size() == 18 && (*descriptor)[1] == 1;
}

/// Streams and bulk do what they did on a device that never saw anything bad.
void check_healthy(RawBus& f) {
  REQUIRE(f.write(0x101, 0x49534F49));  // the seed may have been written to
  REQUIRE(f.control({0x01, 11, 4, 0, 0}));
  REQUIRE(f.control({0x01, 11, 0, 1, 0}));
  REQUIRE(f.write(0x004, 1U | 7U << 8U));
  f.pass(10 * bus::microsecond);
  const RawBus::Bytes payload(200, 0x17);
  for (int i = 0; i < 3; ++i) {
    f.next_frame();
    f.token(Pid::in, 1);
    CHECK(f.answer() == Pid::data0);
    f.out(1, Pid::data0, payload);
    f.token(Pid::out, 2);
    f.data(i % 2 == 0 ? Pid::data0 : Pid::data1, std::span(payload).first(50));
    CHECK(f.answer() == Pid::ack);
    f.token(Pid::in, 2);
    const auto back = f.receive();
    REQUIRE(back.size() == 53);
    CHECK(usb::pid_of(back[0]) == (i % 2 == 0 ? Pid::data0 : Pid::data1));
    CHECK(std::equal(back.begin() + 1, back.end() - 2, payload.begin()));
    f.send(usb::make_handshake(Pid::ack));
  }
  CHECK(f.read(0x208) == 3);  // PACKETS
}

}  // namespace

TEST_CASE("garbage, packets in a wrong order and of wrong sizes: the next good control transfer is answered") {
  for (const bool fs_only : {false, true}) {
    for (std::uint32_t seed = 1; seed <= 8; ++seed) {
      CAPTURE(fs_only);
      CAPTURE(seed);
      RawBus f({.fs_only = fs_only});
      REQUIRE(f.configure(static_cast<std::uint8_t>(seed)));
      Vandal vandal(f, seed);
      for (int round = 0; round < 100; ++round) {
        CAPTURE(round);
        for (unsigned i = 1 + vandal.below(30); i != 0; --i) vandal.strike(false);
        REQUIRE(answers(f));
      }
      check_healthy(f);
    }
  }
}

TEST_CASE("SETUPs of any content among garbage, and resets in the middle: after a reset the device is as new") {
  for (const bool fs_only : {false, true}) {
    for (std::uint32_t seed = 11; seed <= 13; ++seed) {
      CAPTURE(fs_only);
      CAPTURE(seed);
      RawBus f({.fs_only = fs_only});
      REQUIRE(f.configure(1));
      Vandal vandal(f, seed);
      for (int round = 0; round < 25; ++round) {
        CAPTURE(round);
        for (unsigned i = vandal.below(40); i != 0; --i) vandal.strike(true);
        vandal.strike_and_reset();
        REQUIRE(answers(f));
        REQUIRE(f.configure(static_cast<std::uint8_t>(vandal.below(9))));
      }
      check_healthy(f);
    }
  }
}

TEST_CASE("suspend in the middle of a transaction or an interval: after the resume all goes on") {
  for (const bool fs_only : {false, true}) {
    CAPTURE(fs_only);
    RawBus f({.fs_only = fs_only});
    REQUIRE(f.configure(5));
    for (int what = 0; what < 4; ++what) {
      CAPTURE(what);
      f.next_frame();
      if (what == 0) f.token(Pid::out, 2);
      if (what == 1) f.token(Pid::in, 1);
      if (what == 2) f.out(1, Pid::mdata, RawBus::Bytes(f.high_speed() ? 1024 : 256));
      if (what == 3) f.send_setup({0x80, 6, 0x0200, 0, 4096});
      f.suspend();
      f.resume();
      REQUIRE(answers(f));
    }
    check_healthy(f);
  }
}
