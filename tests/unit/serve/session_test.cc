// What bus time does when a client's streams run dry. The wall clock is the test's own.
#include "serve/session.h"

#include <algorithm>
#include <chrono>

#include <doctest/doctest.h>

#include "support/host_fixture.h"

using namespace isochio;
using namespace isochio::serve;
using namespace std::chrono_literals;
using isochio::test::HostFixture;

namespace {

constexpr auto grace = 200ms;
constexpr std::uint32_t packet = 100;

struct Ended {
  Urb urb;
  std::uint32_t start_frame;
  Session::WallTime at;
};

/// A client of the scripted device, at high speed and in alternate setting 1: a service interval is a microframe.
struct Streams : UrbClient {
  Streams() {
    auto begun = Session::begin(fixture.host, *this, {.grace = grace, .gather = 0ms});
    REQUIRE(begun);
    session = std::move(*begun);
    control(0x00, 9, 1, 0);   // SET_CONFIGURATION
    control(0x01, 11, 1, 0);  // SET_INTERFACE
    until([&] { return ended.size() == 2; });
    ended.clear();
  }

  void on_end(const Urb& urb, const UrbResult& result) override { ended.push_back({urb, result.start_frame, now}); }

  std::uint64_t control(std::uint8_t type, std::uint8_t request, std::uint16_t value, std::uint8_t length) {
    Urb urb;
    urb.id = ++last_id;
    urb.endpoint = usb::EndpointAddress{static_cast<std::uint8_t>(type & 0x80U)};
    urb.setup = {type,   request, static_cast<std::uint8_t>(value), static_cast<std::uint8_t>(value >> 8U), 0, 0,
                 length, 0};
    urb.buffer.resize(length);
    session->submit(std::move(urb));
    return last_id;
  }
  std::uint64_t stream(usb::EndpointAddress endpoint, std::size_t packets) {
    Urb urb;
    urb.id = ++last_id;
    urb.endpoint = endpoint;
    urb.buffer.resize(packets * packet);
    for (std::uint32_t i = 0; i < packets; ++i) urb.packets.push_back({i * packet, packet});
    session->submit(std::move(urb));
    return last_id;
  }
  /// A millisecond of wall time for each step in which bus time stands still.
  template <typename Done>
  void until(Done done) {
    for (int i = 0; i < 100'000 && !done(); ++i) {
      if (session->advance(now) == Session::Activity::waiting) now += 1ms;
    }
    REQUIRE(done());
  }
  std::vector<Ended> of(usb::EndpointAddress endpoint) const {
    std::vector<Ended> found;
    for (const Ended& one : ended) {
      if (one.urb.endpoint == endpoint) found.push_back(one);
    }
    return found;
  }
  bool has_ended(std::uint64_t id) const {
    return std::ranges::any_of(ended, [&](const Ended& one) { return one.urb.id == id; });
  }

  HostFixture fixture;
  std::unique_ptr<Session> session;
  std::vector<Ended> ended;
  std::uint64_t last_id = 0;
  Session::WallTime now = std::chrono::steady_clock::now() + 1h;
};

}  // namespace

TEST_CASE("A stream that ends makes no hole in another one whose client is late, but not too late") {
  Streams client;
  client.stream(HostFixture::iso_in, 8);
  const auto last = client.stream(HostFixture::iso_in, 8);
  for (int i = 0; i < 2; ++i) client.stream(HostFixture::iso_out, 16);
  // The IN stream runs dry; most of the grace is over when its client says that it has ended.
  client.until([&] { return client.of(HostFixture::iso_in).size() == 1; });
  const auto dry = client.now;
  client.until([&] { return client.now >= dry + 150ms; });
  REQUIRE(client.session->take_back(last));
  // The OUT stream's client takes long, too, from URB to URB.
  for (std::size_t turn = 1; turn < 6; ++turn) {
    client.until([&] { return client.of(HostFixture::iso_out).size() == turn; });
    const auto given_back = client.now;
    client.until([&] { return client.now >= given_back + 150ms; });
    client.stream(HostFixture::iso_out, 16);
  }
  client.until([&] { return client.of(HostFixture::iso_out).size() == 6; });
  const auto out = client.of(HostFixture::iso_out);
  for (std::size_t i = 1; i < out.size(); ++i) CHECK(out[i].start_frame == out[i - 1].start_frame + 16);
  CHECK(client.session->counters().given_up == 0);
}

TEST_CASE("A control transfer waits for streams that end for one grace, not for one after the other") {
  Streams client;
  for (int i = 0; i < 2; ++i) client.stream(HostFixture::iso_in, 8);
  // Ends two microframes later, and has nothing to wait for until then.
  client.stream(HostFixture::iso_out, 17);
  client.stream(HostFixture::iso_out, 1);
  client.until([&] { return client.of(HostFixture::iso_in).size() == 1; });
  const auto began = client.now;
  // The device takes longer for it than both.
  client.fixture.device.misbehave({.fault = test::Fault::nak, .times = 200});
  const auto id = client.control(0x80, 6, 0x0100, 18);
  client.until([&] { return client.has_ended(id); });
  CHECK(client.now - began >= grace);
  CHECK(client.now - began < grace + 20ms);
  CHECK(client.session->counters().given_up == 2);
}
