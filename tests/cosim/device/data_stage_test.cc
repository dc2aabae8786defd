// Data stages of endpoint 0: of every length, from and to every place, and what one leaves behind for the next.
#include <doctest/doctest.h>

#include "cosim/device/event_log.h"
#include "cosim/device/own_image.h"

using namespace isochio::test;
using isochio::usb::Pid;
namespace bus = isochio::bus;
using Bytes = RawBus::Bytes;

namespace {

std::uint8_t low8(unsigned value) { return static_cast<std::uint8_t>(value & 0xffU); }
std::uint16_t low16(unsigned value) { return static_cast<std::uint16_t>(value & 0xffffU); }

using Registers = std::vector<std::pair<unsigned, std::uint32_t>>;

/// Those that keep what is written, as long as nothing happens on the bus; and what is beside them.
Registers registers(RawBus& f) {
  Registers all;
  const auto add = [&](unsigned from, unsigned count) {
    const auto got = f.control({0xc0, 1, 0, low16(from), low16(4 * count)});
    REQUIRE(got);
    REQUIRE(got->size() == 4 * count);
    for (unsigned i = 0; i < count; ++i) {
      const auto* at = got->data() + std::ptrdiff_t{4} * i;
      all.emplace_back(from + i, at[0] | at[1] << 8U | at[2] << 16U | std::uint32_t{at[3]} << 24U);
    }
  };
  add(0x004, 2);
  add(0x00a, 2);
  add(0x00d, 3);
  add(0x100, 0x300);
  return all;
}

/// What two of them differ in, as it is in the second.
Registers changes(const Registers& before, const Registers& after) {
  Registers found;
  for (std::size_t i = 0; i < before.size(); ++i)
    if (before[i] != after[i]) found.push_back(after[i]);
  return found;
}

}  // namespace

TEST_CASE("a data stage may have 65535 bytes; an answer goes on at the image's start where it runs over the end") {
  OwnImage image;
  image.rule({0xc1, 0, 0, 0x1abc, 0xffff});
  image.rule({0x41, 1, 5});
  RawBus f({.image = image.bytes});
  f.reset();
  for (const unsigned length : {0xffffU, 0x2a80U}) {
    CAPTURE(length);
    const auto got = f.control({0xc1, 0, 0, 0, low16(length)});
    REQUIRE(got);
    REQUIRE(got->size() == length);
    bool same = true;
    for (unsigned i = 0; i < length; ++i) same = same && (*got)[i] == image.bytes[(0x1abc + i) % OwnImage::size];
    CHECK(same);
    CHECK(f.control({0x41, 1, 0, 0, low16(length)}, Bytes(length, 0x77)));
    // One packet less is not the end.
    if (length < 0x4000) {
      REQUIRE(f.send_setup({0x41, 1, 0, 0, low16(length + 64U)}));
      for (unsigned i = 0; i < length / 64; ++i)
        REQUIRE(f.transact_out(i % 2 == 0 ? Pid::data1 : Pid::data0, Bytes(64)) == Pid::ack);
      CHECK(f.transact_in() == Bytes{isochio::usb::pid_byte(Pid::stall)});
    }
  }
}

TEST_CASE("an answer is as long as its row says, or as the host asks: around each power of two") {
  OwnImage image;
  std::vector<unsigned> lengths;
  for (unsigned power = 1; power <= 2048; power *= 2) {
    for (const unsigned length : {power - 1, power, power + 1}) lengths.push_back(length);
  }
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    image.rule({0xc1, low8(static_cast<unsigned>(i)), 0, OwnImage::data_at + 5, lengths[i]});
    image.descriptor(0x30, static_cast<unsigned>(i), OwnImage::data_at + 9, lengths[i]);
  }
  RawBus f({.image = image.bytes});
  f.reset();
  for (unsigned i = 0; i < lengths.size(); ++i) {
    const unsigned length = lengths[i];
    CAPTURE(length);
    CHECK(f.control({0xc1, low8(i), 0, 0, 0xffff}) == image.part(OwnImage::data_at + 5, length));
    CHECK(f.control({0x80, 6, low16(0x3000U + i), 0, 4096}) == image.part(OwnImage::data_at + 9, length));
    if (length < 300) {
      const auto last = static_cast<std::uint8_t>(lengths.size() - 1);
      CHECK(f.control({0xc1, last, 0, 0, low16(length)}) == image.part(OwnImage::data_at + 5, length));
      CHECK(f.control({0xc1, low8(i), 0, 0, low16(length)}) == image.part(OwnImage::data_at + 5, length));
    }
  }
}

TEST_CASE("stored bytes are read back, of any length, at any place of the image") {
  for (const unsigned at : {OwnImage::data_at, 0x1555U, 0x1aaaU, 0x1f00U}) {
    CAPTURE(at);
    OwnImage image;
    image.rule({0x41, 1, 1, at, 200});
    image.rule({0xc1, 1, 0, at, 200});
    RawBus f({.fs_only = at == 0x1555U, .image = image.bytes});
    f.reset();
    Bytes kept = image.part(at, 200);
    for (const unsigned length : {200U, 1U, 2U, 3U, 4U, 5U, 7U, 8U, 63U, 64U, 65U, 127U, 128U, 129U, 192U}) {
      CAPTURE(length);
      Bytes sent(length);
      for (unsigned i = 0; i < length; ++i) sent[i] = low8(31 * i + length);
      REQUIRE(f.control({0x41, 1, 0, 0, low16(length)}, sent));
      std::copy(sent.begin(), sent.end(), kept.begin());
      REQUIRE(f.control({0xc1, 1, 0, 0, 300}) == kept);
    }
    // Less than announced, up to a short packet; more is not taken.
    for (unsigned length = 0; length < 64; ++length) {
      CAPTURE(length);
      const unsigned all = length + (length % 4 == 3 ? 64 : 0);
      Bytes sent(all);
      for (unsigned i = 0; i < all; ++i) sent[i] = low8(29 * i + 3 * length);
      REQUIRE(f.send_setup({0x41, 1, 0, 0, 200}));
      if (all != length) REQUIRE(f.transact_out(Pid::data1, std::span(sent).first(64)) == Pid::ack);
      REQUIRE(f.transact_out(all != length ? Pid::data0 : Pid::data1, std::span(sent).last(length)) == Pid::ack);
      REQUIRE(f.transact_in().size() == 3);
      std::copy(sent.begin(), sent.end(), kept.begin());
      REQUIRE(f.control({0xc1, 1, 0, 0, 300}) == kept);
    }
    REQUIRE(f.send_setup({0x41, 1, 0, 0, 3}));
    REQUIRE(f.transact_out(Pid::data1, Bytes(9, 0xdd)) == Pid::ack);
    REQUIRE(f.transact_in().size() == 3);
    std::fill_n(kept.begin(), 3, 0xdd);
    CHECK(f.control({0xc1, 1, 0, 0, 300}) == kept);
  }
}

TEST_CASE("a store writes the register that its rule names, with its first four bytes, and no other") {
  std::vector<unsigned> names;
  for (unsigned bit = 0; bit < 8; ++bit) {
    names.push_back(0x0aU ^ 1U << bit);
    names.push_back(bit << 5U | 1U);
  }
  names.push_back(0x0a);
  OwnImage image;
  image.test_requests();
  for (const unsigned name : names) image.rule({0x41, low8(name), 1, OwnImage::data_at, 100, low8(name)});
  RawBus f({.image = image.bytes});
  f.reset();
  REQUIRE(f.control({0, 9, 1, 0, 0}));
  unsigned seed = 0;
  auto before = registers(f);
  for (const unsigned name : names) {
    CAPTURE(name);
    const bool kept = name == 0x0a || name == 0x0b || name == 0x0e;
    for (const unsigned length : {1U, 2U, 3U, 4U, 5U, 8U, 70U}) {
      if (length != 4 && name != 0x0a && name != 0x0e) continue;
      CAPTURE(length);
      Bytes sent(length);
      for (unsigned i = 0; i < length; ++i) sent[i] = low8(17 * ++seed);
      if (length > 3) sent[3] = 1;
      sent[0] |= 1;
      std::uint32_t value = 0;
      for (unsigned i = 0; i < std::min(4U, length); ++i) value |= std::uint32_t{sent[i]} << 8U * i;
      if (name == 0x0b) value &= 1U;
      REQUIRE(f.control({0x41, low8(name), 0, 0, low16(length)}, sent));
      const auto after = registers(f);
      CHECK(changes(before, after) == (kept ? Registers{{name, value}} : Registers{}));
      before = after;
    }
  }
}

TEST_CASE("a register is written by all bits of its number, and several in a row") {
  RawBus f({});
  REQUIRE(f.configure(0));
  auto before = registers(f);
  for (unsigned engine = 0; engine < 6; ++engine) {
    for (const unsigned side : {0x100U, 0x200U}) {
      const unsigned name = side + 0x20U * engine + 1;
      CAPTURE(name);
      const std::uint32_t value = 0x80000001U + name * 0x10203U;
      REQUIRE(f.write(low16(name), value));
      const auto after = registers(f);
      CHECK(changes(before, after) == Registers{{name, value}});
      before = after;
    }
  }
  for (unsigned bit = 0; bit < 10; ++bit) {
    const unsigned name = 0x00dU ^ 1U << bit;
    CAPTURE(name);
    if (name == 5 || name == 0x00c) continue;  // LOG_MASK matters, FEEDBACK changes
    REQUIRE(f.write(low16(name), 0x01ff1234U));
    const auto after = registers(f);
    for (const auto& change : changes(before, after)) CHECK(change.first == name);
    before = after;
  }
  // Four in a row.
  Bytes words;
  for (unsigned i = 0; i < 4; ++i) words.insert(words.end(), {low8(i + 1), low8(i + 20), 0, 0});
  REQUIRE(f.control({0x40, 1, 0, 0x00c, 16}, words));
  CHECK(f.read(0x00d) == 0x1502);
  CHECK(f.read(0x00e) == 0x1603);
}

TEST_CASE("a reading of the log has whole entries only, whatever the length asked for") {
  for (const bool fs_only : {false, true}) {
    CAPTURE(fs_only);
    RawBus f({.fs_only = fs_only});
    REQUIRE(f.configure(0));
    for (int i = 0; i < 100; ++i) f.next_frame();
    for (unsigned length = 0; length <= 205; ++length) {
      if (fs_only && length % 3 == 1 && length > 70) continue;
      CAPTURE(length);
      const auto got = f.control({0xc0, 2, 0, 0, low16(length)});
      REQUIRE(got);
      REQUIRE(got->size() == length / 12 * 12);
      // An entry has no kind above 7, and its bytes are in their places.
      for (std::size_t at = 0; at < got->size(); at += 12) REQUIRE((*got)[at + 7] < 8);
    }
  }
}

TEST_CASE("a reading of the log ends with the last entry, also where that fills the packet") {
  RawBus f({.fs_only = true});
  REQUIRE(f.configure(0));
  for (unsigned frames = 14; frames < 19; ++frames) {
    CAPTURE(frames);
    REQUIRE(f.write(0x005, 0));
    REQUIRE(clear_log(f));
    CHECK(f.control({0xc0, 2, 0, 0, 4092}) == Bytes{});
    f.next_frame();
    REQUIRE(f.write(0x005, 1));  // SOFs only
    for (unsigned i = 0; i < frames; ++i) f.next_frame();
    REQUIRE(f.write(0x005, 0));
    CHECK(f.read(0x006) == frames);
    CHECK(take_log(f).size() == frames);
    CHECK(f.control({0xc0, 2, 0, 0, 12}) == Bytes{});
  }
}

TEST_CASE("what is left of a data stage that the host gave up is not in the next one") {
  for (const bool fs_only : {false, true}) {
    CAPTURE(fs_only);
    RawBus f({.fs_only = fs_only});
    REQUIRE(f.configure(0));
    const RawBus::Setup all{0x80, 6, 0x0200, 0, 4096};
    const auto descriptor = f.control(all);
    REQUIRE(descriptor);
    for (int i = 0; i < 40; ++i) f.next_frame();
    const RawBus::Setup befores[] = {{0xc0, 1, 0, 0, 1},   {0xc0, 1, 0, 0, 2},     {0xc0, 1, 0, 0, 3},
                                     {0xc0, 2, 0, 0, 480}, {0x80, 6, 0x200, 0, 5}, {0x80, 0, 0, 0, 1}};
    for (const auto& before : befores) {
      for (int which = 0; which < 7; ++which) {
        CAPTURE(which);
        CAPTURE(int(before.request));
        CAPTURE(before.length);
        if (before.length == 480) {
          // The first packet ends within an entry.
          REQUIRE(f.send_setup(before));
          REQUIRE(f.transact_in().size() == 67);
          f.pass(20 * bus::microsecond);
        } else {
          REQUIRE(f.control(before));
        }
        if (which == 0) CHECK(f.control(all) == descriptor);
        if (which == 1) CHECK(f.read(0) == 0x4F495349);
        if (which == 2) CHECK(f.control({0x80, 0, 0, 0, 64})->size() == 2);
        if (which == 3) CHECK(f.control({0x80, 8, 0, 0, 64}) == Bytes{1});
        if (which == 4) {
          REQUIRE(f.write(0x00d, 0x12345));
          CHECK(f.read(0x00d) == 0x12345);
        }
        if (which == 5) CHECK(f.control({0x81, 10, 0, 0, 64}) == Bytes{0});
        if (which == 6) {
          const auto entries = take_log(f);
          REQUIRE(entries.size() > 5);
          for (const auto& e : entries) REQUIRE(e.kind < 8);
          for (int i = 0; i < 12; ++i) f.next_frame();
        }
      }
    }
    // An odd number of packets, of either direction: the next request begins with DATA1 all the same.
    REQUIRE(f.send_setup({0x40, 1, 0, 0x00d, 128}));
    REQUIRE(f.transact_out(Pid::data1, Bytes(64)) == Pid::ack);
    REQUIRE(f.write(0x00d, 77));
    CHECK(f.read(0x00d) == 77);
  }
}

TEST_CASE("a SETUP while the last request is still carried out is served after it") {
  RawBus f({});
  REQUIRE(f.configure(0));
  const RawBus::Setup device{0x80, 6, 0x0100, 0, 18};
  const auto expected = f.control(device);
  REQUIRE(expected);
  const RawBus::Setup firsts[] = {
      {0x80, 6, 0x0200, 0, 4096}, {0x01, 11, 1, 0, 0}, {0xc0, 1, 0, 0, 64}, {0, 9, 1, 0, 0}};
  for (const auto& first : firsts) {
    for (int delay = 0; delay < 60; ++delay) {
      CAPTURE(int(first.request));
      CAPTURE(delay);
      REQUIRE(f.send_setup(first));
      f.pass(bus::Duration{delay * delay * 8});
      REQUIRE(f.control(device) == expected);
    }
  }
  REQUIRE(f.control({0x40, 1, 0, 0x00d, 4}, {1, 2, 3, 4}));
  for (int delay = 0; delay < 60; ++delay) {
    CAPTURE(delay);
    REQUIRE(f.send_setup({0x40, 1, 0, 0x00d, 64}));
    REQUIRE(f.transact_out(Pid::data1, Bytes(8, 5)) == Pid::ack);
    f.pass(bus::Duration{delay * 8});
    REQUIRE(f.write(0x00d, 0x4321));
    REQUIRE(f.read(0x00d) == 0x4321);
  }
}

TEST_CASE("the log's entries are whole at whatever time: each bit of the stamp") {
  RawBus f({.fs_only = true});
  REQUIRE(f.configure(0));
  for (const int milliseconds : {30, 41, 70, 75, 143, 290, 570, 1'110, 2'250, 4'500, 8'900, 17'900, 35'800}) {
    CAPTURE(milliseconds);
    f.pass(milliseconds * bus::millisecond);  // suspended
    REQUIRE(f.configure(0));
    REQUIRE(clear_log(f));
    for (int i = 0; i < 5; ++i) f.next_frame();
    const auto now = static_cast<std::uint32_t>(f.link().now().bits / 8);
    std::uint32_t last = 0;
    int sofs = 0;
    for (const auto& e : take_log(f)) {
      // A PID byte's halves are each other's complement.
      REQUIRE(((e.pid ^ e.pid >> 4U) & 0xfU) == 0xfU);
      if (e.kind != 0 || ++sofs > 5) continue;
      CHECK(e.endpoint == 0);
      CHECK(e.length == f.frame_number() - 5U + static_cast<unsigned>(sofs));
      CHECK(e.frame == e.length << 3U);
      CHECK(e.pid == 0xa5);
      CHECK(e.status == 0);
      if (sofs > 1) CHECK(e.stamp - last + 5U - 60'000U <= 10U);  // a bit of full speed
      last = e.stamp;
    }
    CHECK(sofs >= 5);
    CHECK(now - last + 500U < 1'000U);
  }
}

TEST_CASE("every request takes a wLength of all its sixteen bits") {
  OwnImage image;
  image.test_requests();
  image.settings(2);
  image.endpoint(0x81, OwnImage::isochronous);
  image.endpoint(2, OwnImage::bulk);
  image.descriptor(0x30, 0, OwnImage::data_at, 1000);
  image.rule({0xc1, 0, 0, OwnImage::data_at, 1000});
  image.rule({0xc1, 5, 5});
  image.rule({0x41, 1, 1, OwnImage::data_at, 0xffff});
  image.rule({0x41, 2, 2});
  image.rule({0x41, 5, 5});
  for (const bool fs_only : {false, true}) {
    RawBus f({.fs_only = fs_only, .image = image.bytes});
    f.reset();
    REQUIRE(f.control({0, 9, 1, 0, 0}));
    for (int i = 0; i < 60; ++i) f.next_frame();
    const std::pair<RawBus::Setup, unsigned> requests[] = {
        {{0x80, 0, 0, 0, 0}, 2},  {{0x80, 8, 0, 0, 0}, 1},     {{0x81, 0, 0, 0, 0}, 2},
        {{0x81, 10, 0, 0, 0}, 1}, {{0x82, 0, 0, 0, 0}, 2},     {{0x82, 0, 0, 0x81, 0}, 2},
        {{0x82, 0, 0, 2, 0}, 2},  {{0x82, 12, 0, 0x81, 0}, 2}, {{0x80, 6, 0x3000, 0, 0}, 64},
        {{0xc1, 0, 0, 0, 0}, 64}, {{0xc1, 5, 0, 0, 0}, 0},     {{0xc0, 1, 0, 0x300, 0}, 64},
        {{0xc0, 2, 0, 0, 0}, 64}};
    for (unsigned bit = 0; bit < 16; ++bit) {
      CAPTURE(bit);
      const unsigned length = 1U << bit;
      for (auto [setup, most] : requests) {
        CAPTURE(int(setup.type));
        CAPTURE(int(setup.request));
        setup.length = low16(length);
        REQUIRE(f.send_setup(setup));
        const unsigned whole = setup.type == 0xc0 && setup.request == 2 && length < 72 ? length / 12 * 12 : length;
        CHECK(f.transact_in().size() == std::min(most, whole) + 3);
        if (most < 64) CHECK(f.transact_out(Pid::data1, {}) == Pid::ack);
      }
      if (bit < 7) continue;
      for (const std::uint8_t request : {1, 2, 5}) {
        CAPTURE(int(request));
        REQUIRE(f.send_setup({0x41, request, 0, 0x300, low16(length)}));
        const Bytes packet(64);
        CHECK(f.transact_out(Pid::data1, packet) == Pid::ack);
        CHECK(f.transact_in() == Bytes{isochio::usb::pid_byte(Pid::stall)});
        CHECK(f.transact_out(Pid::data0, packet) == Pid::ack);
        if (bit == 7)
          CHECK(f.transact_in().size() == 3);
        else
          CHECK(f.transact_in() == Bytes{isochio::usb::pid_byte(Pid::stall)});
      }
    }
  }
}

TEST_CASE("no entry of the log is lost between two readings of it") {
  for (const bool fs_only : {false, true}) {
    RawBus f({.fs_only = fs_only});
    REQUIRE(f.configure(0));
    REQUIRE(f.write(0x005, 0));
    REQUIRE(clear_log(f));
    f.next_frame();
    REQUIRE(f.write(0x005, 1));  // SOFs only
    for (unsigned i = 0; i < 150; ++i) f.next_frame();
    REQUIRE(f.write(0x005, 0));
    unsigned left = f.read(0x006);
    REQUIRE(left >= 150);
    std::uint32_t last = 0;
    for (const std::uint16_t length :
         {13, 12, 0, 11, 1, 23, 24, 25, 64, 65, 76, 128, 133, 11, 300, 600, 1200, 12, 65}) {
      CAPTURE(length);
      const auto got = f.control({0xc0, 2, 0, 0, length});
      REQUIRE(got);
      REQUIRE(got->size() == std::min<std::size_t>(length / 12U, left) * 12);
      for (std::size_t at = 0; at < got->size(); at += 12) {
        const auto* e = got->data() + at;
        const std::uint32_t stamp = e[0] | e[1] << 8U | e[2] << 16U | std::uint32_t{e[3]} << 24U;
        if (last != 0) CHECK(stamp - last + 10U - (fs_only ? 60'000U : 7'500U) <= 20U);
        last = stamp;
      }
      left -= static_cast<unsigned>(got->size() / 12);
      CHECK(f.read(0x006) == left);
    }
    CHECK(left == 0);
  }
}

TEST_CASE("descriptors, registers and stores have data stages of tens of thousands of bytes, too") {
  OwnImage image;
  image.test_requests();
  image.descriptor(0x30, 0, 0x1abc, 0xffff);
  image.rule({0x41, 1, 1, 0, 0xffff});
  RawBus f({.image = image.bytes});
  f.reset();
  const auto got = f.control({0x80, 6, 0x3000, 0, 0xe00b});
  REQUIRE(got);
  REQUIRE(got->size() == 0xe00b);
  CHECK(got->back() == image.bytes[(0x1abc + 0xe00a) % OwnImage::size]);
  const auto all = f.control({0xc0, 1, 0, 0x100, 0xe005});
  REQUIRE(all);
  CHECK(all->size() == 0xe005);
  CHECK(f.control({0x40, 1, 0, 0x100, 0xe00c}, Bytes(0xe00c)));  // nothing is what they hold then
  CHECK(f.control({0x41, 1, 0, 0, 0x7ff1}, Bytes(0x7ff1)));      // and what the image holds
  CHECK(f.control({0x80, 0, 0, 0, 2}) == Bytes{0, 0});
  CHECK(stalls(f, {0x80, 6, 0x3000, 0, 0xffff}));
}
