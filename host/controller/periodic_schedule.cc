#include "controller/periodic_schedule.h"

#include <algorithm>

namespace isochio::controller {

namespace {

bool periodic(const usb::EndpointConfig& endpoint) {
  return endpoint.type == usb::TransferType::isochronous || endpoint.type == usb::TransferType::interrupt;
}

}  // namespace

void PeriodicSchedule::widen(std::uint32_t interval) {
  const std::size_t old = load_.size();
  if (interval <= old) return;
  load_.resize(interval);
  for (std::size_t i = old; i < interval; ++i) load_[i] = load_[i % old];
}

std::optional<std::uint32_t> PeriodicSchedule::reserve(const usb::EndpointConfig& endpoint) {
  // An endpoint without bytes takes no bandwidth [5.6.3].
  if (!periodic(endpoint) || endpoint.max_packet == 0) return 0;
  widen(endpoint.interval);
  const std::uint64_t cost = usb::service_ps(speed_, endpoint);
  std::uint32_t best = 0;
  std::uint64_t best_peak = ~std::uint64_t{0};
  for (std::uint32_t phase = 0; phase < endpoint.interval; ++phase) {
    std::uint64_t peak = 0;
    for (std::size_t t = phase; t < load_.size(); t += endpoint.interval) peak = std::max(peak, load_[t]);
    if (peak < best_peak) {
      best_peak = peak;
      best = phase;
    }
  }
  if (best_peak + cost > limit_ps_) return std::nullopt;
  for (std::size_t t = best; t < load_.size(); t += endpoint.interval) load_[t] += cost;
  return best;
}

std::optional<std::vector<std::uint32_t>> PeriodicSchedule::reserve(std::span<const usb::EndpointConfig> endpoints) {
  const auto before = load_;
  std::vector<std::uint32_t> phases;
  for (const usb::EndpointConfig& endpoint : endpoints) {
    const auto phase = reserve(endpoint);
    if (!phase) {
      load_ = before;
      return std::nullopt;
    }
    phases.push_back(*phase);
  }
  return phases;
}

void PeriodicSchedule::release(const usb::EndpointConfig& endpoint, std::uint32_t phase) {
  if (!periodic(endpoint) || endpoint.max_packet == 0) return;
  const std::uint64_t cost = usb::service_ps(speed_, endpoint);
  for (std::size_t t = phase; t < load_.size(); t += endpoint.interval) load_[t] -= cost;
}

std::uint64_t PeriodicSchedule::peak_ps() const { return *std::max_element(load_.begin(), load_.end()); }

}  // namespace isochio::controller
