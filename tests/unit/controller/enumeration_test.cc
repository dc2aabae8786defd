#include <doctest/doctest.h>

#include "support/host_fixture.h"

using namespace isochio;
using namespace isochio::test;

TEST_CASE("a high-speed device is found at high speed, addressed and read whole") {
  HostFixture f;
  const auto done = f.host.enumerate();
  REQUIRE_MESSAGE(done.has_value(), (done ? "" : done.error()));
  CHECK(f.host.speed() == usb::Speed::high);
  CHECK(f.device.device_speed() == usb::Speed::high);
  CHECK(f.host.connected());
  CHECK(f.device.address() == f.host.address());
  const auto config = f.host.configuration_descriptor();
  CHECK(Bytes(config.begin(), config.end()) == test_device().configuration_high);
}

TEST_CASE("isochronous data of 1024 bytes goes in, entry by entry") {
  HostFixture f;
  f.configure(1);
  unsigned n = 0;
  f.device.set_source(HostFixture::iso_in,
                      [&](std::uint16_t) { return ScriptedDevice::Packets{Bytes(1024, std::uint8_t(++n))}; });
  OwnedRequest request(HostFixture::iso_in, std::vector<std::uint32_t>(16, 1024), &f.client);
  REQUIRE(f.host.submit(request.request).has_value());
  f.run_frames(5);
  REQUIRE(f.client.completions.size() == 1);
  CHECK(f.client.completions[0].overall == controller::Status::ok);
  for (unsigned i = 0; i < 16; ++i) {
    CHECK(request->entries[i].complete == 1024);
    CHECK(request.buffer[i * 1024] == i + 1);
  }
}
