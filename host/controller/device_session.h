// isochio: the one device on the bus as host software knows it: enumeration, descriptors, configuration, alternate
// settings and the pipes that follow from them. Source: USB 2.0 sections 9.1.2, 9.2.6, 9.4.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "controller/periodic_schedule.h"
#include "controller/root_port.h"
#include "controller/sim_controller.h"

namespace isochio::controller {

class DeviceSession {
 public:
  DeviceSession(SimController& controller, RootPort& port);

  tl::expected<void, std::string> enumerate();
  tl::expected<void, std::string> reset_device();
  tl::expected<void, Status> set_configuration(std::uint8_t value);
  tl::expected<void, Status> set_interface(std::uint8_t interface, std::uint8_t alternate);
  std::uint8_t alternate(std::uint8_t interface) const;
  tl::expected<void, Status> clear_halt(usb::EndpointAddress endpoint, bool with_request);

  usb::Speed speed() const { return speed_; }
  std::span<const std::uint8_t> device_descriptor() const { return device_; }
  std::span<const std::uint8_t> configuration_descriptor() const { return configuration_; }
  std::span<const usb::EndpointConfig> endpoints() const { return endpoints_; }

 private:
  struct Open {  ///< an endpoint with a pipe
    usb::EndpointConfig config;
    std::uint8_t interface;
    std::uint32_t phase;
  };

  tl::expected<void, std::string> address_and_read();
  tl::expected<std::vector<std::uint8_t>, Status> get_descriptor(std::uint8_t type, std::uint8_t index,
                                                                 std::uint16_t length);
  tl::expected<void, Status> request(std::uint8_t type, std::uint8_t request, std::uint16_t value, std::uint16_t index);
  tl::expected<std::vector<Open>, Status> endpoints_of(std::uint8_t interface, std::uint8_t alternate) const;
  bool reserve(PeriodicSchedule& schedule, std::vector<Open>& opens) const;
  PeriodicSchedule empty_schedule() const;
  void open(const std::vector<Open>& opens);
  void close(const std::function<bool(const Open&)>& which);
  void endpoints_changed();
  void forget();
  void disconnected();

  SimController& controller_;
  RootPort& port_;
  usb::Speed speed_ = usb::Speed::full;
  std::vector<std::uint8_t> device_, configuration_;
  std::uint8_t configuration_value_ = 0;
  std::array<std::uint8_t, 256> alternates_{};
  std::vector<Open> open_;
  std::vector<usb::EndpointConfig> endpoints_;
  PeriodicSchedule schedule_;
};

}  // namespace isochio::controller
