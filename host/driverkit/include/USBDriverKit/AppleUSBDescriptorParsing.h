// isochio: walking through a configuration descriptor. A malformed descriptor (length 0, or past the end) ends a walk.
#pragma once

#include <USBDriverKit/AppleUSBDefinitions.h>

/// The descriptor after `current` (nullptr: the first after the configuration's own header), nullptr at the end.
const IOUSBDescriptorHeader* IOUSBGetNextDescriptor(const IOUSBConfigurationDescriptor* configuration,
                                                    const IOUSBDescriptorHeader* current);
const IOUSBDescriptorHeader* IOUSBGetNextDescriptorWithType(const IOUSBConfigurationDescriptor* configuration,
                                                            const IOUSBDescriptorHeader* current, std::uint8_t type);
/// The same within `parent`: ends at the next descriptor of the parent's type (and, for an endpoint as parent, at the
/// next interface).
const IOUSBDescriptorHeader* IOUSBGetNextAssociatedDescriptor(const IOUSBConfigurationDescriptor* configuration,
                                                              const IOUSBDescriptorHeader* parent,
                                                              const IOUSBDescriptorHeader* current);
const IOUSBDescriptorHeader* IOUSBGetNextAssociatedDescriptorWithType(const IOUSBConfigurationDescriptor* configuration,
                                                                      const IOUSBDescriptorHeader* parent,
                                                                      const IOUSBDescriptorHeader* current,
                                                                      std::uint8_t type);
const IOUSBInterfaceDescriptor* IOUSBGetNextInterfaceDescriptor(const IOUSBConfigurationDescriptor* configuration,
                                                                const IOUSBDescriptorHeader* current);
const IOUSBEndpointDescriptor* IOUSBGetNextEndpointDescriptor(const IOUSBConfigurationDescriptor* configuration,
                                                              const IOUSBInterfaceDescriptor* interface,
                                                              const IOUSBDescriptorHeader* current);

std::uint8_t IOUSBGetEndpointAddress(const IOUSBEndpointDescriptor* descriptor);
std::uint8_t IOUSBGetEndpointNumber(const IOUSBEndpointDescriptor* descriptor);
std::uint8_t IOUSBGetEndpointDirection(const IOUSBEndpointDescriptor* descriptor);  ///< tIOUSBEndpointDirection
std::uint8_t IOUSBGetEndpointType(const IOUSBEndpointDescriptor* descriptor);       ///< tIOUSBEndpointType
/// wMaxPacketSize bits 10..0.
std::uint16_t IOUSBGetEndpointMaxPacketSize(std::uint32_t speed, const IOUSBEndpointDescriptor* descriptor);
/// Transactions in a microframe: 1 … 3 at high speed, else 1.
std::uint8_t IOUSBGetEndpointMult(std::uint32_t speed, const IOUSBEndpointDescriptor* descriptor);

/// Frees what a Copy…Descriptor method returned.
void IOUSBHostFreeDescriptor(const IOUSBDeviceDescriptor* descriptor);
void IOUSBHostFreeDescriptor(const IOUSBConfigurationDescriptor* descriptor);
void IOUSBHostFreeDescriptor(const IOUSBBOSDescriptor* descriptor);
void IOUSBHostFreeDescriptor(const IOUSBStringDescriptor* descriptor);
