// Isochronous streams between the controller and the device, each alternate setting of the test device at both speeds.
// Payload is checked here against docs/payload.md as the host side makes it, and against the device's own counters.
#include <doctest/doctest.h>

#include "cosim/controller/device_fixture.h"

using namespace isochio;
using namespace isochio::test;
using controller::Status;
using usb::FrameTime;
using usb::Speed;

namespace {

constexpr usb::EndpointAddress in{0x81}, out{0x01};
constexpr std::uint16_t in_registers = 0x100, out_registers = 0x200;

const usb::EndpointConfig* endpoint(const DeviceFixture& f, usb::EndpointAddress address) {
  for (const auto& config : f.host.endpoints()) {
    if (config.address == address) return &config;
  }
  return nullptr;
}

/// The (micro)frame in which a bus time lies.
FrameTime frame_at(const DeviceFixture& f, bus::BusTime time) {
  const std::uint64_t microframe = 1000 * 8 + static_cast<std::uint64_t>(time.bits / 60'000);
  return {f.host.speed() == Speed::high ? microframe : microframe & ~std::uint64_t{7}};
}

/// Entries for `frames` frames or at least six intervals, whole frames in any case.
std::vector<std::uint32_t> list(const DeviceFixture& f, const usb::EndpointConfig& config, std::uint32_t bytes,
                                std::uint32_t frames = 6) {
  const std::uint32_t per_frame = f.host.speed() == Speed::high ? 8 : 1;
  return std::vector<std::uint32_t>(std::max(6U, frames * per_frame / config.interval), bytes);
}

void run(DeviceFixture& f, OwnedRequest& request) {
  const auto status = f.host.submit(request.request);
  REQUIRE_MESSAGE(status.has_value(), (status ? "" : to_string(status.error())));
  const auto before = f.client.completions.size();
  REQUIRE(f.host.run_until(f.host.now() + bus::second, [&] { return f.client.completions.size() > before; }));
}

/// The number of packets whose bytes are not what the pattern says; `sequence` goes on.
std::size_t wrong_packets(const DeviceFixture& f, const OwnedRequest& request, std::uint16_t max_packet,
                          std::uint32_t& sequence) {
  std::size_t wrong = 0, offset = 0;
  for (const auto& entry : request.request.entries) {
    for (std::size_t at = 0; at < entry.complete; at += max_packet) {
      Bytes expected(std::min<std::size_t>(max_packet, entry.complete - at));
      check::make_packet(check::Pattern::prbs, check::default_seed, sequence++, frame_at(f, entry.time), expected);
      wrong += std::equal(expected.begin(), expected.end(), request.buffer.begin() + long(offset + at)) ? 0 : 1;
    }
    offset += entry.request;
  }
  return wrong;
}

void check_in(DeviceFixture& f) {
  const auto& config = *endpoint(f, in);
  f.write(in_registers + 0, 1);  // pattern, whatever the alternate setting chose
  f.write(in_registers + 3, 0);  // all it can carry
  f.write(in_registers + 2, 0);
  f.write(0x004, 1U << 10U);  // restart
  std::uint32_t sequence = 0;
  for (int round = 0; round < 2; ++round) {
    OwnedRequest request(in, list(f, config, config.capacity()), &f.client);
    run(f, request);
    CHECK(f.client.completions.back().overall == Status::ok);
    for (const auto& entry : request->entries) {
      CHECK(entry.status == Status::ok);
      CHECK(entry.complete == config.capacity());
    }
    CHECK(wrong_packets(f, request, config.max_packet, sequence) == 0);
  }
  CHECK(f.read(in_registers + 8) == sequence);
  CHECK(f.read(in_registers + 12) == 0);
}

void check_out(DeviceFixture& f) {
  const auto& config = *endpoint(f, out);
  f.write(out_registers + 0, 1);
  f.write(0x004, 1U << 8U | 1U << 10U);  // clear counters, restart
  check::PatternGenerator generator;
  const std::uint32_t unit = f.host.speed() == Speed::high ? 1 : 8;
  std::uint32_t bytes = config.capacity();
  for (int round = 0; round < 3; ++round) {
    const std::uint64_t first = (f.host.frame_number() + 20) / 8 * 8;
    OwnedRequest request(out, list(f, config, bytes), &f.client, first);
    std::size_t offset = 0;
    for (std::size_t i = 0; i < request->entries.size(); ++i, offset += bytes) {
      const FrameTime at{first * 8 + i * config.interval * unit};
      generator.interval(std::span(request.buffer).subspan(offset, bytes), config.max_packet, at);
    }
    run(f, request);
    CHECK(f.client.completions.back().overall == Status::ok);
    bytes = bytes * 2 / 3 + 5;
  }
  CHECK(f.read(out_registers + 8) == generator.next_sequence());
  for (const std::uint16_t counter : {11, 12, 13, 14, 15, 16, 17, 20}) {
    CAPTURE(counter);
    CHECK(f.read(std::uint16_t(out_registers + counter)) == 0);
  }
}

}  // namespace

TEST_CASE("every alternate setting of the test device moves its data right, at both speeds") {
  for (const bool fs_only : {false, true}) {
    for (std::uint8_t alternate = 1; alternate <= 8; ++alternate) {
      CAPTURE(fs_only);
      CAPTURE(int(alternate));
      DeviceFixture f({.fs_only = fs_only});
      f.configure(alternate);
      if (endpoint(f, in) != nullptr) check_in(f);
      if (endpoint(f, out) != nullptr) check_out(f);
    }
  }
}

TEST_CASE("the device's packet sizes: every size from 0 on around the boundaries of 1, 2 and 3 packets") {
  DeviceFixture f;
  f.configure(6);  // IN 3 × 1024
  const auto& config = *endpoint(f, in);
  for (const std::uint32_t size : {1U, 2U, 11U, 12U, 13U, 1023U, 1024U, 1025U, 2047U, 2048U, 2049U, 3071U, 3072U}) {
    CAPTURE(size);
    f.write(in_registers + 3, size);
    f.write(0x004, 1U << 10U);
    OwnedRequest request(in, list(f, config, 3072, 2), &f.client);
    run(f, request);
    for (const auto& entry : request->entries) {
      CHECK(entry.complete == size);
      CHECK(entry.status == (size < 3072 ? Status::short_packet : Status::ok));
    }
    std::uint32_t sequence = 0;
    CHECK(wrong_packets(f, request, config.max_packet, sequence) == 0);
  }
}

TEST_CASE("a device with nothing to send answers with zero length") {
  for (const bool fs_only : {false, true}) {
    CAPTURE(fs_only);
    DeviceFixture f({.fs_only = fs_only});
    f.configure(2);
    f.write(in_registers + 0, 0);
    OwnedRequest request(in, list(f, *endpoint(f, in), 100), &f.client);
    run(f, request);
    for (const auto& entry : request->entries) {
      CHECK(entry.complete == 0);
      CHECK(entry.status == Status::short_packet);
    }
  }
}

TEST_CASE("OUT comes back IN through the loopback, interval by interval") {
  for (const bool fs_only : {false, true}) {
    for (const std::uint8_t alternate : {std::uint8_t{4}, std::uint8_t{5}, std::uint8_t{8}}) {
      CAPTURE(fs_only);
      CAPTURE(int(alternate));
      DeviceFixture f({.fs_only = fs_only});
      f.configure(alternate);
      f.write(out_registers + 0, 4);
      f.write(in_registers + 0, 4);
      f.write(0x004, 1U << 10U);
      const auto& config = *endpoint(f, out);
      OwnedRequest sent(out, list(f, config, config.capacity(), 8), &f.client);
      OwnedRequest back(in, list(f, config, config.capacity(), 16), &f.client);
      for (std::size_t i = 0; i < sent.buffer.size(); ++i) sent.buffer[i] = static_cast<std::uint8_t>(i * 31 + i / 251);
      REQUIRE(f.host.submit(sent.request).has_value());
      REQUIRE(f.host.submit(back.request).has_value());
      f.host.run_until(f.host.now() + bus::second, [&] { return f.client.completions.size() == 2; });
      Bytes received;
      std::size_t offset = 0;
      for (const auto& entry : back->entries) {
        received.insert(received.end(), back.buffer.begin() + long(offset),
                        back.buffer.begin() + long(offset + entry.complete));
        offset += entry.request;
      }
      const std::size_t whole = std::min(received.size(), sent.buffer.size());
      CHECK(whole >= sent.buffer.size() / 3);
      CHECK(std::equal(sent.buffer.begin(), sent.buffer.begin() + long(whole), received.begin()));
    }
  }
}

TEST_CASE("every service interval from bInterval 1 to 16: one packet an interval, the pattern without a gap") {
  for (const bool fs_only : {false, true}) {
    for (unsigned b = 1; b <= 16; ++b) {
      CAPTURE(fs_only);
      CAPTURE(b);
      DeviceFixture f({.fs_only = fs_only, .edit = [b](description::Description& description) {
                         for (auto& setting : description.settings) {
                           if (setting.alternate != 8) continue;
                           for (auto& endpoint : setting.endpoints) {
                             endpoint.full->interval = endpoint.high->interval = static_cast<std::uint8_t>(b);
                           }
                         }
                       }});
      f.configure(8);
      const auto& config = *endpoint(f, in);
      REQUIRE(config.interval == 1U << (b - 1));
      std::vector<std::uint32_t> sizes(b < 4 && !fs_only ? 8 : b > 12 ? 3 : 6, config.capacity());
      OwnedRequest receive(in, sizes, &f.client), send(out, sizes, &f.client);
      REQUIRE(f.host.submit(receive.request).has_value());
      REQUIRE(f.host.submit(send.request).has_value());
      check::PatternGenerator generator;
      const std::uint64_t unit = fs_only ? 8 : 1;
      for (std::size_t i = 0; i < sizes.size(); ++i) {
        // The stamp is right if the endpoint's phase is 0; MISTIMED is not looked at.
        const std::uint64_t begin = send->first_frame * 8 + i * config.interval * unit;
        generator.packet(std::span(send.buffer).subspan(i * sizes[0], sizes[0]), {begin});
      }
      REQUIRE(f.host.run_until(f.host.now() + 60'000 * bus::second, [&] { return f.client.completions.size() == 2; }));
      CHECK(f.client.completions[0].overall == Status::ok);
      CHECK(f.client.completions[1].overall == Status::ok);
      std::uint32_t sequence = 0;
      CHECK(wrong_packets(f, receive, config.max_packet, sequence) == 0);
      CHECK(f.read(out_registers + 8) == sizes.size());
      CHECK(f.read(out_registers + 11) == 0);
      CHECK(f.read(out_registers + 14) == 0);
      for (std::size_t i = 1; i < sizes.size(); ++i) {
        CHECK(frame_at(f, receive->entries[i].time).value - frame_at(f, receive->entries[i - 1].time).value ==
              config.interval * unit);
      }
    }
  }
}
