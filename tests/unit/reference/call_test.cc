// isochio: the reference's answers to calls, against the rows of driverkit-facts 1.4, 2.2 and 2.5 and docs/profiles.md.
#include <doctest/doctest.h>

#include <vector>

#include "reference/call.h"

using namespace isochio;
using namespace isochio::reference;

namespace {

usb::EndpointConfig in_endpoint(std::uint32_t interval) {
  return {.address = {0x81},
          .type = usb::TransferType::isochronous,
          .max_packet = 512,
          .transactions = 1,
          .interval = interval};
}

struct Asked {
  Terms terms;
  std::uint32_t interval = 1;
  std::uint64_t first = 0;
  std::vector<std::uint32_t> counts = std::vector<std::uint32_t>(8, 512);
  std::uint64_t buffer = 4096;
  PipeState pipe;
  usb::FrameTime now = usb::FrameTime::of(1000, 3);

  CallPromise promise() const {
    return reference::promise(terms, in_endpoint(interval), pipe, {first, counts, buffer}, now);
  }
  std::vector<Code> codes() const { return promise().codes; }
};

using Codes = std::vector<Code>;

}  // namespace

TEST_SUITE("reference: calls") {
  TEST_CASE("an explicit frame is accepted from the next frame to the horizon, and starts there") {
    for (const std::uint64_t frame : {1001U, 1010U, 2024U}) {
      const auto promise = Asked{.first = frame}.promise();
      CHECK(promise.codes == Codes{kIOReturnSuccess});
      CHECK(promise.starts == std::vector<std::uint64_t>{frame});
    }
    CHECK(Asked{.first = 1000}.codes() == Codes{kIOReturnIsoTooOld});
    CHECK(Asked{.first = 2025}.codes() == Codes{kIOReturnIsoTooNew});
  }

  TEST_CASE("behind what is queued a gap is allowed, an overlap is too old") {
    Asked asked{.pipe = {.in_flight = 1, .available = 1010}};
    asked.first = 1009;
    CHECK(asked.codes() == Codes{kIOReturnIsoTooOld});
    asked.first = 1010;
    CHECK(asked.codes() == Codes{kIOReturnSuccess});
    asked.first = 1017;
    CHECK(asked.promise().starts == std::vector<std::uint64_t>{1017});
  }

  TEST_CASE("first frame 0 is the next frame, or right behind what is queued") {
    CHECK(Asked{}.promise().starts == std::vector<std::uint64_t>{1001});
    CHECK(Asked{.pipe = {.in_flight = 1, .available = 1010}}.promise().starts == std::vector<std::uint64_t>{1010});
    Asked long_interval{.interval = 32, .counts = {512}};
    CHECK(long_interval.promise().starts == std::vector<std::uint64_t>{1004});
  }

  TEST_CASE("when only a completion is to come, the facts leave open whether the queue still counts") {
    const Asked asked{.first = 1005, .pipe = {.in_flight = 1, .available = 1010, .drained = true}};
    CHECK(asked.promise().allows(kIOReturnSuccess));
    CHECK(asked.promise().allows(kIOReturnIsoTooOld));
  }

  TEST_CASE("lists that can't be are bad arguments") {
    CHECK(Asked{.first = 1010, .counts = {}}.codes() == Codes{kIOReturnBadArgument});
    CHECK(Asked{.first = 1010, .counts = std::vector<std::uint32_t>(7, 1)}.codes() == Codes{kIOReturnBadArgument});
    CHECK(Asked{.first = 1010, .counts = std::vector<std::uint32_t>(1008, 0)}.codes() == Codes{kIOReturnBadArgument});
    CHECK(Asked{.first = 1010, .counts = std::vector<std::uint32_t>(8, 513)}.codes() == Codes{kIOReturnBadArgument});
    CHECK(Asked{.first = 1010, .buffer = 4095}.codes() == Codes{kIOReturnBadArgument});
    CHECK(Asked{.interval = 32, .first = 1010, .counts = {512}}.codes() == Codes{kIOReturnBadArgument});
  }

  TEST_CASE("of several reasons to refuse any may be told") {
    const Asked asked{.first = 1000, .counts = {}};
    CHECK(asked.promise().allows(kIOReturnBadArgument));
    CHECK(asked.promise().allows(kIOReturnIsoTooOld));
    CHECK_FALSE(asked.promise().allows(kIOReturnSuccess));
  }

  TEST_CASE("xHCI rounds the scheduling threshold up to a frame, and reaches 895 frames") {
    Asked asked{.terms = *terms_of("xhci"), .first = 1001, .now = usb::FrameTime::of(1000, 3)};
    CHECK(asked.codes() == Codes{kIOReturnSuccess});
    asked.now = usb::FrameTime::of(1000, 4);
    CHECK(asked.codes() == Codes{kIOReturnIsoTooOld});
    asked.first = 1895;
    CHECK(asked.codes() == Codes{kIOReturnSuccess});
    asked.first = 1896;
    CHECK(asked.codes() == Codes{kIOReturnIsoTooNew});
  }

  TEST_CASE("old controllers take frames of the last second, and know no first frame 0") {
    for (const char* name : {"ehci", "ohci", "uhci"}) {
      CAPTURE(name);
      Asked asked{.terms = *terms_of(name), .now = usb::FrameTime::of(5000)};
      CHECK(asked.codes() == Codes{kIOReturnIsoTooOld});
      asked.first = 3976;
      CHECK(asked.codes() == Codes{kIOReturnSuccess});
      asked.first = 3975;
      CHECK(asked.codes() == Codes{kIOReturnIsoTooOld});
    }
    CHECK_FALSE(terms_of("whci"));
  }
}
