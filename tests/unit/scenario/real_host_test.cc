// isochio: what a real host is not asked to run.
#include "scenario/real_host.h"

#include <doctest/doctest.h>

#include <string>

using namespace isochio;

namespace {

std::string why(const std::string& more) {
  const auto parsed = scenario::parse_scenario("[[stream]]\nendpoint = \"in\"\n" + more, "x.toml");
  if (!parsed) FAIL(parsed.error().to_string());
  return scenario::simulation_only(*parsed);
}

}  // namespace

TEST_CASE(
    "a real host is not asked for faults of the cable, for events at points of bus time, or for exact outcomes over "
    "libusb") {
  CHECK(why("") == "");
  CHECK(why("[[fault]]\nkind = \"sof_lost\"\n").find("[[fault]]") != std::string::npos);
  CHECK(why("[[event]]\nkind = \"bus_reset\"\nat = 3\n").find("[[event]]") != std::string::npos);
  CHECK(why("[expect]\n").find("expected") != std::string::npos);
}
