// isochio: packet times against the limits.
#include "check_fixture.h"

using namespace isochio;
using namespace isochio::test;

namespace {

usb::FrameTime micro(std::uint64_t n) { return {CheckFixture::first_frame * 8 + n}; }

}  // namespace

TEST_CASE("SOFs on time violate nothing and give exact statistics") {
  CheckFixture f(iso(0x81, 1024));
  for (std::uint64_t n = 0; n < 20; ++n) f.bus.sof(micro(n));
  CHECK(f.sink.rules() == "");
  CHECK(f.suite.sof().count == 20);
  CHECK(f.suite.sof().intervals == 19);
  CHECK(f.suite.sof().min == bus::microframe);
  CHECK(f.suite.sof().jitter.bits == 0);
}

TEST_CASE("a high-speed SOF more than 62.5 ns off is out of tolerance") {
  CheckFixture f(iso(0x81, 1024));
  for (std::uint64_t n = 0; n < 8; ++n) f.bus.sof(micro(n), {n == 7 ? 31 : 0});
  CHECK(f.sink.rules() == "sof_interval");
}

TEST_CASE("SOF intervals that differ by more than 4 bit times jitter too much") {
  CheckFixture f(iso(0x81, 1024));
  for (std::uint64_t n = 0; n < 8; ++n) f.bus.sof(micro(n), {n == 7 ? 5 : 0});
  CHECK(f.sink.rules() == "sof_interval");
  CHECK(f.suite.sof().jitter.bits == 5);
}

TEST_CASE("a full-speed SOF 500 ns off is in tolerance, but jitters") {
  CheckFixture f(iso(0x81, 1023), usb::Speed::full);
  for (std::uint64_t n = 0; n < 5; ++n) f.bus.sof(micro(n * 8), {n == 4 ? 240 : 0});
  CHECK(f.sink.rules() == "sof_interval");
  CHECK(f.suite.sof().max.bits == 480'240);
}

TEST_CASE("an SOF that is left out is seen") {
  CheckFixture f(iso(0x81, 1024));
  for (std::uint64_t n = 0; n < 20; ++n)
    if (n != 13) f.bus.sof(micro(n));
  CHECK(f.sink.rules() == "sof_interval");
}

TEST_CASE("an SOF with a wrong number is seen") {
  CheckFixture f(iso(0x81, 1024));
  for (std::uint64_t n = 0; n < 20; ++n) {
    const auto number = static_cast<std::uint16_t>(micro(n).frame() & 0x7ffU);
    f.bus.sof_number(micro(n), n == 13 ? static_cast<std::uint16_t>(number + 1) : number);
  }
  REQUIRE(f.sink.rules() == "sof_number");
  CHECK(f.sink.all[0].at == micro(13));
}

TEST_CASE("a device that answers after 192 bit times is too slow, and before 8 too fast") {
  CheckFixture f(bulk(0x81));
  for (const std::int64_t response : {192, 193, 7, 8}) {
    f.bus.sof(micro(static_cast<std::uint64_t>(response)));
    f.bus.token(Pid::in, 1);
    f.bus.device_data(Pid::data0, Bytes(10, 1), response);
  }
  CHECK(f.sink.count(Rule::response_time) == 2);
}

TEST_CASE("a full-speed device has 6.5 bit times, or what the options say") {
  for (const std::int64_t limit : {260, 300}) {
    check::SuiteOptions options;
    options.fs_response_limit = {limit};
    CheckFixture f(iso(0x81, 1023), usb::Speed::full, options);
    f.bus.sof(micro(0));
    f.bus.token(Pid::in, 1);
    f.bus.device_data(Pid::data0, Bytes(10, 1), 7);
    CHECK(f.sink.count(Rule::response_time) == (limit == 260 ? 1 : 0));
  }
}

TEST_CASE("host packets closer than 88 bit times are too close") {
  CheckFixture f(iso(0x01, 1024));
  f.bus.sof(micro(0));
  f.bus.token(Pid::out, 1);
  f.bus.idle({87});
  f.bus.put(BusScript::data_bytes(Pid::data0, Bytes(4, 0)), true);
  CHECK(f.sink.rules() == "inter_packet_gap");
}

TEST_CASE("host packets of one transaction may not keep the device waiting, others may") {
  for (const std::int64_t gap : {192, 193}) {
    CheckFixture f(iso(0x01, 1024));
    f.bus.sof(micro(0));
    f.bus.idle({5'000});
    f.bus.token(Pid::out, 1);
    f.bus.idle({gap});
    f.bus.put(BusScript::data_bytes(Pid::data0, Bytes(4, 0)), true);
    CHECK(f.sink.rules() == (gap > 192 ? "inter_packet_gap" : ""));
  }
  for (const std::int64_t gap : {300, 301}) {  // 7.5 bit times
    CheckFixture f(bulk(0x81), usb::Speed::full);
    f.bus.sof(usb::FrameTime::of(f.first_frame + 1));
    f.bus.token(Pid::in, 1);
    f.bus.device_data(Pid::data0, Bytes(4, 0));
    f.bus.idle({gap});
    f.bus.put({usb::pid_byte(Pid::ack)}, true);
    CHECK(f.sink.rules() == (gap > 300 ? "inter_packet_gap" : ""));
  }
}

TEST_CASE("at full speed the bus is idle for the last 41 bit times of a frame") {
  for (const std::int64_t left : {41, 40}) {
    CheckFixture f(iso(0x01, 1023), usb::Speed::full);
    f.bus.sof(usb::FrameTime::of(f.first_frame + 1));
    // Token 34 bits with 3 before it, data 17 bytes with SYNC and EOP 146 bits with 3 before them.
    f.bus.idle((12'000 - 34 - 37 - 149 - left) * bus::fs_bit);
    f.out(Pid::data0, Bytes(14, 0));
    f.bus.sof(usb::FrameTime::of(f.first_frame + 2));
    CHECK(f.sink.rules() == (left < 41 ? "end_of_frame" : ""));
  }
}

TEST_CASE("a transaction that runs into the end-of-frame guard is seen") {
  CheckFixture f(iso(0x01, 1024));
  f.bus.sof(micro(0));
  f.bus.idle({60'000 - 3'000});
  f.out(Pid::data0, Bytes(300, 0));  // ends less than 560 bit times before the next SOF
  f.bus.sof(micro(1));
  CHECK(f.sink.rules() == "end_of_frame");
}

TEST_CASE("a token whose answer the SOF cuts off is seen") {
  CheckFixture f(iso(0x81, 1024));
  f.bus.sof(micro(0));
  f.bus.idle({60'000 - 64 - 700 - 160});
  f.bus.token(Pid::in, 1);  // leaves 600 bit times: more than the guard, less than the host must wait
  f.bus.sof(micro(1));
  CHECK(f.sink.rules() == "response_time end_of_frame");
}

TEST_CASE("periodic transactions beyond 80 percent of a microframe are too much") {
  CheckFixture f(iso(0x81, 1024, 3));
  f.submit(1, 3072);
  f.bus.sof(f.due(0));
  for (int i = 0; i < 6; ++i) f.in(Pid::data0, Bytes(1024, 0));
  f.bus.sof({f.due(0).value + 1});
  CHECK(f.sink.count(Rule::bandwidth) == 1);
}

TEST_CASE("a completion later than the limit is seen") {
  check::SuiteOptions options;
  options.completion_latency_limit = 4 * bus::microsecond;
  CheckFixture f(iso(0x81, 1024), usb::Speed::high, options);
  f.submit(1, 10);
  f.bus.sof(f.due(0));
  f.in(Pid::data0, Bytes(10, 0));
  f.entry(0, Status::ok, 10);
  f.complete();
  REQUIRE(f.sink.rules() == "completion_latency");
  CHECK(f.sink.all[0].seen == "5000 ns");
}
