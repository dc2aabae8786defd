// What the wire shows while all kinds of traffic run together.
#include <doctest/doctest.h>

#include "controller/timing.h"
#include "support/host_fixture.h"
#include "usb/bandwidth.h"

using namespace isochio;
using namespace isochio::test;
using usb::Pid;
using usb::Speed;

namespace {

/// Isochronous in and out, bulk in and out, and control, for some frames; the log holds the wire.
void run_everything(HostFixture& f, std::uint64_t frames, std::uint32_t iso_bytes) {
  f.device.set_source(HostFixture::iso_in,
                      [&](std::uint16_t) { return ScriptedDevice::Packets{Bytes(iso_bytes, 0xff)}; });
  const std::size_t entries = f.host.speed() == Speed::high ? 8 : 1;
  std::vector<std::unique_ptr<OwnedRequest>> requests;
  for (const auto endpoint : {HostFixture::iso_in, HostFixture::iso_out}) {
    for (int i = 0; i < 3; ++i) {
      requests.push_back(
          std::make_unique<OwnedRequest>(endpoint, std::vector<std::uint32_t>(entries, iso_bytes), &f.client));
      std::fill(requests.back()->buffer.begin(), requests.back()->buffer.end(), std::uint8_t{0xff});
      REQUIRE(f.host.submit(requests.back()->request).has_value());
    }
  }
  bool stopping = false;
  f.client.complete_action = [&](controller::IsochRequest& request, controller::Status) {
    request.first_frame = 0;
    if (!stopping) CHECK(f.host.submit(request).has_value());
  };
  Bytes out(4096, 0xff), in(512);
  controller::BulkRequest write{.endpoint = HostFixture::bulk_out, .data = out};
  controller::BulkRequest read{.endpoint = HostFixture::bulk_in, .data = in};
  write.on_complete = read.on_complete = [&](controller::BulkRequest& request) {
    if (!stopping) CHECK(f.host.submit(request).has_value());
  };
  REQUIRE(f.host.submit(write).has_value());
  REQUIRE(f.host.submit(read).has_value());
  f.log.packets.clear();
  const auto end = f.host.now() + std::int64_t(frames) * bus::frame;
  Bytes descriptor(300);
  while (f.host.now() < end) {
    CHECK(f.host.control({0x80, 6, 0x0200, 0, 300}, descriptor, bus::second).has_value());
  }
  stopping = true;
  for (const auto endpoint : {HostFixture::iso_in, HostFixture::iso_out, HostFixture::bulk_in, HostFixture::bulk_out}) {
    f.host.abort(endpoint);
  }
  f.run_frames(2);
}

}  // namespace

TEST_CASE(
    "SOFs stand at exact intervals whatever else runs, with the frame number's 11 bits, eight times at high speed") {
  for (const bool high : {true, false}) {
    CAPTURE(high);
    HostFixture f(high, {.first_frame = 2048 * 3 - 140});  // wraps during the run
    f.configure(1);
    run_everything(f, 60, high ? 1000 : 150);
    const std::int64_t interval = high ? 60'000 : 480'000;
    std::vector<std::pair<std::int64_t, unsigned>> sofs;
    for (const auto& p : f.log.packets) {
      if (p.pid() == Pid::sof) sofs.emplace_back(p.start.bits, p.bytes[1] | (p.bytes[2] & 7U) << 8U);
    }
    REQUIRE(sofs.size() > 50);
    bool wrapped = false;
    for (std::size_t i = 1; i < sofs.size(); ++i) {
      REQUIRE(sofs[i].first - sofs[i - 1].first == interval);
      const auto frame = static_cast<unsigned>((2048 * 3 - 140 + sofs[i].first / 480'000) % 2048);
      REQUIRE(sofs[i].second == frame);
      wrapped |= sofs[i].second < sofs[i - 1].second;
    }
    CHECK(wrapped);
    CHECK(f.host.counters().late_sof == 0);
  }
}

TEST_CASE("packets keep their distance and stay clear of the end of the frame") {
  for (const bool high : {true, false}) {
    CAPTURE(high);
    HostFixture f(high);
    f.configure(1);
    run_everything(f, 20, high ? 1000 : 150);
    const Speed speed = high ? Speed::high : Speed::full;
    const std::int64_t interval = high ? 60'000 : 480'000;
    const std::int64_t guard = high ? 560 : 42 * 40;
    std::size_t transactions = 0;
    for (std::size_t i = 1; i < f.log.packets.size(); ++i) {
      const auto &before = f.log.packets[i - 1], &packet = f.log.packets[i];
      const std::int64_t gap = (packet.start - before.end).bits;
      if (packet.from_host) {
        REQUIRE(gap >= (before.from_host ? (high ? 88 : 2 * 40) : (high ? 8 : 2 * 40)));
      }
      if (packet.from_host && packet.pid() == Pid::ack) REQUIRE(gap <= (high ? 192 : 300));
      if (packet.pid() == Pid::sof) continue;
      ++transactions;
      const std::int64_t next_sof = (packet.start.bits / interval + 1) * interval;
      REQUIRE(packet.end.bits + guard <= next_sof);
    }
    CHECK(transactions > 1000 / (speed == Speed::high ? 1 : 2));
  }
}

TEST_CASE("in each microframe isochronous transactions come before control and bulk") {
  HostFixture f;
  f.configure(1);
  run_everything(f, 20, 1000);
  bool others = false;
  std::size_t isochronous = 0;
  for (const auto& packet : f.log.packets) {
    if (packet.pid() == Pid::sof) others = false;
    if (!packet.from_host || packet.bytes.size() != 3 || packet.pid() == Pid::sof) continue;
    const auto token = usb::parse(packet.bytes);
    REQUIRE(token.has_value());
    if (usb::kind(token->pid) != usb::PidKind::token) continue;
    if (token->endpoint != 1) {
      others = true;
    } else {
      ++isochronous;
      REQUIRE_FALSE(others);
    }
  }
  CHECK(isochronous > 200);
}

TEST_CASE("the host gives up on an answer after 736 to 816 bit times, at full speed 16 to 18") {
  for (const bool high : {true, false}) {
    CAPTURE(high);
    HostFixture f(high);
    f.configure(1);
    f.device.misbehave({.fault = Fault::no_answer, .endpoint = HostFixture::iso_in, .times = 1000});
    OwnedRequest request(HostFixture::iso_in, std::vector<std::uint32_t>(8, 100), &f.client);
    REQUIRE(f.host.submit(request.request).has_value());
    f.log.packets.clear();
    f.run_frames(10);
    std::size_t tokens = 0;
    for (const auto& packet : f.log.packets) {
      if (packet.pid() != Pid::in) continue;
      const auto waited = (request->entries[tokens].time - packet.end).bits;
      CHECK(waited >= (high ? 736 : 16 * 40));
      CHECK(waited <= (high ? 816 : 18 * 40));
      CHECK(request->entries[tokens++].status == controller::Status::no_response);
    }
    CHECK(tokens == 8);
  }
}

TEST_CASE("an idle bus carries SOFs and nothing else") {
  HostFixture f;
  f.configure(1);
  f.log.packets.clear();
  f.run_frames(100);
  CHECK(f.log.packets.size() == 800);
}
