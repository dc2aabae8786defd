// isochio: statuses and counts, PIDs, packets.
#include "check_fixture.h"

using namespace isochio;
using namespace isochio::test;

namespace {

/// One entry of `asked` bytes, for which `wire` happens and the host then says `status` and `count`.
std::string judge(usb::EndpointConfig endpoint, std::uint32_t asked, const std::function<void(CheckFixture&)>& wire,
                  Status status, std::uint32_t count, Status overall) {
  CheckFixture f(endpoint);
  f.submit(1, asked);
  f.bus.sof(f.due(0));
  wire(f);
  f.entry(0, status, count);
  f.complete(overall);
  return f.sink.rules();
}

void corrupt_answer(CheckFixture& f) {
  f.bus.token(Pid::in, 1);
  Bytes b = BusScript::data_bytes(Pid::data0, Bytes(20, 1));
  b[5] ^= 4;
  f.bus.device_raw(b);
}

}  // namespace

TEST_CASE("the status of an entry is what the wire showed") {
  const auto no_answer = [](CheckFixture& f) { f.bus.token(Pid::in, 1); };
  const auto twenty = [](CheckFixture& f) { f.in(Pid::data0, Bytes(20, 1)); };
  const auto e = iso(0x81, 1024);
  CHECK(judge(e, 20, twenty, Status::ok, 20, Status::ok) == "");
  CHECK(judge(e, 20, no_answer, Status::no_response, 0, Status::no_response) == "response_time");
  CHECK(judge(e, 20, no_answer, Status::ok, 0, Status::ok) == "response_time status");
  CHECK(judge(e, 20, no_answer, Status::no_response, 0, Status::ok) == "response_time status");
  CHECK(judge(e, 30, twenty, Status::ok, 20, Status::ok) == "");
  CHECK(judge(e, 30, twenty, Status::short_packet, 20, Status::ok) == "");
  CHECK(judge(e, 30, twenty, Status::ok, 30, Status::ok) == "count");
  CHECK(judge(e, 10, twenty, Status::ok, 10, Status::ok) == "status");
  CHECK(judge(e, 10, twenty, Status::overrun, 10, Status::overrun) == "");
  CHECK(judge(e, 20, twenty, Status::missed, 0, Status::missed) == "status");
  CHECK(judge(e, 20, corrupt_answer, Status::crc_error, 0, Status::crc_error) == "crc");
  CHECK(judge(e, 20, corrupt_answer, Status::ok, 20, Status::ok) == "crc status count");
}

TEST_CASE("short packets may be told in one way only if the options say so") {
  check::SuiteOptions options;
  options.short_packet = check::SuiteOptions::ShortPacket::short_packet;
  CheckFixture f(iso(0x81, 1024), usb::Speed::high, options);
  f.submit(1, 30);
  f.bus.sof(f.due(0));
  f.in(Pid::data0, Bytes(20, 1));
  f.entry(0, Status::ok, 20);
  f.complete();
  CHECK(f.sink.rules() == "status");
}

TEST_CASE("OUT entries count what was sent") {
  const auto twenty = [](CheckFixture& f) { f.out(Pid::data0, Bytes(20, 1)); };
  const auto e = iso(0x01, 1024);
  CHECK(judge(e, 20, twenty, Status::ok, 20, Status::ok) == "");
  CHECK(judge(e, 20, twenty, Status::ok, 19, Status::ok) == "count");
  CHECK(judge(e, 21, twenty, Status::ok, 21, Status::ok) == "count");
  CHECK(judge(e, 20, twenty, Status::no_response, 20, Status::no_response) == "status");
}

TEST_CASE("an entry that is aborted between the transactions of its interval counts nothing") {
  const auto first = [](CheckFixture& f) { f.in(Pid::data2, Bytes(1024, 1)); };
  const auto e = iso(0x81, 1024, 3);
  CHECK(judge(e, 3072, first, Status::aborted, 0, Status::aborted) == "");
  CHECK(judge(e, 3072, first, Status::aborted, 1024, Status::aborted) == "count");
  CHECK(judge(e, 3072, first, Status::missed, 0, Status::missed) == "status");
  CHECK(judge(e, 1024, first, Status::aborted, 1024, Status::aborted) == "status count");
}

TEST_CASE("high-bandwidth IN counts down to DATA0") {
  const auto e = iso(0x81, 1024, 3);
  const auto with = [&](std::vector<Pid> pids, Status status, std::uint32_t count) {
    return judge(
        e, 3072,
        [&](CheckFixture& f) {
          for (const auto p : pids) f.in(p, Bytes(1024, 1));
        },
        status, count, status);
  };
  CHECK(with({Pid::data2, Pid::data1, Pid::data0}, Status::ok, 3072) == "");
  CHECK(with({Pid::data1, Pid::data0}, Status::ok, 2048) == "");
  CHECK(with({Pid::data0}, Status::ok, 1024) == "");
  CHECK(with({Pid::data2, Pid::data0}, Status::sequence_error, 1024) == "pid_sequence");
  CHECK(with({Pid::data2, Pid::data0}, Status::ok, 2048) == "status pid_sequence");
  CHECK(with({Pid::data2, Pid::data1}, Status::ok, 2048) == "status");
  CHECK(with({Pid::mdata}, Status::sequence_error, 0) == "pid_sequence");
}

TEST_CASE("high-bandwidth OUT sends MDATA and then the number of packets") {
  const auto e = iso(0x01, 1024, 3);
  const auto with = [&](std::vector<Pid> pids) {
    return judge(
        e, static_cast<std::uint32_t>(pids.size()) * 1024,
        [&](CheckFixture& f) {
          for (const auto p : pids) f.out(p, Bytes(1024, 1));
        },
        Status::ok, static_cast<std::uint32_t>(pids.size()) * 1024, Status::ok);
  };
  CHECK(with({Pid::data0}) == "");
  CHECK(with({Pid::mdata, Pid::data1}) == "");
  CHECK(with({Pid::mdata, Pid::mdata, Pid::data2}) == "");
  CHECK(with({Pid::mdata, Pid::mdata, Pid::data1}) == "pid_sequence");
  CHECK(with({Pid::data1}) == "pid_sequence");
}

TEST_CASE("more transactions in a microframe than the endpoint has are seen") {
  CheckFixture f(iso(0x81, 1024, 2));
  f.submit(1, 2048);
  f.bus.sof(f.due(0));
  for (int i = 0; i < 3; ++i) f.in(i == 2 ? Pid::data0 : Pid::data1, Bytes(100, 1));
  f.suite.finish(f.bus.now());
  CHECK(f.sink.count(Rule::pid_sequence) == 1);
}

TEST_CASE("full-speed isochronous OUT is DATA0, and IN may be DATA1") {
  CheckFixture f(iso(0x01, 1023), usb::Speed::full);
  f.bus.sof(usb::FrameTime::of(5001));
  f.out(Pid::data1, Bytes(4, 0));
  CHECK(f.sink.rules() == "pid_sequence");
  CheckFixture g(iso(0x81, 1023), usb::Speed::full);
  g.bus.sof(usb::FrameTime::of(5001));
  g.in(Pid::data1, Bytes(4, 0));
  CHECK(g.sink.rules() == "");
}

TEST_CASE("bulk toggles change with each acknowledged packet and not otherwise") {
  CheckFixture f(bulk(0x81));
  f.bus.sof(usb::FrameTime::of(5001));
  const auto packet = [&](Pid pid, bool acknowledged) {
    f.in(pid, Bytes(64, 1));
    if (acknowledged) f.bus.host_handshake(Pid::ack);
    if (!acknowledged) f.bus.idle({900});
  };
  packet(Pid::data0, true);
  packet(Pid::data1, false);
  packet(Pid::data1, true);
  CHECK(f.sink.rules() == "");
  packet(Pid::data1, true);
  f.suite.finish(f.bus.now());
  CHECK(f.sink.rules() == "pid_sequence");
}

TEST_CASE("control transfers begin their data stage with DATA1 and end with DATA1") {
  const auto run = [](Pid first, Pid status) {
    CheckFixture f(bulk(0x81));
    f.bus.sof(usb::FrameTime::of(5001));
    f.bus.token(Pid::setup, 0);
    f.bus.host_data(Pid::data0, {0x80, 6, 0, 1, 0, 0, 18, 0});
    f.bus.device_handshake(Pid::ack);
    f.bus.token(Pid::in, 0);
    f.bus.device_data(first, Bytes(18, 1));
    f.bus.host_handshake(Pid::ack);
    f.bus.token(Pid::out, 0);
    f.bus.host_data(status, {});
    f.bus.device_handshake(Pid::ack);
    return f.sink.rules();
  };
  CHECK(run(Pid::data1, Pid::data1) == "");
  CHECK(run(Pid::data0, Pid::data1) == "pid_sequence");
  CHECK(run(Pid::data1, Pid::data0) == "pid_sequence");
}

TEST_CASE("packets that are bad by themselves or come unasked are seen") {
  CheckFixture f(iso(0x81, 1024));
  f.bus.sof(usb::FrameTime::of(5001));
  SUBCASE("PID check") { f.bus.device_raw({0xC2, 0, 0}); }
  SUBCASE("rx error") { f.bus.device_raw({0xC3, 0, 0}, true); }
  SUBCASE("nothing asked") { f.bus.device_data(Pid::data0, Bytes(4, 0)); }
  SUBCASE("a token from the device") {
    const auto t = usb::make_token(Pid::in, 1, 1);
    f.bus.device_raw({t.begin(), t.end()});
  }
  SUBCASE("one packet too many") {
    f.in(Pid::data0, Bytes(4, 0));
    f.bus.idle({100});
    f.bus.device_data(Pid::data0, Bytes(4, 0));
  }
  CHECK(f.sink.rules() == "packet_error");
}

TEST_CASE("completions out of order are seen") {
  CheckFixture f(iso(0x81, 1024));
  controller::IsochRequest first;
  controller::IsochRequest second;
  first.id = 1;
  second.id = 2;
  first.endpoint = second.endpoint = {0x81};
  f.suite.on_submit(first, {});
  f.suite.on_submit(second, {});
  f.suite.on_complete(second, Status::ok, {}, {});
  f.suite.on_complete(first, Status::ok, {}, {});
  CHECK(f.sink.rules() == "status");
}

TEST_CASE("violations beyond the cap are counted and not reported") {
  check::SuiteOptions options;
  options.violation_cap = 3;
  CheckFixture f(iso(0x81, 1024), usb::Speed::high, options);
  f.bus.sof(usb::FrameTime::of(5001));
  for (int i = 0; i < 10; ++i) corrupt_answer(f);
  CHECK(f.sink.count(Rule::crc) == 3);
  CHECK(f.suite.reporter().count(Rule::crc) == 10);
  CHECK(f.suite.reporter().reported(Rule::crc) == 3);
}
