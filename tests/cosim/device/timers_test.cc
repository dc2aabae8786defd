// The timers of line_state and frame_timer, to the clock, and the same at whatever time they run: the 32-bit clock
// count passes its powers of two and comes round to 0 while they do.
#include <doctest/doctest.h>

#include "cosim/device/event_log.h"
#include "support/host_fixture.h"

using namespace isochio::test;
namespace bus = isochio::bus;
namespace usb = isochio::usb;
using LineEvent = bus::PacketObserver::LineEvent;

namespace {

constexpr std::int64_t clock_bits = 8;
constexpr unsigned sof = 0, sof_missed = 1, line = 7;
constexpr unsigned reset_seen = 1, high_speed = 2, full_speed = 3, suspend = 4, resume = 5;

/// In 60 MHz clocks, in the order in which they were measured.
using Clocks = std::vector<std::int64_t>;

void align(RawBus& f) { f.link().advance({(f.link().now().bits + clock_bits - 1) / clock_bits * clock_bits}); }

/// Stamps of LINE events by status, in order; since the last one taken.
std::vector<std::pair<unsigned, std::uint32_t>> line_events(RawBus& f) {
  std::vector<std::pair<unsigned, std::uint32_t>> events;
  for (const auto& e : take_log(f)) {
    if (e.kind == line) events.emplace_back(e.status, e.stamp);
  }
  return events;
}

/// Suspend after a last SOF, remote wake-up, resume.
void measure_sleep(RawBus& f, Clocks& clocks) {
  auto& link = f.link();
  REQUIRE(f.control({0, 3, 1, 0, 0}));
  REQUIRE(clear_log(f));
  f.next_frame();
  PacketLog log;
  link.set_observer(&log);
  f.suspend();
  link.pulse_remote_wakeup();
  REQUIRE(link.wait_device_drives(bus::LineState::k, link.now() + 10 * bus::millisecond));
  const auto wakes = link.now();
  f.hold(bus::LineState::k, bus::millisecond);
  REQUIRE(link.wait_device_releases(link.now() + 10 * bus::millisecond));
  const auto released = link.now();
  align(f);
  f.resume();
  link.set_observer(nullptr);
  std::int64_t asleep = 0;
  for (const auto& [event, at] : log.lines) {
    if (event == LineEvent::suspend) asleep = at.bits;
  }
  clocks.push_back((wakes.bits - asleep) / clock_bits);
  clocks.push_back((released - wakes).bits / clock_bits);
  std::uint32_t last_sof = 0;
  for (const auto& e : take_log(f)) {
    if (e.kind == sof && clocks.size() % 3 == 2) last_sof = e.stamp;
    if (e.kind == line && e.status == suspend) clocks.push_back(e.stamp - last_sof);
  }
}

/// A last SOF, then silence for so many clocks, then the host's resume signalling: what the device has noted of it.
std::vector<unsigned> resume_after(RawBus& f, std::int64_t clocks) {
  auto& link = f.link();
  f.next_frame();
  align(f);
  const auto silent = link.now();
  const auto reverts = silent + 3 * bus::millisecond;
  const auto resumes = silent + bus::Duration{clocks * clock_bits};
  link.advance(std::min(reverts, resumes));
  link.set_speed(usb::Speed::full);
  link.advance(resumes);
  f.resume();
  std::vector<unsigned> states;
  for (const auto& [status, stamp] : line_events(f)) states.push_back(status);
  return states;
}

/// A reset from full-speed idle: to the chirp, its length, to the end of three pairs of the host's chirps that are long
/// enough, after three that are not; and without an answer to the chirp.
void measure_reset(RawBus& f, Clocks& clocks) {
  auto& link = f.link();
  for (const bool answered : {true, false}) {
    f.suspend();
    f.pass(10 * bus::millisecond);
    link.release();
    f.pass(10 * bus::millisecond);
    align(f);
    const auto begin = link.now();
    link.drive(bus::LineState::se0);
    REQUIRE(link.wait_device_drives(bus::LineState::k, begin + 10 * bus::millisecond));
    const auto chirp = link.now();
    REQUIRE(link.wait_device_releases(begin + 20 * bus::millisecond));
    clocks.push_back((chirp - begin).bits / clock_bits);
    clocks.push_back((link.now() - chirp).bits / clock_bits);
    align(f);
    if (answered) {
      for (const std::int64_t length : {149, 150}) {
        for (int i = 0; i < 3; ++i) {
          f.hold(bus::LineState::k, bus::Duration{length * clock_bits});
          f.hold(bus::LineState::j, bus::Duration{length * clock_bits});
        }
        f.hold(bus::LineState::se0, bus::Duration{149 * clock_bits});
      }
    } else {
      f.hold(bus::LineState::se0, bus::millisecond);
      link.release();  // before the device has given up waiting
      f.pass(5 * bus::millisecond);
    }
    f.reset();
    REQUIRE(f.configure(0));
    std::uint32_t began = 0;
    bool first = true;
    for (const auto& [status, stamp] : line_events(f)) {
      if (status == reset_seen) began = stamp;
      if (std::exchange(first, first && status != (answered ? high_speed : full_speed)) &&
          status == (answered ? high_speed : full_speed)) {
        clocks.push_back(stamp - began);
      }
    }
  }
}

/// Full speed: SE0 that is just no reset, and one that just is.
void measure_short_reset(RawBus& f, Clocks& clocks) {
  auto& link = f.link();
  const auto se0 = [&](std::int64_t length) {
    REQUIRE(clear_log(f));
    align(f);
    f.hold(bus::LineState::se0, bus::Duration{length * clock_bits});
    link.release();
    f.pass(20 * bus::microsecond);
  };
  se0(149);
  CHECK(line_events(f).empty());
  se0(151);
  f.reset();
  REQUIRE(f.configure(0));
  clocks.push_back(static_cast<std::int64_t>(line_events(f).size()));
}

struct Expected {
  std::int64_t clocks;
  const char* what;
};

void check_clocks(const Clocks& got, const std::vector<Expected>& expected, const Clocks& first) {
  REQUIRE(got.size() == expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    CAPTURE(expected[i].what);
    // The way through the transceiver and the device's own registers: a few clocks.
    CHECK(got[i] >= expected[i].clocks);
    CHECK(got[i] <= expected[i].clocks + 12);
    CHECK(got[i] == first[i]);
  }
}

/// Milliseconds after power-up at which everything is measured: among them those at which the upper bits of the clock
/// count change within the next timer's time (2^28 clocks are 4.47 s, 2^32 71.58 s).
constexpr std::int64_t moments[] = {100,       277,       1118 - 2,  4474 - 3,   8948 - 30,
                                    17896 - 2, 35791 - 5, 71582 - 6, 71582 + 400};

template <typename Measure>
void at_all_moments(const RawBusOptions& options, Measure measure) {
  for (const std::int64_t moment : moments) {
    CAPTURE(moment);
    RawBus f(options);
    REQUIRE(f.configure(0));
    f.suspend();
    f.link().advance(bus::BusTime{} + moment * bus::millisecond - 20 * bus::millisecond);  // resume's length
    f.resume();
    measure(f);
  }
}

void wakes_up(isochio::description::Description& description) { description.remote_wakeup = true; }

/// Two SOFs some clocks apart, then none: when the device predicts the next two. Offsets from the nominal interval.
void measure_predictions(RawBus& f, std::int64_t nominal, std::int64_t margin, std::int64_t tolerance) {
  auto& link = f.link();
  unsigned count = 8;
  const auto send = [&](std::int64_t at) {
    link.advance({at});
    link.send(usb::make_sof(static_cast<std::uint16_t>(f.high_speed() ? count >> 3U : count)), f.high_speed());
    ++count;
  };
  std::vector<std::int64_t> offsets;
  for (std::int64_t bit = 1; bit <= tolerance; bit *= 2) offsets.insert(offsets.end(), {bit, -bit, bit - 1});
  offsets.insert(offsets.end(), {tolerance, -tolerance, tolerance + 1, -tolerance - 1, 4 * tolerance});
  REQUIRE(clear_log(f));
  f.next_frame();
  align(f);
  std::int64_t at = link.now().bits + nominal * clock_bits;
  for (const std::int64_t offset : offsets) {
    send(at);
    at += (nominal + offset) * clock_bits;
    send(at);
    at += nominal * 13 / 5 * clock_bits;  // in the second half of the second one predicted
    count += 2;
  }
  link.advance({at});
  std::vector<std::pair<unsigned, std::uint32_t>> frames;
  for (const auto& e : take_log(f)) {
    if (e.kind == sof || e.kind == sof_missed) frames.emplace_back(e.kind, e.stamp);
  }
  // Up to the first of ours there are the frames of the requests.
  std::size_t i = 0;
  const auto kind = [&](std::size_t k) { return k < frames.size() ? frames[k].first : 99U; };
  while (i < frames.size() && !(kind(i) == sof && kind(i + 1) == sof && kind(i + 2) == sof_missed)) ++i;
  for (const std::int64_t offset : offsets) {
    CAPTURE(offset);
    // One that is later than the margin is taken as missed, and then still belongs to its (micro)frame.
    const std::size_t late = offset > margin ? 1 : 0;
    REQUIRE(i + late + 3 < frames.size());
    REQUIRE(kind(i) == sof);
    if (late != 0) {
      REQUIRE(kind(i + 1) == sof_missed);
      CHECK(frames[i + 1].second - frames[i].second == nominal + margin);
    }
    const std::size_t second = i + 1 + late;
    REQUIRE(kind(second) == sof);
    REQUIRE(kind(second + 1) == sof_missed);
    REQUIRE(kind(second + 2) == sof_missed);
    const std::int64_t interval = nominal + (std::abs(offset) <= tolerance ? offset : 0);
    CHECK(frames[second].second - frames[i].second == nominal + offset);
    CHECK(frames[second + 1].second - frames[second].second == interval + margin);
    CHECK(frames[second + 2].second - frames[second + 1].second == interval);
    i = second + 3;
  }
}

/// Stamps of the ERROR entries for a handshake and a data packet that the host owes, after those of what they follow.
void measure_time_outs(RawBus& f, std::int64_t expected) {
  constexpr unsigned token = 2, data_in = 3, error = 6, timeout = 7;
  const RawBus::Bytes payload(64, 3);
  f.token(usb::Pid::out, 2);
  f.data(usb::Pid::data0, payload);
  REQUIRE(f.answer() == usb::Pid::ack);
  f.next_frame();
  REQUIRE(clear_log(f));
  f.token(usb::Pid::in, 2);
  REQUIRE(f.receive().size() == payload.size() + 3);
  f.pass(10 * bus::microsecond);
  f.token(usb::Pid::out, 2);
  f.pass(10 * bus::microsecond);
  Clocks clocks;
  std::uint32_t before = 0;
  for (const auto& e : take_log(f)) {
    if ((e.endpoint & 0xfU) != 2) continue;
    if (e.kind == token || e.kind == data_in) before = e.stamp;
    if (e.kind == error && e.status == timeout) clocks.push_back(e.stamp - before);
  }
  CHECK(clocks == Clocks{expected, expected});
}

}  // namespace

TEST_CASE("the device gives up what the host owes after the same time, whatever the clock count is") {
  for (const bool fs_only : {false, true}) {
    CAPTURE(fs_only);
    at_all_moments({.fs_only = fs_only}, [&](RawBus& f) {
      REQUIRE(f.control({0x80, 0, 0, 0, 2}));
      measure_time_outs(f, fs_only ? 220 : 150);
    });
  }
}

TEST_CASE("suspend, wake-up and reset take the specification's times, whatever the clock count is: high speed") {
  Clocks first;
  at_all_moments({.edit = wakes_up}, [&](RawBus& f) {
    Clocks clocks;
    measure_sleep(f, clocks);
    measure_reset(f, clocks);
    if (first.empty()) first = clocks;
    check_clocks(clocks,
                 {{120'000, "wake-up signalling begins 2 ms into suspend"},
                  {180'000, "length of the wake-up signalling"},
                  {181'000 + 12'000, "suspend after the last SOF"},
                  {150, "chirp after SE0"},
                  {90'000, "length of the chirp"},
                  {90'000 + 6 * 299 + 149, "high speed after the reset was seen"},
                  {150, "chirp after SE0"},
                  {90'000, "length of the chirp"},
                  {90'000 + 120'000, "full speed without an answer"}},
                 first);
  });
}

TEST_CASE("suspend, wake-up and reset take the specification's times, whatever the clock count is: full speed") {
  Clocks first;
  at_all_moments({.fs_only = true, .edit = wakes_up}, [&](RawBus& f) {
    Clocks clocks;
    measure_sleep(f, clocks);
    measure_short_reset(f, clocks);
    if (first.empty()) first = clocks;
    check_clocks(clocks,
                 {{120'000, "wake-up signalling begins 2 ms into suspend"},
                  {180'000, "length of the wake-up signalling"},
                  {180'000, "suspend after the last SOF"},
                  {4, "two resets, each with its return to full speed"}},
                 first);
  });
}

TEST_CASE(
    "a missing SOF is predicted from the last interval if that was near the nominal one, whatever the clock count is") {
  for (const bool fs_only : {false, true}) {
    CAPTURE(fs_only);
    at_all_moments({.fs_only = fs_only}, [&](RawBus& f) {
      REQUIRE(f.control({0x80, 0, 0, 0, 2}));
      fs_only ? measure_predictions(f, 60'000, 100, 192) : measure_predictions(f, 7'500, 12, 32);
    });
  }
}

TEST_CASE("resume signalling that begins at any clock about the device's suspend is obeyed, and is no reset") {
  struct Border {
    bool fs_only;
    std::int64_t clocks;
    bool sleeps_before;
    std::string what;
  };
  const std::vector<Border> borders{
      {false, 181'000, false, "high speed: the line has been quiet for long, terminations go back to full speed"},
      {false, 181'000 + 12'000, true, "high speed: the line tells suspend from reset"},
      {true, 180'000, false, "full speed: the line has been quiet for long"}};
  const std::vector<unsigned> slept{suspend, resume};
  for (const auto& border : borders) {
    CAPTURE(border.what);
    RawBus f({.fs_only = border.fs_only});
    REQUIRE(f.configure(0));
    REQUIRE(f.write(0x005, 1U << line));
    REQUIRE(clear_log(f));
    // From before it, through the transceiver's latencies, to behind it.
    constexpr std::int64_t before = -20, behind = 30;
    bool sleeps = border.sleeps_before;
    for (std::int64_t offset = before; offset <= behind; ++offset) {
      CAPTURE(offset);
      const auto states = resume_after(f, border.clocks + offset);
      REQUIRE(f.control({0x80, 0, 0, 0, 2}));  // still at its address
      if (offset != before && !states.empty()) sleeps = true;
      CHECK(states == (sleeps ? slept : std::vector<unsigned>{}));
    }
    CHECK(sleeps);
  }
}

TEST_CASE(
    "a pulse on the wake-up pin while the line shows SE0 does not disturb a reset, and waits behind less than one") {
  RawBus f({.edit = wakes_up});
  auto& link = f.link();
  for (const bool is_reset : {false, true}) {
    CAPTURE(is_reset);
    REQUIRE(f.configure(0));
    REQUIRE(f.control({0, 3, 1, 0, 0}));
    f.suspend();
    f.pass(10 * bus::millisecond);
    align(f);
    const auto begin = link.now();
    f.hold(bus::LineState::se0, bus::Duration{50 * clock_bits});
    link.pulse_remote_wakeup();
    f.pass(bus::Duration{50 * clock_bits});
    if (!is_reset) link.release();
    REQUIRE(link.wait_device_drives(bus::LineState::k, begin + 10 * bus::millisecond));
    const auto drives = link.now();
    REQUIRE(link.wait_device_releases(drives + 10 * bus::millisecond));
    const std::int64_t expected = is_reset ? 150 : 100 + 120'000;
    CHECK((drives - begin).bits / clock_bits >= expected);
    CHECK((drives - begin).bits / clock_bits <= expected + 12);
    CHECK((link.now() - drives).bits / clock_bits == (is_reset ? 90'000 : 180'000));
    f.pass(10 * bus::millisecond);
    align(f);
  }
}
