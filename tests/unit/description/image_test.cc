// isochio: the compiled image, read by a second reader that follows docs/device-image.md and nothing else.
#include <doctest/doctest.h>

#include <algorithm>

#include "shipped.h"
#include "usb/bandwidth.h"

using namespace isochio;
using namespace isochio::description;
using isochio::description::testing::shipped;
using isochio::description::testing::shipped_names;
using usb::Speed;

namespace {

struct ImageReader {
  const Bytes& image;

  std::size_t u16(std::size_t at) const { return image[at] | std::size_t{image[at + 1]} << 8; }

  Bytes descriptor(std::uint8_t type, std::uint8_t index, Speed speed) const {
    for (std::size_t row = 0; row < image[7]; ++row) {
      const std::size_t at = u16(12) + 8 * row;
      if (image[at] != type || image[at + 1] != index || (image[at + 2] & (speed == Speed::high ? 2 : 1)) == 0)
        continue;
      const auto first = image.begin() + static_cast<std::ptrdiff_t>(u16(at + 4));
      return {first, first + static_cast<std::ptrdiff_t>(u16(at + 6))};
    }
    return {};
  }

  std::vector<std::size_t> endpoints(std::uint8_t interface, std::uint8_t alternate, Speed speed) const {
    std::vector<std::size_t> rows;
    for (std::size_t at = 32; at < 32 + 12U * image[6]; at += 12) {
      if (image[at + 2] == interface && image[at + 3] == alternate && (image[at + 1] & (speed == Speed::high ? 8 : 4)))
        rows.push_back(at);
    }
    return rows;
  }

  /// Offset of the first rule that matches, 0 if the request is stalled.
  std::size_t rule(std::uint8_t type, std::uint8_t request, unsigned value, unsigned index) const {
    for (std::size_t row = 0; row < image[8]; ++row) {
      const std::size_t at = u16(14) + 16 * row;
      if (image[at] == type && image[at + 1] == request && ((u16(at + 2) ^ value) & u16(at + 4)) == 0 &&
          ((u16(at + 6) ^ index) & u16(at + 8)) == 0)
        return at;
    }
    return 0;
  }
};

}  // namespace

TEST_CASE("every shipped device compiles, and its image answers with its descriptors") {
  for (const char* name : shipped_names) {
    CAPTURE(name);
    const auto d = load(shipped(name));
    REQUIRE_MESSAGE(d, d.error().to_string());
    const auto image = compile_image(*d);
    REQUIRE_MESSAGE(image, image.error().to_string());
    const ImageReader reader{*image};
    CHECK(std::string(image->begin(), image->begin() + 4) == "ISO1");
    CHECK(reader.u16(4) == image->size());
    CHECK(((*image)[10] & 4) == (d->speeds.high ? 4 : 0));
    for (const Speed speed : {Speed::full, Speed::high}) {
      if (!d->speeds.at(speed)) continue;
      CHECK(reader.descriptor(1, 0, speed) == device_descriptor(*d, speed));
      CHECK(reader.descriptor(2, 0, speed) == configuration_descriptor(*d, speed));
      CHECK(reader.descriptor(6, 0, speed) == device_qualifier(*d, speed));
      CHECK(reader.descriptor(7, 0, speed) == other_speed_configuration(*d, speed));
      for (std::uint8_t i = 0; i < 8; ++i) CHECK(reader.descriptor(3, i, speed) == string_descriptor(*d, i));
      for (const AlternateSetting& setting : d->settings) {
        const auto rows = reader.endpoints(setting.interface, setting.alternate, speed);
        const auto expected = d->endpoints(setting.interface, setting.alternate, speed);
        REQUIRE(rows.size() == expected.size());
        for (std::size_t i = 0; i < rows.size(); ++i) {
          const std::size_t at = rows[i];
          CHECK((*image)[at] == expected[i].address.value);
          CHECK(((*image)[at + 1] & 3) == static_cast<int>(expected[i].type));
          CHECK((reader.u16(at + 4) & 0x7ff) == expected[i].max_packet);
          CHECK(1 + (reader.u16(at + 4) >> 11) == expected[i].transactions);
          CHECK((1U << (*image)[at + 6]) == expected[i].interval);
        }
      }
    }
  }
}

TEST_CASE("the header counts alternate settings at each speed") {
  const auto d = load(shipped("vendor-hs.toml"));
  REQUIRE(d);
  const auto image = compile_image(*d).value();
  CHECK(image[16] == 2);  // full speed: the third is at high speed only
  CHECK(image[17] == 1);
  CHECK(image[18] == 0);
  CHECK(image[24] == 3);
  CHECK(image[25] == 1);
}

TEST_CASE("what a request stores is what another answers") {
  const auto d = load(shipped("uac1-audio.toml"));
  REQUIRE(d);
  const auto image = compile_image(*d).value();
  const ImageReader reader{image};
  const std::size_t set = reader.rule(0x22, 0x01, 0x0100, 0x0082), get = reader.rule(0xa2, 0x81, 0x0100, 0x0082);
  REQUIRE(set != 0);
  REQUIRE(get != 0);
  CHECK(image[set + 10] == 1);
  CHECK(image[set + 11] == 0x0a);  // SAMPLE_RATE
  CHECK(image[get + 10] == 0);
  CHECK(reader.u16(set + 12) == reader.u16(get + 12));
  REQUIRE(reader.u16(get + 14) == 3);
  const std::size_t rate = reader.u16(get + 12);
  CHECK(image[rate] + 256 * image[rate + 1] + 65536 * image[rate + 2] == 48000);
  CHECK(reader.rule(0x22, 0x01, 0x0200, 0x0082) == 0);  // no pitch control
  CHECK(reader.rule(0x22, 0x01, 0x0100, 0x0083) == 0);
}

TEST_CASE("the test requests are rules, where the description puts them") {
  const auto image_of = [](const std::string& line) {
    const auto d = parse("[device]\nvendor_id = 1\nproduct_id = 1\n" + line + "\n[[interface]]\n", "x");
    REQUIRE_MESSAGE(d, d.error().to_string());
    return compile_image(*d).value();
  };
  const Bytes usual = image_of(""), moved = image_of("test_requests = 0x70"), none = image_of("test_requests = false");
  for (const std::uint8_t type : {0xc0, 0x40, 0xc1, 0x41}) {
    const std::size_t at = ImageReader{usual}.rule(type, 1, 0, 0x123);
    REQUIRE(at != 0);
    CHECK(usual[at + 10] == 2);
    CHECK(ImageReader{moved}.rule(type, 0x70, 0, 0) != 0);
    CHECK(ImageReader{moved}.rule(type, 1, 0, 0) == 0);
  }
  const std::size_t log = ImageReader{usual}.rule(0xc0, 2, 0, 0);
  REQUIRE(log != 0);
  CHECK(usual[log + 10] == 3);
  CHECK(ImageReader{moved}.rule(0xc0, 0x71, 0, 0) != 0);
  CHECK(none[8] == 0);
}

TEST_CASE("an endpoint row is laid out as the page says, byte for byte") {
  const auto d = parse(R"(
[device]
vendor_id = 1
product_id = 1
sample_rate = 44100
[configuration]
self_powered = true
[[interface]]
[[interface]]
alternate = 1
[[interface.endpoint]]
address = "IN 5"
type = "isochronous"
interval = 4
fs = 100
hs = { max_packet = "2x700", size = 1400 }
function = "mod63"
sample_bytes = 6
engine = 3
[[interface.endpoint]]
address = "IN 6"
type = "isochronous"
usage = "feedback"
fs = { max_packet = 3, feedback_period = 1024 }
hs = 4
)",
                       "x");
  REQUIRE_MESSAGE(d, d.error().to_string());
  const auto image = compile_image(*d).value();
  CHECK(image[10] == 5);     // self-powered, high-speed capable
  CHECK(image[11] == 0x84);  // 4 x 11025
  REQUIRE(image[6] == 4);
  const auto row = [&](int i) { return Bytes(image.begin() + 32 + 12 * i, image.begin() + 44 + 12 * i); };
  CHECK(row(0) == Bytes{0x85, 0x35, 0, 1, 100, 0, 3, 0x23, 0, 0, 6, 0});
  CHECK(row(1) == Bytes{0x85, 0x39, 0, 1, 0xbc, 0x0a, 3, 0x23, 0x78, 0x05, 6, 0});
  CHECK(row(2) == Bytes{0x86, 0x05, 0, 1, 3, 0, 0, 5, 0, 0, 0, 10});
  CHECK(row(3) == Bytes{0x86, 0x09, 0, 1, 4, 0, 0, 5, 0, 0, 0, 0x17});
}

TEST_CASE("a hex image has one byte a line") { CHECK(hex_image(Bytes{0x00, 0xab, 0x0f}) == "00\nab\n0f\n"); }

TEST_CASE("an image that is too long is refused") {
  const auto d = load(shipped("test.toml"));
  REQUIRE(d);
  const auto image = compile_image(*d, {.in_engines = 6, .out_engines = 6, .image_bytes = 100});
  REQUIRE_FALSE(image);
  CHECK(image.error().message.find("100 fit") != std::string::npos);
}

TEST_CASE("every alternate setting of the shipped devices fits the periodic share of a (micro)frame") {
  for (const char* name : shipped_names) {
    const auto d = load(shipped(name));
    REQUIRE(d);
    for (const AlternateSetting& setting : d->settings) {
      for (const Speed speed : {Speed::full, Speed::high}) {
        std::uint64_t total = 0;
        for (const usb::EndpointConfig& pipe : d->endpoints(setting.interface, setting.alternate, speed))
          if (pipe.type == usb::TransferType::isochronous) total += usb::service_ps(speed, pipe);
        INFO(std::string(name), " alternate ", int{setting.alternate}, " ", std::string(usb::to_string(speed)));
        CHECK(total <= usb::periodic_limit_ps(speed));
      }
    }
  }
}
