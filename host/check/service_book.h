// isochio: keeps what the wire showed of each isochronous endpoint, one record a service interval, until the host's
// entry for it ends; so that list and wire can be held against each other. Bounded: records that no entry claims are
// given up.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "check/service_time.h"
#include "check/wire.h"
#include "controller/host.h"

namespace isochio::check {

/// All transactions of one endpoint in one (micro)frame.
struct Service {
  usb::FrameTime at;
  bus::BusTime start, end;
  std::uint8_t transactions = 0;
  std::uint32_t bytes = 0;                  ///< of good data packets
  std::uint32_t largest_ok = 0;             ///< the largest of these packets
  Outcome outcome = Outcome::ok;            ///< the first that is not ok
  bool late = false, too_late = false;      ///< an answer when the host may have, or has, given up (wire.h)
  std::array<std::uint8_t, 4> data_pids{};  ///< of the first four
};

/// How an entry's service was found.
enum class Found : std::uint8_t {
  in_time,
  early,    ///< in a (micro)frame before the window that belongs to no entry
  late,     ///< nothing in the window, but after it
  nothing,  ///< no transaction at all
};

struct Claim {
  Found found = Found::nothing;
  Service service;
  std::uint32_t extra = 0;    ///< further services in the window
  std::uint32_t unasked = 0;  ///< services before the window that no entry asked for, not counting the claimed one
  Service first_unasked, first_extra;
};

class ServiceBook final : public WireListener {
 public:
  static constexpr std::size_t depth = 64;

  void on_transaction(const Transaction& transaction) override;
  /// The entry that asked for `window` has ended. `moved`: the host says that something moved, so an early or late
  /// service is its own; else only one in the window is.
  Claim claim(usb::EndpointAddress endpoint, ServiceWindow window, bool moved);
  /// Records that wait although no entry is open any more; forgets them.
  std::uint32_t leftover(usb::EndpointAddress endpoint, Service& first);
  void forget(usb::EndpointAddress endpoint);
  /// Transactions given up because nobody claimed them, since the start.
  std::uint64_t given_up() const { return given_up_; }

 private:
  struct Ring {
    std::array<Service, depth> records;
    std::size_t first = 0, count = 0;
    Service& operator[](std::size_t i) { return records[(first + i) % depth]; }
    void remove(std::size_t i);
  };
  Ring& ring(usb::EndpointAddress endpoint) { return rings_[endpoint.number() + (endpoint.is_in() ? 16U : 0U)]; }

  std::array<Ring, 32> rings_{};
  std::uint64_t given_up_ = 0;
};

}  // namespace isochio::check
