// isochio: a Link that is cut at a bit time, over the scripted device.
#include "bus/cut_link.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "controller/sim_host.h"
#include "support/host_fixture.h"

using namespace isochio;
using namespace isochio::test;
using controller::Status;

namespace {

/// A host over a cut link over the scripted device, streaming IN with one request of 4 frames from frame `first` on.
struct CutFixture {
  explicit CutFixture(std::uint32_t bytes = 512) {
    device.set_source(in, [bytes](std::uint16_t) { return ScriptedDevice::Packets{Bytes(bytes, 0x55)}; });
    link.set_observer(&log);
    REQUIRE(host.enumerate().has_value());
    REQUIRE(host.set_configuration(1).has_value());
    REQUIRE(host.set_interface(0, 1).has_value());
    first = host.frame_number() + 3;
    request.request.first_frame = first;
    REQUIRE(host.submit(request.request).has_value());
    log.packets.clear();
  }
  bus::BusTime at(unsigned microframe, std::int64_t bits) const {
    return host.begin_of(usb::FrameTime::of(first, microframe)) + bus::Duration{bits};
  }
  void run_frames(std::int64_t n) { host.run_until(host.now() + n * bus::frame); }

  static constexpr usb::EndpointAddress in{0x81};
  PacketLog log;
  ScriptedDevice device{test_device()};
  bus::CutLink link{device};
  controller::SimHost host{link};
  RecordingClient client{host};
  std::uint64_t first = 0;
  OwnedRequest request{in, std::vector<std::uint32_t>(32, 1024), &client};
};

}  // namespace

TEST_SUITE("cut link") {
  TEST_CASE("without a cut, all passes as it is") {
    CutFixture f;
    f.run_frames(8);
    REQUIRE(f.client.completions.size() == 1);
    for (const auto& entry : f.request.request.entries) CHECK(entry.complete == 512);
  }

  TEST_CASE(
      "when the plug is pulled in a packet of the device, what came before is seen, and all in flight ends once") {
    CutFixture f;
    // SOF, token and the device's delay take less than 600 bits; the packet itself more than 4000.
    f.link.pull_at(f.at(2, 2000));
    f.run_frames(8);
    REQUIRE(f.client.completions.size() == 1);
    CHECK(f.client.completions[0].overall == Status::no_device);
    CHECK(f.client.entries.size() == 32);
    CHECK(f.request.request.entries[1].complete == 512);
    CHECK(f.request.request.entries[2].status == Status::bit_stuff);
    CHECK(f.request.request.entries[3].status == Status::no_device);
    CHECK_FALSE(f.host.connected());
    const auto& last = f.log.packets.back();
    CHECK_FALSE(last.from_host);
    CHECK(last.bytes.size() > 100);
    CHECK(last.bytes.size() < 300);
  }

  TEST_CASE("when the plug is pulled before the device answers, there is no answer") {
    CutFixture f;
    f.link.pull_at(f.at(2, 300));
    f.run_frames(8);
    REQUIRE(f.client.completions.size() == 1);
    CHECK(f.request.request.entries[2].status != Status::ok);
    CHECK(f.request.request.entries[2].complete == 0);
    CHECK(f.request.request.entries[3].status == Status::no_device);
  }

  TEST_CASE("a device that comes back is enumerated as a new one") {
    CutFixture f;
    f.link.pull_at(f.at(2, 2000));
    f.run_frames(8);
    f.link.set_attached(true);
    REQUIRE(f.host.enumerate().has_value());
    CHECK(f.host.connected());
    CHECK(f.host.set_configuration(1).has_value());
  }

  TEST_CASE("a reset in a transaction cuts it off, and the bus works afterwards") {
    CutFixture f;
    const auto at = f.at(3, 2000);
    f.link.silence_at(at);
    f.host.call_at(at, [&] { CHECK(f.host.reset_device().has_value()); });
    f.run_frames(40);
    REQUIRE(f.client.completions.size() == 1);
    CHECK(f.client.completions[0].overall == Status::aborted);
    CHECK(f.request.request.entries[2].complete == 512);
    CHECK(f.request.request.entries[3].status == Status::bit_stuff);
    CHECK(f.host.set_configuration(1).has_value());
  }

  TEST_CASE("of an answer that a reset comes before, nothing is seen on the wire") {
    CutFixture f;
    const auto at = f.at(3, 260);  // the token ends at 248
    f.link.silence_at(at);
    f.host.call_at(at, [&] { CHECK(f.host.reset_device().has_value()); });
    f.run_frames(40);
    CHECK(f.request.request.entries[3].status == Status::no_response);
    const auto answers = std::count_if(f.log.packets.begin(), f.log.packets.end(),
                                       [](const auto& one) { return !one.from_host && one.bytes.size() > 512; });
    CHECK(answers == 3);
  }
}
