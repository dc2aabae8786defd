// What the device measures against its 32-bit clock count, at counts taken at random, so that each bit of a stored
// count has been both; and the ways into a reset that the other timers' tests do not take.
#include <doctest/doctest.h>

#include <random>

#include "cosim/device/raw_bus.h"
#include "support/host_fixture.h"

using namespace isochio::test;
using isochio::usb::Pid;
namespace bus = isochio::bus;
namespace usb = isochio::usb;
using LineEvent = bus::PacketObserver::LineEvent;

namespace {

constexpr std::int64_t clock_bits = 8;
constexpr std::int64_t wrap_ms = 71'582;  // of the clock count

bus::Duration clocks(std::int64_t count) { return {count * clock_bits}; }
void align(RawBus& f) { f.link().advance({(f.link().now().bits + clock_bits - 1) / clock_bits * clock_bits}); }

/// Milliseconds after power-up.
std::vector<std::int64_t> random_moments(std::size_t count) {
  std::mt19937 random(11);
  std::vector<std::int64_t> moments(count);
  for (auto& moment : moments) moment = 60 + random() % wrap_ms;
  return moments;
}

/// SE0 until the device has chirped; what of it lasted how long.
struct Chirp {
  std::int64_t begins = -1, lasts = -1;
};
Chirp reset_until_chirp(RawBus& f) {
  auto& link = f.link();
  align(f);
  const auto begin = link.now();
  link.set_speed(usb::Speed::full);
  link.drive(bus::LineState::se0);
  Chirp chirp;
  if (!link.wait_device_drives(bus::LineState::k, begin + 10 * bus::millisecond)) return chirp;
  const auto drives = link.now();
  chirp.begins = (drives - begin).bits / clock_bits;
  if (!link.wait_device_releases(drives + 10 * bus::millisecond)) return chirp;
  chirp.lasts = (link.now() - drives).bits / clock_bits;
  align(f);
  return chirp;
}

/// The end of a reset in which the device was to find no high-speed host: it works at full speed.
bool is_at_full_speed(RawBus& f) {
  f.hold(bus::LineState::se0, clocks(124'000));
  f.link().release();
  f.pass(50 * bus::microsecond);
  return f.control({0x80, 0, 0, 0, 2}).has_value();
}

/// The host lets the device wait for its chirps.
void give_up_reset(RawBus& f) {
  f.hold(bus::LineState::se0, 3 * bus::millisecond);
  f.link().release();
  f.pass(5 * bus::millisecond);
}

void chirps(RawBus& f, unsigned pairs, std::int64_t length) {
  for (unsigned i = 0; i < pairs; ++i) {
    f.hold(bus::LineState::k, clocks(length));
    f.hold(bus::LineState::j, clocks(length));
  }
}

void wakes_up(isochio::description::Description& description) { description.remote_wakeup = true; }

/// Clocks from the one at which rx_active is low to the one at which tx_valid is high, at full speed.
std::int64_t clocks_to_answer(const PacketLog& log) {
  for (std::size_t i = log.packets.size(); i-- > 1;) {
    if (log.packets[i].from_host) continue;
    const std::int64_t heard = (log.packets[i - 1].end.bits + clock_bits * 7 + 7) / clock_bits;
    return log.packets[i].start.bits / clock_bits - 5 - heard;
  }
  return -1;
}

}  // namespace

TEST_CASE("the chirp is as long whatever the device did when the reset came") {
  struct Way {
    std::string what;
    bool full_speed_host;
    std::int64_t begins;
    void (*go)(RawBus&);
  };
  const std::vector<Way> ways{
      {"power-up", true, 150, [](RawBus&) {}},
      {"full speed", true, 150, [](RawBus& f) { REQUIRE(f.configure(0)); }},
      {"suspended at full speed", true, 150,
       [](RawBus& f) {
         REQUIRE(f.configure(0));
         f.suspend();
       }},
      {"the host's resume signalling at full speed", true, 150,
       [](RawBus& f) {
         REQUIRE(f.configure(0));
         f.suspend();
         f.hold(bus::LineState::k, 5 * bus::millisecond);
       }},
      {"suspended at high speed", false, 150,
       [](RawBus& f) {
         REQUIRE(f.configure(0));
         f.suspend();
       }},
      {"the host's resume signalling at high speed", false, 181'000 + 12'000,
       [](RawBus& f) {
         REQUIRE(f.configure(0));
         f.suspend();
         f.hold(bus::LineState::k, 5 * bus::millisecond);
       }},
      {"full speed again, after no host has chirped", true, 150,
       [](RawBus& f) {
         f.reset();
         f.reset();
       }},
  };
  for (const auto& way : ways) {
    CAPTURE(way.what);
    RawBus f({.full_speed_host = way.full_speed_host});
    way.go(f);
    f.pass(20 * bus::microsecond);
    const auto chirp = reset_until_chirp(f);
    CHECK(chirp.begins >= way.begins);
    CHECK(chirp.begins <= way.begins + 12);
    CHECK(chirp.lasts == 90'000);
    give_up_reset(f);
    CHECK(f.configure(0));
  }
  // From high speed: after the last packet.
  RawBus f({});
  REQUIRE(f.configure(0));
  PacketLog log;
  f.link().set_observer(&log);
  f.next_frame();
  f.link().set_observer(nullptr);
  const auto last = log.packets.back().end;
  align(f);
  const auto begin = f.link().now();
  const auto chirp = reset_until_chirp(f);
  const std::int64_t since = chirp.begins + (begin - last).bits / clock_bits;
  CHECK(since >= 181'000 + 12'000);
  CHECK(since <= 181'000 + 12'000 + 16);
  CHECK(chirp.lasts == 90'000);
}

TEST_CASE("chirps of a host that are too short never count, however many they are and whatever the clock count is") {
  for (const std::int64_t moment : random_moments(12)) {
    CAPTURE(moment);
    RawBus f({.full_speed_host = true});
    f.link().advance(bus::BusTime{} + moment * bus::millisecond);
    REQUIRE(reset_until_chirp(f).lasts == 90'000);
    f.hold(bus::LineState::se0, clocks(moment));
    chirps(f, 40, 149);
    CHECK(is_at_full_speed(f));
  }
}

TEST_CASE("chirps of a host that are too short never count: every clock of the device's evaluated") {
  RawBus f({.full_speed_host = true, .idle_skipping = false});
  REQUIRE(reset_until_chirp(f).lasts == 90'000);
  for (std::int64_t length = 142; length < 150; ++length) chirps(f, 4, length);
  CHECK(is_at_full_speed(f));
}

TEST_CASE("a K that stood on the line while the device chirped counts from the end of that chirp only") {
  for (const std::int64_t rest : {100, 149, 160}) {
    CAPTURE(rest);
    RawBus f({.full_speed_host = true});
    auto& link = f.link();
    link.drive(bus::LineState::se0);
    REQUIRE(link.wait_device_drives(bus::LineState::k, link.now() + 10 * bus::millisecond));
    f.hold(bus::LineState::k, bus::millisecond);
    REQUIRE(link.wait_device_releases(link.now() + 10 * bus::millisecond));
    align(f);
    f.pass(clocks(rest - 10));  // the way of what follows through the transceiver is as long as that of the release
    f.hold(bus::LineState::j, clocks(300));
    chirps(f, 2, 300);
    f.hold(bus::LineState::se0, clocks(300));
    CHECK(is_at_full_speed(f) == (rest < 150));
  }
}

TEST_CASE(
    "a short K in suspend wakes nobody for long: after 3 ms of J the device sleeps, can wake the host, and be reset") {
  for (const bool fs_only : {false, true}) {
    for (const bool is_reset : {false, true}) {
      CAPTURE(fs_only);
      CAPTURE(is_reset);
      RawBus f({.fs_only = fs_only, .edit = wakes_up});
      auto& link = f.link();
      REQUIRE(f.configure(0));
      REQUIRE(f.control({0, 3, 1, 0, 0}));
      f.suspend();
      f.pass(10 * bus::millisecond);
      PacketLog log;
      link.set_observer(&log);
      align(f);
      f.hold(bus::LineState::k, 20 * bus::microsecond);
      align(f);
      const auto idle = link.now();
      link.release();
      f.pass(10 * bus::millisecond);
      link.set_observer(nullptr);
      std::int64_t asleep = -1;
      for (const auto& [event, at] : log.lines) {
        if (event == LineEvent::suspend) asleep = (at - idle).bits / clock_bits;
      }
      CHECK(asleep >= 180'000);
      CHECK(asleep <= 180'000 + 12);
      align(f);
      const auto begin = link.now();
      if (is_reset) {
        link.drive(bus::LineState::se0);
      } else {
        link.pulse_remote_wakeup();
      }
      if (!is_reset || !fs_only) {
        REQUIRE(link.wait_device_drives(bus::LineState::k, begin + bus::millisecond));
        const auto drives = link.now();
        CHECK((drives - begin).bits / clock_bits <= (is_reset ? 162 : 12));
        REQUIRE(link.wait_device_releases(drives + 10 * bus::millisecond));
        CHECK((link.now() - drives).bits / clock_bits == (is_reset ? 90'000 : 180'000));
      }
      if (is_reset) give_up_reset(f);
      f.pass(10 * bus::millisecond);
      CHECK(f.configure(0));
    }
  }
}

TEST_CASE("at full speed the device waits its time before it answers, whatever the clock count is") {
  for (const std::int64_t moment : random_moments(12)) {
    CAPTURE(moment);
    RawBus f({.fs_only = true});
    REQUIRE(f.configure(0));
    f.suspend();
    f.link().advance(bus::BusTime{} + moment * bus::millisecond);
    f.resume();
    REQUIRE(f.control({0x80, 0, 0, 0, 2}));
    PacketLog log;
    f.link().set_observer(&log);
    REQUIRE(f.send_setup({0x80, 0, 0, 0, 2}));
    CHECK(clocks_to_answer(log) == 14);
    f.token(Pid::in, 2);
    CHECK(f.answer() == Pid::nak);
    CHECK(clocks_to_answer(log) == 14);
    f.link().set_observer(nullptr);
  }
}
