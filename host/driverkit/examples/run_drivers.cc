// isochio: runs the two example drivers on the simulated test device for a while and prints what they streamed; the
// program that a driver's author writes for their own driver.
//   isochio-example-drivers [DEVICE.toml [MILLISECONDS]]
#include <cstdio>
#include <cstdlib>
#include <string>

#include "CaptureDriver.h"
#include "PlaybackDriver.h"
#include "controller/sim_host.h"
#include "description/description.h"
#include "driverkit/runtime.h"
#include "simulated_device.h"

using namespace isochio;

namespace {

int fail(const std::string& why) {
  std::fprintf(stderr, "isochio-example-drivers: %s\n", why.c_str());
  return 2;
}

bool capture(driverkit::Runtime& runtime, bus::Duration duration) {
  IOService* service = nullptr;
  if (runtime.configure() != kIOReturnSuccess || runtime.interface(0) == nullptr) return false;
  if (runtime.start(gCaptureDriverMetaClass, runtime.interface(0), &service) != kIOReturnSuccess) return false;
  runtime.run_for(duration);
  CaptureStatistics seen{};
  OSDynamicCast(CaptureDriver, service)->GetStatistics(&seen);
  runtime.stop(service);
  std::printf("CaptureDriver: %llu requests, %llu entries, %llu bytes, %llu short, %llu failed, %llu resyncs\n",
              static_cast<unsigned long long>(seen.requests), static_cast<unsigned long long>(seen.entries),
              static_cast<unsigned long long>(seen.bytes), static_cast<unsigned long long>(seen.shortEntries),
              static_cast<unsigned long long>(seen.failedEntries), static_cast<unsigned long long>(seen.resyncs));
  return seen.entries > 0 && seen.failedEntries == 0 && seen.shortEntries == 0;
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

}  // namespace

int main(int argc, char** argv) {
  const auto description = description::load(argc > 1 ? argv[1] : "rtl/devices/test.toml");
  if (!description) return fail(description.error().to_string());
  const auto image = description::compile_image(*description);
  if (!image) return fail(image.error().to_string());
  const long milliseconds = argc > 2 ? std::strtol(argv[2], nullptr, 10) : 500;
  if (milliseconds <= 0) return fail("the time must be a number of milliseconds, at least 1");

  const auto link =
      verilated::make_simulated_device({.image = *image, .fs_only = false, .idle_skipping = true, .wave_path = {}});
  controller::SimHost host(*link);
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
