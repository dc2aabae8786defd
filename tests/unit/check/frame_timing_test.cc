// isochio: each entry in its (micro)frame.
#include "check_fixture.h"

using namespace isochio;
using namespace isochio::test;

namespace {

/// Eight entries of 100 bytes, one a microframe; `before` runs in each microframe after the SOF and says whether the
/// ordinary transaction follows.
void run_in(CheckFixture& f, const std::function<bool(std::size_t)>& ordinary) {
  f.submit(8, 100);
  for (std::size_t i = 0; i < 8; ++i) {
    f.bus.sof(f.due(i));
    if (!ordinary(i)) continue;
    f.in(Pid::data0, Bytes(100, 7));
    f.entry(i, Status::ok, 100);
  }
}

}  // namespace

TEST_CASE("entries that move in their microframes violate nothing") {
  CheckFixture f(iso(0x81, 1024));
  run_in(f, [](std::size_t) { return true; });
  f.complete();
  CHECK(f.sink.rules() == "");
  const auto s = f.suite.streams();
  REQUIRE(s.size() == 1);
  CHECK(s[0].entries == 8);
  CHECK(s[0].bytes == 800);
  CHECK(s[0].latency.max() == 5 * bus::microsecond);
}

TEST_CASE("an entry that moves a microframe later is late and names request, entry and both microframes") {
  CheckFixture f(iso(0x81, 1024));
  run_in(f, [&](std::size_t i) {
    if (i == 6) return false;
    if (i != 7) return true;
    f.in(Pid::data0, Bytes(100, 7));
    f.entry(6, Status::ok, 100);
    return false;
  });
  f.bus.sof({f.due(7).value + 1});
  f.in(Pid::data0, Bytes(100, 7));
  f.entry(7, Status::ok, 100);
  f.complete();
  REQUIRE(f.sink.rules() == "late late");
  const auto& v = f.sink.all[0];
  CHECK(v.request == 1);
  CHECK(v.entry == 6);
  CHECK(v.endpoint.value == 0x81);
  CHECK(v.at == usb::FrameTime::of(5001, 6));
  CHECK(v.expected == "a transaction in 5001.6");
  CHECK(v.seen == "moved in 5001.7");
  CHECK(f.suite.streams()[0].late == 2);
}

TEST_CASE("an entry that moves a microframe before its own is early") {
  CheckFixture f(iso(0x81, 1024));
  f.submit(1, 100);
  f.bus.sof({f.due(0).value - 1});
  f.in(Pid::data0, Bytes(100, 7));
  f.bus.sof(f.due(0));
  f.entry(0, Status::ok, 100);
  f.complete();
  CHECK(f.sink.rules() == "early");
}

TEST_CASE("an entry for which nothing passed on the wire is missed, whatever its status says") {
  CheckFixture f(iso(0x81, 1024));
  run_in(f, [&](std::size_t i) {
    if (i == 3) f.entry(3, Status::ok, 100);
    if (i == 4) f.entry(4, Status::missed, 0);
    return i != 3 && i != 4;
  });
  f.complete(Status::missed);
  CHECK(f.sink.rules() == "missed missed");
}

TEST_CASE("missed entries are only counted where the scenario allows them") {
  CheckFixture f(iso(0x81, 1024));
  check::StreamOptions stream;
  stream.endpoint = {0x81};
  stream.allow_missed = true;
  f.suite.watch(stream);
  run_in(f, [&](std::size_t i) {
    if (i == 4) f.entry(4, Status::missed, 0);
    return i != 4;
  });
  f.complete(Status::missed);
  CHECK(f.sink.rules() == "");
  CHECK(f.suite.streams()[0].missed == 1);
}

TEST_CASE("a transaction that no entry asked for is a duplicate") {
  CheckFixture f(iso(0x81, 1024));
  run_in(f, [](std::size_t) { return true; });
  f.bus.sof({f.due(7).value + 1});
  f.in(Pid::data0, Bytes(100, 7));
  f.complete();
  CHECK(f.sink.rules() == "duplicate");
}

TEST_CASE("an endpoint with an interval of 4 that moves within its interval is late") {
  CheckFixture f(iso(0x81, 1024, 1, 4));
  f.submit(4, 100);
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::uint64_t m = 0; m < 4; ++m) {
      f.bus.sof({f.due(i).value + m});
      if (m == (i == 2 ? 3U : 1U)) f.in(Pid::data0, Bytes(100, 7));
    }
    f.entry(i, Status::ok, 100);
  }
  f.complete();
  // Late once, and back early.
  CHECK(f.sink.rules() == "late early");
}

TEST_CASE("an endpoint that is always in another place of its interval than the schedule says is late each time") {
  usb::EndpointConfig config = iso(0x81, 1024, 1, 4);
  std::string rules;
  SUBCASE("where it belongs") { config.phase = 1; }
  SUBCASE("late") {
    config.phase = 0;
    rules = "late late";
  }
  SUBCASE("early") {
    config.phase = 2;
    rules = "early early";
  }
  CheckFixture f(config);
  f.submit(2, 100);
  for (std::size_t i = 0; i < 2; ++i) {
    for (std::uint64_t m = 0; m < 4; ++m) {
      f.bus.sof({f.due(i).value + m});
      if (m == 1) f.in(Pid::data0, Bytes(100, 7));
    }
    f.entry(i, Status::ok, 100);
  }
  f.complete();
  CHECK(f.sink.rules() == rules);
}

TEST_CASE("a stamp elsewhere in the interval is mistimed where the schedule is known") {
  usb::EndpointConfig config = iso(0x01, 1024, 1, 4);
  SUBCASE("known") { config.phase = 1; }
  SUBCASE("unknown") {}
  CheckFixture f(config);
  check::StreamOptions stream;
  stream.endpoint = {0x01};
  stream.pattern = check::Pattern::prbs;
  f.suite.watch(stream);
  f.submit(1, 100);
  for (std::uint64_t m = 0; m < 4; ++m) {
    f.bus.sof({f.due(0).value + m});
    if (m == 1) f.out(Pid::data0, f.pattern(0, f.due(0), 100));
  }
  f.entry(0, Status::ok, 100);
  f.complete();
  std::vector<std::uint32_t> registers(21, 0);
  registers[8] = 1;
  registers[9] = 100;
  registers[15] = 1;
  f.suite.device_counters({0x01}, registers);
  CHECK(f.sink.rules() == (config.phase ? "payload_mistimed payload_mistimed" : ""));
}

TEST_CASE("packets and bytes that moved are counted whatever is in them") {
  CheckFixture f(iso(0x81, 1024));
  run_in(f, [](std::size_t) { return true; });
  f.complete();
  CHECK(f.suite.streams()[0].payload.packets == 8);
  CHECK(f.suite.streams()[0].payload.bytes == 800);
  CHECK(f.suite.streams()[0].payload.zero_length == 0);
}

TEST_CASE("at full speed each entry has a frame") {
  CheckFixture f(iso(0x01, 1023), usb::Speed::full);
  f.submit(3, 192);
  for (std::size_t i = 0; i < 3; ++i) {
    f.bus.sof(f.due(i));
    f.out(Pid::data0, Bytes(192, 1));
    f.entry(i, Status::ok, 192);
  }
  f.complete();
  CHECK(f.sink.rules() == "");
  CHECK(f.suite.sof().min == bus::frame);
}

TEST_CASE("frame numbers go on in 64 bits when the wire's wrap") {
  CheckFixture f(iso(0x81, 1024), usb::Speed::full);
  f.request.id = 1;
  f.request.endpoint = {0x81};
  f.request.first_frame = 6143;  // 2047 on the wire; 6144 is 0
  f.request.entries.assign(4, {10, 0, Status::pending, {}});
  f.data.assign(40, 0);
  f.request.data = f.data;
  f.suite.on_submit(f.request, f.bus.now());
  f.bus.sof(usb::FrameTime::of(5990));
  for (std::uint64_t frame = 5991; frame < 6147; ++frame) {
    f.bus.sof(usb::FrameTime::of(frame));
    if (frame < 6143) continue;
    f.in(Pid::data0, Bytes(10, 1));
    f.entry(frame - 6143, Status::ok, 10);
  }
  f.complete();
  CHECK(f.sink.rules() == "");
}

TEST_CASE("a device stamp that is not the wire's microframe is mistimed") {
  CheckFixture f(iso(0x81, 1024));
  check::StreamOptions stream;
  stream.endpoint = {0x81};
  stream.pattern = check::Pattern::prbs;
  f.suite.watch(stream);
  f.submit(8, 100);
  for (std::uint32_t i = 0; i < 8; ++i) {
    f.bus.sof(f.due(i));
    const usb::FrameTime stamp{f.due(i).value + (i == 5 ? 1U : 0U)};
    const Bytes b = f.pattern(i, stamp, 100);
    f.in(Pid::data0, b);
    f.give(i, b);
    f.entry(i, Status::ok, 100);
  }
  f.complete();
  // Once against the wire, once against the list.
  CHECK(f.sink.rules() == "payload_mistimed payload_mistimed");
  CHECK(f.sink.all[0].entry == 5);
  CHECK(f.suite.streams()[0].payload.mistimed == 1);
  CHECK(f.suite.streams()[0].payload.lost == 0);
}
