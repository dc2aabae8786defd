#include "scenario/plan.h"

#include <doctest/doctest.h>

#include "scenario/register_names.h"

using namespace isochio;
using scenario::reg::in_engine;
using scenario::reg::out_engine;

namespace {

// Endpoints of one direction are put on engines in order: 1 and 2 on engines 0 and 1 of either side.
constexpr const char* device_text = R"(
name = "a device for plans"
[device]
vendor_id = 0x1209
product_id = 0x0001
[[interface]]
[[interface]]
alternate = 1
endpoint = [
  { address = "OUT 1", type = "isochronous", fs = 100, hs = 500 },
  { address = "OUT 2", type = "isochronous", fs = 100, hs = 500 },
  { address = "IN 1", type = "isochronous", fs = 100, hs = 500 },
  { address = "IN 2", type = "isochronous", interval = 5, fs = 100, hs = 500 },
]
)";

tl::expected<scenario::Plan, InputError> plan(const std::string& text) {
  auto device = description::parse(device_text, "device.toml");
  REQUIRE_MESSAGE(device.has_value(), device.error().to_string());
  const auto parsed = scenario::parse_scenario(text, "s.toml");
  REQUIRE_MESSAGE(parsed.has_value(), parsed.error().to_string());
  return scenario::make_plan(*parsed, std::move(*device));
}

std::string error_of(const std::string& text) {
  const auto result = plan(text);
  REQUIRE_FALSE(result.has_value());
  return result.error().to_string();
}

std::optional<std::uint32_t> written(const scenario::Plan& plan, unsigned number) {
  std::optional<std::uint32_t> value;
  for (const auto& [at, what] : plan.registers)
    if (at == number) value = what;
  return value;
}

}  // namespace

TEST_CASE("a plan names the endpoint, its engine, and what the device's registers must hold") {
  const auto made =
      plan("[[stream]]\nendpoint = 0x81\nsizes = [10, 20]\n[[stream]]\nendpoint = 0x02\npayload = \"mod63\"\n");
  REQUIRE(made.has_value());
  CHECK(made->alternates.at(0) == 1);
  CHECK(made->streams[0].endpoint.max_packet == 500);
  const auto in = in_engine(made->streams[0].engine), out = out_engine(made->streams[1].engine);
  CHECK(written(*made, in + scenario::reg::function) == 1);
  CHECK(written(*made, in + scenario::reg::size_mode) == 1);
  CHECK(written(*made, in + scenario::reg::list_length) == 2);
  CHECK(written(*made, scenario::reg::size_list(made->streams[0].engine) + 1) == 20);
  CHECK(written(*made, out + scenario::reg::function) == 3);
  CHECK_FALSE(written(*made, out + scenario::reg::size_mode).has_value());  // the host says how much it sends
}

TEST_CASE("each stream has its own seed, which follows from the scenario's") {
  const std::string streams = "[[stream]]\nendpoint = 0x81\n[[stream]]\nendpoint = 0x01\n";
  const auto one = plan("seed = 1\n" + streams), again = plan("seed = 1\n" + streams),
             two = plan("seed = 2\n" + streams);
  CHECK(one->streams[0].seed != one->streams[1].seed);
  CHECK(one->streams[0].seed == again->streams[0].seed);
  CHECK(one->streams[0].seed != two->streams[0].seed);
  CHECK(written(*one, in_engine(one->streams[0].engine) + scenario::reg::seed) == one->streams[0].seed);
}

TEST_CASE("a loopback joins two endpoints on engines of the same number") {
  const auto made = plan("[[stream]]\nendpoint = 0x01\n[[stream]]\nendpoint = 0x81\npayload = \"loopback\"\n");
  REQUIRE_MESSAGE(made.has_value(), made.error().to_string());
  CHECK(made->streams[0].comes_back);
  CHECK(made->streams[1].source == 0);
  CHECK(written(*made, out_engine(made->streams[0].engine) + scenario::reg::function) == 4);
  CHECK(written(*made, in_engine(made->streams[1].engine) + scenario::reg::function) == 4);
  CHECK(error_of("[[stream]]\nendpoint = 0x02\n[[stream]]\nendpoint = 0x81\npayload = \"loopback\"\n")
            .find("joins OUT engine n") != std::string::npos);
  CHECK(error_of("[[stream]]\nendpoint = 0x81\npayload = \"loopback\"\n").find("no OUT stream") != std::string::npos);
}

TEST_CASE("what the device can't do is refused before anything runs") {
  CHECK(error_of("[[stream]]\nendpoint = 0x83\n").find("s.toml:1: stream[0].endpoint: setting 1 of interface 0") !=
        std::string::npos);
  CHECK(error_of("[[stream]]\nendpoint = \"in\"\nalternate = 4\n").find("no setting 4 of interface 0") !=
        std::string::npos);
  CHECK(error_of("[[stream]]\nendpoint = \"in\"\nsize = 501\n").find("501 bytes are asked of endpoint 0x81") !=
        std::string::npos);
  CHECK(error_of("[[stream]]\nendpoint = 0x82\nframes_per_request = 3\n").find("served every 2 frames") !=
        std::string::npos);
  CHECK(error_of("[[stream]]\nendpoint = \"in\"\n[[stream]]\nname = \"x\"\nendpoint = \"in\"\n")
            .find("used by another stream") != std::string::npos);
  CHECK(error_of("[[stream]]\nendpoint = 0x81\nsample_rate = 48000\n[[stream]]\nname = \"x\"\nendpoint = "
                 "0x82\nsample_rate = 44100\n")
            .find("one sample clock") != std::string::npos);
}

TEST_CASE("a device without test requests is taken as its description makes it") {
  auto device = description::parse(device_text, "device.toml");
  REQUIRE(device.has_value());
  device->test_requests.reset();
  const auto of = [&](const char* scenario) {
    return scenario::make_plan(*scenario::parse_scenario(scenario, "s.toml"), *device);
  };
  const auto made = of("[[stream]]\nendpoint = 0x81\n");
  REQUIRE_MESSAGE(made.has_value(), made.error().to_string());
  CHECK(made->registers.empty());
  CHECK(made->streams[0].seed == check::default_seed);
  CHECK_FALSE(of("[[stream]]\nendpoint = 0x81\npayload = \"zeros\"\n").has_value());
  CHECK_FALSE(of("[[stream]]\nendpoint = 0x81\nsize = 5\n").has_value());
  CHECK_FALSE(of("[[stream]]\nendpoint = 0x81\n[registers]\nSAMPLE_RATE = 5\n").has_value());
}
