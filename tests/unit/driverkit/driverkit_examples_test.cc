// isochio: the example drivers, translated by isochio-iig, over a Host in exact virtual time.
#include <doctest/doctest.h>

#include <DriverKit/IOLib.h>

#include "CaptureDriver.h"
#include "PlaybackDriver.h"
#include "unit/driverkit/fixture.h"

using namespace isochio;
using namespace isochio::test;
using controller::Status;

namespace {

/// Alternates 6 and 9 as in rtl/devices/test.toml; the ones between are empty.
std::vector<Interface> test_device_interfaces(usb::Speed speed) {
  using enum usb::TransferType;
  const bool high = speed == usb::Speed::high;
  Interface interface(10);
  interface[6] = {{0x81, isochronous, high ? packet_field(1024, 3) : packet_field(1023), 1}};
  interface[9] = {
      {0x01, isochronous, static_cast<std::uint16_t>(high ? 32 : 192), 1},
      {0x81, isochronous, static_cast<std::uint16_t>(high ? 4 : 3), static_cast<std::uint8_t>(high ? 4 : 1)}};
  return {interface};
}

/// Takes what is played apart into samples, and answers feedback with a rate.
struct Player {
  std::vector<std::uint32_t> samples;
  std::uint32_t feedback = 0;

  void attach(FakeHost& host) {
    host.on_control = [](const controller::ControlSetup& setup, std::span<std::uint8_t>) -> std::size_t {
      return setup.length;
    };
    host.on_isoch = [this](controller::IsochRequest& request, std::size_t, std::span<std::uint8_t> data) {
      if (request.endpoint.is_in()) {
        std::memcpy(data.data(), &feedback, data.size());
      } else {
        for (std::size_t at = 0; at < data.size(); at += 4) std::memcpy(&samples.emplace_back(), data.data() + at, 4);
      }
      return Status::ok;
    };
  }
};

PlaybackStatistics statistics_of(IOService* driver) {
  PlaybackStatistics statistics{};
  OSDynamicCast(PlaybackDriver, driver)->GetStatistics(&statistics);
  return statistics;
}

}  // namespace

TEST_SUITE("driverkit") {
  TEST_CASE("the playback driver plays every sample once and in order, at the rate of the feedback") {
    for (const usb::Speed speed : {usb::Speed::full, usb::Speed::high}) {
      FakeHost host(test_device_interfaces(speed), speed);
      driverkit::Runtime runtime(host, DriverKitFixture::quiet({}));
      Player player;
      player.attach(host);
      // 44.1 kHz and one per mille more, in samples per (micro)frame: 16.16 at high speed, 10.14 at full speed.
      const double per_interval = 44.1441 / (speed == usb::Speed::high ? 8 : 1);
      player.feedback = static_cast<std::uint32_t>(per_interval * (speed == usb::Speed::high ? 65536 : 16384));
      IOService* driver = nullptr;
      REQUIRE(runtime.start(gPlaybackDriverMetaClass, runtime.device(), &driver) == kIOReturnSuccess);
      runtime.run_for(bus::frame * 1000);
      const PlaybackStatistics statistics = statistics_of(driver);
      CHECK(statistics.lostEntries == 0);
      CHECK(statistics.resyncs == 0);
      CHECK(statistics.requests >= 497);
      // The first 16 ms were filled before any feedback had come.
      CHECK(static_cast<double>(statistics.samples) / static_cast<double>(statistics.requests * 2) ==
            doctest::Approx(44.1441).epsilon(0.0001));
      for (std::uint32_t i = 0; i < player.samples.size(); ++i) REQUIRE(player.samples[i] == i);
      CHECK(runtime.stop(driver) == kIOReturnSuccess);
      CHECK(host.in_flight() > 0);  // an asynchronous abort
      runtime.run_for(bus::frame);
      CHECK(host.in_flight() == 0);
    }
  }

  TEST_CASE("the playback driver survives a queue that is blocked for longer than its queue depth") {
    FakeHost host(test_device_interfaces(usb::Speed::high));
    driverkit::Runtime runtime(host, DriverKitFixture::quiet({}));
    Player player;
    player.attach(host);
    IOService* driver = nullptr;
    REQUIRE(runtime.start(gPlaybackDriverMetaClass, runtime.device(), &driver) == kIOReturnSuccess);
    runtime.run_for(bus::frame * 50);
    IODispatchQueue* queue = nullptr;
    driver->CopyDispatchQueue("Default", &queue);
    queue->DispatchAsync([] { IOSleep(40); });
    queue->release();
    runtime.run_for(bus::frame * 100);
    const PlaybackStatistics before = statistics_of(driver);
    CHECK(before.resyncs > 0);
    runtime.run_for(bus::frame * 100);
    const PlaybackStatistics after = statistics_of(driver);
    CHECK(after.resyncs == before.resyncs);
    CHECK(after.requests - before.requests == 50);
    for (std::uint32_t i = 0; i < player.samples.size(); ++i) REQUIRE(player.samples[i] == i);
  }

  TEST_CASE("the capture driver gets every microframe of 3 x 1024 bytes, and counts what is missing") {
    FakeHost host(test_device_interfaces(usb::Speed::high));
    driverkit::Runtime runtime(host, DriverKitFixture::quiet({}));
    std::uint32_t sent = 0;
    host.on_isoch = [&](controller::IsochRequest& request, std::size_t i, std::span<std::uint8_t> data) {
      std::memcpy(data.data(), &sent, 4);
      ++sent;
      if (sent == 5000) {
        request.entries[i].complete = 0;
        return Status::no_response;
      }
      return Status::ok;
    };
    runtime.configure();
    IOService* service = nullptr;
    REQUIRE(runtime.start(gCaptureDriverMetaClass, runtime.interface(0), &service) == kIOReturnSuccess);
    auto* driver = OSRequiredCast(CaptureDriver, service);
    std::vector<std::uint32_t> received;
    driver->SetSink(
        [](void* context, const std::uint8_t* bytes, std::uint32_t) {
          std::memcpy(&static_cast<std::vector<std::uint32_t>*>(context)->emplace_back(), bytes, 4);
        },
        &received);
    runtime.run_for(bus::frame * 1000);
    CaptureStatistics statistics{};
    driver->GetStatistics(&statistics);
    CHECK(statistics.requests >= 497);
    CHECK(statistics.failedEntries == 1);
    CHECK(statistics.shortEntries == 0);
    CHECK(statistics.resyncs == 0);
    CHECK(statistics.bytes == statistics.entries * 3072);
    REQUIRE(received.size() > 5000);
    for (std::uint32_t i = 0; i < received.size(); ++i) REQUIRE(received[i] == i + (i >= 4999 ? 1 : 0));
    CHECK(runtime.stop(service) == kIOReturnSuccess);
    CHECK(host.in_flight() == 0);  // a synchronous abort
  }

  TEST_CASE("a driver on the wrong provider fails to start and leaves nothing open") {
    FakeHost host(test_device_interfaces(usb::Speed::high));
    driverkit::Runtime runtime(host, DriverKitFixture::quiet({}));
    runtime.configure();
    IOService* driver = nullptr;
    CHECK(runtime.start(gPlaybackDriverMetaClass, runtime.interface(0), &driver) == kIOReturnNoDevice);
    CHECK(driver == nullptr);
    CHECK(runtime.device()->Open(runtime.client(), 0, 0) == kIOReturnSuccess);
  }
}
