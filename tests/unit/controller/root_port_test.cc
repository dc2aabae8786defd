#include <doctest/doctest.h>

#include "controller/timing.h"
#include "support/host_fixture.h"

using namespace isochio;
using namespace isochio::test;
using LineEvent = bus::PacketObserver::LineEvent;

namespace {

bus::BusTime when(const PacketLog& log, LineEvent event) {
  for (const auto& [e, at] : log.lines) {
    if (e == event) return at;
  }
  FAIL("no such line event");
  return {};
}

}  // namespace

TEST_CASE("a high-speed device is found at high speed, addressed and read whole") {
  HostFixture f;
  const auto done = f.host.enumerate();
  REQUIRE_MESSAGE(done.has_value(), (done ? "" : done.error()));
  CHECK(f.host.speed() == usb::Speed::high);
  CHECK(f.device.device_speed() == usb::Speed::high);
  CHECK(f.host.connected());
  CHECK(f.device.address() == f.host.address());
  CHECK(f.device.address() != 0);
  const auto config = f.host.configuration_descriptor();
  CHECK(Bytes(config.begin(), config.end()) == test_device().configuration_high);
  const auto device = f.host.device_descriptor();
  CHECK(Bytes(device.begin(), device.end()) == device_bytes());
  CHECK(f.host.endpoints().empty());
}

TEST_CASE("the host answers a chirp with at least three K-J pairs of 40 to 60 us and ends them 100 to 500 us early") {
  HostFixture f;
  REQUIRE(f.host.enumerate().has_value());
  const auto& states = f.device.chirp_states();
  CHECK(states.size() >= 6);
  CHECK(states.size() % 2 == 0);
  bus::Duration chirps{};
  for (const auto state : states) {
    CHECK(state >= 40 * bus::microsecond);
    CHECK(state <= 60 * bus::microsecond);
    chirps += state;
  }
  const auto begin = when(f.log, LineEvent::reset_begin), end = when(f.log, LineEvent::reset_end);
  CHECK(end - begin >= 10 * bus::millisecond);
  const auto k_end = when(f.log, LineEvent::device_chirp) + bus::millisecond + 500 * bus::microsecond;
  const auto quiet = end - (k_end + 20 * bus::microsecond + chirps);
  CHECK(quiet >= 100 * bus::microsecond);
  CHECK(quiet <= 500 * bus::microsecond);
}

TEST_CASE("the first SOF comes within 3 ms after the reset, the first transaction not before the recovery time") {
  HostFixture f;
  REQUIRE(f.host.enumerate().has_value());
  const auto end = when(f.log, LineEvent::reset_end);
  REQUIRE_FALSE(f.log.packets.empty());
  CHECK(f.log.packets[0].pid() == usb::Pid::sof);
  CHECK(f.log.packets[0].start - end < 3 * bus::millisecond);
  for (const auto& packet : f.log.packets) {
    if (packet.pid() != usb::Pid::setup) continue;
    CHECK(packet.start - end >= 10 * bus::millisecond);
    break;
  }
}

TEST_CASE("a device that never chirps runs at full speed") {
  HostFixture f(false);
  REQUIRE(f.host.enumerate().has_value());
  CHECK(f.host.speed() == usb::Speed::full);
  const auto config = f.host.configuration_descriptor();
  CHECK(Bytes(config.begin(), config.end()) == test_device().configuration_full);
}

TEST_CASE("a device whose chirp does not end within 7 ms is taken for full speed") {
  HostFixture f;
  f.device.misbehave({.fault = Fault::endless_chirp});
  REQUIRE(f.host.enumerate().has_value());
  CHECK(f.host.speed() == usb::Speed::full);
  CHECK(f.device.chirp_states().empty());
}

TEST_CASE("a port without a device says so") {
  struct Empty : bus::Link {
    bus::BusTime t{};
    bus::BusTime now() const override { return t; }
    void advance(bus::BusTime until) override { t = std::max(t, until); }
    bus::Packet send(std::span<const std::uint8_t>, bool) override { return {}; }
    bool receive(bus::BusTime until, bus::Packet&) override { return advance(until), false; }
    void drive(bus::LineState) override {}
    void release() override {}
    bool wait_device_drives(bus::LineState, bus::BusTime until) override { return advance(until), false; }
    bool wait_device_releases(bus::BusTime) override { return true; }
    void set_speed(usb::Speed) override {}
    usb::Speed speed() const override { return usb::Speed::full; }
    void set_attached(bool) override {}
    bool device_present() const override { return false; }
    void set_observer(bus::PacketObserver*) override {}
    Clocks clocks() const override { return {}; }
  } empty;
  controller::SimHost host(empty);
  CHECK_FALSE(host.enumerate().has_value());
  CHECK_FALSE(host.connected());
}

TEST_CASE("a device that stalls its descriptor is not enumerated, and the message says where it failed") {
  auto options = test_device();
  options.configuration_high.clear();
  HostFixture f(true, {}, std::move(options));
  const auto done = f.host.enumerate();
  REQUIRE_FALSE(done.has_value());
  CHECK(done.error().find("configuration") != std::string::npos);
  CHECK(done.error().find("stall") != std::string::npos);
}

TEST_CASE("resetting a configured device ends what is in flight and leaves it unconfigured") {
  HostFixture f;
  f.configure(1);
  OwnedRequest request(HostFixture::iso_in, std::vector<std::uint32_t>(80, 1024), &f.client);
  REQUIRE(f.host.submit(request.request).has_value());
  f.run_frames(3);
  REQUIRE(f.host.reset_device().has_value());
  REQUIRE(f.client.completions.size() == 1);
  CHECK(f.client.completions[0].overall == controller::Status::aborted);
  CHECK(f.host.endpoints().empty());
  CHECK(f.device.configuration() == 0);
  CHECK(f.host.speed() == usb::Speed::high);
  f.configure(1);
  CHECK(f.host.endpoints().size() == 5);
}

TEST_CASE("suspend stops the SOFs, resume brings them back after K for at least 20 ms") {
  for (const bool high : {true, false}) {
    CAPTURE(high);
    HostFixture f(high);
    f.configure(1);
    f.host.suspend();
    CHECK(f.host.suspended());
    f.log.packets.clear();
    f.run_frames(50);
    CHECK(f.log.packets.empty());
    const auto frame = f.host.frame_number();
    const auto begin = f.host.now();
    f.host.resume();
    CHECK_FALSE(f.host.suspended());
    REQUIRE_FALSE(f.log.packets.empty());
    CHECK(f.log.packets[0].start - begin >= 20 * bus::millisecond);
    CHECK(f.log.packets[0].start - begin < 23 * bus::millisecond);
    CHECK(f.host.frame_number() == frame + std::uint64_t((f.host.now() - begin) / bus::frame));
    OwnedRequest request(HostFixture::iso_in, std::vector<std::uint32_t>(8, 100), &f.client);
    REQUIRE(f.host.submit(request.request).has_value());
    f.run_frames(12);
    REQUIRE(f.client.completions.size() == 1);
    CHECK(f.client.completions[0].overall == controller::Status::short_packet);  // zero length: no source
  }
}

TEST_CASE("a sleeping device that drives K asks to be woken") {
  HostFixture f;
  f.configure(1);
  f.host.suspend();
  f.device.wake(f.host.now() + 7 * bus::millisecond);
  f.run_frames(5);
  CHECK_FALSE(f.host.wake_requested());
  const auto begin = f.host.now();
  CHECK(f.host.run_until(begin + 10 * bus::frame, [&] { return f.host.wake_requested(); }));
  CHECK(f.host.now() - begin == 2 * bus::millisecond);
  f.host.resume();
  std::array<std::uint8_t, 2> status{};
  CHECK(f.host.control({0x80, 0, 0, 0, 2}, status, bus::second).has_value());
}

TEST_CASE("a device that is pulled out ends everything with no_device") {
  HostFixture f;
  f.configure(1);
  OwnedRequest request(HostFixture::iso_in, std::vector<std::uint32_t>(800, 100), &f.client);
  REQUIRE(f.host.submit(request.request).has_value());
  Bytes bulk(512);
  std::vector<controller::Status> bulk_ends;
  controller::BulkRequest read{.endpoint = HostFixture::bulk_in, .data = bulk};
  read.on_complete = [&](controller::BulkRequest& r) { bulk_ends.push_back(r.status); };
  REQUIRE(f.host.submit(read).has_value());
  f.host.call_at(f.host.now() + 5 * bus::frame, [&] { f.device.set_attached(false); });
  f.run_frames(10);
  REQUIRE(f.client.completions.size() == 1);
  CHECK(f.client.completions[0].overall == controller::Status::no_device);
  CHECK(request->entries.back().status == controller::Status::no_device);
  CHECK(bulk_ends == std::vector{controller::Status::no_device});
  CHECK_FALSE(f.host.connected());
  CHECK(f.host.submit(request.request).error() == controller::Status::no_device);
  std::array<std::uint8_t, 2> status{};
  CHECK(f.host.control({0x80, 0, 0, 0, 2}, status, bus::second).error() == controller::Status::no_device);
  f.configure(1);  // and in again
  CHECK(f.host.connected());
}
