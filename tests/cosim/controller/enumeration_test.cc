// Root port, enumeration and control transfers against the device itself.
#include <doctest/doctest.h>

#include "cosim/controller/device_fixture.h"

using namespace isochio;
using namespace isochio::test;
using controller::Status;
using usb::Speed;

namespace {

Bytes bytes_of(std::span<const std::uint8_t> span) { return {span.begin(), span.end()}; }

}  // namespace

TEST_CASE("the device enumerates at high speed, and answers with the descriptors of its description") {
  DeviceFixture f;
  const auto done = f.host.enumerate();
  REQUIRE_MESSAGE(done.has_value(), (done ? "" : done.error()));
  CHECK(f.host.speed() == Speed::high);
  CHECK(bytes_of(f.host.device_descriptor()) == description::device_descriptor(f.description, Speed::high));
  CHECK(bytes_of(f.host.configuration_descriptor()) ==
        description::configuration_descriptor(f.description, Speed::high));
  CHECK(f.read(0) == 0x4F495349);
  f.configure();
}

TEST_CASE("with its pin set the device stays at full speed") {
  DeviceFixture f({.fs_only = true});
  const auto done = f.host.enumerate();
  REQUIRE_MESSAGE(done.has_value(), (done ? "" : done.error()));
  CHECK(f.host.speed() == Speed::full);
  CHECK(bytes_of(f.host.device_descriptor()) == description::device_descriptor(f.description, Speed::full));
  CHECK(bytes_of(f.host.configuration_descriptor()) ==
        description::configuration_descriptor(f.description, Speed::full));
}

TEST_CASE("strings, qualifier and the other speed's configuration are those of the description") {
  for (const bool fs_only : {false, true}) {
    CAPTURE(fs_only);
    DeviceFixture f({.fs_only = fs_only});
    f.configure();
    const Speed speed = f.host.speed();
    const auto get = [&](std::uint8_t type, std::uint8_t index, std::uint16_t language) {
      Bytes bytes(4096);
      const auto got = f.host.control({0x80, 6, std::uint16_t(type << 8U | index), language, 4096}, bytes, bus::second);
      bytes.resize(got ? *got : 0);
      return bytes;
    };
    for (const auto& [index, text] : f.description.strings) {
      CHECK(get(3, index, 0x0409) == description::string_descriptor(f.description, index));
    }
    CHECK(get(3, 0, 0) == description::string_descriptor(f.description, 0));
    CHECK(get(2, 0, 0) == description::configuration_descriptor(f.description, speed));
    CHECK(get(6, 0, 0) == description::device_qualifier(f.description, speed));
    CHECK(get(7, 0, 0) == description::other_speed_configuration(f.description, speed));
    CHECK(get(3, 77, 0x0409).empty());
  }
}

TEST_CASE("the standard requests of chapter 9, and a stall for the rest") {
  for (const bool fs_only : {false, true}) {
    CAPTURE(fs_only);
    DeviceFixture f({.fs_only = fs_only});
    f.configure(1);
    std::array<std::uint8_t, 64> bytes{};
    using Result = tl::expected<std::size_t, Status>;
    const auto control = [&](std::uint8_t type, std::uint8_t request, unsigned value, unsigned index,
                             std::uint16_t length) -> Result {
      return f.host.control({type, request, std::uint16_t(value), std::uint16_t(index), length},
                            std::span(bytes).first(length), bus::second);
    };
    const Result stall = tl::unexpected(Status::stall);
    CHECK(control(0x80, 8, 0, 0, 1) == Result(1));  // GET_CONFIGURATION
    CHECK(bytes[0] == 1);
    CHECK(control(0x81, 10, 0, 0, 1) == Result(1));  // GET_INTERFACE
    CHECK(bytes[0] == 1);
    CHECK(control(0x81, 10, 0, 1, 1) == Result(1));
    CHECK(bytes[0] == 0);
    CHECK(control(0x81, 10, 0, 7, 1) == stall);
    CHECK(control(0x80, 0, 0, 0, 2) == Result(2));  // GET_STATUS
    CHECK(control(0x82, 0, 0, 0x82, 2) == Result(2));
    CHECK(bytes[0] == 0);
    CHECK(control(0x02, 3, 0, 0x82, 0) == Result(0));  // SET_FEATURE(ENDPOINT_HALT)
    CHECK(control(0x82, 0, 0, 0x82, 2) == Result(2));
    CHECK(bytes[0] == 1);
    CHECK(control(0x02, 1, 0, 0x82, 0) == Result(0));
    CHECK(control(0x82, 0, 0, 0x82, 2) == Result(2));
    CHECK(bytes[0] == 0);
    CHECK(control(0x82, 12, 0, 0x81, 2) == Result(2));  // SYNCH_FRAME
    CHECK(control(0x82, 12, 0, 0x82, 2) == stall);
    CHECK(control(0x80, 6, 0x2100, 0, 64) == stall);  // a descriptor it has not
    CHECK(control(0xc0, 99, 0, 0, 64) == stall);
    CHECK(control(0x40, 99, 0, 0, 0) == stall);
    CHECK(control(0x40, 99, 0, 0, 64) == stall);
    CHECK(control(0x01, 11, 12, 0, 0) == stall);  // SET_INTERFACE to a setting it has not
    CHECK(control(0x00, 9, 5, 0, 0) == stall);    // SET_CONFIGURATION likewise
    CHECK(control(0x80, 8, 0, 0, 1) == Result(1));
    CHECK(bytes[0] == 1);
  }
}

TEST_CASE("registers hold what is written, several at once") {
  for (const bool fs_only : {false, true}) {
    CAPTURE(fs_only);
    DeviceFixture f({.fs_only = fs_only});
    f.configure();
    for (std::uint32_t i = 0; i < 16; ++i) f.write(std::uint16_t(0x300 + i), 0x0101 * i + 7);
    Bytes bytes(64);
    REQUIRE(f.host.control({0xc0, 1, 0, 0x300, 64}, bytes, bus::second).has_value());
    for (unsigned i = 0; i < 16; ++i) {
      CHECK((bytes[4 * i] | bytes[4 * i + 1] << 8U) == int((0x0101 * i + 7) & 0xffff));
    }
    for (std::size_t i = 0; i < 64; ++i) bytes[i] = static_cast<std::uint8_t>(i % 4 < 1 ? i * 5 : 0);
    REQUIRE(f.host.control({0x40, 1, 0, 0x300, 64}, bytes, bus::second).has_value());
    Bytes back(64);
    REQUIRE(f.host.control({0xc0, 1, 0, 0x300, 64}, back, bus::second).has_value());
    CHECK(back == bytes);
  }
}

TEST_CASE("bulk data comes back through the loopback") {
  for (const bool fs_only : {false, true}) {
    CAPTURE(fs_only);
    DeviceFixture f({.fs_only = fs_only});
    f.configure();
    for (const std::size_t size : {std::size_t{1}, std::size_t{63}, std::size_t{64}, std::size_t{511}, std::size_t{512},
                                   std::size_t{3000}, std::size_t{20000}}) {
      CAPTURE(size);
      Bytes sent(size), back(size);
      for (std::size_t i = 0; i < size; ++i) sent[i] = static_cast<std::uint8_t>(i * 13 + size);
      std::size_t ends = 0;
      controller::BulkRequest write{.endpoint = {0x02}, .data = sent, .timeout = bus::second};
      controller::BulkRequest read{.endpoint = {0x82}, .data = back, .timeout = bus::second};
      write.on_complete = read.on_complete = [&](controller::BulkRequest&) { ++ends; };
      REQUIRE(f.host.submit(write).has_value());
      REQUIRE(f.host.submit(read).has_value());
      REQUIRE(f.host.run_until(f.host.now() + 2 * bus::second, [&] { return ends == 2; }));
      CHECK(write.status == Status::ok);
      CHECK(read.status == Status::ok);
      CHECK(read.complete == size);
      CHECK(back == sent);
    }
  }
}

TEST_CASE("a halted bulk endpoint stalls until the halt is cleared, then its toggle is DATA0 again") {
  DeviceFixture f;
  f.configure();
  Bytes sent(100, 0x5a), back(100);
  std::size_t ends = 0;
  const auto run = [&](std::uint8_t address, Bytes& data) {
    controller::BulkRequest request{.endpoint = {address}, .data = data, .timeout = bus::second};
    const std::size_t before = ends;
    request.on_complete = [&](controller::BulkRequest&) { ++ends; };
    const auto accepted = f.host.submit(request);
    if (!accepted) return accepted.error();
    f.host.run_until(f.host.now() + 2 * bus::second, [&] { return ends > before; });
    return request.status;
  };
  CHECK(run(0x02, sent) == Status::ok);
  CHECK(run(0x82, back) == Status::ok);
  REQUIRE(f.host.control({0x02, 3, 0, 0x02, 0}, {}, bus::second).has_value());
  CHECK(run(0x02, sent) == Status::stall);
  CHECK(f.host.clear_halt({0x02}, true).has_value());
  CHECK(run(0x02, sent) == Status::ok);
  CHECK(run(0x82, back) == Status::ok);
  CHECK(back == sent);
}

TEST_CASE("the device suspends and resumes, and streams again afterwards") {
  for (const bool fs_only : {false, true}) {
    CAPTURE(fs_only);
    DeviceFixture f({.fs_only = fs_only});
    f.configure(2);
    const std::uint32_t suspends = f.read(0x1f);  // it slept before it was reset, too
    f.host.suspend();
    f.run_frames(20);
    f.host.resume();
    CHECK(f.read(3) % 4 == (fs_only ? 2U : 3U));  // STATUS: configured, the speed it had, awake
    CHECK(f.read(0x1f) == suspends + 1);          // SUSPENDS
    CHECK(f.read(0x1e) == 1);                     // RESETS: only the one of enumeration
    OwnedRequest request({0x81}, std::vector<std::uint32_t>(16, fs_only ? 1023 : 1024), &f.client);
    REQUIRE(f.host.submit(request.request).has_value());
    f.run_frames(25);
    REQUIRE(f.client.completions.size() == 1);
    CHECK(f.client.completions[0].overall == Status::ok);
  }
}

TEST_CASE("the device is reset and enumerated again from high speed") {
  for (const bool fs_only : {false, true}) {
    CAPTURE(fs_only);
    DeviceFixture f({.fs_only = fs_only});
    f.configure(2);
    const auto done = f.host.reset_device();
    REQUIRE_MESSAGE(done.has_value(), (done ? "" : done.error()));
    CHECK(f.host.speed() == (fs_only ? Speed::full : Speed::high));
    CHECK((f.read(3) & 2U) == 0);  // not configured
    CHECK(f.read(0x1e) == 2);
  }
}

TEST_CASE("a device wakes the host if it has been allowed to, and not otherwise") {
  for (const bool fs_only : {false, true}) {
    CAPTURE(fs_only);
    DeviceFixture f({.fs_only = fs_only, .edit = [](auto& description) { description.remote_wakeup = true; }});
    f.configure(1);
    CHECK((f.host.configuration_descriptor()[7] & 0x20U) != 0);
    f.host.suspend();
    f.run_frames(10);
    f.link->pulse_remote_wakeup();
    f.run_frames(10);
    CHECK_FALSE(f.host.wake_requested());
    f.host.resume();
    REQUIRE(f.host.control({0x00, 3, 1, 0, 0}, {}, bus::second).has_value());  // DEVICE_REMOTE_WAKEUP
    f.host.suspend();
    f.run_frames(10);
    f.link->pulse_remote_wakeup();
    CHECK(f.host.run_until(f.host.now() + 10 * bus::millisecond, [&] { return f.host.wake_requested(); }));
    f.host.resume();
    CHECK(f.read(0) == 0x4F495349);
    CHECK(f.host.speed() == (fs_only ? Speed::full : Speed::high));
  }
}

TEST_CASE("the other shipped devices enumerate, and all their alternate settings can be chosen") {
  for (const char* device : {"uac1-audio", "uac2-audio", "vendor-hs"}) {
    for (const bool fs_only : {false, true}) {
      CAPTURE(device);
      CAPTURE(fs_only);
      DeviceFixture f({.device = device, .fs_only = fs_only});
      f.configure();
      for (const auto& setting : f.description.settings) {
        if (!setting.speeds.at(f.host.speed())) continue;
        CHECK(f.host.set_interface(setting.interface, setting.alternate).has_value());
      }
    }
  }
}

TEST_CASE("a device that is unplugged and plugged in again starts from the beginning") {
  DeviceFixture f;
  f.configure(1);
  f.link->set_attached(false);
  f.run_frames(5);
  CHECK_FALSE(f.host.connected());
  const auto done = f.host.enumerate();
  REQUIRE_MESSAGE(done.has_value(), (done ? "" : done.error()));
  CHECK(f.host.speed() == Speed::high);
}
