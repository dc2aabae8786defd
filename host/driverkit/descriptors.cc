// isochio: descriptor walkers and getters.
#include <USBDriverKit/AppleUSBDescriptorParsing.h>

#include <cstdlib>

#include <USBDriverKit/IOUSBHostFamilyDefinitions.h>

namespace {

const std::uint8_t* bytes_of(const void* descriptor) { return static_cast<const std::uint8_t*>(descriptor); }

/// `at`, if a whole descriptor stands there within the configuration.
const IOUSBDescriptorHeader* checked(const IOUSBConfigurationDescriptor* configuration, const std::uint8_t* at) {
  const std::uint8_t* begin = bytes_of(configuration);
  const std::uint8_t* end = begin + configuration->wTotalLength;
  if (at < begin || end - at < 2 || at[0] < 2 || at[0] > end - at) return nullptr;
  return reinterpret_cast<const IOUSBDescriptorHeader*>(at);
}

}  // namespace

const IOUSBDescriptorHeader* IOUSBGetNextDescriptor(const IOUSBConfigurationDescriptor* configuration,
                                                    const IOUSBDescriptorHeader* current) {
  if (configuration == nullptr) return nullptr;
  const std::uint8_t* from = current != nullptr ? bytes_of(current) : bytes_of(configuration);
  if (checked(configuration, from) == nullptr) return nullptr;
  return checked(configuration, from + from[0]);
}

const IOUSBDescriptorHeader* IOUSBGetNextDescriptorWithType(const IOUSBConfigurationDescriptor* configuration,
                                                            const IOUSBDescriptorHeader* current, std::uint8_t type) {
  const IOUSBDescriptorHeader* next = IOUSBGetNextDescriptor(configuration, current);
  while (next != nullptr && next->bDescriptorType != type) next = IOUSBGetNextDescriptor(configuration, next);
  return next;
}

const IOUSBDescriptorHeader* IOUSBGetNextAssociatedDescriptor(const IOUSBConfigurationDescriptor* configuration,
                                                              const IOUSBDescriptorHeader* parent,
                                                              const IOUSBDescriptorHeader* current) {
  if (parent == nullptr) return nullptr;
  const auto* next = IOUSBGetNextDescriptor(configuration, current != nullptr ? current : parent);
  if (next == nullptr || next->bDescriptorType == parent->bDescriptorType) return nullptr;
  const bool leaves_endpoint =
      parent->bDescriptorType == kIOUSBDescriptorTypeEndpoint && next->bDescriptorType == kIOUSBDescriptorTypeInterface;
  const bool association = next->bDescriptorType == kIOUSBDescriptorTypeInterfaceAssociation;
  return leaves_endpoint || association ? nullptr : next;
}

const IOUSBDescriptorHeader* IOUSBGetNextAssociatedDescriptorWithType(const IOUSBConfigurationDescriptor* configuration,
                                                                      const IOUSBDescriptorHeader* parent,
                                                                      const IOUSBDescriptorHeader* current,
                                                                      std::uint8_t type) {
  const auto* next = IOUSBGetNextAssociatedDescriptor(configuration, parent, current);
  while (next != nullptr && next->bDescriptorType != type)
    next = IOUSBGetNextAssociatedDescriptor(configuration, parent, next);
  return next;
}

const IOUSBInterfaceDescriptor* IOUSBGetNextInterfaceDescriptor(const IOUSBConfigurationDescriptor* configuration,
                                                                const IOUSBDescriptorHeader* current) {
  return reinterpret_cast<const IOUSBInterfaceDescriptor*>(
      IOUSBGetNextDescriptorWithType(configuration, current, kIOUSBDescriptorTypeInterface));
}

const IOUSBEndpointDescriptor* IOUSBGetNextEndpointDescriptor(const IOUSBConfigurationDescriptor* configuration,
                                                              const IOUSBInterfaceDescriptor* interface,
                                                              const IOUSBDescriptorHeader* current) {
  return reinterpret_cast<const IOUSBEndpointDescriptor*>(IOUSBGetNextAssociatedDescriptorWithType(
      configuration, reinterpret_cast<const IOUSBDescriptorHeader*>(interface), current, kIOUSBDescriptorTypeEndpoint));
}

std::uint8_t IOUSBGetEndpointAddress(const IOUSBEndpointDescriptor* descriptor) {
  return descriptor->bEndpointAddress & 0x8fU;
}
std::uint8_t IOUSBGetEndpointNumber(const IOUSBEndpointDescriptor* descriptor) {
  return descriptor->bEndpointAddress & 0x0fU;
}
std::uint8_t IOUSBGetEndpointDirection(const IOUSBEndpointDescriptor* descriptor) {
  return (descriptor->bEndpointAddress & 0x80U) != 0 ? kIOUSBEndpointDirectionIn : kIOUSBEndpointDirectionOut;
}
std::uint8_t IOUSBGetEndpointType(const IOUSBEndpointDescriptor* descriptor) { return descriptor->bmAttributes & 3U; }
std::uint16_t IOUSBGetEndpointMaxPacketSize(std::uint32_t, const IOUSBEndpointDescriptor* descriptor) {
  return descriptor->wMaxPacketSize & 0x7ffU;
}
std::uint8_t IOUSBGetEndpointMult(std::uint32_t speed, const IOUSBEndpointDescriptor* descriptor) {
  if (speed != kIOUSBHostConnectionSpeedHigh) return 1;
  return static_cast<std::uint8_t>(((descriptor->wMaxPacketSize >> 11U) & 3U) + 1U);
}

// Copies are made with IOMalloc, since drivers free them with IOFree too.
void IOUSBHostFreeDescriptor(const IOUSBDeviceDescriptor* descriptor) {
  std::free(const_cast<IOUSBDeviceDescriptor*>(descriptor));
}
void IOUSBHostFreeDescriptor(const IOUSBConfigurationDescriptor* descriptor) {
  std::free(const_cast<IOUSBConfigurationDescriptor*>(descriptor));
}
void IOUSBHostFreeDescriptor(const IOUSBBOSDescriptor* descriptor) {
  std::free(const_cast<IOUSBBOSDescriptor*>(descriptor));
}
void IOUSBHostFreeDescriptor(const IOUSBStringDescriptor* descriptor) {
  std::free(const_cast<IOUSBStringDescriptor*>(descriptor));
}
