// LibusbHost over a scripted libusb: what is in flight, what comes back and how, unplugging, and that every wait ends.
#include <doctest/doctest.h>

#include <chrono>
#include <filesystem>
#include <numeric>

#include "CaptureDriver.h"
#include "driverkit/runtime.h"
#include "libusb/libusb_host.h"
#include "libusb/watch.h"
#include "scenario/run.h"
#include "support/host_fixture.h"
#include "unit/libusb/fake_libusb.h"

using namespace isochio;
using namespace isochio::test;
using controller::IsochRequest;
using controller::Status;
using libusb::LibusbHost;

namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

/// Endpoints IN 1 and OUT 1 as rtl/devices/test.toml has them in its alternate settings 2 and 6, and bulk IN 2.
std::vector<Interface> interfaces() {
  using enum usb::TransferType;
  Interface streams(12), other(1);
  streams[2] = {{0x81, isochronous, packet_field(1024), 1}};
  streams[4] = {{0x01, isochronous, packet_field(1024), 1}, {0x81, isochronous, packet_field(1024), 1}};
  streams[6] = {{0x81, isochronous, packet_field(1024, 3), 1}};
  streams[11] = {{0x82, bulk, packet_field(512), 0}};
  return {streams, other};
}

struct Fixture {
  Fixture() { usb.configuration = configuration_bytes(interfaces()); }

  /// Enumerated and configured, interface 0 at `alternate`.
  LibusbHost& start(std::uint8_t alternate = 2, bus::Duration give_back = 200 * bus::millisecond) {
    libusb::LibusbHostOptions options;
    options.give_back = give_back;
    auto opened = LibusbHost::open({}, options);
    REQUIRE_MESSAGE(opened.has_value(), (opened ? "" : opened.error()));
    host = std::move(*opened);
    REQUIRE(host->enumerate().has_value());
    REQUIRE(host->set_configuration(1).has_value());
    REQUIRE(host->set_interface(0, alternate).has_value());
    client = std::make_unique<RecordingClient>(*host);
    return *host;
  }

  /// 16 entries: two frames.
  IsochRequest& request(std::uint8_t address = 0x81, std::uint32_t bytes = 1024) {
    auto& made = *requests.emplace_back(std::make_unique<IsochRequest>());
    auto& buffer = *buffers.emplace_back(std::make_unique<std::vector<std::uint8_t>>(std::size_t{16} * bytes));
    made.endpoint = {address};
    made.data = buffer;
    made.entries.resize(16);
    for (auto& entry : made.entries) entry.request = bytes;
    made.client = client.get();
    return made;
  }

  bool run_until(const std::function<bool()>& done, bus::Duration most = 5 * bus::second) {
    return host->run_until(host->now() + most, done);
  }
  bool completed(std::size_t n) {
    return run_until([&] { return client->completions.size() >= n; });
  }

  FakeUsb usb;
  std::vector<std::unique_ptr<std::vector<std::uint8_t>>> buffers;
  std::vector<std::unique_ptr<IsochRequest>> requests;
  std::unique_ptr<RecordingClient> client;
  std::unique_ptr<LibusbHost> host;
};

bool all_entries(const IsochRequest& request, Status status) {
  return std::ranges::all_of(request.entries, [&](const auto& entry) { return entry.status == status; });
}

}  // namespace

TEST_SUITE("libusb") {
  TEST_CASE("libusb: kernel drivers leave before any interface is claimed and come back after all are released") {
    Fixture f;
    f.usb.kernel_drivers = {0, 1};
    f.start();
    f.host.reset();
    const std::vector<std::string> expected{"detach 0",      "detach 1",      "claim 0",   "claim 1",
                                            "alternate 0 0", "alternate 0 2", "release 0", "release 1",
                                            "attach 0",      "attach 1",      "close"};
    CHECK(f.usb.calls == expected);
  }

  TEST_CASE("libusb: requests are in flight together, and end in their order whatever the kernel's is") {
    Fixture f;
    f.start();
    for (int i = 0; i < 4; ++i) REQUIRE(f.host->submit(f.request()).has_value());
    CHECK(f.usb.in_flight.size() == 4);
    std::ranges::reverse(f.usb.in_flight);
    f.usb.complete(4, 0x77);
    REQUIRE(f.completed(4));
    for (std::size_t i = 0; i < 4; ++i) {
      CHECK(f.client->completions[i].id == i + 1);
      CHECK(f.client->completions[i].overall == Status::ok);
      CHECK(all_entries(*f.requests[i], Status::ok));
      CHECK(f.requests[i]->entries[15].complete == 1024);
      CHECK(std::ranges::all_of(*f.buffers[i], [](auto byte) { return byte == 0x77; }));
    }
    CHECK(f.requests[1]->first_frame == f.requests[0]->first_frame + 2);
  }

  TEST_CASE("libusb: OUT bytes are those at the time of the submission, packets back to back") {
    Fixture f;
    f.start(4);
    auto& request = f.request(0x01, 100);
    std::iota(request.data.begin(), request.data.end(), std::uint8_t{0});
    const std::vector<std::uint8_t> given(request.data.begin(), request.data.end());
    REQUIRE(f.host->submit(request).has_value());
    std::ranges::fill(request.data, std::uint8_t{0xee});
    const libusb_transfer& transfer = *f.usb.in_flight.at(0);
    CHECK(transfer.num_iso_packets == 16);
    CHECK(transfer.length == 1600);
    CHECK(std::equal(given.begin(), given.end(), transfer.buffer));
  }

  TEST_CASE("libusb: an abort ends what is in flight as aborted, and until then nothing new is accepted") {
    Fixture f;
    f.start();
    for (int i = 0; i < 3; ++i) REQUIRE(f.host->submit(f.request()).has_value());
    f.host->abort({0x81});
    CHECK(f.host->submit(f.request()).error() == Status::not_permitted);
    REQUIRE(f.completed(3));
    for (int i = 0; i < 3; ++i) CHECK(f.client->completions[std::size_t(i)].overall == Status::aborted);
    CHECK(f.host->submit(f.request()).has_value());
  }

  TEST_CASE("libusb: a change of setting takes back what is in flight first, and lets nothing new in meanwhile") {
    Fixture f;
    f.start();
    for (int i = 0; i < 3; ++i) REQUIRE(f.host->submit(f.request()).has_value());
    std::vector<Status> refused;
    f.client->complete_action = [&](IsochRequest& request, Status) {
      const auto again = f.host->submit(request);
      if (!again) refused.push_back(again.error());
    };
    REQUIRE(f.host->set_interface(0, 4).has_value());
    CHECK(f.client->completions.size() == 3);
    CHECK(refused == std::vector<Status>(3, Status::not_open));
    CHECK(f.usb.in_flight.empty());
    CHECK(f.usb.calls.back() == "alternate 0 4");
  }

  TEST_CASE("libusb: a setting that the kernel refuses leaves the old one as it was") {
    Fixture f;
    f.start();
    f.usb.alternate_code = LIBUSB_ERROR_NOT_FOUND;
    CHECK_FALSE(f.host->set_interface(0, 4).has_value());
    CHECK(f.host->submit(f.request()).has_value());
  }

  TEST_CASE(
      "libusb: a device that is unplugged ends all that is in flight with no device, however the kernel says it") {
    for (const bool killed : {false, true})
      for (const bool hotplug : {false, true}) {
        CAPTURE(killed);
        CAPTURE(hotplug);
        Fixture f;
        f.usb.hotplug = hotplug;
        f.usb.killed = killed;
        f.start();
        for (int i = 0; i < 3; ++i) REQUIRE(f.host->submit(f.request()).has_value());
        f.usb.complete(1);
        f.usb.unplug();
        REQUIRE(f.completed(3));
        CHECK(f.client->completions[0].overall == Status::ok);
        for (std::size_t i = 1; i < 3; ++i) {
          CHECK(f.client->completions[i].overall == Status::no_device);
          CHECK(all_entries(*f.requests[i], Status::no_device));
        }
        CHECK_FALSE(f.host->connected());
        CHECK(f.host->endpoints().empty());
        CHECK(f.host->submit(f.request()).error() == Status::no_device);
        std::array<std::uint8_t, 4> bytes{};
        CHECK(f.host->control({0xc0, 1, 0, 0, 4}, bytes, {}).error() == Status::no_device);
        CHECK(f.host->set_interface(0, 4).error() == Status::no_device);
        CHECK_FALSE(f.host->reset_device().has_value());
      }
  }

  TEST_CASE("libusb: an unplugged device is noticed without a request, where libusb has hot-plug events") {
    Fixture f;
    f.start();
    f.usb.unplug();
    CHECK(f.run_until([&] { return !f.host->connected(); }));
  }

  TEST_CASE("libusb: a control transfer without a timeout ends when the device is unplugged") {
    Fixture f;
    f.start();
    f.usb.answers_control = false;
    f.host->call_at(f.host->now() + 20 * bus::millisecond, [&] { f.usb.unplug(); });
    std::array<std::uint8_t, 4> bytes{};
    CHECK(f.host->control({0xc0, 1, 0, 0, 4}, bytes, {}).error() == Status::no_device);
  }

  TEST_CASE("libusb: what a kernel never gives back ends all the same, and its late bytes hurt nobody") {
    Fixture f;
    f.start();
    for (int i = 0; i < 2; ++i) REQUIRE(f.host->submit(f.request()).has_value());
    const auto stuck = f.usb.in_flight;
    f.usb.gives_back = false;
    const auto begin = Clock::now();
    CHECK(f.host->set_interface(0, 4).error() == Status::no_device);
    CHECK(Clock::now() - begin < 5s);
    REQUIRE(f.client->completions.size() == 2);
    CHECK(f.client->completions[0].overall == Status::no_device);
    f.requests.clear();
    f.buffers.clear();
    for (auto* transfer : stuck) {
      std::fill_n(transfer->buffer, transfer->length, std::uint8_t{1});
      f.usb.give_back(transfer, LIBUSB_TRANSFER_COMPLETED);
    }
    f.run_until({}, 20 * bus::millisecond);
    CHECK(f.client->completions.size() == 2);
  }

  TEST_CASE("libusb: an unplugged device whose requests do not come back is given up after a while") {
    Fixture f;
    f.start();
    REQUIRE(f.host->submit(f.request()).has_value());
    f.usb.gives_back = false;
    f.usb.unplug();
    REQUIRE(f.completed(1));
    CHECK(f.client->completions[0].overall == Status::no_device);
  }

  TEST_CASE("libusb: a control transfer that not even its timeout ends is given up") {
    Fixture f;
    f.start();
    f.usb.answers_control = f.usb.gives_back = false;
    std::array<std::uint8_t, 4> bytes{};
    const auto begin = Clock::now();
    CHECK(f.host->control({0xc0, 1, 0, 0, 4}, bytes, 10 * bus::millisecond).error() == Status::no_device);
    CHECK(Clock::now() - begin < 5s);
  }

  TEST_CASE("libusb: the host can be closed with requests in flight, given back or not, and tells no client") {
    for (const bool gives_back : {true, false}) {
      Fixture f;
      f.start();
      for (int i = 0; i < 2; ++i) REQUIRE(f.host->submit(f.request()).has_value());
      f.usb.gives_back = gives_back;
      const auto begin = Clock::now();
      f.host.reset();
      CHECK(Clock::now() - begin < 5s);
      CHECK(f.client->completions.empty());
      CHECK(f.usb.calls.back() == "close");
    }
  }

  TEST_CASE("libusb: waiting does not become a busy loop when libusb can't handle events") {
    Fixture f;
    f.start();
    f.usb.events_code = LIBUSB_ERROR_IO;
    const auto before = f.usb.events_handled;
    f.run_until({}, 50 * bus::millisecond);
    CHECK(f.usb.events_handled - before < 200);
  }

  TEST_CASE("libusb: errors of packets are that of a device that is still there") {
    Fixture f;
    f.start();
    REQUIRE(f.host->submit(f.request()).has_value());
    libusb_transfer* transfer = f.usb.in_flight.at(0);
    for (int i = 0; i < 16; ++i) transfer->iso_packet_desc[i].actual_length = 1024;
    transfer->iso_packet_desc[3].actual_length = 0;
    transfer->iso_packet_desc[3].status = LIBUSB_TRANSFER_ERROR;
    transfer->iso_packet_desc[4].actual_length = 5000;  // more than was asked for is cut
    f.usb.give_back(transfer, LIBUSB_TRANSFER_COMPLETED);
    REQUIRE(f.completed(1));
    CHECK(f.client->completions[0].overall == Status::no_response);
    CHECK(f.requests[0]->entries[3].status == Status::no_response);
    CHECK(f.requests[0]->entries[4].complete == 1024);
    CHECK(f.host->connected());
  }

  TEST_CASE("libusb: no permission names the udev rule; a device that is gone by then says so") {
    Fixture f;
    f.usb.open_code = LIBUSB_ERROR_ACCESS;
    const auto refused = LibusbHost::open({}, {});
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().find("70-isochio.rules") != std::string::npos);
    f.usb.open_code = LIBUSB_ERROR_NO_DEVICE;
    CHECK(LibusbHost::open({}, {}).error().find("unplugged") != std::string::npos);
  }

  TEST_CASE(
      "libusb: a DriverKit driver streams over it with all its requests in flight, and ends when it is unplugged") {
    Fixture f;
    f.start();
    driverkit::RuntimeOptions quiet;
    quiet.log = [](std::string_view) {};
    driverkit::Runtime runtime(*f.host, quiet);
    REQUIRE(runtime.configure() == kIOReturnSuccess);
    IOService* driver = nullptr;
    REQUIRE(runtime.start(gCaptureDriverMetaClass, runtime.interface(0), &driver) == kIOReturnSuccess);
    const auto statistics = [&] {
      CaptureStatistics seen{};
      OSDynamicCast(CaptureDriver, driver)->GetStatistics(&seen);
      return seen;
    };
    CHECK(f.usb.in_flight.size() == 8);
    f.usb.on_events = [&] { f.usb.complete(1); };
    REQUIRE(runtime.run_until([&] { return statistics().requests >= 100; }, 20 * bus::second));
    CHECK(statistics().bytes == statistics().requests * 16 * 3072);
    CHECK(statistics().failedEntries == 0);
    CHECK(f.usb.most_in_flight == 8);
    f.usb.on_events = {};
    f.usb.unplug();
    REQUIRE(runtime.run_until([&] { return f.usb.in_flight.empty(); }, 5 * bus::second));
    CHECK(runtime.stop(driver) == kIOReturnSuccess);
  }

  TEST_CASE("libusb: a run of a scenario keeps its depth in flight; unplugged, its verdict is an error that says so") {
    Fixture f;
    const auto scenario = scenario::parse_scenario(
        "frames = 1000000\n[[stream]]\nalternate = 2\nendpoint = \"in\"\ndepth = 5\nframes_per_request = 2\n"
        "payload = \"zeros\"\n",
        std::filesystem::path(ISOCHIO_SOURCE_DIR) / "tests/scenarios/fake.toml");
    REQUIRE_MESSAGE(scenario.has_value(), (scenario ? "" : scenario.error().to_string()));
    constexpr std::uint8_t log_request = 2;
    f.usb.on_control = [](const libusb_control_setup& setup, std::uint8_t* data) -> std::size_t {
      if (setup.bRequest == log_request) return 0;
      if ((setup.bmRequestType & 0x80U) != 0) std::fill_n(data, setup.wLength, std::uint8_t{0});
      return setup.wLength;
    };
    std::size_t handled = 0, depth = 0;
    f.usb.on_events = [&] {
      const auto streaming = std::ranges::count_if(
          f.usb.in_flight, [](const auto* transfer) { return transfer->type == LIBUSB_TRANSFER_TYPE_ISOCHRONOUS; });
      depth = std::max(depth, static_cast<std::size_t>(streaming));
      f.usb.complete(1, 0);
      if (++handled == 400) f.usb.unplug();
    };
    scenario::RunOptions options;
    options.make_host = [](const scenario::HostRequest& request) -> std::unique_ptr<controller::Host> {
      auto host = LibusbHost::open({}, {.first_frame = request.first_frame, .test_requests = {}});
      if (!host) throw std::runtime_error(host.error());
      return std::move(*host);
    };
    const auto outcome = scenario::run(*scenario, options);
    REQUIRE_MESSAGE(outcome.has_value(), (outcome ? "" : outcome.error().message));
    CHECK(depth == 5);
    CHECK(outcome->result.verdict == report::Verdict::error);
    CHECK(outcome->result.error.find("the device was unplugged after ") == 0);
    CHECK(outcome->result.violation_total() == 0);
  }

  TEST_CASE("libusb: devices that come and go are told apart, a device that came back is another") {
    Fixture f;
    for (const bool hotplug : {true, false}) {
      CAPTURE(hotplug);
      f.usb.hotplug = hotplug;
      f.usb.attached = true;
      const auto watch = libusb::Watch::start();
      REQUIRE(watch.has_value());
      REQUIRE((*watch)->attached().size() == 1);
      CHECK((*watch)->attached()[0].product == "fake");
      CHECK((*watch)->next(10 * bus::millisecond)->empty());
      f.usb.unplug();
      const auto left = (*watch)->next(5 * bus::second);
      REQUIRE(left->size() == 1);
      CHECK_FALSE((*left)[0].arrived);
      CHECK((*watch)->attached().empty());
      f.usb.plug_in();
      const auto came = (*watch)->next(5 * bus::second);
      REQUIRE(came->size() == 1);
      CHECK((*came)[0].arrived);
      CHECK((*came)[0].device.product == "fake");
      f.usb.unplug();
      f.usb.plug_in();
      CHECK((*watch)->next(5 * bus::second)->size() == 2);
    }
  }

  TEST_CASE(
      "libusb: waiting for a device ends when it is plugged in, when its time is up, and when it is told to stop") {
    Fixture f;
    const auto wait = [](bus::Duration most, bool stop = false) {
      return libusb::wait_until_attached({libusb::Identity{0x1209, 1}, {}}, most, [stop] { return stop; });
    };
    CHECK(wait(bus::second).has_value());
    f.usb.attached = false;
    CHECK(wait(10 * bus::millisecond).error().find("no device 1209:0001 is attached") == 0);
    CHECK(wait(60 * bus::second, true).error().find("interrupted") == 0);
    int left = 5;
    f.usb.on_events = [&] {
      if (--left == 0) f.usb.plug_in();
    };
    CHECK(wait(60 * bus::second).has_value());
  }
}
