// What a bulk pair answers when there is no room, and when there is again.
#include <doctest/doctest.h>

#include "cosim/device/raw_bus.h"

using namespace isochio::test;
using isochio::usb::Pid;
namespace usb = isochio::usb;

namespace {

constexpr unsigned loopback_bytes = 8192;

class Pair {
 public:
  explicit Pair(RawBus& f) : f_(f), bytes_(f.high_speed() ? 512 : 64) {}

  unsigned packets() const { return loopback_bytes / bytes_; }
  /// Packet `n`; every byte tells which one it is.
  std::optional<Pid> out(unsigned n) {
    f_.token(Pid::out, 2);
    f_.data(n % 2 == 0 ? Pid::data0 : Pid::data1, RawBus::Bytes(bytes_, static_cast<std::uint8_t>(n)));
    return f_.answer();
  }
  std::optional<Pid> ping() {
    f_.token(Pid::ping, 2);
    return f_.answer();
  }
  void in(unsigned n) {
    f_.token(Pid::in, 2);
    const auto packet = f_.receive();
    REQUIRE(packet.size() == bytes_ + 3);
    CHECK(usb::pid_of(packet[0]) == (n % 2 == 0 ? Pid::data0 : Pid::data1));
    CHECK(packet[1] == static_cast<std::uint8_t>(n));
    f_.send(usb::make_handshake(Pid::ack));
  }

 private:
  RawBus& f_;
  unsigned bytes_;
};

}  // namespace

TEST_CASE(
    "a bulk OUT endpoint without room answers NAK, at high speed NYET to the last packet that fits, and nothing is "
    "lost") {
  for (const bool fs_only : {false, true}) {
    CAPTURE(fs_only);
    RawBus f({.fs_only = fs_only});
    REQUIRE(f.configure(0));
    Pair pair(f);
    unsigned sent = 0;
    for (; sent < pair.packets(); ++sent) {
      CAPTURE(sent);
      const auto answer = pair.out(sent);
      if (answer == Pid::nyet) break;
      if (answer == Pid::nak) break;
      REQUIRE(answer == Pid::ack);
      if (!fs_only) CHECK(pair.ping() == Pid::ack);
    }
    // The host does not have to believe it.
    if (!fs_only) ++sent;
    REQUIRE(sent > pair.packets() / 2);
    for (int again = 0; again < 3; ++again) {
      CHECK(pair.out(sent) == Pid::nak);
      if (!fs_only) CHECK(pair.ping() == Pid::nak);
    }
    for (unsigned taken = 0; taken < sent; ++taken) pair.in(taken);
    f.token(Pid::in, 2);
    CHECK(f.answer() == Pid::nak);
    if (!fs_only) CHECK(pair.ping() == Pid::ack);
    CHECK(pair.out(sent) == Pid::ack);
    pair.in(sent);
  }
}
