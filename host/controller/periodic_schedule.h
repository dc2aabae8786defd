// isochio: which (micro)frames periodic endpoints get, and whether they fit. Every endpoint is charged the worst case
// of USB 2.0 section 5.11.3 in each (micro)frame it uses; a (micro)frame takes no more than 90 % (full speed) or 80 %
// (high speed) of its time [5.6.4, 5.7.4]. Pure arithmetic.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "usb/bandwidth.h"
#include "usb/types.h"

namespace isochio::controller {

class PeriodicSchedule {
 public:
  /// `limit_ps`: picoseconds that periodic transfers may take of a (micro)frame.
  PeriodicSchedule(usb::Speed speed, std::uint64_t limit_ps) : speed_(speed), limit_ps_(limit_ps) {}

  /// Reserves an endpoint's share. Returns its phase: it moves in the (micro)frames t with t mod interval == phase,
  /// chosen so that the fullest of them stays as empty as can be (the earliest of equals). Empty: it does not fit, and
  /// nothing is reserved. Endpoints that are not periodic are given phase 0 and nothing is reserved.
  std::optional<std::uint32_t> reserve(const usb::EndpointConfig& endpoint);

  /// Phases of all endpoints, in order; empty if one does not fit (then nothing at all is reserved).
  std::optional<std::vector<std::uint32_t>> reserve(std::span<const usb::EndpointConfig> endpoints);

  /// Gives back what reserve() took for this endpoint at this phase.
  void release(const usb::EndpointConfig& endpoint, std::uint32_t phase);

  /// The fullest (micro)frame.
  std::uint64_t peak_ps() const;
  std::uint64_t limit_ps() const { return limit_ps_; }
  /// Load of the (micro)frame t, any t.
  std::uint64_t load_ps(std::uint64_t t) const { return load_[t % load_.size()]; }

 private:
  void widen(std::uint32_t interval);

  usb::Speed speed_;
  std::uint64_t limit_ps_;
  std::vector<std::uint64_t> load_ = {0};  ///< by (micro)frame modulo the longest interval so far, a power of two
};

}  // namespace isochio::controller
