// isochio: did each entry move in the (micro)frame that was asked for? Holds the host's list against the wire and, for
// the pattern's IN packets, the device's stamp against both. Rules: late, early, missed, duplicate, payload_mistimed.
#pragma once

#include <array>
#include <optional>

#include "check/reporter.h"
#include "check/service_book.h"

namespace isochio::check {

class FrameTiming final : public WireListener {
 public:
  explicit FrameTiming(Reporter& reporter) : reporter_(reporter) {}

  struct Counts {
    std::uint64_t late = 0, early = 0, missed = 0, duplicate = 0;
  };

  /// Pattern IN packets of this endpoint carry a stamp.
  void stamped(usb::EndpointAddress endpoint, bool yes) { slot(endpoint).stamped = yes; }
  void allow_missed(usb::EndpointAddress endpoint, bool yes) { slot(endpoint).allow_missed = yes; }
  /// An entry ended; `claim` is what the wire showed for it.
  void entry(const controller::IsochRequest& request, std::size_t index, ServiceWindow window, const Claim& claim,
             bus::BusTime now);
  /// Transactions that no entry asked for, found at the end or when the endpoint's requests had all ended.
  void unasked(usb::EndpointAddress endpoint, std::uint32_t count, const Service& first);
  /// The endpoint was set up anew. `phase`: its place within the service interval, in steps of usb::FrameTime; none:
  /// the first service shows it.
  void new_endpoint(usb::EndpointAddress endpoint, std::optional<std::uint64_t> phase);
  const Counts& counts(usb::EndpointAddress endpoint) { return slot(endpoint).counts; }

  void on_data(const Transaction& transaction, std::span<const std::uint8_t> bytes) override;

 private:
  struct Slot {
    bool stamped = false, allow_missed = false;
    bool scheduled = false;  ///< the host said the phase
    std::optional<std::uint64_t> phase;
    Counts counts;
  };
  Slot& slot(usb::EndpointAddress endpoint) { return slots_[endpoint.number() + (endpoint.is_in() ? 16U : 0U)]; }
  void place(const controller::IsochRequest& request, std::size_t index, ServiceWindow window, const Service& service);
  void violate(Rule rule, const controller::IsochRequest& request, std::size_t index, ServiceWindow window,
               bus::BusTime time, const Service* seen, const char* otherwise);

  Reporter& reporter_;
  std::array<Slot, 32> slots_{};
};

}  // namespace isochio::check
