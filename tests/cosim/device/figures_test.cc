// The figures of docs/rtl.md, to the clock: how soon the device answers, and when it gives up waiting.
#include <doctest/doctest.h>

#include <map>

#include "cosim/device/event_log.h"
#include "support/host_fixture.h"

using namespace isochio::test;
using isochio::usb::Pid;
namespace bus = isochio::bus;
namespace usb = isochio::usb;

namespace {

/// Clocks from the one at which rx_active is low to the one at which tx_valid is high, of the device's last packet.
std::int64_t clocks_to_answer(const PacketLog& log, bool high_speed) {
  const std::int64_t rx = high_speed ? 4 : 7, tx = high_speed ? 1 : 5;
  for (std::size_t i = log.packets.size(); i-- > 1;) {
    if (log.packets[i].from_host) continue;
    const std::int64_t heard = (log.packets[i - 1].end.bits + 8 * rx + 7) / 8;
    return log.packets[i].start.bits / 8 - tx - heard;
  }
  return -1;
}

}  // namespace

TEST_CASE("figures of docs/rtl.md: clocks from the end of a packet to the answer") {
  for (const bool fs_only : {false, true}) {
    CAPTURE(fs_only);
    RawBus f({.fs_only = fs_only});
    REQUIRE(f.configure(2));
    PacketLog log;
    f.link().set_observer(&log);
    const auto answer_time = [&] { return clocks_to_answer(log, !fs_only); };
    const RawBus::Bytes payload(fs_only ? 64 : 512, 3);
    f.token(Pid::setup, 0);
    f.data(Pid::data0, RawBus::Bytes{0x80, 6, 0, 1, 0, 0, 18, 0});
    CHECK(f.answer() == Pid::ack);
    CHECK(answer_time() == (fs_only ? 14 : 5));
    f.pass(20 * bus::microsecond);
    CHECK(f.transact_in().size() == 21);
    CHECK(answer_time() == (fs_only ? 14 : 5));
    f.token(Pid::in, 1);  // isochronous
    CHECK(f.receive().size() > 1000);
    CHECK(answer_time() == (fs_only ? 14 : 7));
    f.token(Pid::in, 1);  // once more in the interval: zero length
    CHECK(f.receive().size() == 3);
    CHECK(answer_time() == (fs_only ? 14 : 5));
    f.token(Pid::out, 2);
    f.data(Pid::data0, payload);
    CHECK(f.answer() == Pid::ack);
    CHECK(answer_time() == (fs_only ? 14 : 8));
    f.token(Pid::out, 2);
    f.data(Pid::data0, payload);  // again: its ACK was lost
    CHECK(f.answer() == Pid::ack);
    CHECK(answer_time() == (fs_only ? 14 : 5));
    f.token(Pid::in, 2);
    CHECK(f.receive().size() == payload.size() + 3);
    CHECK(answer_time() == (fs_only ? 14 : 7));
    f.send(usb::make_handshake(Pid::ack));
    f.token(Pid::in, 2);
    CHECK(f.answer() == Pid::nak);
    CHECK(answer_time() == (fs_only ? 14 : 6));
    REQUIRE(f.control({0x02, 3, 0, 0x82, 0}));
    f.token(Pid::in, 2);
    CHECK(f.answer() == Pid::stall);
    CHECK(answer_time() == (fs_only ? 14 : 4));
    f.link().set_observer(nullptr);
  }
}

TEST_CASE("figures of docs/rtl.md: clocks until the device gives up what the host owes, and until a SOF is missed") {
  for (const bool fs_only : {false, true}) {
    CAPTURE(fs_only);
    RawBus f({.fs_only = fs_only});
    REQUIRE(f.configure(1));
    const RawBus::Bytes payload(fs_only ? 64 : 512, 3);
    f.token(Pid::out, 2);
    f.data(Pid::data0, payload);
    REQUIRE(f.answer() == Pid::ack);
    f.next_frame();
    REQUIRE(f.write(0x004, 1U | 1U << 9U));
    f.next_frame();
    f.pass(10 * bus::microsecond);
    f.token(Pid::in, 2);
    REQUIRE(f.receive().size() > 60);
    f.pass(20 * bus::microsecond);  // no handshake
    f.token(Pid::out, 2);
    f.pass(20 * bus::microsecond);  // no data
    f.next_frame();
    f.next_frame();
    f.next_frame(true);
    f.pass(10 * bus::microsecond);
    f.next_frame();
    const auto entries = take_log(f);
    REQUIRE(entries.size() > 5);
    std::map<std::string, std::vector<std::uint32_t>> times;
    std::uint32_t data = 0, out = 0, sof = 0;
    for (const auto& e : entries) {
      if ((e.endpoint & 0xfU) == 2 && e.kind == 3) data = e.stamp;
      if ((e.endpoint & 0xfU) == 2 && e.kind == 2 && (e.pid & 0xfU) == 1) out = e.stamp;
      if (e.kind == 6 && e.status == 7)
        times[data > out ? "handshake" : "data"].push_back(e.stamp - std::max(data, out));
      if (e.kind == 1) times["sof"].push_back(e.stamp - sof);
      if (e.kind == 0) sof = e.stamp;
    }
    REQUIRE(times["handshake"].size() == 1);
    REQUIRE(times["data"].size() == 1);
    REQUIRE(times["sof"].size() == 1);
    CHECK(times["handshake"][0] == (fs_only ? 220 : 150));
    CHECK(times["data"][0] == (fs_only ? 220 : 150));
    CHECK(times["sof"][0] == (fs_only ? 60'100 : 7'512));
  }
}
