#include "scenario/size_schedule.h"

#include <array>

#include <doctest/doctest.h>

#include "scenario/rate_check.h"

using namespace isochio;
using scenario::FeedbackValue;
using scenario::RateCheck;
using scenario::SizePlan;
using scenario::SizeSchedule;

namespace {

usb::EndpointConfig endpoint(std::uint16_t bytes, std::uint8_t transactions = 1, std::uint32_t interval = 1) {
  return {usb::EndpointAddress{0x01}, usb::TransferType::isochronous, bytes, transactions, interval};
}

}  // namespace

TEST_CASE("size 0 fills the endpoint, another fixed size is itself") {
  SizePlan plan;
  CHECK(SizeSchedule(plan, endpoint(1024, 3), usb::Speed::high).next() == 3072);
  plan.bytes = 100;
  CHECK(SizeSchedule(plan, endpoint(1024, 3), usb::Speed::high).next() == 100);
}

TEST_CASE("a list of sizes begins anew after its last entry") {
  SizePlan plan;
  plan.kind = SizePlan::Kind::list;
  plan.list = {10, 0, 30};
  SizeSchedule schedule(plan, endpoint(64), usb::Speed::full);
  for (const std::uint32_t expected : {10U, 0U, 30U, 10U}) CHECK(schedule.next() == expected);
  CHECK(schedule.largest() == 30);
}

TEST_CASE("44.1 kHz at full speed is nine packets of 44 samples and one of 45") {
  SizePlan plan;
  plan.kind = SizePlan::Kind::rate;
  plan.sample_rate = 44'100;
  SizeSchedule schedule(plan, endpoint(192), usb::Speed::full);
  std::uint32_t sum = 0;
  for (int i = 0; i < 10; ++i) {
    const auto bytes = schedule.next();
    CHECK(bytes == (i == 9 ? 180U : 176U));
    sum += bytes;
  }
  CHECK(sum == 441 * 4);
  CHECK(schedule.largest() == 180);
}

TEST_CASE("a second at any rate and interval carries exactly that many samples") {
  for (const std::uint32_t rate : {8000U, 11'025U, 44'100U, 48'000U, 96'001U})
    for (const std::uint32_t interval : {1U, 2U, 8U, 16U}) {
      SizePlan plan;
      plan.kind = SizePlan::Kind::rate;
      plan.sample_rate = rate;
      SizeSchedule schedule(plan, endpoint(1024, 1, interval), usb::Speed::high);
      std::uint64_t bytes = 0;
      for (std::uint32_t i = 0; i < 8000 / interval; ++i) bytes += schedule.next();
      CAPTURE(rate);
      CAPTURE(interval);
      CHECK(bytes == std::uint64_t{rate} * 4);
    }
}

TEST_CASE("feedback values of both formats mean samples per (micro)frame") {
  // 44.1 samples per frame in 10.14 is 44.1 * 2^14 = 722534.4; 5.5125 per microframe in 16.16 is 361267.2
  const std::array<std::uint8_t, 3> full{0x66, 0x06, 0x0b};
  const std::array<std::uint8_t, 4> high{0x33, 0x83, 0x05, 0x00};
  REQUIRE(FeedbackValue::read(full, usb::Speed::full).has_value());
  CHECK(FeedbackValue::read(full, usb::Speed::full)->q16 == 722'534U * 4);
  CHECK(FeedbackValue::read(high, usb::Speed::high)->q16 == 361'267U);
  CHECK(FeedbackValue::read(high, usb::Speed::high) == FeedbackValue::of_rate(44'100, usb::Speed::high));
  CHECK(FeedbackValue::read(full, usb::Speed::high)->q16 == 361'267U);  // per frame on the wire, per microframe here
  CHECK_FALSE(FeedbackValue::read(std::array<std::uint8_t, 2>{1, 2}, usb::Speed::full).has_value());
}

TEST_CASE("a stream that follows feedback starts at the nominal rate and then sends what it is told") {
  SizePlan plan;
  plan.kind = SizePlan::Kind::feedback;
  plan.sample_rate = 44'000;
  SizeSchedule schedule(plan, endpoint(1024), usb::Speed::full);
  CHECK(schedule.next() == 176);
  schedule.set_feedback({(44U << 16U) + 0x8000U});
  CHECK(schedule.next() + schedule.next() == 89 * 4);
  schedule.set_feedback({1000U << 16U});
  CHECK(schedule.next() == 1024);  // never more than the endpoint carries
}

TEST_CASE("the feedback value of a clock that is off is that of its true rate") {
  CHECK(FeedbackValue::of_rate(48'000, usb::Speed::high).q16 == 6U << 16U);
  CHECK(FeedbackValue::of_rate(48'000, usb::Speed::high, 100).q16 == 393'255);    // 6.0006 in 1/65536
  CHECK(FeedbackValue::of_rate(48'000, usb::Speed::high, -100).q16 == 393'177);   // 5.9994
  CHECK(FeedbackValue::of_rate(44'100, usb::Speed::full, 100).q16 == 2'890'427);  // 44.10441
  CHECK(FeedbackValue::of_rate(20'000'000, usb::Speed::full, 2000).q16 == 20'040U << 16U);
}

TEST_CASE(
    "a player that keeps to the nominal rate is found when the device's clock is 100 ppm off, and one that follows is "
    "not") {
  for (const int ppm : {100, -100}) {
    CAPTURE(ppm);
    SizePlan plan;
    plan.kind = SizePlan::Kind::feedback;
    SizeSchedule nominal(plan, endpoint(1024), usb::Speed::full), following = nominal;
    following.set_feedback(FeedbackValue::of_rate(48'000, usb::Speed::full, ppm));
    RateCheck of_nominal(48'000, ppm, 5), of_following(48'000, ppm, 5);
    bool found = false;
    for (int frame = 0; frame < 2000; ++frame) {
      found = found || of_nominal.sent(1, nominal.next() / 4).has_value();
      CHECK_FALSE(of_following.sent(1, following.next() / 4).has_value());
    }
    CHECK(found);
  }
}
