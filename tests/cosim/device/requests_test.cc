// How endpoint 0 tells one request from another: every bit of the header, of rows and of requests that has a meaning.
#include <doctest/doctest.h>

#include "cosim/device/own_image.h"

using namespace isochio::test;
using isochio::usb::Pid;
using Bytes = RawBus::Bytes;

namespace {

constexpr std::uint16_t sample_rate = 0x00a, sample_mode = 0x00b;

std::uint8_t low8(unsigned value) { return static_cast<std::uint8_t>(value & 0xffU); }
std::uint16_t low16(unsigned value) { return static_cast<std::uint16_t>(value & 0xffffU); }

bool is_there(RawBus& f, unsigned endpoint) {
  const auto status = f.control({0x82, 0, 0, low16(endpoint), 2});
  if (!status) CHECK(stalls(f, {0x82, 0, 0, low16(endpoint), 2}));
  return status.has_value();
}

}  // namespace

TEST_CASE("a table of the image has as many rows as its header says") {
  for (const unsigned rows : {0U, 1U, 2U, 3U, 4U, 5U, 8U, 16U, 32U, 64U, 128U}) {
    CAPTURE(rows);
    OwnImage image;
    for (unsigned i = 0; i <= rows; ++i) {
      const unsigned number = i == rows ? 0x84 : i + 1 == rows ? 3 : i == 0 ? 5 : 0;
      image.endpoint(number, OwnImage::bulk);
      image.descriptor(0x30, i, OwnImage::data_at + 2 * i, 3);
      image.rule({0xc1, low8(i), 0, OwnImage::data_at + 7 * i, 4});
    }
    for (const unsigned count : {6U, 7U, 8U}) image.bytes[count] = low8(rows);
    const bool fs_only = rows % 3 == 1;
    RawBus f({.fs_only = fs_only, .image = image.bytes});
    f.reset();
    REQUIRE(f.control({0, 9, 1, 0, 0}));
    CHECK(is_there(f, 3) == (rows >= 1));
    CHECK(is_there(f, 5) == (rows >= 2));
    CHECK_FALSE(is_there(f, 0x84));
    for (const unsigned i : {0U, rows / 2, rows - 1}) {
      if (i >= rows) continue;
      CAPTURE(i);
      CHECK(f.control({0x80, 6, low16(0x3000U + i), 0, 64}) == image.part(OwnImage::data_at + 2 * i, 3));
      CHECK(f.control({0xc1, low8(i), 0, 0, 64}) == image.part(OwnImage::data_at + 7 * i, 4));
    }
    CHECK(stalls(f, {0x80, 6, low16(0x3000U + rows), 0, 64}));
    CHECK(stalls(f, {0xc1, low8(rows), 0, 0, 64}));
  }
}

TEST_CASE("configuration value, attributes and sample rate are those of the header, bit by bit") {
  for (unsigned k = 0; k < 8; ++k) {
    CAPTURE(k);
    OwnImage image;
    image.test_requests();
    const unsigned value = 1U << k;
    image.bytes[9] = low8(value);
    image.bytes[10] = low8(k | (k & 1U) << 3U);  // self-powered, wake-up, high speed; sample mode
    image.bytes[11] = low8(k < 7 ? value : 0xff);
    RawBus f({.fs_only = (k & 4U) == 0, .image = image.bytes});
    f.reset();
    CHECK(f.read(sample_rate) == (k < 7 ? value * 8000 : 127 * 11'025));
    CHECK(f.read(sample_mode) == (k & 1U));
    const auto status = [&] { return f.control({0x80, 0, 0, 0, 2}); };
    CHECK(status() == Bytes{low8(k & 1U), 0});
    const auto feature = [&](std::uint8_t request, unsigned selector) {
      const RawBus::Setup setup{0, request, low16(selector), 0, 0};
      const bool done = f.control(setup).has_value();
      if (!done) CHECK(stalls(f, setup));
      return done;
    };
    const bool wakes = (k & 2U) != 0;
    CHECK(feature(3, 1) == wakes);
    CHECK(status() == Bytes{low8(k & 3U), 0});
    for (unsigned bit = 0; bit < 16; ++bit) {
      CHECK_FALSE(feature(1, 1U ^ 1U << bit));
      CHECK_FALSE(feature(3, 1U ^ 1U << bit));
    }
    CHECK(status() == Bytes{low8(k & 3U), 0});
    CHECK(feature(1, 1) == wakes);
    CHECK(status() == Bytes{low8(k & 1U), 0});
    CHECK(feature(3, 1) == wakes);

    const auto configuration = [&] { return f.control({0x80, 8, 0, 0, 1}); };
    CHECK(configuration() == Bytes{0});
    REQUIRE(f.control({0, 9, low16(value), 0, 0}));
    for (unsigned bit = 0; bit < 16; ++bit) {
      if (bit != k) CHECK(stalls(f, {0, 9, low16(value ^ 1U << bit), 0, 0}));
    }
    CHECK(configuration() == Bytes{low8(value)});
    CHECK(f.control({0x80, 8, 0, 0, 64}) == Bytes{low8(value)});
    REQUIRE(f.control({0, 9, 0, 0, 0}));
    CHECK(configuration() == Bytes{0});
    REQUIRE(f.control({0, 9, low16(value), 0, 0}));
    f.reset();
    CHECK(configuration() == Bytes{0});
    CHECK(status() == Bytes{low8(k & 1U), 0});
  }
}

TEST_CASE("SET_ADDRESS takes seven bits, and the device is at that address only, after the status stage") {
  for (const bool fs_only : {false, true}) {
    CAPTURE(fs_only);
    OwnImage image;
    image.test_requests();
    RawBus f({.fs_only = fs_only, .image = image.bytes});
    f.reset();
    for (unsigned bit = 0; bit < 16; ++bit) {
      CAPTURE(bit);
      const RawBus::Setup setup{0, 5, low16(1U << bit), 0, 0};
      if (bit >= 7) {
        CHECK(stalls(f, setup));
        continue;
      }
      REQUIRE(f.send_setup(setup));
      REQUIRE(f.send_setup(setup));  // still at the old one
      REQUIRE(f.transact_in().size() == 3);
      for (unsigned other = 0; other < 8; ++other) {
        f.address = low8((1U << bit ^ 1U << other) & 0x7fU);
        if (other < 7) CHECK_FALSE(f.send_setup({0x80, 0, 0, 0, 2}));
      }
      f.address = low8(1U << bit);
      CHECK((f.read(3) >> 8U & 0x7fU) == 1U << bit);
      REQUIRE(f.control({0, 5, 0, 0, 0}));
      f.address = 0;
    }
    REQUIRE(f.control({0, 9, 1, 0, 0}));
    CHECK(stalls(f, {0, 5, 1, 0, 0}));
  }
}

TEST_CASE("a rule is found by the bits of wValue and wIndex in its masks, and by all of type and request") {
  OwnImage image;
  for (unsigned bit = 0; bit < 32; ++bit) {
    const unsigned mask = 1U << bit;
    image.rule({0xc3, low8(bit), 0, OwnImage::data_at + bit, 2, 0, 0x1234, mask & 0xffffU, 0xa5c3, mask >> 16U});
  }
  image.rule({0xc2, 0x69, 0, OwnImage::data_at, 3});
  RawBus f({.image = image.bytes});
  f.reset();
  for (unsigned bit = 0; bit < 32; ++bit) {
    CAPTURE(bit);
    const unsigned flip = 1U << bit, given = 0xa5c31234U;
    const auto ask = [&](unsigned both) { return RawBus::Setup{0xc3, low8(bit), low16(both), low16(both >> 16U), 2}; };
    CHECK(f.control(ask(given ^ ~flip)) == image.part(OwnImage::data_at + bit, 2));
    CHECK(stalls(f, ask(given ^ flip)));
  }
  CHECK(f.control({0xc2, 0x69, 0, 0, 3}) == image.part(OwnImage::data_at, 3));
  for (unsigned bit = 0; bit < 16; ++bit) {
    CAPTURE(bit);
    const unsigned both = 0xc269U ^ 1U << bit;
    CHECK(stalls(f, {low8(both >> 8U), low8(both), 0, 0, 3}));
  }
}

TEST_CASE("what a rule does needs all bits of its action, the direction, and a length that fits") {
  OwnImage image;
  std::vector<std::uint8_t> unknown;
  for (unsigned action = 0; action < 6; ++action) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      const unsigned other = action ^ 1U << bit;
      if (other > 5 || other == 4) unknown.push_back(low8(other));
    }
  }
  for (const std::uint8_t action : unknown) {
    image.rule({0xc0, action, action, OwnImage::data_at, 64});
    image.rule({0x40, action, action, OwnImage::data_at, 64});
  }
  for (std::uint8_t action = 0; action < 6; ++action) {
    image.rule({0xc1, action, action, OwnImage::data_at, 64});
    image.rule({0x41, action, action, OwnImage::data_at, 64});
  }
  RawBus f({.image = image.bytes});
  f.reset();
  REQUIRE(f.control({0xc1, 0, 0, 0, 64}) == image.part(OwnImage::data_at, 64));
  for (const std::uint8_t action : unknown) {
    CAPTURE(int(action));
    CHECK(stalls(f, {0xc0, action, 0, 0, 64}));
    CHECK(stalls(f, {0x40, action, 0, 0, 64}));
  }
  for (const std::uint8_t action : {0, 3, 4}) CHECK(stalls(f, {0x41, action, 0, 0, 4}));
  for (const std::uint8_t action : {1, 4}) CHECK(stalls(f, {0xc1, action, 0, 0, 4}));
  for (const std::uint16_t length : {1, 2, 3, 5, 6, 7}) CHECK(stalls(f, {0x41, 2, 0, 0x300, length}));
  // No data stage: the status stage has none either, whatever was in the last one.
  for (const std::uint8_t type : {0x41, 0xc1}) {
    for (const std::uint8_t action : {0, 1, 2, 3, 5}) {
      CAPTURE(int(type));
      CAPTURE(int(action));
      if (action != 2 && action != 5 && (action == 1) != (type == 0x41)) continue;
      CHECK(f.control({0xc1, 0, 0, 0, 27})->size() == 27);
      CHECK(f.control({type, action, 0, 0x300, 0}) == Bytes{});
      CHECK(f.control({0x80, 0, 0, 0, 2}) == Bytes{0, 0});
    }
  }
  for (const std::uint8_t request : {0, 8}) {
    CHECK(f.control({0xc1, 0, 0, 0, 27})->size() == 27);
    CHECK(f.control({0x80, request, 0, 0, 0}) == Bytes{});
  }
}

TEST_CASE("a store takes a data stage as long as its rule says, at most") {
  OwnImage image;
  for (unsigned bit = 0; bit < 16; ++bit) {
    image.rule({0x41, low8(bit), 1, OwnImage::data_at, 1U << bit});
    image.rule({0x41, low8(16 + bit), 1, OwnImage::data_at, (1U << bit) - 1});
  }
  RawBus f({.image = image.bytes});
  f.reset();
  for (unsigned bit = 0; bit < 16; ++bit) {
    CAPTURE(bit);
    const auto length = low16(1U << bit);
    const Bytes packet(std::min<std::size_t>(length, 64));
    REQUIRE(f.send_setup({0x41, low8(bit), 0, 0, length}));
    CHECK(f.transact_out(Pid::data1, packet) == Pid::ack);
    CHECK(stalls(f, {0x41, low8(bit), 0, 0, low16(length + 1U)}));
    CHECK(stalls(f, {0x41, low8(16 + bit), 0, 0, length}));
  }
}

TEST_CASE("SET_INTERFACE makes the endpoints of its interface and alternate setting, and leaves the others") {
  for (const unsigned interface : {5U, 2U}) {
    for (const bool fs_only : {false, true}) {
      CAPTURE(interface);
      CAPTURE(fs_only);
      const unsigned alternate = interface == 5 ? 9 : 6;
      OwnImage image;
      image.settings(16);
      for (unsigned bit = 0; bit < 8; ++bit) {
        image.endpoint(bit + 1, OwnImage::bulk, interface ^ 1U << bit, alternate);
        image.endpoint(0x80 + bit + 1, OwnImage::bulk, interface, alternate ^ 1U << bit);
      }
      image.endpoint(15, OwnImage::bulk | 5U << 4U, interface, alternate);
      image.endpoint(0x8f, OwnImage::bulk | 5U << 4U, interface, alternate);
      for (const unsigned engine : {6U, 7U, 8U, 13U}) {  // there is none
        image.endpoint(14, OwnImage::bulk | engine << 4U, interface, alternate);
        image.endpoint(0x8e, OwnImage::bulk | engine << 4U, interface, alternate);
      }
      image.endpoint(13, fs_only ? 0x0a : 0x06, interface, alternate);  // at the other speed
      image.endpoint(12, fs_only ? 0x06 : 0x0a, interface, alternate);
      RawBus f({.fs_only = fs_only, .image = image.bytes});
      f.reset();
      REQUIRE(f.control({0, 9, 1, 0, 0}));
      const auto present = [&] {
        std::vector<unsigned> found;
        for (unsigned i = 1; i < 16; ++i) {
          if (is_there(f, i)) found.push_back(i);
          if (is_there(f, 0x80 + i)) found.push_back(0x80 + i);
        }
        return found;
      };
      CHECK(present().empty());
      const auto set = [&](unsigned to, unsigned which) {
        return f.control({1, 11, low16(to), low16(which), 0}).has_value();
      };
      REQUIRE(set(alternate, interface));
      CHECK(present() == std::vector<unsigned>{12, 15, 0x8f});
      REQUIRE(set(alternate, interface ^ 1U));
      CHECK(present() == std::vector<unsigned>{1, 12, 15, 0x8f});
      REQUIRE(set(alternate ^ 2U, interface));
      CHECK(present() == std::vector<unsigned>{1, 0x82});
      REQUIRE(set(15, interface));
      CHECK(present() == std::vector<unsigned>{1});
      REQUIRE(f.control({0, 9, 1, 0, 0}));
      CHECK(present().empty());
    }
  }
}

TEST_CASE("SYNCH_FRAME answers all eleven bits of the frame number") {
  OwnImage image;
  image.endpoint(0x81, OwnImage::isochronous);
  image.endpoint(2, OwnImage::isochronous);
  for (const bool fs_only : {false, true}) {
    CAPTURE(fs_only);
    RawBus f({.fs_only = fs_only, .image = image.bytes});
    f.reset();
    REQUIRE(f.control({0, 9, 1, 0, 0}));
    for (unsigned bit = 0; bit < 12; ++bit) {
      for (const unsigned number : {1U << bit, 0x7ffU ^ 1U << bit, 0x333U ^ 1U << bit}) {
        CAPTURE(number);
        f.start_at_frame(number & 0x7ffU);
        f.next_frame();
        REQUIRE(f.frame_number() == (number & 0x7ffU));
        const std::uint16_t endpoint = bit % 2 == 0 ? 0x81 : 2;
        CHECK(f.control({0x82, 12, 0, endpoint, 2}) == Bytes{low8(number), low8(number >> 8U & 7U)});
      }
    }
  }
}

TEST_CASE("TEST_MODE is a feature by all bits of its number, and a test by all bits of its selector") {
  RawBus f({});
  REQUIRE(f.configure(0));
  for (unsigned bit = 0; bit < 16; ++bit) {
    CAPTURE(bit);
    CHECK(stalls(f, {0, 3, low16(2U ^ 1U << bit), 0x0100, 0}));
    const unsigned index = 0x0400U ^ 1U << bit;
    if (bit < 8 || bit >= 11) CHECK(stalls(f, {0, 3, 2, low16(index), 0}));
  }
  for (const std::uint16_t index : {0x0500, 0x0600, 0x0700, 0x0900, 0x0c00}) CHECK(stalls(f, {0, 3, 2, index, 0}));
  CHECK(f.read(0) == 0x4F495349);
}
