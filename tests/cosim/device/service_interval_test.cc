// Service intervals longer than a (micro)frame: where they begin and end, told by which IN token gets data, when SOFs
// are lost and numbers jump; and the same interval for packets however far apart they are in it.
#include <doctest/doctest.h>

#include <array>
#include <random>

#include "cosim/device/raw_bus.h"

using namespace isochio::test;
using isochio::usb::Pid;
namespace bus = isochio::bus;
namespace usb = isochio::usb;

namespace {

/// Bytes of the answer to an IN token in the present (micro)frame.
std::size_t in_length(RawBus& f, std::uint8_t endpoint) {
  f.send(usb::make_token(Pid::in, f.address, endpoint));
  const auto packet = f.receive();
  REQUIRE(packet.size() >= 3);
  return packet.size() - 3;
}

/// The (micro)frame that the host has begun.
struct Position {
  unsigned jumps = 0;   ///< of the frame number so far; nothing goes on over one
  unsigned number = 0;  ///< count of (micro)frames

  bool same(const Position& other, unsigned log2) const {
    return jumps == other.jumps && number >> log2 == other.number >> log2;
  }
};

class Walk {
 public:
  explicit Walk(RawBus& f) : f_(f) {
    for (int i = 0; i < 20; ++i) f_.next_frame();  // the device knows the microframe then
    at_.number = number();
  }
  const Position& at() const { return at_; }

  void next() {
    f_.next_frame();
    ++at_.number;
  }
  void lose() {
    f_.next_frame(true);
    f_.pass(f_.high_speed() ? bus::microsecond : 10 * bus::microsecond);  // until the device has found out
    ++at_.number;
  }
  void jump(unsigned frame) {
    f_.start_at_frame(frame & 0x7ffU);
    f_.next_frame();
    ++at_.jumps;
    at_.number = number();
  }

 private:
  unsigned number() const { return f_.high_speed() ? f_.frame_number() << 3U | f_.microframe() : f_.frame_number(); }

  RawBus& f_;
  Position at_;
};

/// Alternate 1: IN endpoints 1 … 6 on as many engines, each with another size and interval (log2).
RawBusOptions with_intervals(const std::array<unsigned, 6>& log2s, bool fs_only) {
  return {.device = "intervals", .fs_only = fs_only, .edit = [=](isochio::description::Description& description) {
            std::erase_if(description.settings, [](const auto& setting) { return setting.alternate > 1; });
            auto& endpoints = description.settings.back().endpoints;
            const auto model = endpoints.back();
            endpoints.clear();
            for (std::size_t i = 0; i < log2s.size(); ++i) {
              auto endpoint = model;
              endpoint.address = {static_cast<std::uint8_t>(0x81 + i)};
              endpoint.engine = static_cast<std::uint8_t>(i);
              for (auto* speed : {&endpoint.full, &endpoint.high}) {
                (*speed)->max_packet = static_cast<std::uint16_t>(40 + i);
                (*speed)->interval = static_cast<std::uint8_t>(log2s[i] + 1);
                (*speed)->size = 0;
              }
              endpoints.push_back(endpoint);
            }
          }};
}

/// Two transactions in the test device's alternate 8, whose interval is 8 microframes.
void two_transactions(isochio::description::Description& description) {
  for (auto& setting : description.settings) {
    for (auto& endpoint : setting.endpoints) {
      if (setting.alternate == 8 && endpoint.high) endpoint.high->transactions = 2;
    }
  }
}

}  // namespace

TEST_CASE("an interval of some (micro)frames ends where the numbers say, over lost SOFs too, and at every jump") {
  for (const bool fs_only : {false, true}) {
    for (std::uint8_t log2 = 1; log2 < 6; ++log2) {
      CAPTURE(fs_only);
      CAPTURE(int(log2));
      RawBus f({.device = "intervals", .fs_only = fs_only});
      REQUIRE(f.configure(log2 + 1));
      std::mt19937 random(log2);
      f.start_at_frame(random() % 2048);
      Walk walk(f);
      Position opened{~0U, 0};
      // Each run of (micro)frames begins at another place of an interval and is longer than one.
      for (unsigned step = 0; step < 6U << log2; ++step) {
        CAPTURE(step);
        const unsigned what = random() % 16;
        if (what < 5) {
          walk.lose();
        } else if (what == 5 || step % (3U << log2) == 0) {
          walk.jump(f.frame_number() + 2U + random() % 2040U);
        } else {
          walk.next();
        }
        const bool same = walk.at().same(opened, log2);
        CHECK(in_length(f, 1) == (same ? 0 : 64));
        if (!same) opened = walk.at();
        if (step % 5 == 0) CHECK(in_length(f, 1) == 0);
      }
    }
  }
}

TEST_CASE("however long an interval is, one packet is sent in it, by the endpoint's own engine") {
  for (const bool fs_only : {false, true}) {
    CAPTURE(fs_only);
    const std::array<unsigned, 6> log2s = {7, 8, 10, 12, 14, 15};
    RawBus f(with_intervals(log2s, fs_only));
    REQUIRE(f.configure(1));
    f.start_at_frame(fs_only ? 2020 : 2040);
    Walk walk(f);
    while ((walk.at().number & 0x3fffU) % (f.high_speed() ? 0x4000U : 0x800U) != 0) walk.next();
    std::array<Position, 6> opened;
    opened.fill({~0U, 0});
    const unsigned first = walk.at().number, last = (1U << (fs_only ? 11U : 14U)) - 1U;
    for (unsigned offset = 0; offset <= last; ++offset) {
      // At powers of two, one before, and at two bits.
      const bool probed = (offset & (offset - 1)) == 0 || (offset & (offset + 1)) == 0 || offset % 160 == 0;
      for (std::size_t i = 0; probed && i < log2s.size(); ++i) {
        CAPTURE(offset);
        CAPTURE(log2s[i]);
        const bool same = walk.at().same(opened[i], log2s[i]);
        CHECK(in_length(f, static_cast<std::uint8_t>(i + 1)) == (same ? 0 : 40 + i));
        if (!same) opened[i] = walk.at();
      }
      walk.next();
    }
    CHECK(walk.at().number == first + last + 1);
  }
}

TEST_CASE("the packets of an interval go on after one another at any count of microframes") {
  RawBus f({.edit = two_transactions});
  REQUIRE(f.configure(8));
  REQUIRE(f.write(0x004, 1U | 1U << 8U));
  f.pass(20 * bus::microsecond);
  f.next_frame();
  const RawBus::Bytes payload(64, 0);
  unsigned rounds = 0, number = f.frame_number();
  for (unsigned bit = 3; bit < 24; ++bit) {
    CAPTURE(bit);
    // A jump adds a wrap of the numbers to the count, 2^14, and the difference of the numbers.
    const unsigned jumps = bit < 14 ? 1 : 1U << (bit - 13);
    for (unsigned i = 0; i < jumps; ++i) {
      number = (number + (bit < 14 ? 1U << (bit - 3) : 1024U)) & 0x7ffU;
      f.send(usb::make_sof(static_cast<std::uint16_t>(number)), true);
      if (i + 8 < jumps) continue;
      ++rounds;
      for (const std::size_t length : {1024, 1024, 0}) CHECK(in_length(f, 1) == length);
      for (const Pid pid : {Pid::mdata, Pid::data1}) {
        f.send(usb::make_token(Pid::out, f.address, 1));
        f.data(pid, payload);
      }
    }
  }
  CHECK(f.read(0x208) == 2 * rounds);
  CHECK(f.read(0x01b) == 0);
}
