// isochio: see device_timing.h.
#include "check/device_timing.h"

#include <algorithm>

#include <fmt/format.h>

#include "check/payload.h"

namespace isochio::check {
namespace {

constexpr std::uint32_t microframes = 1U << 14U;  // after so many a stamp comes again

/// Microframes of a service interval.
std::uint32_t width_of(const usb::EndpointConfig& config, usb::Speed speed) {
  return std::max<std::uint32_t>(1, config.interval * (speed == usb::Speed::full ? 8U : 1U));
}

/// How many service intervals `seen` lies behind `expected`; negative: before it.
std::int64_t difference(std::uint32_t seen, std::uint32_t expected, std::uint32_t width) {
  const std::uint32_t all = std::max(2U, microframes / width);
  const std::uint32_t ahead = (seen + all - expected % all) % all;
  return ahead <= all / 2 ? std::int64_t{ahead} : std::int64_t{ahead} - all;
}

std::string text(std::uint32_t interval, std::uint32_t width) {
  const std::uint32_t stamp = interval * width % microframes;
  return fmt::format("{}.{}", stamp >> 3U, stamp & 7U);
}

}  // namespace

void DeviceTiming::entry(const controller::IsochRequest& request, std::size_t index, const usb::EndpointConfig& config,
                         usb::Speed speed, std::span<const std::uint8_t> bytes, bus::BusTime now) {
  constexpr std::size_t stamp_end = 6;
  Slot& s = slot(request.endpoint);
  const std::uint32_t expected = s.next++;
  // A damaged stamp is the payload check's business.
  const auto first = bytes.first(std::min<std::size_t>(bytes.size(), config.max_packet));
  if (first.size() < stamp_end || !prbs_intact(first)) return;
  const std::uint32_t width = width_of(config, speed);
  const auto seen = static_cast<std::uint32_t>(first[4] | first[5] << 8U) / width;
  ++s.judged;
  s.next = seen + 1;
  if (!std::exchange(s.known, true)) return;
  const std::int64_t off = difference(seen, expected, width);
  if (off == 0) return;
  const Rule rule = off > 0 ? Rule::late : Rule::early;
  ++(off > 0 ? s.counts.late : s.counts.early);
  if (!reporter_.count_only(rule)) return;
  reporter_.forward({rule,
                     request.id,
                     static_cast<std::int64_t>(index),
                     request.endpoint,
                     {std::uint64_t{seen} * width},
                     now,
                     fmt::format("device stamp {}, one service interval after the last", text(expected, width)),
                     fmt::format("{}, {} service interval{} {}", text(seen, width), std::abs(off),
                                 std::abs(off) == 1 ? "" : "s", off > 0 ? "late" : "early")});
}

void DeviceTiming::log_gap() {
  for (Slot& s : slots_) s.logged = false;
}

void DeviceTiming::logged(const usb::EndpointConfig& config, usb::Speed speed, std::uint16_t stamp, bus::BusTime now) {
  Slot& s = slot(config.address);
  const std::uint32_t width = width_of(config, speed);
  const std::uint32_t seen = stamp / width;
  const std::uint32_t last = std::exchange(s.last_logged, seen);
  ++s.judged;
  if (!std::exchange(s.logged, true)) {
    s.packets = 1;
    return;
  }
  const std::int64_t off = difference(seen, last, width);
  s.packets = off == 0 ? s.packets + 1 : 1;
  const auto violate = [&](Rule rule, std::string expected, std::string found) {
    if (!reporter_.count_only(rule)) return;
    reporter_.forward({rule, 0, -1, config.address, {stamp}, now, std::move(expected), std::move(found)});
  };
  if (off > 1) {
    s.counts.missed += static_cast<std::uint64_t>(off - 1);
    violate(Rule::missed, fmt::format("in the device's log a packet in {}", text(last + 1, width)),
            fmt::format("none until {}", text(seen, width)));
  } else if (off < 0) {
    ++s.counts.early;
    violate(Rule::early, fmt::format("in the device's log a packet in {}", text(last + 1, width)), text(seen, width));
  } else if (s.packets > config.transactions) {
    ++s.counts.duplicate;
    violate(Rule::duplicate, fmt::format("{} packets in {}", config.transactions, text(seen, width)),
            fmt::format("{}", s.packets));
  }
}

}  // namespace isochio::check
