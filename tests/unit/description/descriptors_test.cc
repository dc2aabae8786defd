// isochio: descriptors of descriptions, against bytes written by hand from the specifications.
#include <set>

#include <doctest/doctest.h>

#include "shipped.h"
#include "usb/descriptors.h"

using namespace isochio;
using namespace isochio::description;
using isochio::description::testing::shipped;
using usb::Speed;

namespace {

// After the microphone example of USB Audio Devices 1.0, appendix B.1: full speed, 8 kHz, mono, 16 bits.
const Bytes microphone_device{0x12, 0x01, 0x00, 0x01, 0x00, 0x00, 0x00, 0x08, 0x34,
                              0x12, 0x01, 0x00, 0x01, 0x00, 0x01, 0x02, 0x00, 0x01};
const Bytes microphone_configuration{
    0x09, 0x02, 0x64, 0x00, 0x02, 0x01, 0x00, 0x80, 0x32,                    // configuration, 100 bytes
    0x09, 0x04, 0x00, 0x00, 0x00, 0x01, 0x01, 0x00, 0x00,                    // AudioControl
    0x09, 0x24, 0x01, 0x00, 0x01, 0x1e, 0x00, 0x01, 0x01,                    // header
    0x0c, 0x24, 0x02, 0x01, 0x01, 0x02, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00,  // input terminal: microphone
    0x09, 0x24, 0x03, 0x02, 0x01, 0x01, 0x00, 0x01, 0x00,                    // output terminal: USB
    0x09, 0x04, 0x01, 0x00, 0x00, 0x01, 0x02, 0x00, 0x00,                    // AudioStreaming, no bandwidth
    0x09, 0x04, 0x01, 0x01, 0x01, 0x01, 0x02, 0x00, 0x00,                    // AudioStreaming
    0x07, 0x24, 0x01, 0x02, 0x01, 0x01, 0x00,                                // general
    0x0b, 0x24, 0x02, 0x01, 0x01, 0x02, 0x10, 0x01, 0x40, 0x1f, 0x00,        // format: 8000 Hz
    0x09, 0x05, 0x81, 0x01, 0x10, 0x00, 0x01, 0x00, 0x00,                    // endpoint, 9 bytes
    0x07, 0x25, 0x01, 0x00, 0x00, 0x00, 0x00};

Bytes join(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

}  // namespace

TEST_CASE("the microphone example of the audio specification is imported and comes out byte for byte") {
  const auto d = import_descriptors(join(microphone_device, microphone_configuration), "microphone");
  REQUIRE_MESSAGE(d, d.error().to_string());
  CHECK(configuration_descriptor(*d, Speed::full) == microphone_configuration);
  CHECK_FALSE(d->speeds.high);
  REQUIRE(d->settings.size() == 3);
  CHECK(d->settings[0].after.size() == 3);
  const Endpoint& endpoint = d->settings[2].endpoints.at(0);
  CHECK(endpoint.address.value == 0x81);
  CHECK(endpoint.audio.has_value());
  CHECK(endpoint.function == Function::pattern);
  CHECK(endpoint.after.size() == 1);

  Bytes device = microphone_device;
  device[7] = 64;  // the core's control endpoint; the import says so
  CHECK(device_descriptor(*d, Speed::full) == device);
  REQUIRE(d->notes.size() >= 1);
  CHECK(d->notes[0].find("bMaxPacketSize0 was 8") != std::string::npos);
}

TEST_CASE("the shipped sound card has the descriptors of a USB audio 1.0 device") {
  const auto d = load(shipped("uac1-audio.toml"));
  REQUIRE_MESSAGE(d, d.error().to_string());
  const Bytes device{0x12, 0x01, 0x10, 0x01, 0x00, 0x00, 0x00, 0x40, 0x09,
                     0x12, 0x02, 0x00, 0x00, 0x01, 0x01, 0x02, 0x03, 0x01};
  CHECK(device_descriptor(*d, Speed::full) == device);
  const Bytes configuration{0x09, 0x02, 0xc7, 0x00, 0x03, 0x01, 0x00, 0x80, 0x32,                    // 199 bytes
                            0x09, 0x04, 0x00, 0x00, 0x00, 0x01, 0x01, 0x00, 0x00,                    // AudioControl
                            0x0a, 0x24, 0x01, 0x00, 0x01, 0x3e, 0x00, 0x02, 0x01, 0x02,              // header
                            0x0c, 0x24, 0x02, 0x01, 0x01, 0x01, 0x00, 0x02, 0x03, 0x00, 0x00, 0x00,  // USB streaming
                            0x0a, 0x24, 0x06, 0x05, 0x01, 0x01, 0x03, 0x00, 0x00, 0x00,              // feature unit
                            0x09, 0x24, 0x03, 0x02, 0x01, 0x03, 0x00, 0x05, 0x00,                    // speaker
                            0x0c, 0x24, 0x02, 0x03, 0x03, 0x06, 0x00, 0x02, 0x03, 0x00, 0x00, 0x00,  // line
                            0x09, 0x24, 0x03, 0x04, 0x01, 0x01, 0x00, 0x03, 0x00,                    // USB streaming
                            0x09, 0x04, 0x01, 0x00, 0x00, 0x01, 0x02, 0x00, 0x00,  // out, no bandwidth
                            0x09, 0x04, 0x01, 0x01, 0x02, 0x01, 0x02, 0x00, 0x00,  // out
                            0x07, 0x24, 0x01, 0x01, 0x01, 0x01, 0x00,              //
                            0x0e, 0x24, 0x02, 0x01, 0x02, 0x02, 0x10, 0x02, 0x44, 0xac, 0x00, 0x80, 0xbb, 0x00,  //
                            0x09, 0x05, 0x01, 0x05, 0xc4, 0x00, 0x01, 0x00, 0x81,  // asynchronous, 196 bytes
                            0x07, 0x25, 0x01, 0x01, 0x00, 0x00, 0x00,              //
                            0x09, 0x05, 0x81, 0x11, 0x03, 0x00, 0x01, 0x03, 0x00,  // feedback
                            0x09, 0x04, 0x02, 0x00, 0x00, 0x01, 0x02, 0x00, 0x00,  // in, no bandwidth
                            0x09, 0x04, 0x02, 0x01, 0x01, 0x01, 0x02, 0x00, 0x00,  // in
                            0x07, 0x24, 0x01, 0x04, 0x01, 0x01, 0x00,              //
                            0x0e, 0x24, 0x02, 0x01, 0x02, 0x02, 0x10, 0x02, 0x44, 0xac, 0x00, 0x80, 0xbb, 0x00,  //
                            0x09, 0x05, 0x82, 0x05, 0xc4, 0x00, 0x01, 0x00, 0x00,  // asynchronous
                            0x07, 0x25, 0x01, 0x01, 0x00, 0x00, 0x00};
  CHECK(configuration_descriptor(*d, Speed::full) == configuration);
  CHECK(device_qualifier(*d, Speed::full).empty());
}

TEST_CASE("the descriptors of the shipped high-speed sound card add up, and each stream has a clock and a terminal") {
  const auto d = load(shipped("uac2-audio.toml"));
  REQUIRE_MESSAGE(d, d.error().to_string());
  for (const Speed speed : {Speed::full, Speed::high}) {
    const Bytes all = configuration_descriptor(*d, speed);
    // The association comes first; the header of AudioControl counts what follows it up to the next interface.
    CHECK(Bytes(all.begin() + 9, all.begin() + 17) == Bytes{0x08, 0x0b, 0x00, 0x03, 0x01, 0x00, 0x20, 0x00});
    const std::size_t header = 9 + 8 + 9;
    REQUIRE(all[header + 2] == 0x01);
    const std::size_t total = all[header + 6] + 256U * all[header + 7];
    CHECK(all[header + total] == 9);
    CHECK(all[header + total + 1] == 4);
    std::set<int> entities, clocks;
    for (std::size_t at = header; at < header + total; at += all[at]) {
      if (all[at + 2] != 0x01) CHECK(entities.insert(all[at + 3]).second);
      if (all[at + 2] == 0x02) clocks.insert(all[at + 7]);
      if (all[at + 2] == 0x03) clocks.insert(all[at + 8]);
    }
    CHECK(entities == std::set<int>{1, 2, 3, 4, 5, 16});
    CHECK(clocks == std::set<int>{16});
    CHECK(d->endpoints(1, 1, speed).size() == 2);
    CHECK(d->endpoints(2, 1, speed).size() == 1);
  }
  CHECK(d->endpoints(1, 2, Speed::full).empty());
  const auto out = d->endpoints(1, 2, Speed::high);
  REQUIRE(out.size() == 2);
  CHECK(out[0].max_packet == 104);
  CHECK(out[1].interval == 8);
}

TEST_CASE("wMaxPacketSize carries transactions in bits 12..11 and strings are UTF-16") {
  const auto d = parse(R"(
[device]
vendor_id = 0x1209
product_id = 1
product = "aé€😀"
[[interface]]
[[interface]]
alternate = 1
endpoint = [{ address = "IN 3", type = "isochronous", fs = 1023, hs = "3x1024" }]
)",
                       "x");
  REQUIRE_MESSAGE(d, d.error().to_string());
  const Bytes high = configuration_descriptor(*d, Speed::high), full = configuration_descriptor(*d, Speed::full);
  CHECK(Bytes(high.end() - 7, high.end()) == Bytes{7, 5, 0x83, 1, 0x00, 0x14, 1});
  CHECK(Bytes(full.end() - 7, full.end()) == Bytes{7, 5, 0x83, 1, 0xff, 0x03, 1});
  CHECK(string_descriptor(*d, 0) == Bytes{4, 3, 9, 4});
  CHECK(string_descriptor(*d, 1) == Bytes{12, 3, 'a', 0, 0xe9, 0, 0xac, 0x20, 0x3d, 0xd8, 0x00, 0xde});
  CHECK(string_descriptor(*d, 2).empty());
  CHECK(device_qualifier(*d, Speed::high) == Bytes{10, 6, 0, 2, 0, 0, 0, 64, 1, 0});
  Bytes other = full;
  other[1] = 7;
  CHECK(other_speed_configuration(*d, Speed::high) == other);
  const auto pipes = d->endpoints(0, 1, Speed::high);
  REQUIRE(pipes.size() == 1);
  CHECK(pipes[0].capacity() == 3072);
}

TEST_CASE("a class-specific descriptor can stand in front of an interface and at one speed only") {
  const auto d = parse(R"(
[device]
vendor_id = 1
product_id = 1
[[interface]]
descriptors_before = ["08 0b 00 01 ff 00 00 00"]
descriptors = [{ bytes = [3, 0x24, 7], speeds = "hs" }]
)",
                       "x");
  REQUIRE_MESSAGE(d, d.error().to_string());
  const Bytes full = configuration_descriptor(*d, Speed::full), high = configuration_descriptor(*d, Speed::high);
  CHECK(full.size() == 9 + 8 + 9);
  CHECK(full[10] == 0x0b);
  CHECK(high.size() == full.size() + 3);
  CHECK(high[2] == high.size());
}

TEST_CASE("the walker stops at a bLength that is too small or too large and says where") {
  const Bytes good{9, 4, 0, 0, 0, 255, 0, 0, 0, 3, 0x24, 1};
  usb::DescriptorWalker all(good);
  CHECK(all.next()->type() == 4);
  CHECK(all.next()->offset == 9);
  CHECK_FALSE(all.next());
  CHECK_FALSE(all.error());
  for (const std::uint8_t bad : {0, 1, 4, 255}) {
    Bytes bytes = good;
    bytes[9] = bad;
    usb::DescriptorWalker walker(bytes);
    walker.next();
    CHECK_FALSE(walker.next());
    REQUIRE(walker.error());
    CHECK(walker.error()->offset == 9);
  }
  usb::DescriptorWalker odd{std::span<const std::uint8_t>(good).first(10)};
  odd.next();
  CHECK_FALSE(odd.next());
  CHECK(odd.error());
}

TEST_CASE("a configuration whose counts disagree with its descriptors is refused") {
  REQUIRE(usb::check_configuration(microphone_configuration, Speed::full));
  const auto broken = [](std::size_t at, std::uint8_t value) {
    Bytes bytes = microphone_configuration;
    bytes[at] = value;
    return !usb::check_configuration(bytes, Speed::full).has_value();
  };
  CHECK(broken(2, 0x63));       // wTotalLength
  CHECK(broken(4, 3));          // bNumInterfaces
  CHECK(broken(61, 2));         // bNumEndpoints
  CHECK(broken(60, 0));         // alternate setting 0 twice
  CHECK(broken(73, 9));         // bLength of the format descriptor
  CHECK(broken(84 + 2, 0));     // endpoint 0
  CHECK(broken(84 + 5, 0x08));  // two transactions at full speed
  CHECK(broken(84 + 6, 17));    // bInterval
}

TEST_CASE("an interrupt endpoint's bInterval counts frames at full speed and powers of two at high speed") {
  using usb::TransferType;
  CHECK(usb::interval_log2(TransferType::interrupt, 10, Speed::full) == 3);
  CHECK(usb::interval_log2(TransferType::interrupt, 255, Speed::full) == 7);
  CHECK(usb::interval_log2(TransferType::interrupt, 10, Speed::high) == 9);
  CHECK(usb::interval_log2(TransferType::isochronous, 16, Speed::full) == 15);
  CHECK(usb::interval_log2(TransferType::isochronous, 0, Speed::high) == 0);
  CHECK(usb::interval_log2(TransferType::bulk, 9, Speed::high) == 0);
}
