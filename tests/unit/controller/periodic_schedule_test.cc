// Worst-case figures below are worked out by hand from the formulas of USB 2.0 section 5.11.3:
//   HS isochronous 1024 bytes: stuffed floor(8 × 1.1667 × 1024) = 9557, 2.083 ns × (304 + 9560) = 20.546712 us
//   HS isochronous  512 bytes: 4778, 2.083 × (304 + 4781) = 10.592055 us
//   FS isochronous IN 1023 bytes: 9548, 7268 + 83.54 × 9551 = 805 158.54 ns; OUT 192: 1792, 6265 + 83.54 × 1795 = 156
//   219.3 ns
#include "controller/periodic_schedule.h"

#include <doctest/doctest.h>
#include <rapidcheck.h>

using namespace isochio;
using controller::PeriodicSchedule;
using usb::EndpointConfig;
using usb::Speed;
using usb::TransferType;

namespace {

EndpointConfig isochronous(std::uint16_t bytes, std::uint8_t transactions = 1, std::uint32_t interval = 1,
                           usb::Direction direction = usb::Direction::in) {
  return {usb::endpoint(1, direction), TransferType::isochronous, bytes, transactions, interval};
}

PeriodicSchedule schedule(Speed speed) { return {speed, usb::periodic_limit_ps(speed)}; }

}  // namespace

TEST_CASE("four endpoints of 1024 bytes fit into 80 % of a microframe, a fifth does not") {
  auto s = schedule(Speed::high);
  CHECK(s.limit_ps() == 100'000'000);
  for (int i = 1; i <= 4; ++i) {
    REQUIRE(s.reserve(isochronous(1024)).has_value());
    CHECK(s.peak_ps() == std::uint64_t(i) * 20'546'712);
  }
  CHECK_FALSE(s.reserve(isochronous(1024)).has_value());
  CHECK(s.peak_ps() == 4 * 20'546'712);
}

TEST_CASE("a high-bandwidth endpoint is charged for each of its transactions") {
  auto s = schedule(Speed::high);
  REQUIRE(s.reserve(isochronous(1024, 3)).has_value());
  CHECK(s.peak_ps() == 3 * 20'546'712);
  CHECK_FALSE(s.reserve(isochronous(1024, 2)).has_value());
  CHECK(s.reserve(isochronous(512, 3)).has_value());
  CHECK(s.peak_ps() == 3 * 20'546'712 + 3 * 10'592'055);
}

TEST_CASE("1023 bytes in and 192 bytes out exceed 90 % of a frame, either alone does not") {
  auto s = schedule(Speed::full);
  CHECK(s.limit_ps() == 900'000'000);
  REQUIRE(s.reserve(isochronous(1023)).has_value());
  CHECK(s.peak_ps() == 805'158'540);
  CHECK_FALSE(s.reserve(isochronous(192, 1, 1, usb::Direction::out)).has_value());
  auto alone = schedule(Speed::full);
  REQUIRE(alone.reserve(isochronous(192, 1, 1, usb::Direction::out)).has_value());
  CHECK(alone.peak_ps() == 156'219'300);
}

TEST_CASE("endpoints with an interval of eight microframes take eight different ones") {
  auto s = schedule(Speed::high);
  for (std::uint32_t i = 0; i < 8; ++i) {
    const auto phase = s.reserve(isochronous(1024, 3, 8));
    REQUIRE(phase.has_value());
    CHECK(*phase == i);
  }
  // The ninth would need a microframe twice.
  CHECK_FALSE(s.reserve(isochronous(1024, 3, 8)).has_value());
}

TEST_CASE("a long interval is placed where the short ones leave room") {
  auto s = schedule(Speed::high);
  CHECK(s.reserve(isochronous(1024, 2, 2)) == 0U);
  CHECK(s.reserve(isochronous(1024, 3, 4)) == 1U);
  CHECK(s.reserve(isochronous(1024, 3, 4)) == 3U);
  CHECK(s.reserve(isochronous(1024, 2, 32768)) == 0U);
  CHECK_FALSE(s.reserve(isochronous(1024, 3, 2)).has_value());
}

TEST_CASE("bulk endpoints and endpoints of zero bytes reserve nothing") {
  auto s = schedule(Speed::high);
  CHECK(s.reserve({usb::endpoint(2, usb::Direction::in), TransferType::bulk, 512, 1, 1}) == 0U);
  CHECK(s.reserve(isochronous(0)) == 0U);
  CHECK(s.peak_ps() == 0);
}

TEST_CASE("if one endpoint of a setting does not fit, none of it is reserved") {
  auto s = schedule(Speed::high);
  const std::array endpoints{isochronous(1024, 3), isochronous(1024, 3)};
  CHECK_FALSE(s.reserve(std::span(endpoints)).has_value());
  CHECK(s.peak_ps() == 0);
}

TEST_CASE("the load is what is charged, never above the limit, and gone when all is released") {
  CHECK(rc::check([] {
    const Speed speed = *rc::gen::element(Speed::full, Speed::high);
    auto s = schedule(speed);
    std::vector<std::pair<EndpointConfig, std::uint32_t>> taken;
    const auto count = *rc::gen::inRange(1, 12);
    for (int i = 0; i < count; ++i) {
      const auto bytes = *rc::gen::inRange<std::uint16_t>(1, speed == Speed::full ? 1024 : 1025);
      const auto transactions = speed == Speed::full ? std::uint8_t{1} : *rc::gen::inRange<std::uint8_t>(1, 4);
      const auto endpoint = isochronous(bytes, transactions, 1U << *rc::gen::inRange(0, 11));
      const auto phase = s.reserve(endpoint);
      if (!phase) continue;
      RC_ASSERT(*phase < endpoint.interval);
      taken.emplace_back(endpoint, *phase);
    }
    RC_ASSERT(s.peak_ps() <= s.limit_ps());
    for (std::uint64_t t = 0; t < 1024; ++t) {
      std::uint64_t load = 0;
      for (const auto& [endpoint, phase] : taken) {
        if (t % endpoint.interval == phase) load += usb::service_ps(speed, endpoint);
      }
      RC_ASSERT(s.load_ps(t) == load);
    }
    for (const auto& [endpoint, phase] : taken) s.release(endpoint, phase);
    RC_ASSERT(s.peak_ps() == 0U);
  }));
}
