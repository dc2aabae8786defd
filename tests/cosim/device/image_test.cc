// Devices made of random images, asked at random, against docs/device-image.md read as a program: which descriptor,
// which rule, which endpoint, how many bytes. Each request fits a row of the image or misses it by one bit.
#include <doctest/doctest.h>

#include <random>

#include "cosim/device/own_image.h"
#include "cosim/device/raw_bus.h"

using namespace isochio::test;
using isochio::usb::Pid;
namespace usb = isochio::usb;
using Bytes = RawBus::Bytes;

namespace {

constexpr unsigned image_size = 8192, header_size = 32, endpoint_row = 12, descriptor_row = 8, rule_row = 16;
constexpr unsigned engines = 6;

unsigned word(const Bytes& bytes, unsigned at) { return bytes[at] | unsigned{bytes[at + 1]} << 8U; }
void put_word(Bytes& bytes, unsigned at, unsigned value) {
  bytes[at] = static_cast<std::uint8_t>(value & 0xffU);
  bytes[at + 1] = static_cast<std::uint8_t>(value >> 8U);
}

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  unsigned below(unsigned n) { return static_cast<unsigned>(engine_() >> 4U) % n; }
  unsigned bits(unsigned n) { return static_cast<unsigned>(engine_()) >> (32U - n); }

 private:
  std::mt19937 engine_;
};

/// All 8 KiB random, then the tables: rows anywhere, bytes anywhere.
Bytes random_image(Random& random) {
  Bytes image(image_size);
  for (auto& byte : image) byte = static_cast<std::uint8_t>(random.bits(8));
  const bool many = random.below(3) == 0;
  const unsigned endpoint_rows = random.below(many ? 150 : 30), descriptor_rows = random.below(many ? 256 : 24);
  const unsigned rule_rows = many ? 100 + random.below(156) : 2 + random.below(30);
  const unsigned endpoints_end = header_size + endpoint_row * endpoint_rows;
  const unsigned tables = descriptor_row * descriptor_rows + rule_row * rule_rows;
  const unsigned descriptors = endpoints_end + random.below(image_size - endpoints_end - tables);
  const unsigned rules = descriptors + descriptor_row * descriptor_rows;
  const unsigned data = random.bits(1) != 0 && rules + rule_row * rule_rows < 6000 ? rules + rule_row * rule_rows : 0;
  std::copy_n("ISO1", 4, image.begin());
  image[6] = static_cast<std::uint8_t>(endpoint_rows);
  image[7] = static_cast<std::uint8_t>(descriptor_rows);
  image[8] = static_cast<std::uint8_t>(rule_rows);
  image[10] = static_cast<std::uint8_t>(random.bits(8) | 4U);
  put_word(image, 12, descriptors);
  put_word(image, 14, rules);
  for (unsigned i = 16; i < header_size; ++i)
    image[i] = static_cast<std::uint8_t>(random.below(4) == 0 ? 0 : random.below(17));
  for (unsigned at = header_size; at < endpoints_end; at += endpoint_row) {
    image[at] = static_cast<std::uint8_t>(random.bits(8) & 0x8fU);
    image[at + 1] =
        static_cast<std::uint8_t>(random.below(engines + 1) << 4U | random.bits(2) << 2U | (1 + random.below(3)));
    image[at + 2] = static_cast<std::uint8_t>(random.bits(3));
    image[at + 3] = static_cast<std::uint8_t>(random.below(3) == 0 ? 0 : random.below(16));
    put_word(image, at + 4, random.below(65));
    image[at + 6] = static_cast<std::uint8_t>(random.below(16));
    image[at + 7] = 0;
    image[at + 10] = 0;
  }
  // What rows offer: usually short, now and then most of the image.
  const auto place = [&](unsigned at) {
    const unsigned room = data != 0 ? image_size - data : image_size;
    const unsigned length = random.below(12) == 0 ? random.below(room) : random.below(200);
    put_word(image, at, image_size - room + random.below(room - length + 1));
    put_word(image, at + 2, length);
  };
  for (unsigned i = 0; i < descriptor_rows; ++i) place(descriptors + descriptor_row * i + 4);
  for (unsigned i = 0; i < rule_rows; ++i) {
    const unsigned at = rules + rule_row * i;
    if (random.bits(1) != 0)
      image[at] = static_cast<std::uint8_t>(0x20U | random.bits(8));  // class or both: never chapter 9
    if (random.bits(1) != 0) put_word(image, at + 4, random.bits(1) != 0 ? 0xffffU : 0U);
    if (random.bits(1) != 0) put_word(image, at + 8, random.bits(1) != 0 ? 0xffffU : 0U);
    // Stored bytes must not fall upon the tables.
    constexpr std::uint8_t actions[] = {0, 0, 0, 4, 5, 6, 1, 1};
    image[at + 10] = actions[random.below(data != 0 ? 8 : 6)];
    image[at + 11] = 0;
    place(at + 12);
  }
  return image;
}

/// docs/device-image.md and chapter 9, read as a program.
class Reference {
 public:
  Reference(Bytes image, bool high_speed) : image_(std::move(image)), high_(high_speed) {}

  /// What comes in the data stage of an IN request, or nothing if it is stalled. `frame` is the frame number.
  std::optional<Bytes> answer(const RawBus::Setup& setup, unsigned frame, const Bytes& sent = {}) {
    auto bytes = standard(setup, frame, sent);
    if (bytes && bytes->size() > setup.length) bytes->resize(setup.length);
    return bytes;
  }
  void reset() {
    configured_ = false;
    remote_wakeup_ = false;
    alternates_ = {};
    present_.fill({});
  }

 private:
  struct Present {
    bool here = false, isochronous = false, halted = false;
  };

  std::optional<Bytes> standard(const RawBus::Setup& s, unsigned frame, const Bytes& sent) {
    const unsigned both = s.type * 256U + s.request;
    const Bytes none;
    switch (both) {
      case 0x8000:
        if (s.value != 0) return {};
        return Bytes{static_cast<std::uint8_t>((image_[10] & 1U) | (remote_wakeup_ ? 2U : 0U)), 0};
      case 0x0001:
      case 0x0003:
        if (s.value != 1 || (image_[10] & 2U) == 0) return {};
        remote_wakeup_ = s.request == 3;
        return none;
      case 0x8006:
        return descriptor(s);
      case 0x8008:
        return Bytes{configured_ ? image_[9] : std::uint8_t{0}};
      case 0x0009:
        return configure(s.value);
      case 0x8100:
      case 0x810a:
      case 0x010b:
        return interface_request(s);
      case 0x8200:
      case 0x0201:
      case 0x0203:
      case 0x820c:
        return endpoint_request(s, frame);
      case 0x0007:
      case 0x0101:
      case 0x0103:
        return {};
      default:
        return rule(s, sent);
    }
  }

  std::optional<Bytes> descriptor(const RawBus::Setup& s) const {
    for (unsigned i = 0, at = word(image_, 12); i < image_[7]; ++i, at += descriptor_row) {
      const unsigned key = image_[at] << 8U | image_[at + 1];
      if (key == s.value && (image_[at + 2] >> (high_ ? 1U : 0U) & 1U) != 0)
        return part(word(image_, at + 4), word(image_, at + 6));
    }
    return {};
  }

  std::optional<Bytes> configure(unsigned value) {
    if (value != 0 && value != image_[9]) return {};
    configured_ = value != 0;
    alternates_ = {};
    present_.fill({});
    if (configured_) set_up([](unsigned) { return true; }, [](unsigned) { return 0U; });
    return Bytes{};
  }

  std::optional<Bytes> interface_request(const RawBus::Setup& s) {
    if (!configured_ || s.index > 7) return {};
    const unsigned settings = image_[(high_ ? 24U : 16U) + s.index];
    if (settings == 0) return {};
    if (s.request == 0) return Bytes{0, 0};
    if (s.request == 10) return Bytes{alternates_[s.index]};
    if (s.value >= settings || s.value > 15) return {};
    alternates_[s.index] = static_cast<std::uint8_t>(s.value);
    const auto mine = [&](unsigned interface) { return interface == s.index; };
    for_rows([&](unsigned at) {
      if (mine(image_[at + 2])) present_[index(at)] = {};
    });
    set_up(mine, [&](unsigned) { return s.value; });
    return Bytes{};
  }

  std::optional<Bytes> endpoint_request(const RawBus::Setup& s, unsigned frame) {
    if ((s.index & 0xff70U) != 0) return {};
    if ((s.index & 15U) == 0) {
      if (s.request == 0) return Bytes{0, 0};
      if (s.request == 1 && s.value == 0) return Bytes{};
      return {};
    }
    Present& endpoint = present_[(s.index >> 7U & 1U) * 16U + (s.index & 15U)];
    if (!endpoint.here) return {};
    if (s.request == 0) return Bytes{endpoint.halted, 0};
    if (s.request == 12) {
      if (!endpoint.isochronous) return {};
      return Bytes{static_cast<std::uint8_t>(frame & 0xffU), static_cast<std::uint8_t>(frame >> 8U)};
    }
    if (s.value != 0 || (endpoint.isochronous && s.request == 3)) return {};
    if (!endpoint.isochronous) endpoint.halted = s.request == 3;
    return Bytes{};
  }

  std::optional<Bytes> rule(const RawBus::Setup& s, const Bytes& sent) {
    for (unsigned i = 0, at = word(image_, 14); i < image_[8]; ++i, at += rule_row) {
      if (image_[at] != s.type || image_[at + 1] != s.request) continue;
      if (((word(image_, at + 2) ^ s.value) & word(image_, at + 4)) != 0) continue;
      if (((word(image_, at + 6) ^ s.index) & word(image_, at + 8)) != 0) continue;
      const bool in = (s.type & 0x80U) != 0;
      if (image_[at + 10] == 0 && in) return part(word(image_, at + 12), word(image_, at + 14));
      if (image_[at + 10] == 5) return Bytes{};
      if (image_[at + 10] != 1 || in || s.length > word(image_, at + 14)) return {};
      std::copy(sent.begin(), sent.end(), image_.begin() + word(image_, at + 12));
      return Bytes{};
    }
    return {};
  }

  template <typename Mine, typename Alternate>
  void set_up(Mine mine, Alternate alternate) {
    for_rows([&](unsigned at) {
      if (!mine(image_[at + 2]) || image_[at + 3] != alternate(image_[at + 2])) return;
      present_[index(at)] = {true, (image_[at + 1] & 3U) == 1, false};
    });
  }
  /// Those that exist at this speed and that the core has an engine for.
  template <typename Each>
  void for_rows(Each each) {
    for (unsigned at = header_size; at < header_size + endpoint_row * image_[6]; at += endpoint_row) {
      if ((image_[at + 1] >> (high_ ? 3U : 2U) & 1U) == 0 || (image_[at] & 15U) == 0 || image_[at + 1] >> 4U >= engines)
        continue;
      each(at);
    }
  }
  unsigned index(unsigned at) const { return (image_[at] >> 7U) * 16U + (image_[at] & 15U); }
  Bytes part(unsigned at, unsigned length) const { return {image_.begin() + at, image_.begin() + at + length}; }

  Bytes image_;
  bool high_;
  bool configured_ = false, remote_wakeup_ = false;
  std::array<std::uint8_t, 8> alternates_{};
  std::array<Present, 32> present_{};
};

std::uint16_t low16(unsigned value) { return static_cast<std::uint16_t>(value & 0xffffU); }

/// A request that a row of the image or chapter 9 knows; the same with one bit turned over.
RawBus::Setup random_request(Random& random, const Bytes& image) {
  constexpr std::uint8_t standard[][2] = {{0x80, 0}, {0, 1},  {0, 3},     {0x80, 8},  {0, 9},     {0x81, 0}, {0x81, 10},
                                          {1, 11},   {1, 11}, {1, 11},    {1, 11},    {0x82, 0},  {0x82, 0}, {0x82, 0},
                                          {2, 1},    {2, 3},  {0x82, 12}, {0x81, 10}, {0x81, 10}, {0, 7}};
  RawBus::Setup s{0, 0, 0, 0, low16(random.below(16) == 0 ? random.bits(16) : random.below(300))};
  const unsigned what = random.below(8);
  if (what < 2 && image[7] != 0) {
    const unsigned at = word(image, 12) + descriptor_row * random.below(image[7]);
    s = {0x80, 6, low16(image[at] << 8U | image[at + 1]), low16(random.bits(16)), s.length};
  } else if (what < 5) {
    const unsigned at = word(image, 14) + rule_row * random.below(image[8]);
    const auto fits = [&](unsigned field) {
      return low16(word(image, at + field) ^ (random.bits(16) & ~word(image, at + field + 2)));
    };
    s = {image[at], image[at + 1], fits(2), fits(6), s.length};
  } else {
    const auto& [type, request] = standard[random.below(std::size(standard))];
    s = {type, request, 0, 0, s.length};
    if (type == 0 && request == 9) s.value = random.below(4) == 0 ? 0 : image[9];
    if (type == 0 && request < 9) s.value = 1;
    if ((type & 3U) == 1) s.index = low16(random.below(8));
    if (type == 1) s.value = low16(random.below(16));
    if ((type & 3U) == 2) s.index = low16(random.bits(8) & 0x8fU);
    if ((type & 3U) == 2 && image[6] != 0 && random.bits(1) != 0)
      s.index = image[header_size + endpoint_row * random.below(image[6])];
  }
  const unsigned bit = random.below(3) == 0 ? random.below(48) : 48;
  if (bit < 8) s.type ^= static_cast<std::uint8_t>(1U << bit);
  if (bit >= 8 && bit < 16) s.request ^= static_cast<std::uint8_t>(1U << (bit - 8));
  if (bit >= 16 && bit < 32) s.value = low16(s.value ^ 1U << (bit - 16));
  if (bit >= 32 && bit < 48) s.index = low16(s.index ^ 1U << (bit - 32));
  if ((s.type & 0xe0U) == 0) s.length = 0;
  if ((s.type & 0x80U) == 0 && s.length > 1000) s.length = 1;
  return s;
}

/// SET_ADDRESS and a test mode have tests of their own.
bool left_out(const RawBus::Setup& s) { return s.type == 0 && (s.request == 5 || (s.request == 3 && s.value == 2)); }

}  // namespace

TEST_CASE("devices of random images answer every request as docs/device-image.md says") {
  for (unsigned seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const Bytes image = random_image(random);
    const bool high = seed % 3 != 0;
    RawBus f({.fs_only = !high, .image = image});
    Reference reference(image, high);
    f.reset();
    // A number of frames whose eleven bits are all used.
    f.start_at_frame(0x555U + seed * 37U);
    REQUIRE(f.control({0, 5, low16(seed * 7U), 0, 0}));
    f.address = static_cast<std::uint8_t>(seed * 7U);
    REQUIRE(f.control({0, 9, image[9], 0, 0}));
    REQUIRE(reference.answer({0, 9, image[9], 0, 0}, 0));
    for (unsigned i = 0; i < 70; ++i) {
      const auto setup = random_request(random, image);
      if (left_out(setup)) continue;
      const unsigned before = f.frame_number();
      Bytes sent((setup.type & 0x80U) == 0 ? setup.length : 0U);
      for (auto& byte : sent) byte = static_cast<std::uint8_t>(random.bits(8));
      const auto got = f.control(setup, sent);
      CAPTURE(i);
      CAPTURE(int(setup.type));
      CAPTURE(int(setup.request));
      CAPTURE(setup.value);
      CAPTURE(setup.index);
      CAPTURE(setup.length);
      auto expected = reference.answer(setup, before, sent);
      // SYNCH_FRAME may be decoded a frame later.
      if (setup.type == 0x82 && setup.request == 12 && got != expected)
        expected = reference.answer(setup, (before + 1U) % 2048U);
      REQUIRE(got.has_value() == expected.has_value());
      if (!got) REQUIRE(stalls(f, setup));
      if (got && (setup.type & 0x80U) != 0) REQUIRE(*got == *expected);
    }
  }
}

TEST_CASE("each request of chapter 9 is known by all of its bits") {
  OwnImage image;
  for (unsigned i = 16; i < header_size; ++i) image.bytes[i] = static_cast<std::uint8_t>(1 + 2 * (i % 8));
  image.bytes[10] = 7;
  image.endpoint(0x81, OwnImage::isochronous, 5);
  image.endpoint(1, OwnImage::bulk, 5, 9);
  image.endpoint(2, OwnImage::bulk);
  image.endpoint(0x8f, OwnImage::bulk | 1U);
  for (const unsigned type : {1U, 2U, 3U}) image.descriptor(type, type - 1, OwnImage::data_at + type, 10 + type);
  RawBus f({.image = image.bytes});
  Reference reference(image.bytes, true);
  f.reset();
  const RawBus::Setup requests[] = {
      {0x80, 0, 0, 0, 2},  {0, 1, 1, 0, 0},       {0, 3, 1, 0, 0},    {0x80, 6, 0x100, 0, 18},
      {0x80, 8, 0, 0, 1},  {0, 9, 1, 0, 0},       {0x81, 0, 0, 5, 2}, {0x81, 10, 0, 5, 1},
      {1, 11, 9, 5, 0},    {0x82, 0, 0, 0x81, 2}, {0x82, 0, 0, 0, 2}, {0x82, 0, 0, 0x80, 2},
      {2, 1, 0, 2, 0},     {2, 3, 0, 2, 0},       {2, 3, 0, 0x8f, 0}, {2, 1, 0, 0, 0},
      {2, 3, 0, 0, 0},     {2, 1, 0, 0x81, 0},    {2, 3, 0, 0x81, 0}, {0x82, 12, 0, 0x81, 2},
      {0x82, 12, 0, 0, 2}, {0x82, 12, 0, 2, 2},   {0, 7, 0, 0, 0},    {1, 1, 0, 5, 0},
      {1, 3, 0, 5, 0},     {0x80, 6, 0x201, 0, 9}};
  for (const auto& request : requests) {
    REQUIRE(f.control({0, 9, 1, 0, 0}));
    REQUIRE(reference.answer({0, 9, 1, 0, 0}, 0));
    for (unsigned bit = 0; bit <= 48; ++bit) {
      RawBus::Setup s = request;
      if (bit < 8) s.type ^= static_cast<std::uint8_t>(1U << bit);
      if (bit >= 8 && bit < 16) s.request ^= static_cast<std::uint8_t>(1U << (bit - 8));
      if (bit >= 16 && bit < 32) s.value = low16(s.value ^ 1U << (bit - 16));
      if (bit >= 32 && bit < 48) s.index = low16(s.index ^ 1U << (bit - 32));
      s.length = (s.type & 0x80U) == 0 ? 0 : s.length;
      if (left_out(s)) continue;
      CAPTURE(int(s.type));
      CAPTURE(int(s.request));
      CAPTURE(s.value);
      CAPTURE(s.index);
      if (s.request == 12) f.next_frame();
      const auto expected = reference.answer(s, f.frame_number());
      if (expected)
        REQUIRE(f.control(s) == *expected);
      else
        REQUIRE(stalls(f, s));
    }
  }
}

TEST_CASE("an image without its mark, or without rows, stalls what it does not know and lives on") {
  Random random(99);
  for (unsigned bit = 0; bit < 32; ++bit) {
    CAPTURE(bit);
    Bytes image = random_image(random);
    image[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    RawBus f({.fs_only = true, .image = image});
    f.reset();
    CHECK(f.control({0x80, 0, 0, 0, 2}) == Bytes{0, 0});  // attributes count for nothing
    CHECK_FALSE(f.control({0x80, 6, low16(word(image, word(image, 12))), 0, 18}));
    CHECK(f.control({0, 5, 5, 0, 0}));
  }
  for (const unsigned empty : {6U, 7U, 8U}) {
    CAPTURE(empty);
    Bytes image = random_image(random);
    image[empty] = 0;
    image[9] = 3;
    RawBus f({.fs_only = true, .image = image});
    f.reset();
    CHECK(f.control({0, 9, 3, 0, 0}));
    CHECK(f.control({0x80, 8, 0, 0, 1}) == Bytes{3});
    if (empty == 7) CHECK_FALSE(f.control({0x80, 6, 0x0100, 0, 18}));
    if (empty == 8) CHECK_FALSE(f.control({0xc0, 77, 0, 0, 18}));
    if (empty == 6) CHECK_FALSE(f.control({0x82, 0, 0, image[header_size], 2}));
  }
}

TEST_CASE("each of eight interfaces keeps an alternate setting of its own, out of sixteen") {
  Random random(5);
  for (const bool fs_only : {false, true}) {
    CAPTURE(fs_only);
    Bytes image = random_image(random);
    image[6] = 0;
    for (unsigned i = 16; i < header_size; ++i) image[i] = 16;
    RawBus f({.fs_only = fs_only, .image = image});
    f.reset();
    REQUIRE(f.control({0, 9, image[9], 0, 0}));
    for (unsigned value = 0; value < 16; ++value) {
      CAPTURE(value);
      const auto setting = [&](std::uint16_t interface) { return low16(value ^ (interface % 2 == 0 ? 0U : 15U)); };
      for (std::uint16_t interface = 0; interface < 8; ++interface) {
        REQUIRE(f.control({0x01, 11, setting(interface), interface, 0}));
      }
      for (std::uint16_t interface = 0; interface < 8; ++interface) {
        CHECK(f.control({0x81, 10, 0, interface, 1}) == Bytes{static_cast<std::uint8_t>(setting(interface))});
      }
    }
    REQUIRE(f.control({0, 9, image[9], 0, 0}));
    for (std::uint16_t interface = 0; interface < 8; ++interface)
      CHECK(f.control({0x81, 10, 0, interface, 1}) == Bytes{0});
  }
}
