// isochio: what an entry of a frame list is promised to say, given what the device sends and what was made to go wrong
// in its service interval. From causes to outcomes: packets on the wire are not looked at.
// Source: driverkit-facts 2.3, 2.4; USB 2.0 sections 5.6.5, 5.9.2, 7.1.19, 8.5.5; docs/faults.md.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "fault/fault_link.h"
#include "reference/terms.h"

namespace isochio::reference {

/// How the transactions of an entry ended.
enum class End : std::uint8_t { good, no_answer, crc, stuffing, pid, sequence, missed, aborted };

struct Outcome {
  Code status = kIOReturnSuccess;
  std::uint32_t least = 0, most = 0;  ///< completeCount
};

/// What may be said of one entry; one of several where the facts or a fault leave it open.
struct EntryPromise {
  std::vector<Outcome> outcomes;

  bool allows(Code status, std::uint32_t bytes) const;
  std::string to_string() const;
};

/// What a device sends in each service interval: one of these sizes; none: it is not known.
using DeviceSizes = std::vector<std::uint32_t>;

/// What a fault makes of the entry in whose service interval it strikes.
struct Effect {
  bool spares = true;      ///< the entry may still be as without the fault
  bool any_size = false;   ///< … but for its size
  bool holds_bus = false;  ///< what comes behind it in the (micro)frame may find no room
  std::vector<End> ends;   ///< or it ends like this
};
/// `same_endpoint`: the fault struck a packet of the entry's endpoint.
Effect effect_of(const fault::InjectedFault& fault, const usb::EndpointConfig& endpoint, usb::Speed speed,
                 bool same_endpoint);

/// One end of an entry that asked for `asked` bytes.
Outcome outcome_of(End end, const Terms& terms, const usb::EndpointConfig& endpoint, std::uint32_t asked);
/// An entry that nothing disturbs. OUT: `sizes` is not looked at. `any_size`: whatever the device would have sent.
EntryPromise undisturbed(const Terms& terms, const usb::EndpointConfig& endpoint, std::uint32_t asked,
                         const DeviceSizes& sizes, bool any_size);

}  // namespace isochio::reference
