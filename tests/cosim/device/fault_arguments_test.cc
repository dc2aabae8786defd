// Each bit of FAULT_ARGUMENT, on the wire (docs/registers.md).
#include <doctest/doctest.h>

#include "cosim/device/raw_bus.h"
#include "support/host_fixture.h"

using namespace isochio::test;
using isochio::usb::Pid;
namespace usb = isochio::usb;

namespace {

constexpr std::uint16_t in0 = 0x100, function = 0, fault = 24, fault_argument = 25, fault_every = 26;
constexpr std::uint16_t bulk_out_engine = 0x220;
constexpr unsigned pid_check = 3, pid = 4, crc = 5, shorter = 6, longer = 7, payload = 9, zeros = 2;
constexpr unsigned size = 700;

struct Spoiled {
  RawBus& f;
  /// The bytes that come for one IN token of endpoint 1, whose data is 700 zeros.
  RawBus::Bytes packet(unsigned kind, unsigned argument) const {
    REQUIRE(f.write(in0 + fault_argument, argument));
    REQUIRE(f.write(in0 + fault, kind));
    f.next_frame();
    f.token(Pid::in, 1);
    return f.receive();
  }
};

RawBus::Bytes data_packet(Pid data_pid, const RawBus::Bytes& bytes) {
  RawBus::Bytes buffer(bytes.size() + 3);
  usb::make_data(data_pid, bytes, buffer);
  return buffer;
}

}  // namespace

TEST_CASE("each bit of a fault's argument does on the wire what the register says") {
  for (const bool fs_only : {false, true}) {
    CAPTURE(fs_only);
    RawBus f({.fs_only = fs_only});
    REQUIRE(f.configure(2));
    REQUIRE(f.write(in0 + function, zeros));
    REQUIRE(f.write(in0 + 3, size));
    REQUIRE(f.write(in0 + fault_every, 1));
    const Spoiled spoiled{f};
    const RawBus::Bytes zero(size, 0), usual = data_packet(Pid::data0, zero);
    CHECK(spoiled.packet(0, 0) == usual);
    for (unsigned bit = 0; bit < 4; ++bit) {
      CAPTURE(bit);
      auto expected = usual;
      expected[0] ^= static_cast<std::uint8_t>(0x10U << bit);
      CHECK(spoiled.packet(pid_check, 1U << bit) == expected);
      CHECK(spoiled.packet(0, 0) == usual);
    }
    for (unsigned wanted = 1; wanted < 16; ++wanted) {
      CAPTURE(wanted);
      const auto got = spoiled.packet(pid, wanted);
      const bool data = (wanted & 3U) == 3;
      REQUIRE(got.size() == (data ? usual.size() : 1));
      CHECK(unsigned{got[0]} == (wanted | (~wanted & 0xfU) << 4U));
    }
    for (unsigned bit = 0; bit < 8; ++bit) {
      CAPTURE(bit);
      auto bytes = zero;
      bytes[0] = static_cast<std::uint8_t>(1U << bit);
      CHECK(spoiled.packet(payload, 1U << bit) == data_packet(Pid::data0, bytes));
    }
    for (unsigned bit = 0; bit < 12; ++bit) {
      CAPTURE(bit);
      const unsigned change = 1U << bit;
      CHECK(spoiled.packet(shorter, change).size() == (change < size ? size - change : 0) + 3);
      CHECK(spoiled.packet(longer, change).size() == std::min(size + change, 2047U) + 3);
    }
    CHECK(spoiled.packet(shorter, size - 1).size() == 1 + 3);
    CHECK(spoiled.packet(shorter, size).size() == 3);
    CHECK(spoiled.packet(longer, 2047 - size).size() == 2047 + 3);
    CHECK(spoiled.packet(longer, 2048 - size).size() == 2047 + 3);
    const auto wrong = spoiled.packet(crc, 0);
    REQUIRE(wrong.size() == usual.size());
    CHECK(std::equal(usual.begin(), usual.end() - 1, wrong.begin()));
    CHECK((usual.back() ^ wrong.back()) == 0xff);  // the CRC16's second byte, all of its bits
    CHECK(spoiled.packet(0, 0) == usual);
  }
}

TEST_CASE("each bit of a delay's argument makes an answer so many clocks later") {
  for (const bool fs_only : {false, true}) {
    CAPTURE(fs_only);
    RawBus f({.fs_only = fs_only});
    REQUIRE(f.configure(1));
    REQUIRE(f.write(in0 + fault_every, 1));
    const auto late = [&](unsigned clocks) {
      REQUIRE(f.write(in0 + fault_argument, clocks));
      REQUIRE(f.write(in0 + fault, clocks == 0 ? 0U : 2U));
      f.next_frame();
      PacketLog log;
      f.link().set_observer(&log);
      f.token(Pid::in, 1);
      f.pass(110 * isochio::bus::microsecond);
      f.link().set_observer(nullptr);
      for (std::size_t i = 1; i < log.packets.size(); ++i) {
        if (!log.packets[i].from_host) return (log.packets[i].start - log.packets[i - 1].end).bits / 8;
      }
      return std::int64_t{-1};
    };
    const auto usual = late(0);
    REQUIRE(usual > 0);
    for (unsigned bit = 0; bit < 12; ++bit) {
      CAPTURE(bit);
      CHECK(late(1U << bit) == usual + (1U << bit));
      CHECK(late((1U << bit) - 1U) == usual + (1U << bit) - 1U);
    }
  }
}

TEST_CASE("a spoiled answer of a bulk endpoint has the PID that the argument says") {
  RawBus f({});
  REQUIRE(f.configure(0));
  const std::uint16_t engine = 0x220;
  REQUIRE(f.write(engine + fault_every, 1));
  for (unsigned wanted = 0; wanted < 16; ++wanted) {
    CAPTURE(wanted);
    REQUIRE(f.control({0x01, 11, 0, 1, 0}));  // DATA0 again, and nothing waits
    REQUIRE(f.write(engine + fault_argument, wanted));
    REQUIRE(f.write(engine + fault, pid));
    f.next_frame();
    f.token(Pid::out, 2);
    f.data(Pid::data0, RawBus::Bytes(512, 1));
    const auto got = f.receive();
    REQUIRE(got.size() == ((wanted & 3U) == 3 ? 3 : 1));
    const unsigned sent = wanted != 0 ? wanted : unsigned(Pid::ack) ^ 8U;
    CHECK(unsigned{got[0]} == (sent | (~sent & 0xfU) << 4U));
  }
}
