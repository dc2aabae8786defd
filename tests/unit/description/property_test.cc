// isochio: properties of descriptions: what is written comes back, and no input brings the reader down.
#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "shipped.h"
#include "usb/descriptors.h"

using namespace isochio;
using namespace isochio::description;
using isochio::description::testing::shipped;
using isochio::description::testing::shipped_names;
using usb::Speed;
using usb::TransferType;

namespace {

template <typename T = unsigned>
T pick(unsigned least, unsigned most) {
  return static_cast<T>(*rc::gen::inRange(least, most + 1));
}

Bytes class_descriptor() {
  Bytes bytes(pick(3, 12));
  for (auto& byte : bytes) byte = pick<std::uint8_t>(0, 255);
  bytes[0] = static_cast<std::uint8_t>(bytes.size());
  bytes[1] = pick<std::uint8_t>(0x21, 0x2f);
  return bytes;
}

std::vector<RawDescriptors> class_descriptors() {
  std::vector<RawDescriptors> raws;
  for (unsigned i = pick(0, 2); i > 0; --i) raws.push_back({class_descriptor(), {}});
  return raws;
}

EndpointAtSpeed endpoint_at(TransferType type, Speed speed) {
  EndpointAtSpeed at;
  const bool high = speed == Speed::high;
  if (type == TransferType::bulk) {
    at.max_packet = high ? 512 : static_cast<std::uint16_t>(8U << pick(0, 3));
    at.interval = pick<std::uint8_t>(0, 255);
    return at;
  }
  const unsigned most = type == TransferType::isochronous ? (high ? 1024U : 1023U) : (high ? 1024U : 64U);
  at.transactions = high ? pick<std::uint8_t>(1, 3) : std::uint8_t{1};
  constexpr unsigned least[] = {0, 513, 683};
  at.max_packet = pick<std::uint16_t>(least[at.transactions - 1], most);
  at.interval = pick<std::uint8_t>(1, type == TransferType::interrupt && !high ? 255 : 16);
  return at;
}

/// A legal description with one or two interfaces; each endpoint number belongs to one interface.
Description device() {
  Description d;
  d.vendor_id = pick<std::uint16_t>(1, 0xffff);
  d.product_id = pick<std::uint16_t>(0, 0xffff);
  d.speeds.high = *rc::gen::arbitrary<bool>();
  d.self_powered = *rc::gen::arbitrary<bool>();
  d.remote_wakeup = *rc::gen::arbitrary<bool>();
  d.max_power_ma = static_cast<std::uint16_t>(2 * pick(0, 250));
  d.configuration_value = pick<std::uint8_t>(1, 255);
  d.configuration = class_descriptors();
  d.strings[pick<std::uint8_t>(1, 255)] = "string \"1\" \\ é\n";
  d.product = d.strings.begin()->first;
  const unsigned interfaces = pick(1, 2);
  for (unsigned interface = 0; interface < interfaces; ++interface) {
    for (unsigned alternate = 0; alternate <= pick(0, 3); ++alternate) {
      AlternateSetting setting;
      setting.interface = static_cast<std::uint8_t>(interface);
      setting.alternate = static_cast<std::uint8_t>(alternate);
      setting.class_code = pick<std::uint8_t>(0, 255);
      setting.subclass = pick<std::uint8_t>(0, 255);
      setting.name = *rc::gen::arbitrary<bool>() ? d.product : std::uint8_t{0};
      setting.speeds = {true, d.speeds.high};
      setting.after = class_descriptors();
      for (unsigned i = alternate == 0 ? 0 : pick(0, 2); i > 0; --i) {
        Endpoint endpoint;
        const unsigned number = 1 + interface * 2 + (i - 1);
        endpoint.address = {static_cast<std::uint8_t>(number | pick(0, 1) << 7)};
        endpoint.type = static_cast<TransferType>(pick(1, 3));
        if (endpoint.type == TransferType::isochronous) {
          endpoint.synchronization = static_cast<Synchronization>(pick(0, 3));
          endpoint.usage = static_cast<Usage>(pick(0, 3));
        }
        endpoint.full = endpoint_at(endpoint.type, Speed::full);
        if (d.speeds.high) endpoint.high = endpoint_at(endpoint.type, Speed::high);
        if (*rc::gen::arbitrary<bool>()) endpoint.audio = Endpoint::Audio{pick<std::uint8_t>(0, 9), 0};
        endpoint.after = class_descriptors();
        endpoint.engine = static_cast<std::uint8_t>(number - 1);
        setting.endpoints.push_back(endpoint);
      }
      d.settings.push_back(setting);
    }
  }
  return d;
}

/// Usage 1 makes a feedback endpoint, which needs room for its value; that is not what these properties are about.
bool feedback_fits(const Description& d) {
  for (const auto& setting : d.settings)
    for (const auto& endpoint : setting.endpoints)
      for (const auto& at : {endpoint.full, endpoint.high})
        if (endpoint.usage == Usage::feedback && at && at->max_packet < 4) return false;
  return true;
}

std::string text_of(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

template <typename Container>
void mutate(Container& bytes) {
  for (unsigned i = pick(1, 8); i > 0 && !bytes.empty(); --i) {
    const std::size_t at = pick(0, static_cast<unsigned>(bytes.size()) - 1);
    const auto value = static_cast<typename Container::value_type>(pick(0, 255));
    switch (pick(0, 3)) {
      case 0:
        bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(at));
        break;
      case 1:
        bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), value);
        break;
      case 2:
        bytes.resize(at);
        break;
      default:
        bytes[at] = value;
    }
  }
}

/// Whatever can be made of an accepted description, is.
void use(const Description& d) {
  for (const Speed speed : {Speed::full, Speed::high}) {
    if (d.speeds.at(speed)) RC_ASSERT(usb::check_configuration(configuration_descriptor(d, speed), speed).has_value());
  }
  RC_ASSERT(!page(d).empty());
  RC_ASSERT(parse(to_toml(d), "again").has_value());
}

}  // namespace

TEST_CASE("import of a device's own descriptors gives the same descriptors, byte for byte") {
  CHECK(rc::check([] {
    const Description d = device();
    RC_PRE(feedback_fits(d));
    if (const auto checked = check(d); !checked) RC_FAIL(checked.error().to_string());
    const Speed speed = d.speeds.high ? Speed::high : Speed::full;
    const auto again = import_descriptors(description::testing::dump(d, speed), "dump", {.speed = speed});
    if (!again) RC_FAIL(again.error().to_string());
    RC_ASSERT(device_descriptor(*again, speed) == device_descriptor(d, speed));
    RC_ASSERT(configuration_descriptor(*again, speed) == configuration_descriptor(d, speed));
    RC_ASSERT(compile_image(*again).has_value());
    use(*again);
  }));
}

TEST_CASE("a description written as TOML reads back the same") {
  CHECK(rc::check([] {
    const Description d = device();
    RC_PRE(check(d).has_value());
    const auto again = parse(to_toml(d), "again");
    if (!again) RC_FAIL(again.error().to_string() + "\n" + to_toml(d));
    RC_ASSERT(again->settings == d.settings);
    RC_ASSERT(again->strings == d.strings);
    RC_ASSERT(compile_image(*again).value() == compile_image(d).value());
    RC_ASSERT(to_toml(*again) == to_toml(d));
  }));
}

TEST_CASE("the shipped devices survive TOML and import") {
  for (const char* name : shipped_names) {
    CAPTURE(name);
    const auto d = load(shipped(name));
    REQUIRE_MESSAGE(d, d.error().to_string());
    const auto again = parse(to_toml(*d), "again");
    REQUIRE_MESSAGE(again, again.error().to_string());
    CHECK(compile_image(*again).value() == compile_image(*d).value());
    CHECK(again->rules == d->rules);
    CHECK(again->data == d->data);
    // The packet sizes alone tell the speed of each.
    const Speed speed = d->speeds.high ? Speed::high : Speed::full;
    const auto imported = import_descriptors(description::testing::dump(*d, speed), "dump");
    REQUIRE_MESSAGE(imported, imported.error().to_string());
    CHECK(device_descriptor(*imported, speed) == device_descriptor(*d, speed));
    CHECK(configuration_descriptor(*imported, speed) == configuration_descriptor(*d, speed));
  }
}

TEST_CASE("no dump brings the import down") {
  const auto d = load(shipped("uac1-audio.toml"));
  REQUIRE(d);
  const Bytes good = description::testing::dump(*d, Speed::full);
  CHECK(rc::check([&good] {
    Bytes bytes = good;
    mutate(bytes);
    if (const auto imported = import_descriptors(bytes, "dump")) use(*imported);
  }));
  CHECK(rc::check([](const Bytes& bytes) {
    (void)import_descriptors(bytes, "dump");
    (void)usb::check_configuration(bytes, Speed::high);
    (void)usb::setting_endpoints(bytes, 0, 0, Speed::high);
  }));
}

TEST_CASE("no text brings the reader down") {
  const std::string good = text_of(shipped("vendor-hs.toml"));
  REQUIRE(good.size() > 100);
  CHECK(rc::check([&good] {
    std::string text = good;
    mutate(text);
    const auto d = parse(text, "mutant");
    if (d) use(*d);
  }));
}
