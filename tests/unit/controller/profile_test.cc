// isochio: profiles of host controllers: what they say, and what the model makes of it.
#include "controller/profile.h"

#include <doctest/doctest.h>

#include "controller/isoch_pipe.h"
#include "driverkit/profile_options.h"
#include "driverkit/return_words.h"
#include "driverkit/status.h"
#include "scenario/scenario.h"

using namespace isochio;
using namespace isochio::controller;

TEST_CASE("every profile is found by its name, and every parameter has a source") {
  CHECK(profiles().front().name == "neutral");
  for (const auto& profile : profiles()) {
    CHECK(find_profile(profile.name) == &profile);
    CHECK_FALSE(profile.facts.empty());
    for (const auto& fact : profile.facts) {
      CHECK_FALSE(fact.value.empty());
      CHECK_FALSE(fact.source.empty());
    }
  }
  CHECK(find_profile("ahci") == nullptr);
}

TEST_CASE("the macOS status that a profile's table shows is what the DriverKit layer gives with that profile") {
  for (const auto& profile : profiles()) {
    driverkit::RuntimeOptions options;
    driverkit::apply(profile, options);
    for (const auto& view : profile.statuses) {
      CAPTURE(std::string(profile.name));
      CAPTURE(to_string(view.status));
      CHECK(driverkit::return_word(driverkit::entry_return(view.status, options)) == view.macos);
    }
  }
}

TEST_CASE("what a controller reports alike, no system tells apart") {
  for (const auto& profile : profiles())
    for (const auto& one : profile.statuses)
      for (const auto& other : profile.statuses) {
        if (one.controller != other.controller) continue;
        CAPTURE(std::string(profile.name));
        CAPTURE(to_string(one.status));
        CAPTURE(to_string(other.status));
        CHECK(one.macos == other.macos);
        CHECK(one.linux_code == other.linux_code);
        CHECK(one.libusb == other.libusb);
      }
}

TEST_CASE("frame counters wrap where their registers do") {
  const auto at = [](std::string_view name, std::uint64_t frame, std::uint64_t microframe) {
    return find_profile(name)->counter(usb::FrameTime::of(frame, microframe));
  };
  CHECK(at("xhci", 2047, 7) == 16383);
  CHECK(at("xhci", 2048, 0) == 0);
  CHECK(at("ehci", 2048, 3) == 3);
  CHECK(at("ohci", 65535, 0) == 65535);
  CHECK(at("ohci", 65536, 0) == 0);
  CHECK(at("uhci", 2049, 7) == 1);
  CHECK(at("neutral", 1'000'000'000'000, 0) == 1'000'000'000'000);
}

TEST_CASE("with xHCI a start lies between Start Frame ID and End Frame ID of xHCI 4.11.2.5") {
  SimHostOptions options;
  apply(*find_profile("xhci"), options);
  const usb::EndpointConfig config{{0x81}, usb::TransferType::isochronous, 64, 1, 1, 0};
  const IsochPipe pipe(config, usb::Speed::high, 0, options);
  IsochRequest request;
  request.endpoint = {0x81};
  request.entries.resize(8);
  for (std::uint64_t microframe = 0; microframe < 8; ++microframe) {
    const auto now = usb::FrameTime::of(5000, microframe);
    const std::uint64_t first = (now.value + 4 + 1 + 7) / 8;
    const std::uint64_t last = (now.value + 895 * 8) / 8;
    const auto place = [&](std::uint64_t frame) {
      request.first_frame = frame;
      const auto placed = pipe.place(request, now);
      return placed ? Status::ok : placed.error();
    };
    CAPTURE(microframe);
    CHECK(first == (microframe <= 3 ? 5001 : 5002));
    CHECK(place(first - 1) == Status::too_old);
    CHECK(place(first) == Status::ok);
    CHECK(place(last) == Status::ok);
    CHECK(place(last + 1) == Status::too_new);
    request.first_frame = 0;
    CHECK(pipe.place(request, now)->frame() == first);
  }
}

TEST_CASE("a scenario's profile counts before its other keys, and one that is asked for before the scenario's") {
  const char* text =
      "[[stream]]\nendpoint = \"in\"\n[controller]\nhorizon_frames = 7\nprofile = \"ehci\"\n[driverkit]\nshort_in = "
      "\"success\"\n[expect]\n[expect.profiles.xhci]\nerror = \"x\"\n";
  const auto own = scenario::parse_scenario(text, "x.toml");
  REQUIRE(own);
  CHECK(own->profile == "ehci");
  CHECK(own->controller.horizon_frames == 7);
  CHECK(own->controller.threshold_microframes == 1);
  CHECK(own->driverkit.zero_start == driverkit::ZeroStart::too_old);
  CHECK(own->driverkit.short_in == driverkit::ShortIn::success);
  CHECK(own->expect->error.empty());
  const auto other = scenario::parse_scenario(text, "x.toml", "xhci");
  REQUIRE(other);
  CHECK(other->profile == "xhci");
  CHECK(other->controller.threshold_microframes == 4);
  CHECK(other->driverkit.missed_entry == driverkit::MissedEntry::overrun);
  CHECK(other->expect->error == "x");
  const auto wrong =
      scenario::parse_scenario("[[stream]]\nendpoint = \"in\"\n[controller]\nprofile = \"xhcu\"\n", "x.toml");
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().to_string().find("do you mean \"xhci\"?") != std::string::npos);
}
