// Idle skipping must not be seen from outside: same wire, same line events, same registers, also when packets are
// damaged and the bus sleeps.
#include <doctest/doctest.h>

#include "cosim/controller/device_fixture.h"
#include "support/faulty_link.h"

using namespace isochio;
using namespace isochio::test;
using controller::Status;

namespace {

struct Record {
  std::vector<std::tuple<std::int64_t, std::int64_t, bool, Bytes>> packets;
  std::vector<std::pair<int, std::int64_t>> lines;
  std::vector<std::pair<Status, std::uint32_t>> entries;
  Bytes registers, events;
  friend bool operator==(const Record&, const Record&) = default;
};

Record record(bool fs_only, std::uint8_t alternate, bool idle_skipping) {
  DeviceFixture f({.fs_only = fs_only, .idle_skipping = idle_skipping});
  FaultyLink cable(*f.link, 99);
  controller::SimHost host(cable, {.debounce = 5 * bus::millisecond});
  RecordingClient client(host);
  REQUIRE(host.enumerate().has_value());
  DeviceFixture::must(host.set_configuration(1));
  DeviceFixture::must(host.set_interface(0, alternate));
  std::vector<std::unique_ptr<OwnedRequest>> requests;
  for (const auto& endpoint : host.endpoints()) {
    if (endpoint.type != usb::TransferType::isochronous) continue;
    const std::uint32_t size = endpoint.capacity() * 3 / 4;
    for (int i = 0; i < 2; ++i) {
      requests.push_back(
          std::make_unique<OwnedRequest>(endpoint.address, std::vector<std::uint32_t>(8, size), &client));
      REQUIRE(host.submit(requests.back()->request).has_value());
    }
  }
  Bytes data(700, 0x7e), back(700);
  controller::BulkRequest write{.endpoint = {0x02}, .data = data}, read{.endpoint = {0x82}, .data = back};
  write.on_complete = read.on_complete = [](controller::BulkRequest&) {};
  REQUIRE(host.submit(write).has_value());
  REQUIRE(host.submit(read).has_value());
  cable.set_rates({10, 10, 10, 10, 10, 10, 10});
  host.run_until(host.now() + 12 * bus::frame + bus::Duration{12345});
  cable.set_rates({});
  host.suspend();
  host.run_until(host.now() + 7 * bus::frame + bus::Duration{777});
  host.resume();
  host.run_until(host.now() + 20 * bus::frame);
  Record r;
  r.registers.resize(128);
  REQUIRE(host.control({0xc0, 1, 0, 0, 128}, r.registers, bus::second).has_value());
  r.events.resize(4092);
  const auto got = host.control({0xc0, 2, 0, 0, 4092}, r.events, bus::second);
  REQUIRE(got.has_value());
  r.events.resize(*got);
  for (const auto& request : requests) {
    for (const auto& entry : request->request.entries) r.entries.emplace_back(entry.status, entry.complete);
  }
  for (const auto& p : f.log.packets) r.packets.emplace_back(p.start.bits, p.end.bits, p.from_host, p.bytes);
  for (const auto& [event, at] : f.log.lines) r.lines.emplace_back(int(event), at.bits);
  return r;
}

}  // namespace

TEST_CASE("with and without idle skipping the wire, the registers and the event log are the same, bit for bit") {
  for (const bool fs_only : {false, true}) {
    for (const std::uint8_t alternate : {std::uint8_t{1}, std::uint8_t{5}, std::uint8_t{9}}) {
      CAPTURE(fs_only);
      CAPTURE(int(alternate));
      const Record skipped = record(fs_only, alternate, true), whole = record(fs_only, alternate, false);
      CHECK(skipped.packets.size() > 100);
      CHECK((skipped.packets == whole.packets));
      CHECK((skipped.lines == whole.lines));
      CHECK((skipped.entries == whole.entries));
      CHECK((skipped.registers == whole.registers));
      CHECK((skipped.events == whole.events));
    }
  }
}

TEST_CASE("an idle high-speed microframe costs eleven evaluated clocks, rarely twelve") {
  // A stuffed bit that delays a byte of the SOF costs one.
  DeviceFixture f;
  f.configure();
  f.run_frames(20);
  const auto before = f.link->clocks();
  constexpr std::uint64_t frames = 500;
  f.run_frames(frames);
  const auto after = f.link->clocks();
  CHECK(after.elapsed - before.elapsed == frames * 60'000);
  const double each = static_cast<double>(after.evaluated - before.evaluated) / static_cast<double>(frames * 8);
  CHECK(each >= 11);
  CHECK(each < 11.5);
}
