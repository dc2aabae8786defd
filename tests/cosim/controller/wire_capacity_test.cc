#include <doctest/doctest.h>

#include "cosim/controller/device_fixture.h"
#include "usb/bandwidth.h"

using namespace isochio;
using namespace isochio::test;

TEST_CASE("on the simulated wire a (micro)frame takes the isochronous transactions of tables 5-4 and 5-5") {
  for (const bool fs_only : {false, true}) {
    CAPTURE(fs_only);
    DeviceFixture f({.fs_only = fs_only, .host = {.lift_periodic_limit = true}});
    f.configure(fs_only ? 3 : 3);
    const usb::Speed speed = f.host.speed();
    for (std::uint32_t payload = 1; payload <= 1024; payload *= 2) {
      const std::uint32_t bytes = fs_only ? std::min(payload, 1023U) : payload;
      CAPTURE(bytes);
      const auto capacity = f.host.measure_capacity(usb::endpoint(1, usb::Direction::out), bytes);
      REQUIRE(capacity.has_value());
      CHECK(capacity->in_interval >= usb::most_transactions(speed, bytes));
      CHECK(capacity->in_frame + 2 >= usb::most_transactions(speed, bytes));
    }
    CHECK(f.read(0) == 0x4F495349);  // and the device is none the worse for it
  }
}
