// isochio: runs the two example drivers on the simulated test device, or on one that is plugged in, for a while and
// prints what they streamed; the program that a driver's author writes for their own driver.
//   isochio-example-drivers [--libusb] [DEVICE.toml [MILLISECONDS]]
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "CaptureDriver.h"
#include "PlaybackDriver.h"
#include "controller/sim_host.h"
#include "description/description.h"
#include "driverkit/runtime.h"
#include "libusb/libusb_host.h"
#include "simulated_device.h"

using namespace isochio;

namespace {

int fail(const std::string& why) {
  std::fprintf(stderr, "isochio-example-drivers: %s\n", why.c_str());
  return 2;
}

/// Whether each captured packet of the device's pattern (docs/payload.md) follows the one before it.
struct Sequence {
  std::uint64_t packets = 0, out_of_order = 0;
  std::uint32_t next = 0;

  static void take(void* context, const std::uint8_t* bytes, std::uint32_t length) {
    auto& self = *static_cast<Sequence*>(context);
    constexpr std::uint32_t packet = 1024;
    for (std::uint32_t at = 0; at + packet <= length; at += packet) {
      std::uint32_t number = 0;
      std::memcpy(&number, bytes + at, sizeof number);
      if (self.packets++ != 0 && number != self.next) ++self.out_of_order;
      self.next = number + 1;
    }
  }
};

bool capture(driverkit::Runtime& runtime, bus::Duration duration) {
  IOService* service = nullptr;
  if (runtime.configure() != kIOReturnSuccess || runtime.interface(0) == nullptr) return false;
  if (runtime.start(gCaptureDriverMetaClass, runtime.interface(0), &service) != kIOReturnSuccess) return false;
  Sequence sequence;
  OSDynamicCast(CaptureDriver, service)->SetSink(Sequence::take, &sequence);
  runtime.run_for(duration);
  CaptureStatistics seen{};
  OSDynamicCast(CaptureDriver, service)->GetStatistics(&seen);
  runtime.stop(service);
  std::printf(
      "CaptureDriver: %llu requests, %llu entries, %llu bytes, %llu short, %llu failed, %llu resyncs, "
      "%llu packets, %llu out of order\n",
      static_cast<unsigned long long>(seen.requests), static_cast<unsigned long long>(seen.entries),
      static_cast<unsigned long long>(seen.bytes), static_cast<unsigned long long>(seen.shortEntries),
      static_cast<unsigned long long>(seen.failedEntries), static_cast<unsigned long long>(seen.resyncs),
      static_cast<unsigned long long>(sequence.packets), static_cast<unsigned long long>(sequence.out_of_order));
  return seen.entries > 0 && seen.failedEntries == 0 && seen.shortEntries == 0 && sequence.out_of_order == 0;
}

bool play(driverkit::Runtime& runtime, bus::Duration duration) {
  IOService* service = nullptr;
  if (runtime.start(gPlaybackDriverMetaClass, runtime.device(), &service) != kIOReturnSuccess) return false;
  runtime.run_for(duration);
  PlaybackStatistics seen{};
  OSDynamicCast(PlaybackDriver, service)->GetStatistics(&seen);
  runtime.stop(service);
  std::printf("PlaybackDriver: %llu requests, %llu entries, %llu samples, %llu lost, %llu feedbacks, %llu resyncs\n",
              static_cast<unsigned long long>(seen.requests), static_cast<unsigned long long>(seen.entries),
              static_cast<unsigned long long>(seen.samples), static_cast<unsigned long long>(seen.lostEntries),
              static_cast<unsigned long long>(seen.feedbacks), static_cast<unsigned long long>(seen.resyncs));
  return seen.entries > 0 && seen.lostEntries == 0;
}

/// Host software cannot tell one from the other.
struct Target {
  std::unique_ptr<bus::Link> link;  ///< null: a real device
  std::unique_ptr<controller::Host> host;
};

tl::expected<Target, std::string> simulated(const description::Description& device) {
  const auto image = description::compile_image(device);
  if (!image) return tl::unexpected(image.error().to_string());
  Target target;
  target.link =
      verilated::make_simulated_device({.image = *image, .fs_only = false, .idle_skipping = true, .wave_path = {}});
  target.host = std::make_unique<controller::SimHost>(*target.link);
  return target;
}

/// docs/libusb.md
tl::expected<Target, std::string> plugged_in(const description::Description& device) {
  const libusb::Selection wanted{libusb::Identity{device.vendor_id, device.product_id}, {}};
  libusb::LibusbHostOptions options;
  options.test_requests = device.test_requests;
  auto host = libusb::LibusbHost::open(wanted, options);
  if (!host) return tl::unexpected(host.error());
  return Target{nullptr, std::move(*host)};
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  const bool real = !arguments.empty() && arguments.front() == "--libusb";
  if (real) arguments.erase(arguments.begin());
  const auto description = description::load(!arguments.empty() ? arguments[0] : "rtl/devices/test.toml");
  if (!description) return fail(description.error().to_string());
  const long milliseconds = arguments.size() > 1 ? std::strtol(arguments[1].c_str(), nullptr, 10) : 500;
  if (milliseconds <= 0) return fail("the time must be a number of milliseconds, at least 1");

  const auto target = real ? plugged_in(*description) : simulated(*description);
  if (!target) return fail(target.error());
  controller::Host& host = *target->host;
  if (const auto enumerated = host.enumerate(); !enumerated) return fail(enumerated.error());
  bool good = true;
  {
    driverkit::Runtime runtime(host);
    good &= capture(runtime, bus::millisecond * milliseconds);
  }
  driverkit::Runtime runtime(host);
  good &= play(runtime, bus::millisecond * milliseconds);
  return good ? 0 : 1;
}
