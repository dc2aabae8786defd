// Control, bulk and interrupt transfers over the scripted device.
#include <doctest/doctest.h>

#include "support/host_fixture.h"

using namespace isochio;
using namespace isochio::test;
using controller::BulkRequest;
using controller::ControlRequest;
using controller::ControlSetup;
using controller::Status;
using usb::Pid;

namespace {

constexpr auto bulk_in = HostFixture::bulk_in, bulk_out = HostFixture::bulk_out,
               interrupt_in = HostFixture::interrupt_in;
constexpr usb::EndpointAddress control_endpoint{0};

Bytes counting(std::size_t n, unsigned first = 0) {
  Bytes bytes(n);
  for (std::size_t i = 0; i < n; ++i) bytes[i] = static_cast<std::uint8_t>(first + i * 11);
  return bytes;
}

/// Submits and waits; returns the status.
Status run(HostFixture& f, usb::EndpointAddress endpoint, std::span<std::uint8_t> data, std::size_t* complete = nullptr,
           bus::Duration timeout = bus::second) {
  BulkRequest request{.endpoint = endpoint, .data = data, .timeout = timeout};
  bool done = false;
  request.on_complete = [&](BulkRequest&) { done = true; };
  const auto accepted = f.host.submit(request);
  if (!accepted) return accepted.error();
  REQUIRE(f.host.run_until(f.host.now() + 5 * bus::second, [&] { return done; }));
  if (complete != nullptr) *complete = request.complete;
  return request.status;
}

std::vector<Pid> host_tokens(const HostFixture& f, std::uint8_t endpoint) {
  std::vector<Pid> pids;
  for (const auto& packet : f.log.packets) {
    const auto token = usb::parse(packet.bytes);
    if (packet.from_host && token && usb::kind(token->pid) == usb::PidKind::token && token->endpoint == endpoint) {
      pids.push_back(token->pid);
    }
  }
  return pids;
}

}  // namespace

TEST_CASE("bulk data comes back through the loop, packet by packet, toggles in step") {
  for (const bool high : {true, false}) {
    CAPTURE(high);
    HostFixture f(high);
    f.configure(0);
    for (const std::size_t size :
         {std::size_t{1}, std::size_t{64}, std::size_t{512}, std::size_t{1000}, std::size_t{5000}}) {
      CAPTURE(size);
      Bytes sent = counting(size, unsigned(size)), back(size);
      std::size_t complete = 0;
      CHECK(run(f, bulk_out, sent) == Status::ok);
      CHECK(run(f, bulk_in, back, &complete) == Status::ok);
      CHECK(complete == size);
      CHECK(back == sent);
    }
  }
}

TEST_CASE("a short packet ends a bulk request, a longer one than was asked for is an overrun and halts") {
  HostFixture f;
  f.configure(0);
  Bytes sent = counting(100), back(2000);
  std::size_t complete = 0;
  CHECK(run(f, bulk_out, sent) == Status::ok);
  CHECK(run(f, bulk_in, back, &complete) == Status::ok);
  CHECK(complete == 100);
  CHECK(run(f, bulk_out, sent) == Status::ok);
  CHECK(run(f, bulk_in, std::span(back).first(50)) == Status::overrun);
  CHECK(run(f, bulk_in, back) == Status::stall);
}

TEST_CASE("a zero-length bulk OUT is one empty packet") {
  HostFixture f;
  f.configure(0);
  Bytes back(10);
  std::size_t complete = 99;
  CHECK(run(f, bulk_out, {}) == Status::ok);
  CHECK(run(f, bulk_in, back, &complete) == Status::ok);
  CHECK(complete == 0);
}

TEST_CASE("a device that says NAK is asked again, with a pause, until the timeout") {
  HostFixture f;
  f.configure(0);
  Bytes data(10);
  f.log.packets.clear();
  CHECK(run(f, bulk_in, data, nullptr, 5 * bus::millisecond) == Status::timeout);
  const auto asked = host_tokens(f, 2).size();
  CHECK(asked > 300);  // 10 us of pause and a little over 1 us of bus
  CHECK(asked < 500);
  // A timeout is no halt.
  CHECK(run(f, bulk_out, data) == Status::ok);
  CHECK(run(f, bulk_in, data) == Status::ok);
}

TEST_CASE("high speed: after NAK or NYET to OUT the host pings until there is room") {
  HostFixture f;
  f.configure(0);
  Bytes data = counting(1536), back(1536);
  f.device.misbehave({.fault = Fault::nyet, .endpoint = bulk_out, .times = 1});  // first packet taken, no room
  f.device.misbehave(
      {.fault = Fault::nak, .endpoint = bulk_out, .after = 0, .times = 2});  // and none yet at the second ping
  f.log.packets.clear();
  CHECK(run(f, bulk_out, data) == Status::ok);
  using enum Pid;
  // OUT NAK, PING NAK, PING ACK, OUT NYET, PING ACK, OUT, OUT
  CHECK(host_tokens(f, 2) == std::vector{out, ping, ping, out, ping, out, out});
  CHECK(run(f, bulk_in, back) == Status::ok);
  CHECK(back == data);
}

TEST_CASE("full speed: NAK to OUT repeats the packet, there is no PING") {
  HostFixture f(false);
  f.configure(0);
  Bytes data = counting(100), back(100);
  f.device.misbehave({.fault = Fault::nak, .endpoint = bulk_out, .after = 1, .times = 2});
  CHECK(run(f, bulk_out, data) == Status::ok);
  CHECK(f.device.pings() == 0);
  CHECK(f.device.transactions(bulk_out) == 4);
  CHECK(run(f, bulk_in, back) == Status::ok);
  CHECK(back == data);
}

TEST_CASE("up to two errors in a row are repaired, nothing is lost or doubled") {
  for (const bool high : {true, false}) {
    for (const Fault fault :
         {Fault::no_answer, Fault::lost_answer, Fault::bad_crc, Fault::rx_error, Fault::wrong_pid}) {
      for (const auto endpoint : {bulk_out, bulk_in}) {
        CAPTURE(high);
        CAPTURE(int(fault));
        CAPTURE(endpoint.value);
        HostFixture f(high);
        f.configure(0);
        f.device.misbehave({.fault = fault, .endpoint = endpoint, .after = 1, .times = 2, .argument = 0x00});
        Bytes data = counting(3000), back(3000);
        CHECK(run(f, bulk_out, data) == Status::ok);
        CHECK(run(f, bulk_in, back) == Status::ok);
        CHECK(back == data);
      }
    }
  }
}

TEST_CASE("three errors in a row end the request with the last one and halt the endpoint") {
  struct Case {
    Fault fault;
    Status status;
  };
  for (const Case c : {Case{Fault::no_answer, Status::no_response}, Case{Fault::bad_crc, Status::crc_error},
                       Case{Fault::rx_error, Status::bit_stuff}, Case{Fault::wrong_pid, Status::pid_error}}) {
    HostFixture f;
    f.configure(0);
    Bytes data = counting(512);
    CHECK(run(f, bulk_out, data) == Status::ok);
    f.device.misbehave({.fault = c.fault, .endpoint = bulk_in, .times = 3});
    CHECK(run(f, bulk_in, data) == c.status);
    CHECK(f.device.transactions(bulk_in) == 3);
    CHECK(f.host.counters().retries == 2);
    CHECK(run(f, bulk_in, data) == Status::stall);
    CHECK(f.host.clear_halt(bulk_in, true).has_value());
    CHECK(run(f, bulk_in, data) == Status::ok);
    CHECK(data == counting(512));
  }
}

TEST_CASE("an ACK that the device did not hear makes it repeat, and the host drops the copy") {
  HostFixture f;
  f.configure(0);
  Bytes first = counting(512), second = counting(512, 77), back(512);
  CHECK(run(f, bulk_out, first) == Status::ok);
  CHECK(run(f, bulk_out, second) == Status::ok);
  CHECK(run(f, bulk_in, back) == Status::ok);
  // The same packet again under its old toggle, as if the ACK had been lost: it must not end the next request.
  f.device.misbehave({.fault = Fault::wrong_pid, .endpoint = bulk_in, .times = 1, .argument = 0xc3});
  CHECK(run(f, bulk_in, back, nullptr, 3 * bus::millisecond) == Status::timeout);
}

TEST_CASE("STALL halts: the request and all that follow until clear_halt, which resets the toggle") {
  HostFixture f;
  f.configure(0);
  Bytes data = counting(10), back(10);
  CHECK(run(f, bulk_out, data) == Status::ok);
  f.device.halt(bulk_out);
  CHECK(run(f, bulk_out, data) == Status::stall);
  CHECK(run(f, bulk_out, data) == Status::stall);
  CHECK(f.host.clear_halt(bulk_out, true).has_value());
  CHECK(run(f, bulk_out, data) == Status::ok);
  CHECK(run(f, bulk_in, back) == Status::ok);
  CHECK(run(f, bulk_in, back) == Status::ok);
  CHECK(back == data);
  CHECK(f.host.clear_halt(HostFixture::iso_in, true).error() == Status::not_open);
}

TEST_CASE("what waits behind a halt stays until clear_halt aborts it") {
  HostFixture f;
  f.configure(0);
  Bytes data(10);
  std::vector<std::pair<int, Status>> ends;
  BulkRequest a{.endpoint = bulk_out, .data = data}, b{.endpoint = bulk_out, .data = data};
  a.on_complete = [&](BulkRequest& r) { ends.emplace_back(1, r.status); };
  b.on_complete = [&](BulkRequest& r) { ends.emplace_back(2, r.status); };
  f.device.halt(bulk_out);
  REQUIRE(f.host.submit(a).has_value());
  REQUIRE(f.host.submit(b).has_value());
  f.run_frames(3);
  CHECK(ends == std::vector<std::pair<int, Status>>{{1, Status::stall}});
  CHECK(f.host.clear_halt(bulk_out, false).has_value());
  f.run_frames(1);
  CHECK(ends == std::vector<std::pair<int, Status>>{{1, Status::stall}, {2, Status::aborted}});
}

TEST_CASE("abort ends bulk requests in order and refuses new ones meanwhile") {
  HostFixture f;
  f.configure(0);
  Bytes data(10);
  std::vector<std::uint64_t> ids;
  std::vector<BulkRequest> requests(3);
  for (auto& r : requests) {
    r.endpoint = bulk_in;
    r.data = data;
    r.on_complete = [&](BulkRequest& done) {
      CHECK(done.status == Status::aborted);
      ids.push_back(done.id);
    };
    REQUIRE(f.host.submit(r).has_value());
  }
  f.run_frames(1);
  f.host.abort(bulk_in);
  CHECK(run(f, bulk_in, data) == Status::not_permitted);
  f.run_frames(1);
  CHECK(ids == std::vector<std::uint64_t>{1, 2, 3});
}

TEST_CASE("an interrupt endpoint is polled once in each of its intervals") {
  for (const bool high : {true, false}) {
    CAPTURE(high);
    HostFixture f(high);
    f.configure(0);
    int n = 0;
    f.device.set_source(interrupt_in, [&](std::uint16_t) {
      return ++n < 6 ? ScriptedDevice::Packets{} : ScriptedDevice::Packets{counting(7)};
    });
    Bytes data(16);
    std::size_t complete = 0;
    f.log.packets.clear();
    CHECK(run(f, interrupt_in, data, &complete, {}) == Status::ok);
    CHECK(complete == 7);
    std::vector<std::int64_t> polls;
    for (const auto& packet : f.log.packets) {
      if (packet.pid() == Pid::in) polls.push_back(packet.start.bits / (high ? 60'000 : 480'000));
    }
    REQUIRE(polls.size() == 6);
    for (std::size_t i = 1; i < 6; ++i) CHECK(polls[i] - polls[i - 1] == (high ? 8 : 4));
    CHECK(run(f, interrupt_in, data, nullptr, bus::second) == Status::bad_argument);
  }
}

TEST_CASE("control: descriptors of all lengths, shorter than asked for, whole packets with a zero-length end") {
  for (const bool high : {true, false}) {
    CAPTURE(high);
    HostFixture f(high);
    f.configure(0);
    const auto whole = high ? test_device().configuration_high : test_device().configuration_full;
    for (const std::size_t length :
         {std::size_t{1}, std::size_t{63}, std::size_t{64}, std::size_t{65}, std::size_t{128}, std::size_t{1000}}) {
      CAPTURE(length);
      Bytes bytes(length);
      const auto got = f.host.control({0x80, 6, 0x0200, 0, std::uint16_t(length)}, bytes, bus::second);
      REQUIRE(got.has_value());
      CHECK(*got == std::min(length, whole.size()));
      CHECK(std::equal(bytes.begin(), bytes.begin() + long(*got), whole.begin()));
    }
  }
}

TEST_CASE("control: data of 64 bytes for a longer request ends with an empty packet") {
  HostFixture f;
  f.configure(0);
  f.device.set_request_handler([](const auto&, auto) { return counting(64); });
  Bytes bytes(100);
  CHECK(f.host.control({0xc0, 1, 0, 0, 100}, bytes, bus::second) == tl::expected<std::size_t, Status>(64));
}

TEST_CASE("control: data goes out, is answered and can be refused") {
  HostFixture f;
  f.configure(0);
  Bytes heard;
  bool accept = true;
  f.device.set_request_handler([&](const auto& setup, std::span<const std::uint8_t> data) -> std::optional<Bytes> {
    CHECK(setup.value == 0x1234);
    CHECK(setup.index == 0xabcd);
    if (!data.empty()) heard.assign(data.begin(), data.end());
    return accept ? std::optional<Bytes>(Bytes{}) : std::nullopt;
  });
  Bytes data = counting(200);
  CHECK(f.host.control({0x40, 9, 0x1234, 0xabcd, 200}, data, bus::second) == tl::expected<std::size_t, Status>(200));
  CHECK(heard == data);
  CHECK(f.host.control({0x40, 9, 0x1234, 0xabcd, 0}, {}, bus::second) == tl::expected<std::size_t, Status>(0));
  accept = false;
  CHECK(f.host.control({0x40, 9, 0x1234, 0xabcd, 200}, data, bus::second).error() == Status::stall);
  CHECK(f.host.control({0x40, 9, 0x1234, 0xabcd, 0}, {}, bus::second).error() == Status::stall);
  // The control endpoint recovers by itself with the next SETUP.
  CHECK(f.host.control({0x80, 8, 0, 0, 1}, data, bus::second).has_value());
  CHECK(f.host.control({0x80, 6, 0x0200, 0, 300}, data, bus::second).error() == Status::bad_argument);
}

TEST_CASE("control: two errors are repaired, three are not, NAK waits for the timeout") {
  for (const Fault fault : {Fault::no_answer, Fault::lost_answer, Fault::bad_crc, Fault::rx_error}) {
    for (const std::uint64_t after : {0, 1, 2, 3}) {
      CAPTURE(int(fault));
      CAPTURE(after);
      HostFixture f;
      f.configure(0);
      f.device.misbehave({.fault = fault, .endpoint = control_endpoint, .after = after, .times = 2});
      Bytes bytes(100);
      const auto got = f.host.control({0x80, 6, 0x0200, 0, 100}, bytes, bus::second);
      REQUIRE(got.has_value());
      CHECK(bytes[0] == 9);
      CHECK(bytes[1] == 2);
    }
  }
  HostFixture f;
  f.configure(0);
  f.device.misbehave({.fault = Fault::no_answer, .endpoint = control_endpoint, .times = 3});
  Bytes bytes(100);
  CHECK(f.host.control({0x80, 6, 0x0200, 0, 100}, bytes, bus::second).error() == Status::no_response);
  f.device.misbehave({.fault = Fault::nak, .endpoint = control_endpoint, .times = ~0ULL});
  const auto begin = f.host.now();
  CHECK(f.host.control({0x80, 6, 0x0200, 0, 100}, bytes, 50 * bus::millisecond).error() == Status::timeout);
  CHECK(f.host.now() - begin >= 50 * bus::millisecond);
  CHECK(f.host.now() - begin < 51 * bus::millisecond);
}

TEST_CASE("control transfers that begin inside one another run one after the other") {
  HostFixture f;
  f.configure(0);
  f.device.misbehave({.fault = Fault::nak, .endpoint = control_endpoint, .after = 0, .times = 100});
  Bytes outer(18), inner(18);
  std::vector<int> order;
  f.host.call_at(f.host.now() + 50 * bus::microsecond, [&] {
    CHECK(f.host.control({0x80, 6, 0x0100, 0, 18}, inner, bus::second).has_value());
    order.push_back(2);
  });
  CHECK(f.host.control({0x80, 6, 0x0100, 0, 18}, outer, bus::second).has_value());
  order.push_back(1);
  CHECK(inner == outer);
  CHECK(order == std::vector<int>{2, 1});  // the inner call returns first; the transfers went in order of their begin
}

TEST_CASE("bulk requests to nowhere are refused") {
  HostFixture f;
  Bytes data(10);
  BulkRequest request{.endpoint = bulk_in, .data = data};
  CHECK(f.host.submit(request).error() == Status::no_device);
  f.configure(1);
  request.endpoint = usb::endpoint(9, usb::Direction::in);
  CHECK(f.host.submit(request).error() == Status::not_open);
  request.endpoint = HostFixture::iso_in;
  CHECK(f.host.submit(request).error() == Status::bad_argument);
}

TEST_CASE("a control request that does not block completes while the bus runs, and can be taken back") {
  HostFixture f;
  f.configure(0);
  Bytes data(18);
  int completed = 0;
  ControlRequest request;
  request.setup = {0x80, 6, 0x0100, 0, 18};
  request.data = data;
  request.on_complete = [&](ControlRequest&) { ++completed; };
  REQUIRE(f.host.submit(request));
  CHECK(request.status == Status::pending);
  f.host.run_until(f.host.now() + 10 * bus::millisecond, [&] { return completed != 0; });
  CHECK(request.status == Status::ok);
  CHECK(request.complete == 18);
  CHECK(data[0] == 18);
  CHECK_FALSE(f.host.abort_request(request));

  f.device.misbehave({Fault::nak, {0}, 0, 1'000'000});  // a device that never answers
  request.timeout = 3 * bus::millisecond;
  REQUIRE(f.host.submit(request));
  const auto begun = f.host.now();
  f.host.run_until(begun + 10 * bus::millisecond, [&] { return completed == 2; });
  CHECK(request.status == Status::timeout);
  CHECK(f.host.now() - begun >= request.timeout);
  request.timeout = {};
  REQUIRE(f.host.submit(request));
  f.host.run_until(f.host.now() + 2 * bus::millisecond);
  CHECK(f.host.abort_request(request));
  f.host.run_until(f.host.now() + bus::millisecond);
  CHECK(request.status == Status::aborted);
  CHECK(completed == 3);
}
