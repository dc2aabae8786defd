// isochio: names of faults, and what a plan can say for itself.
#include "fault/fault_plan.h"

#include <algorithm>

#include <fmt/format.h>

#include "fault/kinds.h"

namespace isochio::fault {

const char* to_string(Kind kind) { return kind_info(kind).word; }

const char* to_string(Place place) { return place_words[static_cast<std::size_t>(place)]; }

std::int32_t FaultPlan::bus_clock_ppm() const {
  std::int32_t sum = 0;
  for (const auto& fault : faults)
    if (fault.kind == Kind::bus_clock) sum += fault.ppm;
  return sum;
}

bool FaultPlan::needs_device_clock() const {
  return std::any_of(faults.begin(), faults.end(), [](const auto& fault) { return fault.kind == Kind::device_clock; });
}

namespace {

/// Data of an IN endpoint come from the device, handshakes for them from the host; OUT: the other way round.
std::optional<bool> sender(const PlannedFault& fault) {
  if (!fault.packets.has(PacketSet::data | PacketSet::handshake)) return true;
  if (fault.packets.bits == PacketSet::data && fault.endpoint) return !fault.endpoint->is_in();
  if (fault.packets.bits == PacketSet::handshake && fault.endpoint) return fault.endpoint->is_in();
  return std::nullopt;
}

}  // namespace

tl::expected<void, InputError> FaultPlan::resolve(const std::string& file,
                                                  const std::map<std::string, usb::EndpointAddress>& streams) {
  for (auto& fault : faults) {
    const auto failed = [&](const char* key, std::string message) {
      return tl::unexpected(InputError{file, fault.line, fault.path + "." + key, std::move(message)});
    };
    if (!fault.stream.empty()) {
      const auto found = streams.find(fault.stream);
      if (found == streams.end())
        return failed("endpoint",
                      fmt::format("there is no stream \"{}\"; an address such as 0x81 works too", fault.stream));
      fault.endpoint = found->second;
    }
    if (!fault.from_host) fault.from_host = sender(fault);
    if (!fault.from_host)
      return failed("from", "is missing: \"host\" or \"device\", unless an endpoint tells whose data are meant");
  }
  return {};
}

}  // namespace isochio::fault
