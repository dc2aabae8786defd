// Controller and device joined by a bad cable. While it is bad, nothing wrong may be called right; when it is good
// again, everything must work at once [design: nothing that arrives may leave the core unable to answer].
#include <doctest/doctest.h>

#include <cstring>

#include "cosim/controller/device_fixture.h"
#include "support/faulty_link.h"

using namespace isochio;
using namespace isochio::test;
using controller::BulkRequest;
using controller::Status;
using usb::FrameTime;

namespace {

constexpr usb::EndpointAddress in{0x81}, out{0x01}, bulk_in{0x82}, bulk_out{0x02};

struct BadCable : DeviceFixture {
  BadCable(bool fs_only, std::uint32_t seed)
      : DeviceFixture({.fs_only = fs_only}), cable(*link, seed), host2(cable), client2(host2) {}

  void configure2(std::uint8_t alternate) {
    const auto done = host2.enumerate();
    REQUIRE_MESSAGE(done.has_value(), (done ? "" : done.error()));
    must(host2.set_configuration(1));
    must(host2.set_interface(0, alternate));
  }
  void run_frames2(std::uint64_t frames) {
    host2.run_until(host2.now() + static_cast<std::int64_t>(frames) * bus::frame);
  }
  FrameTime frame_at(bus::BusTime time) const {
    const std::uint64_t microframe = 1000 * 8 + static_cast<std::uint64_t>(time.bits / 60'000);
    return {host2.speed() == usb::Speed::high ? microframe : microframe & ~std::uint64_t{7}};
  }
  std::uint32_t read2(std::uint16_t number) { return read(host2, number); }
  void write2(std::uint16_t number, std::uint32_t value) { write(host2, number, value); }

  FaultyLink cable;
  controller::SimHost host2;
  RecordingClient client2;
};

/// Isochronous streams in both directions, every (micro)frame, always queued a few frames ahead.
struct Streams {
  explicit Streams(BadCable& f)
      : f_(f), max_packet_(f.host2.endpoints()[0].max_packet), size_(f.host2.endpoints()[0].capacity()) {
    const std::size_t entries = f.host2.speed() == usb::Speed::high ? 16 : 2;
    next_out_ = f.host2.frame_number() + 20;
    for (int i = 0; i < 3; ++i) {
      requests_.push_back(std::make_unique<OwnedRequest>(in, std::vector<std::uint32_t>(entries, size_), &f.client2));
      REQUIRE(f.host2.submit(requests_.back()->request).has_value());
      requests_.push_back(std::make_unique<OwnedRequest>(out, std::vector<std::uint32_t>(entries, size_), &f.client2));
      submit_out(requests_.back()->request);
    }
    f.client2.complete_action = [this](controller::IsochRequest& request, Status) { completed(request); };
  }
  void stop() {
    stopping_ = true;
    f_.host2.abort(in);
    f_.host2.abort(out);
    f_.host2.run_until(f_.host2.now() + bus::millisecond);
  }

  std::size_t good = 0, bad = 0, wrong = 0;

 private:
  void submit_out(controller::IsochRequest& request) {
    std::uint64_t at = next_out_ * 8;
    request.first_frame = next_out_;
    next_out_ += 2;
    for (std::size_t i = 0; i < request.entries.size(); ++i, at += f_.host2.speed() == usb::Speed::high ? 1 : 8) {
      generator_.interval(request.data.subspan(i * size_, size_), max_packet_, {at});
    }
    const auto done = f_.host2.submit(request);
    REQUIRE_MESSAGE(done.has_value(), (done ? "" : to_string(done.error())));
  }
  void completed(controller::IsochRequest& request) {
    f_.client2.entries.clear();
    if (request.endpoint == in) judge(request);
    if (stopping_) return;
    if (request.endpoint == out) return submit_out(request);
    request.first_frame = 0;
    REQUIRE(f_.host2.submit(request).has_value());
  }
  void judge(const controller::IsochRequest& request) {
    for (std::size_t i = 0; i < request.entries.size(); ++i) {
      const auto& entry = request.entries[i];
      if (entry.status != Status::ok) {
        bad += entry.status == Status::aborted ? 0 : 1;
        continue;
      }
      ++good;
      for (std::size_t at = 0; at < size_; at += max_packet_) {
        wrong += right(request.data.subspan(i * size_ + at, max_packet_), f_.frame_at(entry.time)) ? 0 : 1;
      }
    }
  }

  // Its own sequence number is believed, so that lost packets do not matter; all else must be as the pattern says.
  static bool right(std::span<const std::uint8_t> packet, FrameTime at) {
    const std::uint32_t sequence = packet[0] | packet[1] << 8U | packet[2] << 16U | std::uint32_t{packet[3]} << 24U;
    Bytes expected(packet.size());
    check::make_packet(check::Pattern::prbs, check::default_seed, sequence, at, expected);
    return std::equal(expected.begin(), expected.end(), packet.begin());
  }

  BadCable& f_;
  std::uint16_t max_packet_;
  std::uint32_t size_;
  std::vector<std::unique_ptr<OwnedRequest>> requests_;
  check::PatternGenerator generator_;
  std::uint64_t next_out_ = 0;
  bool stopping_ = false;
};

/// Bulk packets through the loopback; each carries a number, so that loss and doubling show.
struct Loop {
  explicit Loop(BadCable& f) : f_(f) {
    write_.endpoint = bulk_out;
    read_.endpoint = bulk_in;
    write_.on_complete = [this](BulkRequest& r) { written(r.status); };
    read_.on_complete = [this](BulkRequest& r) { came(r.status); };
    send();
    ask();
  }
  void stop() {
    stopping_ = true;
    f_.host2.abort(bulk_in);
    f_.host2.abort(bulk_out);
    f_.host2.run_until(f_.host2.now() + bus::millisecond);
  }
  std::uint32_t sent = 0, received = 0, wrong = 0;
  bool halted = false;

 private:
  void send() {
    out_.assign(40 + sent % 23, static_cast<std::uint8_t>(sent));
    std::memcpy(out_.data(), &sent, 4);
    write_.data = out_;
    REQUIRE(f_.host2.submit(write_).has_value());
  }
  void ask() {
    in_.assign(64, 0);
    read_.data = in_;
    REQUIRE(f_.host2.submit(read_).has_value());
  }
  void written(Status status) {
    if (stopping_) return;
    if (status != Status::ok) {
      halted = true;
      return;
    }
    ++sent;
    send();
  }
  void came(Status status) {
    if (stopping_) return;
    if (status != Status::ok) {
      halted = true;
      return;
    }
    std::uint32_t number = 0;
    std::memcpy(&number, in_.data(), 4);
    const bool right =
        number == received && read_.complete == 40 + number % 23 && in_[read_.complete - 1] == std::uint8_t(number);
    wrong += right ? 0 : 1;
    ++received;
    ask();
  }
  BadCable& f_;
  Bytes out_, in_;
  BulkRequest write_, read_;
  bool stopping_ = false;
};

void stress(bool fs_only, std::uint32_t seed, const FaultyLink::Rates& rates, std::uint8_t alternate = 4) {
  CAPTURE(fs_only);
  CAPTURE(seed);
  BadCable f(fs_only, seed);
  f.configure2(alternate);
  f.write2(0x100, 1);
  f.write2(0x200, 1);
  f.write2(0x004, 1U << 8U | 1U << 10U);
  {
    Streams streams(f);
    Loop loop(f);
    f.cable.set_rates(rates);
    Bytes text(64);
    std::size_t answered = 0;
    const auto end = f.host2.now() + 150 * bus::frame;
    while (f.host2.now() < end) {
      answered += f.host2.control({0x80, 6, 0x0301, 0x0409, 64}, text, 50 * bus::millisecond).has_value() ? 1 : 0;
      f.host2.run_until(f.host2.now() + bus::millisecond);
    }
    CHECK(f.cable.damaged() > 20);
    CHECK(streams.good > 50);
    CHECK(streams.wrong == 0);
    CHECK(answered > 10);
    CHECK(loop.received > 20);
    CHECK(loop.wrong == 0);
    // The cable is mended: from now on nothing goes wrong any more.
    f.cable.set_rates({});
    f.run_frames2(5);
    const auto bad = streams.bad;
    f.run_frames2(20);
    CHECK(streams.bad == bad);
    CHECK(f.read2(0) == 0x4F495349);
    CHECK(f.read2(0x20e) == 0);  // OUT packets handed on although their CRC32 was wrong
    streams.stop();
    loop.stop();
  }
  DeviceFixture::must(f.host2.set_interface(1, 0));
  DeviceFixture::must(f.host2.set_interface(0, alternate));
  f.write2(0x100, 1);
  f.write2(0x200, 1);
  f.write2(0x004, 1U << 8U | 1U << 10U);
  Streams streams(f);
  Loop loop(f);
  f.run_frames2(50);
  CHECK(streams.good > 25);
  CHECK(streams.bad == 0);
  CHECK(streams.wrong == 0);
  CHECK(loop.received > 100);
  CHECK(loop.wrong == 0);
  CHECK_FALSE(loop.halted);
  for (const std::uint16_t counter : {11, 12, 13, 14, 15, 16, 17, 20}) {
    CAPTURE(counter);
    CHECK(f.read2(std::uint16_t(0x200 + counter)) == 0);
  }
  streams.stop();
  loop.stop();
}

}  // namespace

TEST_CASE("damaged packets to the device: nothing wrong is taken for right, and all recovers") {
  for (const bool fs_only : {false, true}) {
    for (std::uint32_t seed = 1; seed <= 3; ++seed) stress(fs_only, seed, {.flip = 20});
    stress(fs_only, 4, {.cut = 20});
    stress(fs_only, 5, {.drop = 20});
    stress(fs_only, 6, {.noise = 20});
  }
}

TEST_CASE("damaged packets from the device: nothing wrong is taken for right, and all recovers") {
  for (const bool fs_only : {false, true}) {
    for (std::uint32_t seed = 1; seed <= 3; ++seed) stress(fs_only, seed, {.answer_flip = 30});
    stress(fs_only, 4, {.answer_drop = 30});
    stress(fs_only, 5, {.answer_error = 30});
  }
}

TEST_CASE("high-bandwidth streams on a bad cable: intervals that lost a packet are not taken for whole ones") {
  stress(false, 11, {.flip = 20}, 5);
  stress(false, 12, {.drop = 20}, 5);
  stress(false, 13, {.answer_flip = 30}, 5);
  stress(false, 14, {20, 20, 20, 20, 20, 20, 20}, 5);
}

TEST_CASE("everything at once on a very bad cable") {
  for (const bool fs_only : {false, true}) {
    for (std::uint32_t seed = 1; seed <= 4; ++seed) stress(fs_only, seed, {20, 20, 20, 20, 20, 20, 20});
  }
}
