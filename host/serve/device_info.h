// isochio: the served device as servers announce it before anyone reads its descriptors.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "controller/host.h"

namespace isochio::serve {

struct InterfaceClass {
  std::uint8_t class_code = 0, subclass = 0, protocol = 0, number = 0;
};

struct DeviceInfo {
  std::string path, bus_id;  ///< cut to 255 and 31 bytes
  std::uint32_t bus = 1, device = 2;
  std::uint32_t speed = 2;  ///< Linux: 2 full, 3 high
  std::uint16_t vendor_id = 0, product_id = 0, version = 0;
  std::uint8_t class_code = 0, subclass = 0, protocol = 0;
  std::uint8_t configuration_value = 0, configurations = 1;
  std::vector<InterfaceClass> interfaces;  ///< at their current alternate settings

  std::uint32_t id() const { return bus << 16U | device; }  ///< devid of each USB/IP command
};

/// Of the device that the host has enumerated.
DeviceInfo describe(const controller::Host& host);

struct OpenEndpoint {
  usb::EndpointConfig config;
  std::uint8_t interface = 0;
};

/// Endpoints of the current alternate settings, those of setting 0 as long as nothing is configured.
std::vector<OpenEndpoint> current_endpoints(const controller::Host& host);

}  // namespace isochio::serve
