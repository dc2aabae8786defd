// Events of the line at the very clock of another event, or about it: each has its entry, and its own content.
#include <doctest/doctest.h>

#include "cosim/device/event_log.h"

using namespace isochio::test;
using isochio::usb::Pid;
namespace bus = isochio::bus;
namespace usb = isochio::usb;

namespace {

constexpr std::int64_t clock_bits = 8;
constexpr unsigned sof = 0, sof_missed = 1, error = 6, line = 7;
constexpr unsigned suspend = 4, resume = 5, reset_seen = 1, full_speed = 3, timeout = 7;

bus::Duration clocks(std::int64_t count) { return {count * clock_bits}; }

std::vector<LogEntry> of_kinds(const std::vector<LogEntry>& entries, unsigned mask) {
  std::vector<LogEntry> found;
  for (const auto& e : entries) {
    if ((mask >> e.kind & 1U) != 0) found.push_back(e);
  }
  return found;
}

}  // namespace

TEST_CASE("suspend at the clock at which an SOF is missed: both have their entries") {
  RawBus f({.fs_only = true});
  REQUIRE(f.configure(0));
  REQUIRE(f.write(0x005, 1U << sof | 1U << sof_missed | 1U << line));
  unsigned together = 0;
  // The end of a short SE0 begins the 3 ms anew; the third SOF is missed 3 ms and 100 clocks after the last one.
  for (std::int64_t offset = 60; offset < 140; ++offset) {
    CAPTURE(offset);
    f.next_frame();
    f.next_frame();
    f.next_frame();
    REQUIRE(clear_log(f));
    f.next_frame();
    const auto number = f.frame_number();
    f.pass(clocks(offset - 20));
    f.hold(bus::LineState::se0, clocks(20));
    f.link().release();
    f.suspend();
    f.resume();
    auto entries = of_kinds(take_log(f), 1U << sof_missed | 1U << line);
    REQUIRE(entries.size() >= 4);
    const std::size_t missed = entries.size() - 2;
    REQUIRE((missed == 2 || missed == 3));
    for (std::size_t i = 0; i < missed; ++i) {
      CHECK(entries[i].kind == sof_missed);
      CHECK(entries[i].length == number + 1 + i);
      CHECK(entries[i].status == 0);
      CHECK(entries[i].pid == 0);
    }
    for (std::size_t i = missed; i < entries.size(); ++i) {
      CHECK(entries[i].kind == line);
      CHECK(entries[i].status == (i == missed ? suspend : resume));
      CHECK(entries[i].length == 7);
    }
    if (missed == 3 && entries[3].stamp - entries[2].stamp == 1) ++together;
  }
  CHECK(together != 0);
}

TEST_CASE("a reset at the clock at which the device gives up what the host owes: both have their entries") {
  unsigned without = 0, with = 0;
  for (const bool owes_data : {false, true}) {
    RawBus f({.fs_only = true});
    REQUIRE(f.configure(0));
    for (std::int64_t offset = 0; offset < 20; ++offset) {
      CAPTURE(owes_data);
      CAPTURE(offset);
      f.token(Pid::out, 2);
      f.data(Pid::data0, RawBus::Bytes(21, 1));
      REQUIRE(f.answer() == Pid::ack);
      REQUIRE(f.write(0x005, 1U << error | 1U << line));
      REQUIRE(clear_log(f));
      f.next_frame();
      if (owes_data) {
        f.token(Pid::out, 2);
      } else {
        f.token(Pid::in, 2);
        REQUIRE(f.receive().size() == 21 + 3);
      }
      f.pass(clocks(offset));
      f.reset();
      REQUIRE(f.configure(0));
      std::vector<LogEntry> entries;
      for (const auto& e : take_log(f)) {
        entries.push_back(e);
        if (e.kind == line && e.status == full_speed) break;
      }
      std::size_t lines = 0, errors = 0;
      for (const auto& e : entries) {
        if (e.kind == line) {
          CHECK(e.status == (lines++ == 0 ? reset_seen : full_speed));
          CHECK(e.endpoint == 0);
          CHECK(e.pid == 0);
          CHECK(e.length == (e.status == reset_seen ? entries.back().length : 0));
        } else {
          ++errors;
          CHECK(e.status == timeout);
          CHECK(e.endpoint == (owes_data ? 2U : 0x82U));
          CHECK(e.length == 0);
        }
      }
      CHECK(lines == 2);
      CHECK(errors <= 1);
      (errors == 0 ? without : with) += 1;
      if (owes_data) CHECK(errors == 1);
    }
  }
  CHECK(without != 0);
  CHECK(with != 0);
}
