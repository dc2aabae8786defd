// isochio: the device's log and counters against the wire.
#include "check_fixture.h"

using namespace isochio;
using namespace isochio::test;

namespace {

/// With the device's clock as it is in that microframe.
Bytes log_entry(std::uint16_t stamp, std::uint8_t endpoint, std::uint8_t kind, std::uint16_t length, std::uint8_t pid) {
  constexpr std::uint32_t clocks = 7500;
  const std::uint32_t clock = stamp * clocks;
  return {static_cast<std::uint8_t>(clock),
          static_cast<std::uint8_t>(clock >> 8U),
          static_cast<std::uint8_t>(clock >> 16U),
          static_cast<std::uint8_t>(clock >> 24U),
          static_cast<std::uint8_t>(stamp),
          static_cast<std::uint8_t>(stamp >> 8U),
          endpoint,
          kind,
          static_cast<std::uint8_t>(length),
          static_cast<std::uint8_t>(length >> 8U),
          pid,
          0};
}

/// Four microframes with one OUT packet of 20 + i bytes each; the log as an honest device keeps it.
struct Logged : CheckFixture {
  Logged() : CheckFixture(iso(0x01, 1024)) {
    submit(4, 20);
    for (std::uint16_t i = 0; i < 4; ++i) {
      bus.sof(due(i));
      request.entries[i].request = 20U + i;
      out(Pid::data0, Bytes(20U + i, 1));
      entry(i, Status::ok, 20U + i);
      const std::uint16_t stamp = due(i).stamp();
      entries.push_back(log_entry(stamp, 0, 0, static_cast<std::uint16_t>(due(i).frame() & 0x7ffU), 0xA5));
      entries.push_back(log_entry(stamp, 1, 2, 0, 0xE1));
      entries.push_back(log_entry(stamp, 1, 4, static_cast<std::uint16_t>(20 + i), 0xC3));
    }
    complete();
    registers.assign(21, 0);
    registers[8] = 4;
    registers[9] = 20 + 21 + 22 + 23;
  }
  void read() {
    for (const auto& e : entries) suite.device_log(e);
  }
  std::vector<Bytes> entries;
  std::vector<std::uint32_t> registers;
};

}  // namespace

TEST_CASE("an honest log and honest counters agree with the wire") {
  Logged f;
  f.read();
  f.suite.device_counters({0x01}, f.registers);
  CHECK(f.sink.rules() == "");
  CHECK(f.suite.log_entries_matched() == 12);
}

TEST_CASE("an event that the device did not log is seen") {
  Logged f;
  f.entries.erase(f.entries.begin() + 5);
  f.read();
  REQUIRE(f.sink.rules() == "device_log");
  CHECK(f.sink.all[0].expected == "in the device's log data out DATA0 endpoint 1 length 21 in 905.1");
}

TEST_CASE("an event that was not on the wire is seen") {
  Logged f;
  SUBCASE("other length") { f.entries[5][8] = 99; }
  SUBCASE("other microframe") { f.entries[5][4] ^= 2U; }
  SUBCASE("other PID") { f.entries[5][10] = 0x4B; }
  f.read();
  CHECK(f.sink.count(Rule::device_log) == 2);  // what it logged was not there; what was there it did not log
}

TEST_CASE("a wrong stamp is not taken for a packet of that later microframe: one entry too many, one too few") {
  Logged f;
  ++f.entries[6][4];  // the SOF of microframe 2 says 3, at its own time
  f.read();
  CHECK(f.sink.count(Rule::device_log) == 2);
}

TEST_CASE("a log that says it lost events may have a gap there, and nowhere else") {
  Logged f;
  const auto give = [&](std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) f.suite.device_log(f.entries[i]);
  };
  give(0, 4);
  f.suite.device_log_lost(4);
  give(8, 10);
  CHECK(f.sink.rules() == "");
  give(11, 12);
  CHECK(f.sink.rules() == "device_log");
}

TEST_CASE("a log that begins in the middle of a microframe of packets that look alike is no gap") {
  CheckFixture f(bulk(0x01));
  std::vector<Bytes> entries;
  for (unsigned i = 0; i < 3; ++i) {
    const auto at = usb::FrameTime::of(f.first_frame + 1, i);
    f.bus.sof(at);
    entries.push_back(log_entry(at.stamp(), 0, 0, static_cast<std::uint16_t>(at.frame() & 0x7ffU), 0xA5));
    for (int k = 0; k < 3; ++k) {
      f.out(Pid::data0, Bytes(20, 1));
      entries.push_back(log_entry(at.stamp(), 1, 2, 0, 0xE1));
      entries.push_back(log_entry(at.stamp(), 1, 4, 20, 0xC3));
    }
  }
  for (std::size_t i = 3; i < entries.size(); ++i) f.suite.device_log(entries[i]);
  CHECK(f.sink.count(Rule::device_log) == 0);
}

TEST_CASE("counters that differ from the wire are seen") {
  Logged f;
  SUBCASE("packets") { f.registers[8] = 3; }
  SUBCASE("bytes") { f.registers[9] += 1; }
  SUBCASE("zero length") { f.registers[10] = 1; }
  SUBCASE("overflow") { f.registers[17] = 1; }
  f.suite.device_counters({0x01}, f.registers);
  CHECK(f.sink.rules() == "device_log");
}

TEST_CASE("what the device's sink found in OUT data is reported and counted") {
  Logged f;
  f.registers[11] = 2;
  f.registers[14] = 1;
  f.registers[18] = 9;
  f.registers[19] = 0x80000000U | 17U << 16U | 0xABU << 8U | 0xCDU;
  f.registers[15] = 1;
  f.suite.device_counters({0x01}, f.registers);
  REQUIRE(f.sink.rules() == "payload_lost payload_corrupt payload_mistimed");
  CHECK(f.sink.all[1].seen == "1, first in sequence 9 byte 17: 0xcd for 0xab");
  CHECK(f.suite.streams()[0].payload.lost == 2);
}

TEST_CASE("percentiles of the histogram are exact at the ends and near within") {
  check::Histogram h;
  for (std::int64_t i = 1; i <= 1000; ++i) h.add({i * 10});
  CHECK(h.min().bits == 10);
  CHECK(h.max().bits == 10'000);
  CHECK(h.mean_bits() == doctest::Approx(5005));
  CHECK(h.percentile(50).bits >= 5000);
  CHECK(h.percentile(50).bits <= 5000 * 1.04);
  CHECK(h.percentile(100).bits == 10'000);
  CHECK(h.percentile(0).bits == 10);
}
