#include "serve/device_info.h"

#include "usb/descriptors.h"

namespace isochio::serve {

DeviceInfo describe(const controller::Host& host) {
  DeviceInfo info;
  info.path = "/sys/devices/isochio/usb1/1-1";
  info.bus_id = "1-1";
  info.speed = host.speed() == usb::Speed::full ? 2 : 3;
  if (const auto device = usb::as_device(host.device_descriptor())) {
    info.vendor_id = device->vendor_id;
    info.product_id = device->product_id;
    info.version = device->device_version;
    info.class_code = device->class_code;
    info.subclass = device->subclass;
    info.protocol = device->protocol;
    info.configurations = device->configurations;
  }
  usb::DescriptorWalker walker(host.configuration_descriptor());
  while (const auto view = walker.next()) {
    const auto interface = usb::as_interface(view->bytes);
    if (interface && interface->alternate == host.alternate(interface->interface))
      info.interfaces.push_back(
          {interface->class_code, interface->subclass, interface->protocol, interface->interface});
  }
  return info;
}

std::vector<OpenEndpoint> current_endpoints(const controller::Host& host) {
  std::vector<OpenEndpoint> found;
  usb::DescriptorWalker walker(host.configuration_descriptor());
  std::uint8_t interface = 0;
  bool current = false;
  while (const auto view = walker.next()) {
    if (const auto setting = usb::as_interface(view->bytes)) {
      interface = setting->interface;
      current = setting->alternate == host.alternate(interface);
    }
    const auto endpoint = usb::as_endpoint(view->bytes);
    if (endpoint && current) found.push_back({usb::endpoint_config(*endpoint, host.speed()), interface});
  }
  return found;
}

}  // namespace isochio::serve
