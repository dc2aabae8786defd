// The control endpoint of the scripted device: standard requests from given bytes, the rest to the test's handler.
#include <algorithm>

#include "support/scripted_device.h"
#include "usb/descriptors.h"

namespace isochio::test {

using usb::EndpointAddress;
using usb::Pid;
using usb::Speed;

namespace {

constexpr EndpointAddress control_endpoint{0};
enum StandardRequest : std::uint8_t {  // [table 9-4]
  get_status = 0,
  clear_feature = 1,
  set_feature = 3,
  set_address = 5,
  get_descriptor = 6,
  get_configuration = 8,
  set_configuration = 9,
  get_interface = 10,
  set_interface = 11,
};

}  // namespace

std::uint8_t ScriptedDevice::alternate(std::uint8_t interface) const {
  const auto found = alternates_.find(interface);
  return found == alternates_.end() ? std::uint8_t{0} : found->second;
}

void ScriptedDevice::control_setup(std::span<const std::uint8_t> payload) {
  if (payload.size() != 8) return;
  const auto word = [&](std::size_t at) { return static_cast<std::uint16_t>(payload[at] | payload[at + 1] << 8U); };
  setup_ = {payload[0], payload[1], word(2), word(4), word(6)};
  control_data_.clear();
  control_at_ = 0;
  control_toggle_ = true;
  control_status_ = control_stalled_ = false;
  const bool standard = (setup_.request_type & 0x60U) == 0;
  if ((setup_.request_type & 0x80U) != 0) {
    auto answer = standard ? standard_in(setup_) : handler_ ? handler_(setup_, {}) : std::nullopt;
    control_stalled_ = !answer;
    if (answer) control_data_ = std::move(*answer);
    if (control_data_.size() > setup_.length) control_data_.resize(setup_.length);
  } else if (setup_.length == 0) {
    control_stalled_ = standard ? !standard_out(setup_) : !(handler_ && handler_(setup_, {}));
  }
  answer_handshake(control_endpoint, Pid::ack);
}

void ScriptedDevice::control_in() {
  if (control_stalled_ || strike(control_endpoint, Fault::stall) != nullptr) {
    return answer_handshake(control_endpoint, Pid::stall);
  }
  if (strike(control_endpoint, Fault::nak) != nullptr) return answer_handshake(control_endpoint, Pid::nak);
  sent_ = control_endpoint;
  if ((setup_.request_type & 0x80U) == 0) {
    control_status_ = true;
    return answer_data(control_endpoint, Pid::data1, {});
  }
  const std::size_t size = std::min<std::size_t>(options_.device.at(7), control_data_.size() - control_at_);
  answer_data(control_endpoint, control_toggle_ ? Pid::data1 : Pid::data0,
              std::span(control_data_).subspan(control_at_, size));
}

void ScriptedDevice::control_ack() {
  if (control_status_) return finish_control();
  control_at_ += std::min<std::size_t>(options_.device.at(7), control_data_.size() - control_at_);
  control_toggle_ = !control_toggle_;
}

void ScriptedDevice::control_out(Pid pid, std::span<const std::uint8_t> payload) {
  if (control_stalled_ || strike(control_endpoint, Fault::stall) != nullptr) {
    return answer_handshake(control_endpoint, Pid::stall);
  }
  if (strike(control_endpoint, Fault::nak) != nullptr) return answer_handshake(control_endpoint, Pid::nak);
  const bool status_stage = (setup_.request_type & 0x80U) != 0;
  if (!status_stage && pid == (control_toggle_ ? Pid::data1 : Pid::data0)) {
    control_toggle_ = !control_toggle_;
    control_data_.insert(control_data_.end(), payload.begin(), payload.end());
    if (control_data_.size() >= setup_.length && !(handler_ && handler_(setup_, control_data_)))
      control_stalled_ = true;
  }
  answer_handshake(control_endpoint, Pid::ack);
}

void ScriptedDevice::finish_control() {
  control_status_ = false;
  if (setup_.request_type == 0x00 && setup_.request == set_address) address_ = setup_.value & 0x7fU;
}

std::optional<Bytes> ScriptedDevice::descriptor(std::uint8_t type, std::uint8_t index) const {
  const bool high = device_speed_ == Speed::high;
  const auto configuration = [](const Bytes& bytes, std::uint8_t as) -> std::optional<Bytes> {
    if (bytes.empty()) return std::nullopt;
    Bytes answer = bytes;
    answer[1] = as;
    return answer;
  };
  switch (type) {
    case usb::descriptor_type::device:
      return options_.device;
    case usb::descriptor_type::configuration:
      return configuration(high ? options_.configuration_high : options_.configuration_full, type);
    case usb::descriptor_type::other_speed_configuration:
      return configuration(high ? options_.configuration_full : options_.configuration_high, type);
    case usb::descriptor_type::string: {
      const auto found = options_.strings.find(index);
      return found == options_.strings.end() ? std::nullopt : std::optional(found->second);
    }
    default:
      return std::nullopt;
  }
}

std::optional<Bytes> ScriptedDevice::standard_in(const Setup& setup) const {
  switch (setup.request) {
    case get_descriptor:
      return descriptor(static_cast<std::uint8_t>(setup.value >> 8U), static_cast<std::uint8_t>(setup.value & 0xffU));
    case get_configuration:
      return Bytes{configuration_};
    case get_interface:
      return Bytes{alternate(static_cast<std::uint8_t>(setup.index & 0xffU))};
    case get_status: {
      const auto found = halted_.find(static_cast<std::uint8_t>(setup.index & 0xffU));
      const bool halted = (setup.request_type & 0x1fU) == 2 && found != halted_.end() && found->second;
      return Bytes{static_cast<std::uint8_t>(halted ? 1 : 0), 0};
    }
    default:
      return std::nullopt;
  }
}

bool ScriptedDevice::standard_out(const Setup& setup) {
  const auto index = static_cast<std::uint8_t>(setup.index & 0xffU);
  const auto value = static_cast<std::uint8_t>(setup.value & 0xffU);
  switch (setup.request) {
    case set_address:
      return true;  // takes effect after the status stage
    case set_configuration:
      configuration_ = value;
      alternates_.clear();
      set_endpoints();
      return true;
    case set_interface:
      alternates_[index] = value;
      set_endpoints();
      return true;
    case clear_feature:
    case set_feature:
      if ((setup.request_type & 0x1fU) != 2) return true;
      halted_[index] = setup.request == set_feature;
      if (Endpoint* endpoint = find({index})) endpoint->toggle = false;
      return true;
    default:
      return false;
  }
}

void ScriptedDevice::set_endpoints() {
  endpoints_.clear();
  halted_.clear();
  if (configuration_ == 0) return;
  const Bytes& bytes = device_speed_ == Speed::high ? options_.configuration_high : options_.configuration_full;
  for (std::uint8_t interface = 0; interface < bytes.at(4); ++interface) {
    const auto endpoints = usb::setting_endpoints(bytes, interface, alternate(interface), device_speed_);
    if (!endpoints) continue;
    for (const usb::EndpointConfig& config : *endpoints) endpoints_[config.address.value].config = config;
  }
}

}  // namespace isochio::test
