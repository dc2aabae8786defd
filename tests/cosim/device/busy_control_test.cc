// Requests to endpoint 0 while other endpoints are busy: the device works at what a stage brought when the next tokens
// are there already.
#include <doctest/doctest.h>

#include <random>

#include "cosim/device/raw_bus.h"

using namespace isochio::test;
using isochio::usb::Pid;
namespace bus = isochio::bus;
namespace usb = isochio::usb;

namespace {

constexpr std::uint16_t size_list = 0x300;  ///< sixteen registers of any content
constexpr std::uint8_t registers = 1;

/// Some transactions with other endpoints at once, each of which changes what the device keeps of its endpoint.
void others(RawBus& f, unsigned count, unsigned pause) {
  f.pass(bus::Duration{static_cast<std::int64_t>(pause) * 8});
  for (unsigned i = 0; i < count; ++i) {
    if (i % 4 == 3) {
      f.token(Pid::in, 1);
      f.receive();
    } else {
      f.out(1, Pid::data0, RawBus::Bytes(i % 3, 0xa5));
    }
  }
}

bool transfer(RawBus& f, bool in, RawBus::Bytes& bytes, unsigned pause) {
  const auto type = static_cast<std::uint8_t>(in ? 0xc0 : 0x40);
  if (!f.send_setup({type, registers, 0, size_list, static_cast<std::uint16_t>(bytes.size())})) return false;
  others(f, 4, pause);
  if (in) {
    const auto packet = f.transact_in();
    if (packet.size() != bytes.size() + 3) return false;
    bytes.assign(packet.begin() + 1, packet.end() - 2);
    others(f, 3, pause);
    return f.transact_out(Pid::data1, {}) == Pid::ack;
  }
  if (f.transact_out(Pid::data1, bytes) != Pid::ack) return false;
  others(f, 6, pause);
  const auto status = f.transact_in();
  return status.size() == 3 && usb::pid_of(status[0]) == Pid::data1;
}

}  // namespace

TEST_CASE("what a request writes and reads is right while other endpoints are busy, at whatever clock") {
  std::mt19937 random(13);
  for (const bool fs_only : {false, true}) {
    CAPTURE(fs_only);
    RawBus f({.fs_only = fs_only});
    REQUIRE(f.configure(1));
    for (unsigned pause = 0; pause < 24; ++pause) {
      CAPTURE(pause);
      RawBus::Bytes written(64), got(64);
      for (std::size_t i = 0; i < written.size(); ++i) {
        written[i] = static_cast<std::uint8_t>(i % 4 == 0 ? random() : i % 4 == 1 ? random() % 8 : 0);
      }
      f.next_frame();
      REQUIRE(transfer(f, false, written, pause));
      others(f, 5, pause);
      REQUIRE(transfer(f, true, got, pause));
      CHECK(got == written);
    }
  }
}
