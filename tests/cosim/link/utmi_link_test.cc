// isochio: the transceiver and cable measured to the bit, with a fake core behind them.
#include "utmi_link.h"

#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "fake_core.h"
#include "usb/packet.h"

using namespace isochio;
using namespace isochio::test;
using bus::BusTime;
using usb::Speed;
using verilated::clock_bits;

namespace {

using Bytes = std::vector<std::uint8_t>;
using Link = verilated::UtmiLink<FakeCore>;

constexpr bus::Duration clocks(std::int64_t n) { return n * bus::utmi_clock; }

Link high_speed_link(bool skipping = true) {
  FakeCore core;
  core.modes.push_back({1, high_speed_mode});
  Link link(core, skipping);
  link.set_attached(true);
  link.set_speed(Speed::high);
  link.advance({800});
  link.model().changes.clear();
  return link;
}

Link full_speed_link(bool skipping = true) {
  Link link(FakeCore{}, skipping);
  link.set_attached(true);
  link.advance({800});
  link.model().changes.clear();
  return link;
}

struct Recorder : bus::PacketObserver {
  std::vector<std::pair<BusTime, BusTime>> packets;
  std::vector<std::pair<LineEvent, BusTime>> events;
  void on_packet(const bus::Packet& packet, Speed) override { packets.emplace_back(packet.start, packet.end); }
  void on_line(LineEvent event, BusTime at) override { events.emplace_back(event, at); }
};

}  // namespace

TEST_CASE("a high-speed packet arrives byte by byte, four clocks behind the wire") {
  auto link = high_speed_link();
  const auto sent = link.send(usb::make_token(usb::Pid::in, 0, 0));
  CHECK(sent.start == BusTime{800});
  CHECK(sent.end == BusTime{800 + 32 + 24 + 8});
  CHECK(link.now() == sent.end);
  link.advance({2000});
  // SYNC from 800 to 832, bytes end at 840, 848, 856, EOP at 864; each + 32, in clocks of 8.
  CHECK(link.model().changes == std::vector<PinChange>{{104, "line_state", 1},
                                                       {108, "rx_active", 1},
                                                       {109, "byte", 0x69},
                                                       {110, "byte", 0x00},
                                                       {111, "byte", 0x10},
                                                       {112, "line_state", 0},
                                                       {112, "rx_active", 0}});
}

TEST_CASE("a stuffed bit delays what follows it, and the clock with it") {
  auto link = high_speed_link();
  const auto sent = link.send(Bytes{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff});
  CHECK(sent.end - sent.start == bus::Duration{32 + 64 + 65 / 6 + 8});
  link.advance({2000});
  const auto bytes = link.model().changes_of("byte");
  REQUIRE(bytes.size() == 8);
  CHECK(bytes[0].edge == (800 + 32 + 8 + 1 + 32 + 7) / 8);
  CHECK(bytes[7].edge == (800 + 32 + 64 + 10 + 32 + 7) / 8);
}

TEST_CASE("the long EOP of an SOF keeps rx_active up for four clocks more") {
  auto link = high_speed_link();
  const auto sent = link.send(usb::make_sof(1), true);
  CHECK(sent.end - sent.start == bus::Duration{32 + 24 + 40});
  link.advance({2000});
  const auto active = link.model().changes_of("rx_active");
  REQUIRE(active.size() == 2);
  CHECK(active[1].edge == (800 + 96 + 32) / 8);
}

TEST_CASE("a full-speed packet shows K, J, SE0 and J on the line and a byte every 40 clocks") {
  auto link = full_speed_link();
  const auto sent = link.send(usb::make_token(usb::Pid::setup, 0, 0));
  CHECK(sent.end - sent.start == 40 * bus::Duration{8 + 24 + 2});
  link.advance({4000});
  // SYNC 800 to 1120, bytes end at 1440, 1760, 2080, SE0 until 2160.
  CHECK(link.model().changes == std::vector<PinChange>{{102, "line_state", 2},
                                                       {147, "line_state", 1},
                                                       {147, "rx_active", 1},
                                                       {187, "byte", 0x2d},
                                                       {227, "byte", 0x00},
                                                       {262, "line_state", 0},
                                                       {267, "byte", 0x10},
                                                       {272, "line_state", 1},
                                                       {277, "rx_active", 0}});
}

TEST_CASE("a device's high-speed packet has exact times on the wire") {
  auto link = high_speed_link();
  link.model().sends.push_back({200, {0xd2}});
  bus::Packet packet;
  REQUIRE(link.receive({3000}, packet));
  // Seen at edge 201, one clock of latency.
  CHECK(packet.start == BusTime{201 * 8 + 8});
  CHECK(packet.end - packet.start == bus::Duration{32 + 8 + 8});
  CHECK(Bytes(packet.bytes.begin(), packet.bytes.end()) == Bytes{0xd2});
  CHECK_FALSE(packet.from_host);
  CHECK_FALSE(packet.rx_error);
  CHECK(link.now() == packet.end);
}

TEST_CASE("tx_ready pauses one clock for each eight stuffed bits") {
  auto link = high_speed_link();
  link.model().sends.push_back({200, Bytes(100, 0xff)});
  bus::Packet packet;
  REQUIRE(link.receive({3000}, packet));
  CHECK(packet.bytes.size() == 100);
  CHECK(packet.end - packet.start == bus::Duration{32 + 800 + 801 / 6 + 8});
  const auto& taken = link.model().taken_at;
  REQUIRE(taken.size() == 100);
  int pauses = 0;
  for (std::size_t i = 1; i < taken.size(); ++i) {
    REQUIRE(taken[i] - taken[i - 1] >= 1);
    REQUIRE(taken[i] - taken[i - 1] <= 2);
    pauses += static_cast<int>(taken[i] - taken[i - 1] - 1);
  }
  CHECK(pauses == (99 * 8 + 1) / 6 / 8);
}

TEST_CASE("a device's full-speed bytes are taken every 40 clocks and 5 more for each stuffed bit") {
  auto link = full_speed_link();
  link.model().sends.push_back({200, {0x4b, 0x00, 0xff, 0xff, 0x00}});
  bus::Packet packet;
  REQUIRE(link.receive({20'000}, packet));
  CHECK(packet.start == BusTime{201 * 8 + 40});
  CHECK(packet.end - packet.start == 40 * bus::Duration{8 + 40 + 2 + 2});
  CHECK(link.model().taken_at == std::vector<std::int64_t>{241, 281, 321, 366, 411});
}

TEST_CASE("no answer: receive ends exactly when the host gives up") {
  auto link = high_speed_link();
  bus::Packet packet;
  CHECK_FALSE(link.receive({1601}, packet));
  CHECK(link.now() == BusTime{1601});
}

TEST_CASE("an answer that begins a bit too late is not received, and goes to the observer alone") {
  Recorder recorder;
  for (const std::int64_t late : {0, 1}) {
    auto link = high_speed_link();
    link.set_observer(&recorder);
    recorder.packets.clear();
    link.model().sends.push_back({200, {0xd2}});
    bus::Packet packet;
    const BusTime begins{201 * 8 + 8};
    CHECK(link.receive({begins.bits + 1 - late}, packet) == (late == 0));
    link.advance(begins + bus::microsecond);
    REQUIRE(recorder.packets.size() == 1);
    CHECK(recorder.packets[0].first == begins);
  }
}

TEST_CASE("advance receives a packet whole that nobody asked for") {
  auto link = high_speed_link();
  Recorder recorder;
  link.set_observer(&recorder);
  link.model().sends.push_back({200, Bytes(50, 0)});
  link.advance({201 * 8 + 100});
  REQUIRE(recorder.packets.size() == 1);
  CHECK(link.now() == recorder.packets[0].second);
}

TEST_CASE("a device that never stops sending is cut at 4096 bytes and hangs nothing") {
  for (auto* make_link : {&high_speed_link, &full_speed_link}) {
    auto link = make_link(true);
    link.model().sends.push_back({200, {0xc3, 0x00}, true});
    bus::Packet packet;
    REQUIRE(link.receive(link.now() + clocks(200), packet));
    CHECK(packet.bytes.size() == 4096);
    CHECK(packet.rx_error);
    const auto later = link.now() + bus::millisecond;
    CHECK_FALSE(link.receive(later, packet));
    CHECK(link.now() == later);
    const auto sent = link.send(usb::make_sof(1));
    CHECK(sent.start == later);
    CHECK(link.model().received.empty());
    CHECK_FALSE(link.wait_device_releases(link.now() + bus::millisecond));
  }
}

TEST_CASE("a packet that both send at once is lost for the device and flagged for the host") {
  auto link = high_speed_link();
  Recorder recorder;
  link.set_observer(&recorder);
  link.model().sends.push_back({101, Bytes(40, 0x55)});
  link.send(Bytes(20, 0xaa));
  bus::Packet packet;
  REQUIRE(link.receive(link.now() + clocks(100), packet));
  CHECK(packet.rx_error);
  CHECK(link.model().received.empty());
}

TEST_CASE("a device at the other speed hears nothing") {
  auto link = high_speed_link();
  link.set_speed(Speed::full);
  link.send(usb::make_sof(1));
  link.advance(link.now() + bus::microsecond);
  CHECK(link.model().received.empty());
  CHECK(link.model().changes_of("rx_active").empty());
}

TEST_CASE("a device that is not attached hears nothing and is not heard") {
  auto link = full_speed_link();
  CHECK(link.device_present());
  link.set_attached(false);
  CHECK_FALSE(link.device_present());
  link.send(usb::make_sof(1));
  link.drive(bus::LineState::se0);
  link.model().sends.push_back({2000, {0xd2}});
  bus::Packet packet;
  CHECK_FALSE(link.receive({50'000}, packet));
  CHECK(link.model().changes.empty());
}

TEST_CASE("RxError can be injected at any byte of one packet") {
  auto link = high_speed_link();
  link.inject_rx_error(1);
  CHECK(link.send(usb::make_sof(1)).rx_error);
  link.advance({2000});
  CHECK(link.model().changes_of("rx_error") == std::vector<PinChange>{{110, "rx_error", 1}, {111, "rx_error", 0}});
  CHECK_FALSE(link.send(usb::make_sof(2)).rx_error);
  link.advance({4000});
  CHECK(link.model().changes_of("rx_error").size() == 2);
}

TEST_CASE("reset, chirp and speed change reach both sides") {
  FakeCore core;
  core.modes = {{1000, chirp_mode}, {20'000, high_speed_mode}};
  core.drive_from = 1001;
  core.drive_to = 10'000;
  Link link(core, true);
  Recorder recorder;
  link.set_observer(&recorder);
  link.set_attached(true);
  link.advance({800});
  link.drive(bus::LineState::se0);
  REQUIRE(link.wait_device_drives(bus::LineState::k, {1'000'000}));
  CHECK(link.now() == BusTime{1002 * 8 + verilated::hs_tx_latency});
  REQUIRE(link.wait_device_releases({1'000'000}));
  CHECK(link.now() == BusTime{10'001 * 8 + verilated::hs_tx_latency});
  link.advance({100'000});
  link.drive(bus::LineState::k);
  link.advance({124'000});
  link.drive(bus::LineState::j);
  link.advance({148'000});
  link.set_speed(Speed::high);
  link.release();
  link.advance({200'000});
  const auto line = link.model().changes_of("line_state");
  REQUIRE(line.size() == 6);
  CHECK(line[0] == PinChange{102, "line_state", 0});
  CHECK(line[1] == PinChange{1002, "line_state", 2});
  CHECK(line[2] == PinChange{10'001, "line_state", 0});
  CHECK(line[3] == PinChange{12'502, "line_state", 2});
  CHECK(line[4] == PinChange{15'502, "line_state", 1});
  CHECK(line[5] == PinChange{18'502, "line_state", 0});
  using Event = bus::PacketObserver::LineEvent;
  std::vector<Event> events;
  for (const auto& [event, at] : recorder.events) events.push_back(event);
  CHECK(events == std::vector<Event>{Event::attach, Event::reset_begin, Event::device_chirp, Event::high_speed,
                                     Event::reset_end});
}

TEST_CASE("waiting for a device that does not drive ends in time") {
  auto link = full_speed_link();
  CHECK_FALSE(link.wait_device_drives(bus::LineState::k, {10'000}));
  CHECK(link.now() == BusTime{10'000});
  CHECK(link.wait_device_releases({20'000}));
  CHECK(link.now() == BusTime{10'000});
}

TEST_CASE("the remote wake-up pin is high for one clock") {
  auto link = full_speed_link();
  link.pulse_remote_wakeup();
  link.advance({2000});
  CHECK(link.model().changes == std::vector<PinChange>{{101, "remote_wakeup", 1}, {102, "remote_wakeup", 0}});
}

TEST_CASE("packets sent too close together are set apart, and all arrive") {
  auto link = high_speed_link();
  const auto first = link.send(usb::make_sof(1));
  const auto second = link.send(usb::make_sof(1));
  CHECK(second.start > first.end);
  CHECK(second.start - first.end <= bus::Duration{verilated::hs_rx_latency + clock_bits});
  link.advance({3000});
  CHECK(link.model().received.size() == 6);
}

TEST_CASE("idle skipping changes nothing but the number of clocks evaluated") {
  CHECK(rc::check([] {
    const bool high = *rc::gen::arbitrary<bool>();
    const auto payload = *rc::gen::container<Bytes>(rc::gen::element<std::uint8_t>(0xff, 0x00, 0x7e, 0xa5));
    const auto answer = *rc::gen::nonEmpty(rc::gen::container<Bytes>(rc::gen::arbitrary<std::uint8_t>()));
    const auto offset = *rc::gen::inRange<std::int64_t>(0, 500);
    const auto answer_after = *rc::gen::inRange<std::int64_t>(0, 100);
    Bytes buffer(payload.size() + 3);
    const auto data = usb::make_data(usb::Pid::data1, payload, buffer);
    std::vector<PinChange> changes[2];
    std::vector<std::int64_t> times[2];
    std::uint64_t evaluated[2];
    for (const bool skipping : {false, true}) {
      auto link = high ? high_speed_link(skipping) : full_speed_link(skipping);
      link.advance({1000 + offset});
      const auto sent = link.send(data);
      link.model().sends.push_back({sent.end.bits / 8 + 10 + answer_after, answer});
      bus::Packet packet;
      const bool answered = link.receive(sent.end + clocks(80), packet);
      times[skipping] = {sent.start.bits, sent.end.bits, answered, link.now().bits};
      link.advance(link.now() + bus::frame);
      changes[skipping] = link.model().changes;
      evaluated[skipping] = link.clocks().evaluated;
      RC_ASSERT_FALSE(link.model().skipped_too_far);
      RC_ASSERT(link.clocks().elapsed == static_cast<std::uint64_t>(link.now().bits / 8));
    }
    RC_ASSERT(changes[0] == changes[1]);
    RC_ASSERT(times[0] == times[1]);
    RC_ASSERT(evaluated[1] < evaluated[0] / 5);
  }));
}
