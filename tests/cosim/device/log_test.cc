// The event log as a witness: every entry of a made-up traffic in which nearly everything happens that has an entry,
// field by field against docs/registers.md.
#include <doctest/doctest.h>

#include <algorithm>

#include "cosim/device/event_log.h"

using namespace isochio::test;
using isochio::usb::Pid;
namespace bus = isochio::bus;
namespace usb = isochio::usb;

namespace {

enum Kind : unsigned { sof, sof_missed, token, data_in, data_out, handshake, error, line };
constexpr unsigned in_bit = 0x80;

struct Entry {
  unsigned endpoint, kind, length, pid, status;
  friend bool operator==(const Entry&, const Entry&) = default;
};

unsigned byte(Pid pid) { return usb::pid_byte(pid); }

/// Does something and writes down what the log has to say of it.
class Diary {
 public:
  explicit Diary(RawBus& f) : f_(f) {}
  std::vector<Entry> entries;

  void frame(bool lost = false) {
    f_.next_frame(lost);
    add(0, lost ? sof_missed : sof, f_.frame_number(), lost ? 0 : byte(Pid::sof), 0);
    if (lost) f_.pass(f_.high_speed() ? bus::microsecond : 10 * bus::microsecond);
  }
  void odd_sof(std::uint16_t number) {
    f_.send(usb::make_sof(number), f_.high_speed());
    add(0, sof, number & 0x7ffU, byte(Pid::sof), 1);
  }
  /// An IN transaction; what is answered to it, and how.
  void in(unsigned endpoint, Pid pid, unsigned length, unsigned status = 0) {
    f_.token(Pid::in, static_cast<std::uint8_t>(endpoint));
    add(endpoint | in_bit, token, 0, byte(Pid::in), 0);
    const auto packet = f_.receive();
    REQUIRE(packet.size() == length + 3);
    CHECK(usb::pid_of(packet[0]) == pid);
    add(endpoint | in_bit, data_in, length, byte(pid), status);
  }
  void acknowledge(unsigned endpoint) {
    f_.send(usb::make_handshake(Pid::ack));
    add(endpoint, handshake, 0, byte(Pid::ack), 0);
  }
  void no_data(unsigned endpoint, Pid pid) {
    f_.token(Pid::in, static_cast<std::uint8_t>(endpoint));
    add(endpoint | in_bit, token, 0, byte(Pid::in), 0);
    answered(endpoint, pid);
  }
  void probe(unsigned endpoint, Pid pid) {
    f_.token(Pid::ping, static_cast<std::uint8_t>(endpoint));
    add(endpoint, token, 0, byte(Pid::ping), 0);
    answered(endpoint, pid);
  }
  void out(unsigned endpoint, Pid pid, unsigned length, unsigned status, Pid answer = Pid::reserved,
           Pid kind = Pid::out) {
    f_.token(kind, static_cast<std::uint8_t>(endpoint));
    add(endpoint, token, 0, byte(kind), 0);
    RawBus::Bytes buffer(length + 3);
    auto bytes = usb::make_data(pid, RawBus::Bytes(length, 0x5a), buffer);
    if (kind == Pid::setup && length == 8)
      bytes = usb::make_data(pid, RawBus::Bytes{0x80, 6, 0, 1, 0, 0, 18, 0}, buffer);
    if (status == 2) bytes[length] ^= 0x10;
    if (status == 4) f_.link().inject_rx_error(length / 2 + 1);
    f_.send(bytes);
    add(endpoint, data_out, length, byte(pid), status);
    answered(endpoint, answer);
  }
  /// Bytes that are no packet, or a packet for nobody here.
  void stray(const RawBus::Bytes& bytes, unsigned status) {
    f_.send(bytes);
    add(0, error, static_cast<unsigned>(bytes.size()), bytes[0], status);
    CHECK(f_.receive().empty());
  }
  void silence(unsigned endpoint) {
    f_.pass(f_.high_speed() ? 4 * bus::microsecond : 20 * bus::microsecond);
    add(endpoint, error, 0, 0, 7);
  }
  void add(unsigned endpoint, unsigned kind, unsigned length, unsigned pid, unsigned status) {
    entries.push_back({endpoint, kind, length, pid, status});
    frames.push_back(f_.frame_number() << 3U | f_.microframe());
  }
  std::vector<unsigned> frames;

 private:
  void answered(unsigned endpoint, Pid pid) {
    if (pid == Pid::reserved) {
      CHECK(f_.receive().empty());
      return;
    }
    CHECK(f_.answer() == pid);
    add(endpoint | in_bit, handshake, 0, byte(pid), 0);
  }

  RawBus& f_;
};

void compare(RawBus& f, const Diary& diary) {
  const auto got = take_log(f);
  // Before ours there is the rest of the request that emptied the log.
  std::size_t at = 0;
  while (at < got.size() && !(got[at].kind == sof && got[at].length == diary.entries[0].length)) ++at;
  for (std::size_t i = 0; i < diary.entries.size(); ++i, ++at) {
    CAPTURE(i);
    REQUIRE(at < got.size());
    CHECK(got[at].kind == diary.entries[i].kind);
    CHECK(got[at].endpoint == diary.entries[i].endpoint);
    CHECK(got[at].length == diary.entries[i].length);
    CHECK(got[at].pid == diary.entries[i].pid);
    CHECK(got[at].status == diary.entries[i].status);
    CHECK(got[at].frame == diary.frames[i]);
    CHECK((i == 0 || got[at].stamp - got[at - 1].stamp < 10'000'000U));
  }
}

RawBus::Bytes damaged(std::span<const std::uint8_t> packet, std::size_t at, std::uint8_t bits) {
  RawBus::Bytes bytes(packet.begin(), packet.end());
  bytes[at] ^= bits;
  return bytes;
}

/// Alternate 5: isochronous endpoint 1 with two transactions a microframe each way; endpoint 2 is the bulk pair.
void traffic(RawBus& f, Diary& d, bool high) {
  const unsigned iso = high ? 1024 : 256, bulk = high ? 512 : 64;
  d.frame();
  d.frame();
  d.in(1, high ? Pid::data1 : Pid::data0, iso);
  if (high) d.in(1, Pid::data0, iso);
  d.in(1, Pid::data0, 0, 1);
  if (high) d.out(1, Pid::mdata, iso, 0);
  d.out(1, high ? Pid::data1 : Pid::data0, iso / 2 + 1, 0);
  d.out(1, Pid::data0, 7, 8);
  d.frame();
  d.out(1, Pid::data0, iso + 1, 6);
  d.out(1, Pid::data0, 33, 0);
  d.frame();
  d.out(1, Pid::data0, 100, 2);
  d.frame();
  d.out(1, Pid::data0, 100, 4);
  d.frame(true);
  d.frame();
  // Bulk.
  d.no_data(2, Pid::nak);
  d.out(2, Pid::data0, bulk, 0, Pid::ack);
  d.frame();
  d.out(2, Pid::data0, bulk, 9, Pid::ack);
  d.out(2, Pid::data1, bulk + 1, 6);
  d.out(2, Pid::data1, bulk, 2);
  d.out(2, Pid::data1, bulk, 4);
  d.out(2, Pid::data2, 5, 9);
  d.frame();
  d.in(2, Pid::data0, bulk);
  d.silence(2 | in_bit);
  d.in(2, Pid::data0, bulk);
  d.acknowledge(2);
  d.no_data(2, Pid::nak);
  if (high) d.probe(2, Pid::ack);
  f.token(Pid::out, 2);
  d.add(2, token, 0, byte(Pid::out), 0);
  d.silence(2);
  d.frame();
  // Endpoint 0.
  d.out(0, Pid::data0, 8, 0, Pid::ack, Pid::setup);
  f.pass(20 * bus::microsecond);
  d.in(0, Pid::data1, 18);
  d.silence(in_bit);
  d.in(0, Pid::data1, 18);
  d.acknowledge(0);
  d.out(0, Pid::data1, 0, 0, Pid::ack);
  d.out(0, Pid::data1, 8, 9, Pid::reserved, Pid::setup);
  // Up to twice as long as they may be.
  for (const unsigned length : {9U, 10U, 12U, 16U}) d.out(0, Pid::data0, length, 6, Pid::reserved, Pid::setup);
  for (const unsigned length : {65U, 66U, 68U, 72U, 80U, 96U, 128U}) d.out(0, Pid::data1, length, 6);
  d.frame();
  // What is for nobody, or nothing at all.
  const auto good = usb::make_token(Pid::in, f.address, 2);
  for (unsigned bit = 0; bit < 16; ++bit)
    d.stray(damaged(good, 1 + bit / 8, static_cast<std::uint8_t>(1U << bit % 8)), 1);
  for (unsigned bit = 0; bit < 8; ++bit) d.stray(damaged(good, 0, static_cast<std::uint8_t>(1U << bit)), 3);
  d.frame();
  d.stray({good[0]}, 5);
  d.stray({good[0], good[1]}, 5);
  d.stray({good[0], good[1], good[2], 0}, 6);
  for (const std::size_t length : {300U, high ? 1500U : 301U, high ? 3000U : 302U})
    d.stray(RawBus::Bytes(length, 0x33), 3);
  f.link().inject_rx_error(1);
  d.stray({good.begin(), good.end()}, 4);
  f.send(usb::make_token(Pid::in, f.address ^ 0x40U, 2));  // another device's
  CHECK(f.receive().empty());
  f.send(usb::make_token(Pid::in, f.address, 5));  // no such endpoint
  CHECK(f.receive().empty());
  d.frame();
  d.odd_sof(f.frame_number());
}

}  // namespace

TEST_CASE("every entry of the event log is what happened: tokens, data, handshakes, errors and frames") {
  for (const bool fs_only : {false, true}) {
    for (const unsigned number : {0x2aaU, 0x555U}) {
      CAPTURE(fs_only);
      CAPTURE(number);
      RawBus f({.fs_only = fs_only});
      REQUIRE(f.configure(5));
      f.start_at_frame(number);
      f.next_frame();
      REQUIRE(clear_log(f));
      Diary diary(f);
      traffic(f, diary, !fs_only);
      compare(f, diary);
    }
  }
}

TEST_CASE("a packet one byte off its length, and a data packet without its CRC16, are logged as what they are") {
  for (const bool fs_only : {false, true}) {
    CAPTURE(fs_only);
    RawBus f({.fs_only = fs_only});
    REQUIRE(f.configure(5));
    REQUIRE(clear_log(f));
    f.next_frame();
    const auto cut = [&](const RawBus::Bytes& bytes) {
      f.token(Pid::out, 2);
      f.send(bytes);
      CHECK(f.receive().empty());
    };
    cut({0xc3});
    cut({0xc3, 0x00});
    cut({0xc3, 0x00, 0x01});  // zero bytes, and a wrong CRC16
    std::vector<std::pair<unsigned, unsigned>> got;
    for (const auto& e : take_log(f)) {
      if (e.kind == data_out && e.endpoint == 2) got.emplace_back(e.length, e.status);
    }
    CHECK(got == std::vector<std::pair<unsigned, unsigned>>{{0, 5}, {0, 5}, {0, 2}});
  }
}

TEST_CASE("a SETUP whose data is not eight bytes long is logged as what it is, and not answered") {
  for (const bool fs_only : {false, true}) {
    CAPTURE(fs_only);
    RawBus f({.fs_only = fs_only});
    REQUIRE(f.configure(0));
    REQUIRE(f.write(0x004, 1U | 1U << 8U));
    REQUIRE(clear_log(f));
    f.next_frame();
    std::vector<std::pair<unsigned, unsigned>> expected;
    for (unsigned length = 0; length < 17; ++length) {
      if (length == 8) continue;
      f.token(Pid::setup, 0);
      f.data(Pid::data0, RawBus::Bytes(length, 0x80));
      CHECK(f.receive().empty());
      expected.emplace_back(length, length < 8 ? 5 : 6);
    }
    std::vector<std::pair<unsigned, unsigned>> got;
    for (const auto& e : take_log(f)) {
      if (e.kind == data_out && e.status != 0) got.emplace_back(e.length, e.status);
    }
    CHECK(got == expected);
    CHECK(f.read(0x017) == 8);  // TRUNCATED
    CHECK(f.read(0x018) == 8);  // OVERSIZED
  }
}

TEST_CASE("an SOF with another number than the next is logged as unexpected, and the frames go on from there") {
  for (const bool fs_only : {false, true}) {
    CAPTURE(fs_only);
    RawBus f({.fs_only = fs_only});
    REQUIRE(f.configure(0));
    for (int i = 0; i < 20; ++i) f.next_frame();  // the device knows the microframe then
    for (unsigned bit = 0; bit < 11; ++bit) {
      CAPTURE(bit);
      do {
        f.next_frame();
      } while (f.microframe() != 2 % (f.high_speed() ? 8U : 1U));
      REQUIRE(clear_log(f));
      f.next_frame();
      const unsigned jumped = (f.frame_number() ^ 1U << bit) & 0x7ffU;
      f.pass(f.high_speed() ? 80 * bus::microsecond : 700 * bus::microsecond);
      f.send(usb::make_sof(static_cast<std::uint16_t>(jumped)), f.high_speed());
      f.start_at_frame(jumped + 1);
      f.pass(10 * bus::microsecond);
      const auto entries = take_log(f);
      const auto found = std::find_if(entries.begin(), entries.end(),
                                      [&](const LogEntry& e) { return e.kind == sof && e.length == jumped; });
      REQUIRE(found != entries.end());
      CHECK(found->frame == jumped << 3U);
      // At full speed the number after the present one is the one that is expected.
      CHECK(found->status == (jumped == ((found - 1)->length + 1U) % 2048U && fs_only ? 0U : 1U));
    }
  }
}

TEST_CASE("line events carry their kind and the device's address") {
  for (const bool fs_only : {false, true}) {
    for (const std::uint8_t address : {0x2a, 0x55, 0x7f}) {
      CAPTURE(fs_only);
      CAPTURE(int(address));
      RawBus f({.fs_only = fs_only});
      f.reset();
      REQUIRE(f.control({0, 5, address, 0, 0}));
      f.address = address;
      REQUIRE(f.control({0, 9, 1, 0, 0}));
      REQUIRE(clear_log(f));
      f.suspend();
      f.resume();
      REQUIRE(f.control({0x80, 0, 0, 0, 2}));
      f.reset();
      std::vector<Entry> got;
      for (const auto& e : take_log(f)) {
        if (e.kind == line) got.push_back({e.endpoint, e.kind, e.length, e.pid, e.status});
      }
      const unsigned speed = fs_only ? 3 : 2;
      CHECK(got == std::vector<Entry>{
                       {0, line, address, 0, 4}, {0, line, address, 0, 5}, {0, line, 0, 0, 1}, {0, line, 0, 0, speed}});
    }
  }
}

TEST_CASE("a reset while the host owes a handshake leaves no entry but its own") {
  RawBus f({.fs_only = true});
  REQUIRE(f.configure(2));
  f.token(Pid::out, 2);
  f.data(Pid::data0, RawBus::Bytes(64, 1));
  REQUIRE(f.answer() == Pid::ack);
  f.next_frame();
  REQUIRE(clear_log(f));
  f.next_frame();
  f.token(Pid::in, 2);
  CHECK(f.receive().size() == 64 + 3);
  f.reset();
  std::vector<unsigned> kinds;
  for (const auto& e : take_log(f)) {
    if (e.kind == line || (e.endpoint & 0xfU) != 0) kinds.push_back(e.kind);
    if (e.kind == line && e.status == 3) break;
  }
  CHECK(kinds == std::vector<unsigned>{token, data_in, line, line});
}
