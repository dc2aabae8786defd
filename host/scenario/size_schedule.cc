#include "scenario/size_schedule.h"

#include <algorithm>

namespace isochio::scenario {

std::optional<FeedbackValue> FeedbackValue::read(std::span<const std::uint8_t> bytes, usb::Speed speed) {
  if (bytes.size() != 3 && bytes.size() != 4) return std::nullopt;
  std::uint32_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8U | bytes[i];
  const bool high = speed == usb::Speed::high;
  if (bytes.size() == 3) return FeedbackValue{high ? value >> 1U : value << 2U};
  return FeedbackValue{high ? value : value << 3U};
}

FeedbackValue FeedbackValue::of_rate(std::uint32_t samples_per_second, usb::Speed speed, int ppm) {
  constexpr std::int64_t million = 1'000'000;
  const std::uint64_t units = (speed == usb::Speed::high ? 8000 : 1000) * std::uint64_t{million};
  const std::uint64_t rate = std::uint64_t{samples_per_second} * static_cast<std::uint64_t>(million + ppm);
  // 45 bits and 16 more fit; the fraction is worked out behind the whole part.
  return {static_cast<std::uint32_t>(((rate / units) << 16U) + (((rate % units) << 16U) + units / 2) / units)};
}

SizeSchedule::SizeSchedule(const SizePlan& plan, const usb::EndpointConfig& endpoint, usb::Speed speed)
    : plan_(plan),
      capacity_(endpoint.capacity()),
      interval_(endpoint.interval),
      units_per_second_(speed == usb::Speed::high ? 8000 : 1000),
      per_unit_(FeedbackValue::of_rate(plan.sample_rate, speed).q16) {}

std::uint32_t SizeSchedule::next() {
  std::uint64_t samples = 0;
  switch (plan_.kind) {
    case SizePlan::Kind::fixed:
      return plan_.bytes == 0 ? capacity_ : plan_.bytes;
    case SizePlan::Kind::list:
      return plan_.list[position_++ % plan_.list.size()];
    case SizePlan::Kind::rate:
      remainder_ += std::uint64_t{plan_.sample_rate} * interval_;
      samples = remainder_ / units_per_second_;
      remainder_ %= units_per_second_;
      break;
    case SizePlan::Kind::feedback:
      remainder_ += std::uint64_t{per_unit_} * interval_;
      samples = remainder_ >> 16U;
      remainder_ &= 0xffffU;
      break;
  }
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(samples, capacity_ / plan_.sample_bytes) *
                                    plan_.sample_bytes);
}

std::uint32_t SizeSchedule::largest() const {
  switch (plan_.kind) {
    case SizePlan::Kind::fixed:
      return plan_.bytes == 0 ? capacity_ : plan_.bytes;
    case SizePlan::Kind::list:
      return *std::max_element(plan_.list.begin(), plan_.list.end());
    case SizePlan::Kind::rate: {
      const std::uint64_t most = std::uint64_t{plan_.sample_rate} * interval_ + units_per_second_ - 1;
      return static_cast<std::uint32_t>(most / units_per_second_ * plan_.sample_bytes);
    }
    case SizePlan::Kind::feedback:
      return capacity_;
  }
  return capacity_;
}

}  // namespace isochio::scenario
