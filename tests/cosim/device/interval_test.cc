// High-bandwidth OUT intervals that the host does not finish.
#include <doctest/doctest.h>

#include "cosim/device/raw_bus.h"

using namespace isochio::test;
using isochio::usb::Pid;

namespace {

constexpr std::uint16_t sequence_errors = 0x01b, discarded = 0x01c, packets = 0x208;

}  // namespace

TEST_CASE("an unfinished high-bandwidth interval is discarded when its microframe ends, without another token") {
  RawBus f({});
  REQUIRE(f.configure(5));  // OUT 2x1024
  const RawBus::Bytes payload(1024, 0);
  for (const bool lost_sof : {false, true}) {
    CAPTURE(lost_sof);
    REQUIRE(f.write(0x004, 1U | 1U << 8U));  // clear the counters
    f.pass(10 * isochio::bus::microsecond);
    f.next_frame();
    f.out(1, Pid::mdata, payload);
    CHECK(f.read(sequence_errors) == 0);
    f.next_frame(lost_sof);
    CHECK(f.read(sequence_errors) == 1);
    CHECK(f.read(discarded) == 1);
    // A whole interval is taken again, and the one before it is not discarded a second time.
    f.next_frame();
    f.out(1, Pid::mdata, payload);
    f.out(1, Pid::data1, payload);
    f.next_frame();
    CHECK(f.read(packets) == 2);
    CHECK(f.read(sequence_errors) == 1);
    CHECK(f.read(discarded) == 1);
  }
}

TEST_CASE("an unfinished interval whose next token comes at once is discarded once") {
  RawBus f({});
  REQUIRE(f.configure(5));
  const RawBus::Bytes payload(1024, 0);
  REQUIRE(f.write(0x004, 1U | 1U << 8U));
  f.pass(10 * isochio::bus::microsecond);
  for (int i = 0; i < 3; ++i) {
    f.next_frame();
    f.out(1, Pid::mdata, payload);
  }
  f.next_frame();
  f.token(Pid::out, 1);  // and no data
  f.next_frame();
  CHECK(f.read(sequence_errors) == 3);
  CHECK(f.read(discarded) == 3);
  CHECK(f.read(packets) == 0);
}
