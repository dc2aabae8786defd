// isochio: the example drivers against the Verilated device, judged by the device's own counters and the payload.
#include <doctest/doctest.h>

#include <cstring>

#include "CaptureDriver.h"
#include "PlaybackDriver.h"
#include "check/payload.h"
#include "cosim/controller/device_fixture.h"
#include "driverkit/runtime.h"

using namespace isochio;
using namespace isochio::test;

namespace {

constexpr std::uint16_t in_registers = 0x100, out_registers = 0x200, packets = 8, bytes = 9;
constexpr std::uint64_t in_flight_entries = 8 * 16;

driverkit::RuntimeOptions quiet() {
  driverkit::RuntimeOptions options;
  options.log = [](std::string_view line) { MESSAGE(std::string(line)); };
  return options;
}

/// Counters 0x010 … 0x01F that count what goes wrong: SOF_MISSED … TRUNCATED, OVERSIZED, SEQUENCE, DISCARDED.
void check_no_errors(DeviceFixture& f) {
  for (const std::uint16_t counter : {0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x1b, 0x1c}) {
    CAPTURE(counter);
    CHECK(f.read(counter) == 0);
  }
}

/// Sequence numbers of captured pattern packets.
struct CapturedPattern {
  std::uint32_t expected = 0;
  std::uint64_t packets = 0, wrong = 0;

  static void sink(void* context, const std::uint8_t* interval, std::uint32_t length) {
    auto& self = *static_cast<CapturedPattern*>(context);
    for (std::uint32_t at = 0; at + 1024 <= length; at += 1024) {
      const std::span packet(interval + at, 1024);
      std::uint32_t sequence = 0;
      std::memcpy(&sequence, packet.data(), sizeof sequence);
      self.wrong += sequence == self.expected && check::prbs_intact(packet) ? 0 : 1;
      self.expected = sequence + 1;
      ++self.packets;
    }
  }
};

PlaybackStatistics statistics_of(IOService* driver) {
  PlaybackStatistics statistics{};
  OSDynamicCast(PlaybackDriver, driver)->GetStatistics(&statistics);
  return statistics;
}

}  // namespace

TEST_SUITE("driverkit") {
  TEST_CASE("the capture driver gets 3 x 1024 bytes of every microframe from the device, none lost, each right") {
    DeviceFixture f;
    REQUIRE(f.host.enumerate());
    driverkit::Runtime runtime(f.host, quiet());
    REQUIRE(runtime.configure() == kIOReturnSuccess);
    IOService* driver = nullptr;
    REQUIRE(runtime.start(gCaptureDriverMetaClass, runtime.interface(0), &driver) == kIOReturnSuccess);
    CapturedPattern captured;
    OSDynamicCast(CaptureDriver, driver)->SetSink(&CapturedPattern::sink, &captured);
    const std::uint64_t begin = f.host.frame_number();
    runtime.run_for(bus::frame * 200);
    CaptureStatistics statistics{};
    OSDynamicCast(CaptureDriver, driver)->GetStatistics(&statistics);
    const std::uint64_t frames = f.host.frame_number() - begin;
    CHECK(frames == 200);
    CHECK(statistics.requests >= (frames - 6) / 2);
    CHECK(statistics.entries == statistics.requests * 16);
    CHECK(statistics.shortEntries == 0);
    CHECK(statistics.failedEntries == 0);
    CHECK(statistics.resyncs == 0);
    CHECK(statistics.bytes == statistics.entries * 3072);
    CHECK(captured.packets == statistics.entries * 3);
    CHECK(captured.wrong == 0);
    CHECK(runtime.stop(driver) == kIOReturnSuccess);
    const std::uint32_t sent = f.read(in_registers + packets);
    CHECK(sent >= captured.packets);
    CHECK(sent <= captured.packets + in_flight_entries * 3);
    check_no_errors(f);
  }

  TEST_CASE("the playback driver streams 44.1 kHz without loss and follows the device's clock when that changes") {
    for (const bool fs_only : {false, true}) {
      CAPTURE(fs_only);
      DeviceFixture f({.fs_only = fs_only});
      REQUIRE(f.host.enumerate());
      driverkit::Runtime runtime(f.host, quiet());
      IOService* driver = nullptr;
      REQUIRE(runtime.start(gPlaybackDriverMetaClass, runtime.device(), &driver) == kIOReturnSuccess);
      runtime.run_for(bus::frame * 400);
      const PlaybackStatistics before = statistics_of(driver);
      const std::uint64_t entries_per_request = fs_only ? 2 : 16;
      CHECK(before.requests >= 195);
      CHECK(before.entries == before.requests * entries_per_request);
      CHECK(before.lostEntries == 0);
      CHECK(before.resyncs == 0);
      CHECK(before.feedbacks >= before.requests);
      CHECK(double(before.samples) / double(before.requests * 2) == doctest::Approx(44.1).epsilon(0.001));

      f.write(0x00a, 44'500);  // SAMPLE_RATE
      runtime.run_for(bus::frame * 100);
      const PlaybackStatistics from = statistics_of(driver);
      runtime.run_for(bus::frame * 400);
      const PlaybackStatistics to = statistics_of(driver);
      CHECK(double(to.samples - from.samples) / double((to.requests - from.requests) * 2) ==
            doctest::Approx(44.5).epsilon(0.0005));
      CHECK(to.lostEntries == 0);
      CHECK(to.resyncs == 0);

      CHECK(runtime.stop(driver) == kIOReturnSuccess);
      CHECK(f.read(out_registers + packets) >= to.entries);
      CHECK(f.read(out_registers + packets) <= to.entries + in_flight_entries);
      CHECK(f.read(out_registers + bytes) >= to.samples * 4);
      check_no_errors(f);
    }
  }
}
