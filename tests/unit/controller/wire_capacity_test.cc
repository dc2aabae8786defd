// Tables 5-4 and 5-5 of the specification, as in usb2-facts, against transactions that really went over a wire.
#include <doctest/doctest.h>

#include "support/host_fixture.h"

using namespace isochio;
using namespace isochio::test;
using controller::Status;

namespace {

struct Row {
  std::uint32_t payload, table;
};
constexpr Row full_speed[] = {{1, 150}, {2, 136},  {4, 115}, {8, 88},  {16, 60}, {32, 36},
                              {64, 20}, {128, 10}, {256, 5}, {512, 2}, {1023, 1}};
constexpr Row high_speed[] = {{1, 192}, {2, 187},  {4, 178},  {8, 163},  {16, 138}, {32, 107},
                              {64, 73}, {128, 45}, {256, 25}, {512, 13}, {1024, 7}};

}  // namespace

TEST_CASE(
    "in the time of a whole frame the wire takes exactly the transactions of table 5-4, of a microframe those of 5-5") {
  for (const bool high : {false, true}) {
    HostFixture f(high, {.lift_periodic_limit = true});
    f.configure(0);
    for (const Row row : high ? std::span<const Row>(high_speed) : std::span<const Row>(full_speed)) {
      CAPTURE(high);
      CAPTURE(row.payload);
      const auto capacity = f.host.measure_capacity(HostFixture::iso_out, row.payload);
      REQUIRE(capacity.has_value());
      // The tables charge a gap behind the last transaction, too; without it one more may fit.
      CHECK(capacity->in_interval >= row.table);
      CHECK(capacity->in_interval <= row.table + 1);
      // SOF, and what the guard keeps clear, displace at most two of the shortest.
      CHECK(capacity->in_frame <= row.table);
      CHECK(capacity->in_frame + 2 >= row.table);
    }
  }
}

TEST_CASE("high speed, a device that answers at once: IN reaches table 5-5 between SOF and end-of-frame guard") {
  auto options = test_device();
  options.response_high = 8;
  HostFixture f(true, {.lift_periodic_limit = true}, std::move(options));
  f.configure(1);
  for (const Row row : high_speed) {
    CAPTURE(row.payload);
    f.device.set_source(HostFixture::iso_in,
                        [&](std::uint16_t) { return ScriptedDevice::Packets(300, Bytes(row.payload)); });
    f.run_frames(1);
    const auto capacity = f.host.measure_capacity(HostFixture::iso_in, row.payload);
    REQUIRE(capacity.has_value());
    CHECK(capacity->in_frame >= row.table);
  }
}

TEST_CASE("nothing of the measurement reaches into the guard") {
  for (const bool high : {false, true}) {
    HostFixture f(high, {.lift_periodic_limit = true});
    f.configure(0);
    f.log.packets.clear();
    const auto capacity = f.host.measure_capacity(HostFixture::iso_out, 8);
    REQUIRE(capacity.has_value());
    const std::int64_t interval = high ? 60'000 : 480'000, guard = high ? 560 : 42 * 40;
    std::uint32_t data = 0;
    std::int64_t first = -1;
    for (const auto& packet : f.log.packets) {
      if (first < 0) first = packet.start.bits / interval;
      if (packet.start.bits / interval != first) break;
      if (packet.pid() == usb::Pid::data0) ++data;
      if (packet.pid() != usb::Pid::sof) CHECK(packet.end.bits <= (first + 1) * interval - guard);
    }
    CHECK(data == capacity->in_frame);
  }
}

TEST_CASE("the measurement is refused where it would disturb, and the bus goes on after it") {
  HostFixture strict;
  strict.configure(0);
  CHECK(strict.host.measure_capacity(HostFixture::iso_out, 8).error() == Status::not_permitted);
  HostFixture f(true, {.lift_periodic_limit = true});
  CHECK(f.host.measure_capacity(HostFixture::iso_out, 8).error() == Status::no_device);
  f.configure(1);
  CHECK(f.host.measure_capacity(HostFixture::iso_out, 0).error() == Status::bad_argument);
  CHECK(f.host.measure_capacity(HostFixture::iso_out, 1025).error() == Status::bad_argument);
  REQUIRE(f.host.measure_capacity(HostFixture::iso_out, 8).has_value());
  f.log.packets.clear();
  f.run_frames(10);
  CHECK(f.log.packets.size() >= 78);
  for (const auto& packet : f.log.packets) CHECK(packet.start.bits % 60'000 == 0);
}
