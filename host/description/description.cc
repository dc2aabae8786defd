// isochio: what a description says about itself.
#include "description/description.h"

#include <algorithm>

#include "description/detail.h"
#include "usb/descriptors.h"

namespace isochio::description {

usb::EndpointConfig Endpoint::config(usb::Speed speed) const {
  const EndpointAtSpeed& here = at(speed).value();
  return {address, type, here.max_packet, here.transactions,
          std::uint32_t{1} << usb::interval_log2(type, here.interval, speed)};
}

std::vector<Rule> Description::all_rules() const {
  std::vector<Rule> all;
  if (test_requests) {
    const std::uint8_t registers = *test_requests;
    const auto log = static_cast<std::uint8_t>(registers + 1);
    // Both with device and interface as recipient: an operating system lets a driver that owns only an interface send
    // no others.
    for (const int type : {0xc0, 0x40, 0xc1, 0x41}) {
      all.push_back({.name = (type & 0x80) != 0 ? "read test registers" : "write test registers",
                     .request_type = static_cast<std::uint8_t>(type),
                     .request = registers,
                     .action = Action::registers});
    }
    for (const int type : {0xc0, 0xc1})
      all.push_back({.name = "read event log",
                     .request_type = static_cast<std::uint8_t>(type),
                     .request = log,
                     .action = Action::log});
  }
  all.insert(all.end(), rules.begin(), rules.end());
  return all;
}

const AlternateSetting* Description::setting(std::uint8_t interface, std::uint8_t alternate) const {
  const auto found = std::find_if(settings.begin(), settings.end(), [&](const AlternateSetting& s) {
    return s.interface == interface && s.alternate == alternate;
  });
  return found == settings.end() ? nullptr : &*found;
}

std::vector<usb::EndpointConfig> Description::endpoints(std::uint8_t interface, std::uint8_t alternate,
                                                        usb::Speed speed) const {
  std::vector<usb::EndpointConfig> found;
  const AlternateSetting* s = setting(interface, alternate);
  if (s == nullptr || !s->speeds.at(speed)) return found;
  for (const Endpoint& endpoint : s->endpoints)
    if (endpoint.at(speed)) found.push_back(endpoint.config(speed));
  return found;
}

namespace detail {

Function default_function(const AlternateSetting& setting, const Endpoint& endpoint) {
  if (endpoint.usage == Usage::feedback && endpoint.address.is_in() && endpoint.type == usb::TransferType::isochronous)
    return Function::feedback;
  if (endpoint.type != usb::TransferType::bulk) return Function::pattern;
  unsigned same_direction = 0, opposite = 0;
  bool same_number = false;
  for (const Endpoint& other : setting.endpoints) {
    if (other.type != usb::TransferType::bulk) continue;
    if (other.address.is_in() == endpoint.address.is_in()) {
      ++same_direction;
    } else {
      ++opposite;
      same_number = same_number || other.address.number() == endpoint.address.number();
    }
  }
  const bool only_pair = same_direction == 1 && opposite == 1;
  return same_number || only_pair ? Function::loopback : Function::pattern;
}

std::uint8_t default_feedback_period(usb::TransferType type, std::uint8_t interval, usb::Speed speed) {
  // 16 ms: the measured value then steps by 1/16 sample per frame, and follows the clock soon enough.
  constexpr std::uint8_t full = 4, high = 7;
  return std::max(usb::interval_log2(type, interval, speed), speed == usb::Speed::high ? high : full);
}

FeedbackFormat default_feedback_format(std::uint16_t max_packet) {
  return max_packet == 4 ? FeedbackFormat::q16_16 : FeedbackFormat::q10_14;
}

void fill_feedback(const Endpoint& endpoint, std::optional<EndpointAtSpeed>& at, usb::Speed speed) {
  if (!at || endpoint.function != Function::feedback) return;
  at->feedback_period = default_feedback_period(endpoint.type, at->interval, speed);
  at->feedback_format = default_feedback_format(at->max_packet);
}

}  // namespace detail
}  // namespace isochio::description
