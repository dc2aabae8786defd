// Isochronous transactions and requests over the scripted device.
#include <doctest/doctest.h>

#include <algorithm>

#include "support/host_fixture.h"

using namespace isochio;
using namespace isochio::test;
using controller::Status;
using usb::Pid;
using Packets = ScriptedDevice::Packets;

namespace {

constexpr auto in = HostFixture::iso_in, out = HostFixture::iso_out;

Bytes counting(std::size_t n, unsigned first = 0) {
  Bytes bytes(n);
  for (std::size_t i = 0; i < n; ++i) bytes[i] = static_cast<std::uint8_t>(first + i * 7);
  return bytes;
}

/// One request, run to its completion.
void run(HostFixture& f, OwnedRequest& request) {
  const auto status = f.host.submit(request.request);
  REQUIRE_MESSAGE(status.has_value(), (status ? "" : to_string(status.error())));
  const auto before = f.client.completions.size();
  REQUIRE(f.host.run_until(f.host.now() + 3 * bus::second, [&] { return f.client.completions.size() > before; }));
}

std::vector<Status> statuses(const OwnedRequest& request) {
  std::vector<Status> all;
  for (const auto& entry : request.request.entries) all.push_back(entry.status);
  return all;
}

}  // namespace

TEST_CASE("isochronous IN: data lies back to back by what was asked for, short packets leave a hole") {
  HostFixture f;
  f.configure(1);
  unsigned n = 0;
  f.device.set_source(in, [&](std::uint16_t) {
    const std::size_t size = n % 3 == 1 ? 60 : 100;
    return Packets{Bytes(size, static_cast<std::uint8_t>(++n))};
  });
  OwnedRequest request(in, std::vector<std::uint32_t>(8, 100), &f.client);
  std::fill(request.buffer.begin(), request.buffer.end(), std::uint8_t{0xee});
  run(f, request);
  CHECK(f.client.completions[0].overall == Status::short_packet);
  for (unsigned i = 0; i < 8; ++i) {
    const bool is_short = i % 3 == 1;
    CHECK(request->entries[i].complete == (is_short ? 60 : 100));
    CHECK(request->entries[i].status == (is_short ? Status::short_packet : Status::ok));
    CHECK(request.buffer[i * 100] == i + 1);
    CHECK(request.buffer[i * 100 + 99] == (is_short ? 0xee : i + 1));
  }
}

TEST_CASE("each entry moves in the microframe of its place in the list, at the frame asked for") {
  for (const std::uint8_t alternate : {std::uint8_t{1}, std::uint8_t{3}, std::uint8_t{4}, std::uint8_t{5}}) {
    CAPTURE(alternate);
    HostFixture f;
    f.configure(alternate);
    const std::uint32_t interval = f.host.endpoints()[0].interval;
    std::vector<std::uint16_t> stamps;
    f.device.set_source(in, [&](std::uint16_t stamp) {
      stamps.push_back(stamp);
      return Packets{Bytes(8)};
    });
    const std::uint64_t first = (f.host.frame_number() + 11) / 4 * 4;
    OwnedRequest request(in, std::vector<std::uint32_t>(16, 8), &f.client, first);
    run(f, request);
    REQUIRE(stamps.size() == 16);
    CHECK(request->explicit_start);
    for (std::size_t i = 0; i < 16; ++i) {
      const std::uint64_t begin = first * 8 + i * interval;
      CHECK(stamps[i] >= begin % 16384);
      CHECK(stamps[i] < begin % 16384 + interval);
      CHECK(usb::FrameTime::of(0).value + std::uint64_t(request->entries[i].time.bits / 60'000) ==
            stamps[i] - (1000 * 8) % 16384);
    }
  }
}

TEST_CASE("full speed: an entry a frame, or every fourth, DATA0 and DATA1 alike") {
  HostFixture f(false);
  f.configure(4);  // bInterval 3: 4 frames
  std::vector<std::uint16_t> stamps;
  f.device.set_source(in, [&](std::uint16_t stamp) {
    stamps.push_back(stamp);
    return Packets{counting(192)};
  });
  f.device.misbehave({.fault = Fault::wrong_pid, .endpoint = in, .after = 1, .times = 1, .argument = 0x4b});  // DATA1
  OwnedRequest request(in, {192, 192, 192}, &f.client);
  run(f, request);
  CHECK(f.client.completions[0].overall == Status::ok);
  REQUIRE(stamps.size() == 3);
  CHECK(stamps[0] / 32 == request->first_frame * 8 % 16384 / 32);
  CHECK(stamps[1] - stamps[0] == 32);
  CHECK(stamps[2] - stamps[1] == 32);
  CHECK(std::equal(request.buffer.begin() + 192, request.buffer.begin() + 384, counting(192).begin()));
}

TEST_CASE("high-bandwidth IN: DATA2, DATA1, DATA0 are followed and packed into one entry") {
  HostFixture f;
  f.configure(2);
  const auto data = counting(3000);
  int n = 0;
  f.device.set_source(in, [&](std::uint16_t) -> Packets {
    const std::span all(data);
    const auto part = [&](std::size_t at, std::size_t size) {
      return Bytes(all.begin() + long(at), all.begin() + long(at + size));
    };
    switch (n++ % 4) {
      case 0:
        return {part(0, 1024), part(1024, 1024), part(2048, 952)};
      case 1:
        return {part(0, 1024), part(1024, 1)};
      case 2:
        return {part(0, 700)};
      default:
        return {Bytes{}};
    }
  });
  OwnedRequest request(in, std::vector<std::uint32_t>(8, 3000), &f.client);
  run(f, request);
  const std::uint32_t lengths[] = {3000, 1025, 700, 0};
  for (std::size_t i = 0; i < 8; ++i) {
    CHECK(request->entries[i].complete == lengths[i % 4]);
    CHECK(request->entries[i].status == (i % 4 == 0 ? Status::ok : Status::short_packet));
    CHECK(std::equal(data.begin(), data.begin() + lengths[i % 4], request.buffer.begin() + long(i) * 3000));
  }
  CHECK(f.device.transactions(in) == 2 * (3 + 2 + 1 + 1));
}

TEST_CASE("high-bandwidth OUT: MDATA, then DATA0, DATA1 or DATA2 by the number of packets") {
  HostFixture f;
  f.configure(2);  // 3 × 512
  std::vector<std::pair<Pid, std::size_t>> heard;
  Bytes all;
  f.device.set_sink(out, [&](std::uint16_t, Pid pid, std::span<const std::uint8_t> payload) {
    heard.emplace_back(pid, payload.size());
    all.insert(all.end(), payload.begin(), payload.end());
  });
  OwnedRequest request(out, {1536, 1025, 1024, 513, 512, 1, 0, 700}, &f.client);
  request.buffer = counting(request.buffer.size(), 3);
  request->data = request.buffer;
  run(f, request);
  const std::vector<std::pair<Pid, std::size_t>> expected{
      {Pid::mdata, 512}, {Pid::mdata, 512}, {Pid::data2, 512}, {Pid::mdata, 512}, {Pid::mdata, 512},
      {Pid::data2, 1},   {Pid::mdata, 512}, {Pid::data1, 512}, {Pid::mdata, 512}, {Pid::data1, 1},
      {Pid::data0, 512}, {Pid::data0, 1},   {Pid::data0, 0},   {Pid::mdata, 512}, {Pid::data1, 188}};
  CHECK(heard == expected);
  CHECK(all == request.buffer);
  CHECK(f.client.completions[0].overall == Status::ok);
  for (const auto& entry : request->entries) CHECK(entry.complete == entry.request);
}

TEST_CASE("what goes wrong with one entry is its status, and the stream goes on") {
  struct Case {
    Fault fault;
    std::uint32_t argument;
    Status status;
    std::uint32_t complete;
  };
  for (const Case c :
       {Case{Fault::no_answer, 0, Status::no_response, 0}, Case{Fault::late_answer, 0, Status::no_response, 0},
        Case{Fault::bad_crc, 0, Status::crc_error, 0}, Case{Fault::rx_error, 0, Status::bit_stuff, 0},
        Case{Fault::wrong_pid, 0xc2, Status::pid_error, 0},       // check nibble of DATA0 wrong
        Case{Fault::wrong_pid, 0xd2, Status::pid_error, 0},       // an ACK is no answer to IN
        Case{Fault::wrong_pid, 0x0f, Status::sequence_error, 0},  // MDATA is for OUT
        Case{Fault::wrong_pid, 0x4b, Status::sequence_error, 0},  // DATA1 on a 1 × 1024 endpoint
        Case{Fault::babble, 4, Status::overrun, 100}, Case{Fault::babble, 2000, Status::overrun, 100},
        Case{Fault::truncate, 30, Status::short_packet, 70}}) {
    CAPTURE(int(c.fault));
    CAPTURE(c.argument);
    HostFixture f;
    f.configure(1);
    f.device.set_source(in, [&](std::uint16_t) { return Packets{counting(100)}; });
    f.device.misbehave({.fault = c.fault, .endpoint = in, .after = 3, .times = 1, .argument = c.argument});
    OwnedRequest request(in, std::vector<std::uint32_t>(8, 100), &f.client);
    run(f, request);
    std::vector<Status> expected(8, Status::ok);
    expected[3] = c.status;
    CHECK(statuses(request) == expected);
    CHECK(request->entries[3].complete == c.complete);
    CHECK(f.client.completions[0].overall == c.status);
    CHECK(f.host.counters().late_sof == 0);
  }
}

TEST_CASE("a high-bandwidth sequence that does not count down is a sequence error, and the rest is not asked for") {
  HostFixture f;
  f.configure(2);
  f.device.set_source(in, [&](std::uint16_t) { return Packets{Bytes(1024), Bytes(1024), Bytes(10)}; });
  f.device.misbehave(
      {.fault = Fault::wrong_pid, .endpoint = in, .after = 1, .times = 1, .argument = 0xc3});  // DATA0 for DATA1
  OwnedRequest request(in, std::vector<std::uint32_t>(8, 3072), &f.client);
  run(f, request);
  CHECK(request->entries[0].status == Status::sequence_error);
  CHECK(request->entries[0].complete == 1024);
  CHECK(request->entries[1].status == Status::short_packet);
}

TEST_CASE("OUT needs no answer: a deaf device changes no status") {
  HostFixture f;
  f.configure(1);
  f.device.misbehave({.fault = Fault::no_answer, .endpoint = out, .times = 100});
  OwnedRequest request(out, std::vector<std::uint32_t>(8, 100), &f.client);
  run(f, request);
  CHECK(f.client.completions[0].overall == Status::ok);
}

TEST_CASE("babble over the end of a microframe delays one SOF and costs the entries whose time it took") {
  HostFixture f(false);
  f.configure(1);
  f.device.set_source(in, [&](std::uint16_t) { return Packets{counting(100)}; });
  f.device.misbehave({.fault = Fault::babble, .endpoint = in, .after = 2, .times = 1, .argument = 3000});
  OwnedRequest request(in, std::vector<std::uint32_t>(8, 100), &f.client);
  run(f, request);
  using enum Status;
  CHECK(statuses(request) == std::vector{ok, ok, overrun, missed, ok, ok, ok, ok});
  CHECK(f.host.counters().late_sof >= 1);
}

TEST_CASE(
    "entries are told in order before the completion, which waits for the end of the microframe and the latency") {
  HostFixture f;
  f.configure(1);
  OwnedRequest first(out, std::vector<std::uint32_t>(16, 100), &f.client),
      second(out, std::vector<std::uint32_t>(8, 100), &f.client);
  bool told_late = false;
  f.client.complete_action = [&](controller::IsochRequest& request, Status) {
    const std::pair last{request.id, request.entries.size() - 1};
    told_late = told_late || std::count(f.client.entries.begin(), f.client.entries.end(), last) != 1;
  };
  REQUIRE(f.host.submit(first.request).has_value());
  REQUIRE(f.host.submit(second.request).has_value());
  CHECK(first->id == 1);
  CHECK(second->id == 2);
  CHECK(second->first_frame == first->first_frame + 2);
  f.run_frames(6);
  REQUIRE(f.client.entries.size() == 24);
  CHECK(f.client.entries[0] == std::pair<std::uint64_t, std::size_t>{1, 0});
  CHECK(f.client.entries[23] == std::pair<std::uint64_t, std::size_t>{2, 7});
  REQUIRE(f.client.completions.size() == 2);
  CHECK_FALSE(told_late);
  const auto end_of_list = bus::BusTime{} + std::int64_t(first->first_frame + 2 - 1000) * bus::frame;
  CHECK(f.client.completions[0].at >= end_of_list + 5 * bus::microsecond);
  CHECK(f.client.completions[0].at < end_of_list + 25 * bus::microsecond);  // a transaction may be on the bus
  CHECK(f.client.completions[0].frame == first->first_frame + 2);
}

TEST_CASE("peeking: entries have their status when they end, long before the completion") {
  HostFixture f;
  f.configure(1);
  OwnedRequest request(out, std::vector<std::uint32_t>(80, 100), &f.client);
  REQUIRE(f.host.submit(request.request).has_value());
  const auto half = bus::BusTime{} + std::int64_t(request->first_frame + 5 - 1000) * bus::frame;
  f.host.run_until(half);
  CHECK(request->entries[39].status == Status::ok);
  CHECK(request->entries[41].status == Status::pending);
  CHECK(f.client.completions.empty());
}

TEST_CASE("a queue that is refilled in its completions never skips a frame") {
  HostFixture f;
  f.configure(1);
  std::vector<std::uint16_t> stamps;
  f.device.set_source(in, [&](std::uint16_t stamp) {
    stamps.push_back(stamp);
    return Packets{Bytes(4)};
  });
  std::vector<std::unique_ptr<OwnedRequest>> requests;
  for (int i = 0; i < 2; ++i) {
    requests.push_back(std::make_unique<OwnedRequest>(in, std::vector<std::uint32_t>(8, 4), &f.client));
    REQUIRE(f.host.submit(requests.back()->request).has_value());
  }
  f.client.complete_action = [&](controller::IsochRequest& request, Status) {
    request.first_frame = 0;
    CHECK(f.host.submit(request).has_value());
  };
  f.run_frames(50);
  REQUIRE(stamps.size() > 380);
  for (std::size_t i = 1; i < stamps.size(); ++i) REQUIRE(stamps[i] == (stamps[i - 1] + 1) % 16384);
}

TEST_CASE("a single request that is resubmitted in its completion loses a frame each time") {
  HostFixture f;
  f.configure(1);
  OwnedRequest request(in, std::vector<std::uint32_t>(8, 4), &f.client);
  std::vector<std::uint64_t> frames;
  f.client.complete_action = [&](controller::IsochRequest& r, Status) {
    frames.push_back(r.first_frame);
    r.first_frame = 0;
    CHECK(f.host.submit(r).has_value());
  };
  REQUIRE(f.host.submit(request.request).has_value());
  f.run_frames(20);
  REQUIRE(frames.size() > 5);
  for (std::size_t i = 1; i < frames.size(); ++i) CHECK(frames[i] == frames[i - 1] + 2);
}

TEST_CASE("explicit frames with a gap leave the bus silent in between") {
  HostFixture f;
  f.configure(1);
  std::vector<std::uint16_t> stamps;
  f.device.set_sink(out, [&](std::uint16_t stamp, Pid, std::span<const std::uint8_t>) { stamps.push_back(stamp); });
  const auto now = f.host.frame_number();
  OwnedRequest a(out, std::vector<std::uint32_t>(8, 4), &f.client, now + 3),
      b(out, std::vector<std::uint32_t>(8, 4), &f.client, now + 10);
  REQUIRE(f.host.submit(a.request).has_value());
  REQUIRE(f.host.submit(b.request).has_value());
  f.run_frames(13);
  REQUIRE(stamps.size() == 16);
  for (std::size_t i = 0; i < 8; ++i) {
    CHECK(stamps[i] == ((now + 3) * 8 + i) % 16384);
    CHECK(stamps[8 + i] == ((now + 10) * 8 + i) % 16384);
  }
}

TEST_CASE("past frames under the old rule are missed, the rest moves") {
  HostFixture f(true, {.accept_past_frames = true});
  f.configure(1);
  const auto now = f.host.frame_number();
  OwnedRequest request(out, std::vector<std::uint32_t>(32, 4), &f.client, now - 1);
  run(f, request);
  CHECK(f.client.completions[0].overall == Status::missed);
  std::size_t missed = 0;
  for (const auto& entry : request->entries) missed += entry.status == Status::missed;
  CHECK(missed >= 8);
  CHECK(missed <= 17);
  CHECK(request->entries[31].status == Status::ok);
  CHECK(request->entries[0].complete == 0);
}

TEST_CASE("abort ends every entry that has not moved, completes in order, and refuses requests until it is through") {
  HostFixture f;
  f.configure(1);
  OwnedRequest a(out, std::vector<std::uint32_t>(40, 4), &f.client),
      b(out, std::vector<std::uint32_t>(8, 4), &f.client);
  OwnedRequest c(out, std::vector<std::uint32_t>(8, 4), &f.client);
  REQUIRE(f.host.submit(a.request).has_value());
  REQUIRE(f.host.submit(b.request).has_value());
  f.host.run_until(bus::BusTime{} + std::int64_t(a->first_frame + 2 - 1000) * bus::frame);
  f.host.abort(out);
  CHECK(f.client.completions.empty());
  CHECK(f.host.submit(c.request).error() == Status::not_permitted);
  tl::expected<void, Status> from_callback;
  f.client.complete_action = [&](controller::IsochRequest& request, Status) {
    if (request.id == 1) from_callback = f.host.submit(c.request);
  };
  f.run_frames(5);
  REQUIRE(f.client.completions.size() == 3);
  CHECK(f.client.completions[0].overall == Status::aborted);
  CHECK(f.client.completions[1].overall == Status::aborted);
  CHECK(f.client.completions[2].overall == Status::ok);
  CHECK(from_callback.has_value());
  CHECK(a->entries[14].status == Status::ok);
  CHECK(a->entries[17].status == Status::aborted);
  CHECK(a->entries[17].complete == 0);
  CHECK(f.client.entries.size() == 56);
}

TEST_CASE("what ended before an alternate setting was chosen completes before anything on its new pipes") {
  HostFixture f(false);
  f.configure(1);
  OwnedRequest before(out, {4}, &f.client), after(out, {4}, &f.client);
  REQUIRE(f.host.submit(before.request).has_value());
  f.host.run_until(f.host.now() + bus::second, [&] { return before->entries[0].status == Status::ok; });
  CHECK(f.client.completions.empty());  // its frame is not over
  REQUIRE(f.host.set_interface(0, 1).has_value());
  REQUIRE(f.host.submit(after.request).has_value());
  f.host.abort(out);
  f.run_frames(5);
  REQUIRE(f.client.completions.size() == 2);
  CHECK(f.client.completions[0].overall == Status::ok);
  CHECK(f.client.completions[1].overall == Status::aborted);
}

TEST_CASE("requests that name no open isochronous endpoint are refused") {
  HostFixture f;
  OwnedRequest request(in, std::vector<std::uint32_t>(8, 4), &f.client);
  CHECK(f.host.submit(request.request).error() == Status::no_device);
  f.configure(0);
  CHECK(f.host.submit(request.request).error() == Status::not_open);
  OwnedRequest bulk(HostFixture::bulk_in, std::vector<std::uint32_t>(8, 4), &f.client);
  CHECK(f.host.submit(bulk.request).error() == Status::bad_argument);
  CHECK(f.client.completions.empty());
}

TEST_CASE("another alternate setting aborts what is in flight, also what its completions submit meanwhile is refused") {
  HostFixture f;
  f.configure(1);
  OwnedRequest request(in, std::vector<std::uint32_t>(800, 4), &f.client);
  REQUIRE(f.host.submit(request.request).has_value());
  f.run_frames(3);
  Status again = Status::ok;
  f.client.complete_action = [&](controller::IsochRequest& r, Status) {
    r.first_frame = 0;
    const auto done = f.host.submit(r);
    again = done ? Status::ok : done.error();
  };
  REQUIRE(f.host.set_interface(0, 2).has_value());
  REQUIRE(f.client.completions.size() == 1);
  CHECK(f.client.completions[0].overall == Status::aborted);
  CHECK(again == Status::not_open);
  CHECK(f.host.alternate(0) == 2);
  CHECK(f.device.alternate(0) == 2);
  CHECK(f.host.endpoints().size() == 5);
  REQUIRE(f.host.set_interface(0, 0).has_value());
  CHECK(f.host.submit(request.request).error() == Status::not_open);
}

TEST_CASE("an alternate setting that does not fit is refused before anything is touched") {
  auto options = test_device();
  options.configuration_high =
      configuration_bytes({{{}, {{0x81, usb::TransferType::isochronous, packet_field(1024, 3), 1}}},
                           {{},
                            {{0x83, usb::TransferType::isochronous, packet_field(1024, 2), 1}},
                            {{0x83, usb::TransferType::isochronous, 1024, 1}}}});
  HostFixture f(true, {}, std::move(options));
  f.configure(1);
  OwnedRequest request(in, std::vector<std::uint32_t>(80, 4), &f.client);
  REQUIRE(f.host.submit(request.request).has_value());
  CHECK(f.host.set_interface(1, 1).error() == Status::no_bandwidth);
  CHECK(f.device.alternate(1) == 0);
  CHECK(f.host.set_interface(1, 2).has_value());
  CHECK(f.host.set_interface(1, 1).error() == Status::no_bandwidth);
  CHECK(f.host.alternate(1) == 2);
  CHECK(f.host.set_interface(0, 9).error() == Status::bad_argument);
  f.run_frames(12);
  REQUIRE(f.client.completions.size() == 1);
  CHECK(f.client.completions[0].overall != Status::aborted);
}

TEST_CASE("a callback may wait: control transfers and further entries go on in a nested run") {
  HostFixture f;
  f.configure(1);
  f.device.set_source(in, [&](std::uint16_t) { return Packets{counting(100)}; });
  OwnedRequest request(in, std::vector<std::uint32_t>(24, 100), &f.client);
  Bytes text(255);
  std::vector<std::size_t> lengths;
  int depth = 0, deepest = 0;
  f.client.entry_action = [&](controller::IsochRequest&, std::size_t index) {
    if (index % 5 != 0) return;
    deepest = std::max(deepest, ++depth);
    const auto got = f.host.control({0x80, 6, 0x0301, 0x0409, 255}, text, bus::second);
    lengths.push_back(got ? *got : 0);
    f.host.run_until(f.host.now() + 130 * bus::microsecond);
    --depth;
  };
  run(f, request);
  f.run_frames(1);
  CHECK(f.client.completions[0].overall == Status::ok);
  CHECK(lengths == std::vector<std::size_t>(5, 16));
  CHECK(deepest >= 1);
  CHECK(f.client.entries.size() == 24);
  for (std::size_t i = 1; i < 24; ++i) CHECK(f.client.entries[i].second == i);
}

TEST_CASE("observers are told of submission, refusal, entries and completion") {
  struct Observer : controller::RequestObserver {
    std::vector<std::string> log;
    bus::Duration latency{};
    void on_submit(const controller::IsochRequest& r, bus::BusTime) override {
      log.push_back("submit " + std::to_string(r.id));
    }
    void on_refused(const controller::IsochRequest& r, Status s, bus::BusTime) override {
      log.push_back("refused " + std::to_string(r.id) + " " + to_string(s));
    }
    void on_entry(const controller::IsochRequest&, std::size_t i, bus::BusTime) override {
      log.push_back("entry " + std::to_string(i));
    }
    void on_complete(const controller::IsochRequest& r, Status s, bus::BusTime due, bus::BusTime now) override {
      log.push_back("complete " + std::to_string(r.id) + " " + to_string(s));
      latency = now - due;
    }
  } observer;
  HostFixture f(false);
  f.host.add_observer(&observer);
  f.configure(1);
  OwnedRequest good(out, {10, 10}, &f.client), late(out, {10}, &f.client, 5);
  REQUIRE(f.host.submit(good.request).has_value());
  CHECK_FALSE(f.host.submit(late.request).has_value());
  f.run_frames(5);
  const std::vector<std::string> expected{"submit 1", "refused 0 bad argument", "entry 0", "entry 1", "complete 1 ok"};
  CHECK(observer.log == expected);
  CHECK(observer.latency == 5 * bus::microsecond);
}

TEST_CASE("the same calls give the same wire, bit for bit") {
  const auto record = [] {
    HostFixture f;
    f.configure(2);
    f.device.set_source(in, [&](std::uint16_t stamp) { return Packets{Bytes(1024, std::uint8_t(stamp)), Bytes(500)}; });
    f.device.misbehave({.fault = Fault::bad_crc, .endpoint = in, .after = 5, .times = 2});
    OwnedRequest request(in, std::vector<std::uint32_t>(64, 3000), &f.client);
    run(f, request);
    std::vector<std::tuple<std::int64_t, std::int64_t, Bytes>> wire;
    for (const auto& p : f.log.packets) wire.emplace_back(p.start.bits, p.end.bits, p.bytes);
    return wire;
  };
  CHECK(record() == record());
}
