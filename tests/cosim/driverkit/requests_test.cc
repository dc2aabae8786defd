// isochio: what drivers do with their requests between IsochIO and the completion [driverkit-facts 1.1, 2.2, 2.7], on
// the Verilated device.
#include <doctest/doctest.h>

#include <cstring>
#include <vector>

#include <DriverKit/IOLib.h>

#include "check/payload.h"
#include "cosim/controller/device_fixture.h"
#include "driverkit/runtime.h"
#include "unit/driverkit/fixture.h"

using namespace isochio;
using namespace isochio::test;

namespace {

constexpr std::uint32_t packet = 1024;

/// The device's interface 0, open on a setting, and its IN pipe.
struct OpenPipe : DeviceFixture {
  explicit OpenPipe(std::uint8_t alternate, const DeviceFixtureOptions& options = {})
      : DeviceFixture(options), runtime((must_enumerate(), host), DriverKitFixture::quiet({})) {
    REQUIRE(runtime.configure() == kIOReturnSuccess);
    auto* interface = runtime.interface(0);
    REQUIRE(interface->Open(runtime.client(), 0, nullptr) == kIOReturnSuccess);
    REQUIRE(interface->SelectAlternateSetting(alternate) == kIOReturnSuccess);
    IOUSBHostPipe* copied = nullptr;
    REQUIRE(interface->CopyPipe(0x81, &copied) == kIOReturnSuccess);
    pipe = {copied, OSNoRetain};
  }
  void must_enumerate() { REQUIRE(host.enumerate()); }
  IOReturn submit(Request& request, std::uint64_t frame, OSAction* action) {
    return pipe->IsochIO(request.data.get(), request.list.get(), frame, action);
  }
  OSSharedPtr<OSAction> action(std::function<void(IOReturn)> then) {
    OSAction* made = nullptr;
    runtime.create_isoch_action([then = std::move(then)](OSAction*, IOReturn status) { then(status); }, 0, &made);
    return {made, OSNoRetain};
  }
  driverkit::Runtime runtime;
  OSSharedPtr<IOUSBHostPipe> pipe;
};

std::uint32_t sequence(const Request& request, std::size_t entry) {
  std::uint32_t number = 0;
  std::memcpy(&number, request.bytes + entry * packet, sizeof number);
  return number;
}

}  // namespace

TEST_SUITE("driverkit") {
  TEST_CASE("a frame list that is polled fills from the front: what has ended stays, what is to come is untouched") {
    constexpr std::size_t entries = 4 * 8;
    OpenPipe f(2);
    int completions = 0;
    const auto done = f.action([&](IOReturn) { ++completions; });
    Request request(entries, packet);
    const std::uint64_t first = f.host.frame_number() + 4;
    REQUIRE(f.submit(request, first, done.get()) == kIOReturnSuccess);
    std::vector<Request::Entry> ended;
    std::size_t before_completion = 0;
    while (completions == 0 && f.host.frame_number() < first + 8) {
      f.runtime.run_for({bus::microframe.bits / 3});
      // Out of order, the last one first, as a driver may.
      std::size_t good = entries;
      while (good > 0 && request.entry(good - 1).status == kIOReturnInvalid) --good;
      CHECK(good >= ended.size());
      for (std::size_t i = 0; i < ended.size(); ++i) {
        CHECK(request.entry(i).status == ended[i].status);
        CHECK(request.entry(i).timeStamp == ended[i].timeStamp);
      }
      for (std::size_t i = ended.size(); i < good; ++i) {
        ended.push_back(request.entry(i));
        CHECK(ended[i].status == kIOReturnSuccess);
        CHECK(ended[i].completeCount == packet);
        // Its data are there by then, all of them.
        CHECK(check::prbs_intact({request.bytes + i * packet, packet}));
        CHECK(sequence(request, i) == sequence(request, 0) + i);
      }
      for (std::size_t i = good; i < entries; ++i) CHECK(request.entry(i).completeCount == 0);
      if (completions == 0) before_completion = good;
    }
    CHECK(completions == 1);
    CHECK(before_completion >= entries - 1);
  }

  TEST_CASE("a driver whose queue is busy can poll what its completions have not told it yet") {
    OpenPipe f(2);
    int completions = 0;
    const auto done = f.action([&](IOReturn) { ++completions; });
    Request first(8, packet), second(8, packet);
    const std::uint64_t frame = f.host.frame_number() + 4;
    REQUIRE(f.submit(first, frame, done.get()) == kIOReturnSuccess);
    REQUIRE(f.submit(second, frame + 1, done.get()) == kIOReturnSuccess);
    bool polled = false;
    IODispatchQueue* queue = nullptr;
    REQUIRE(f.runtime.client()->CopyDispatchQueue("Default", &queue) == kIOReturnSuccess);
    queue->DispatchAsync([&] {
      IOSleep(10);
      polled = true;
      CHECK(first.entry(7).status == kIOReturnSuccess);
      CHECK(second.entry(7).status == kIOReturnSuccess);
      CHECK(completions == 0);
    });
    f.runtime.run_for(bus::frame * 16);
    CHECK(polled);
    CHECK(completions == 2);
    queue->release();
  }

  TEST_CASE("one action serves all requests in flight: its completions come in the order of submission") {
    constexpr std::size_t slots = 4;
    OpenPipe f(2);
    std::vector<Request> requests;
    for (std::size_t i = 0; i < slots; ++i) requests.emplace_back(8, packet);
    std::uint64_t cursor = f.host.frame_number() + 4;
    std::size_t completed = 0;
    OSSharedPtr<OSAction> shared;
    // Round robin, as a driver that has one action for all its slots [driverkit-facts 2.7].
    shared = f.action([&](IOReturn status) {
      CHECK(status == kIOReturnSuccess);
      Request& slot = requests[completed % slots];
      for (std::size_t i = 0; i < 8; ++i) {
        CHECK(slot.entry(i).status == kIOReturnSuccess);
        CHECK(sequence(slot, i) == completed * 8 + i);
        slot.frames[i].status = kIOReturnInvalid;
      }
      ++completed;
      if (completed <= 40) CHECK(f.submit(slot, cursor++, shared.get()) == kIOReturnSuccess);
    });
    for (auto& request : requests) REQUIRE(f.submit(request, cursor++, shared.get()) == kIOReturnSuccess);
    f.runtime.run_for(bus::frame * 60);
    CHECK(completed == 40 + slots);
    CHECK(shared->GetRetainCount() == 1);
  }

  TEST_CASE("an interval above a frame starts at its multiples only; the others are a bad argument and cost nothing") {
    OpenPipe f(8, {.fs_only = true});  // 8 frames
    std::vector<IOReturn> statuses;
    const auto done = f.action([&](IOReturn status) { statuses.push_back(status); });
    const std::uint64_t aligned = (f.host.frame_number() / 8 + 2) * 8;
    Request refused(2, 256), taken(2, 256);
    for (std::uint64_t off = 1; off < 8; ++off)
      CHECK(f.submit(refused, aligned + off, done.get()) == kIOReturnBadArgument);
    REQUIRE(f.submit(taken, aligned, done.get()) == kIOReturnSuccess);
    CHECK(f.submit(refused, aligned + 20, done.get()) == kIOReturnBadArgument);
    f.runtime.run_for(bus::frame * 48);
    CHECK(statuses == std::vector<IOReturn>{kIOReturnSuccess});
    CHECK(taken.entry(1).completeCount == 256);
    CHECK(refused.entry(0).status == kIOReturnInvalid);
  }
}
