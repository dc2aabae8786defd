// isochio: IOUSBHostInterface.
#include <USBDriverKit/IOUSBHostInterface.h>

#include <algorithm>

#include <USBDriverKit/IOUSBHostDevice.h>

#include "driverkit/status.h"
#include "driverkit/usb_objects.h"

using namespace isochio::driverkit;

namespace {

IOReturn opened(const IOUSBHostInterface_IVars& ivars) {
  if (!ivars.core->usable() || !ivars.alive) return kIOReturnNoDevice;
  return ivars.opener != nullptr ? kIOReturnSuccess : kIOReturnNotOpen;
}

const IOUSBInterfaceDescriptor* find_setting(const IOUSBConfigurationDescriptor* configuration, std::uint8_t number,
                                             std::uint8_t alternate) {
  const IOUSBInterfaceDescriptor* setting = IOUSBGetNextInterfaceDescriptor(configuration, nullptr);
  while (setting != nullptr && (setting->bInterfaceNumber != number || setting->bAlternateSetting != alternate))
    setting = IOUSBGetNextInterfaceDescriptor(configuration, reinterpret_cast<const IOUSBDescriptorHeader*>(setting));
  return setting;
}

}  // namespace

IOUSBHostInterface::IOUSBHostInterface() : ivars(new IOUSBHostInterface_IVars) {}
kern_return_t IOUSBHostInterface::_Dispatch(OSMetaClassBase*, IORPC) { return kIOReturnUnsupported; }

void IOUSBHostInterface::free() {
  IOUSBHostInterface_Access::drop_pipes(*ivars, true);
  delete ivars;
  IOService::free();
}

IOUSBHostInterface* IOUSBHostInterface_Access::create(IOUSBHostDevice& device, std::uint8_t number) {
  auto* interface = new IOUSBHostInterface();
  interface->init();
  interface->ivars->core = IOUSBHostDevice_Access::ivars(device).core;
  interface->ivars->device = &device;
  interface->ivars->number = number;
  return interface;
}

void IOUSBHostInterface_Access::drop_pipes(IOUSBHostInterface_IVars& interface, bool no_device) {
  const auto pipes = std::exchange(interface.pipes, {});
  for (const auto& [address, pipe] : pipes) {
    IOUSBHostPipe_IVars& ivars = IOUSBHostPipe_Access::ivars(*pipe);
    ivars.stale = true;
    ivars.no_device |= no_device;
    ivars.abort(kIOReturnAborted);
  }
}

kern_return_t IOUSBHostInterface::Open(IOService* forClient, IOOptionBits options, std::uint8_t* arg,
                                       OSDispatchMethod) {
  if (!ivars->core->usable() || !ivars->alive) return kIOReturnNoDevice;
  if (forClient == nullptr) return kIOReturnBadArgument;
  const auto& device = IOUSBHostDevice_Access::ivars(*ivars->device);
  if (ivars->core->host->now() - device.configured_at < ivars->core->options.interface_open_delay)
    return kIOReturnNotOpen;
  if (ivars->opener != nullptr) return kIOReturnExclusiveAccess;
  ivars->opener = forClient;
  if ((options & kUSBHostOpenOptionSelectAlternateSetting) == 0) return kIOReturnSuccess;
  const IOReturn selected = arg != nullptr ? SelectAlternateSetting(*arg) : kIOReturnBadArgument;
  if (selected != kIOReturnSuccess) ivars->opener = nullptr;
  return selected;
}

kern_return_t IOUSBHostInterface::Close(IOService* forClient, IOOptionBits, OSDispatchMethod) {
  if (ivars->opener == nullptr || ivars->opener != forClient) return kIOReturnNotOpen;
  ivars->opener = nullptr;
  for (const auto& [address, pipe] : ivars->pipes) IOUSBHostPipe_Access::ivars(*pipe).abort(kIOReturnAborted);
  return kIOReturnSuccess;
}

kern_return_t IOUSBHostInterface::GetFrameNumber(std::uint64_t* frameNumber, std::uint64_t* theTime, OSDispatchMethod) {
  if (frameNumber == nullptr) return kIOReturnBadArgument;
  if (!ivars->core->usable() || !ivars->alive) return kIOReturnNoDevice;
  *frameNumber = ivars->core->host->frame_number();
  if (theTime != nullptr) *theTime = ivars->core->to_absolute(ivars->core->host->now());
  return kIOReturnSuccess;
}

kern_return_t IOUSBHostInterface::SelectAlternateSetting(std::uint8_t bAlternateSetting, OSDispatchMethod) {
  if (const IOReturn refused = opened(*ivars); refused != kIOReturnSuccess) return refused;
  const auto* configuration = IOUSBHostDevice_Access::configuration(*ivars->core);
  if (find_setting(configuration, ivars->number, bAlternateSetting) == nullptr) return kIOReturnBadArgument;
  // The pipes die first, so that completions of the aborted I/O that submit again find them stale.
  IOUSBHostInterface_Access::drop_pipes(*ivars, false);
  const OSSharedPtr<IOUSBHostInterface> held(this, OSRetain);
  const auto selected = ivars->core->host->set_interface(ivars->number, bAlternateSetting);
  if (selected) return kIOReturnSuccess;
  note_status(*ivars->core, selected.error());
  return to_return(selected.error());
}

kern_return_t IOUSBHostInterface::CopyPipe(std::uint8_t address, IOUSBHostPipe** pipe, OSDispatchMethod) {
  if (pipe == nullptr) return kIOReturnBadArgument;
  *pipe = nullptr;
  if (const IOReturn refused = opened(*ivars); refused != kIOReturnSuccess) return refused;
  if (const auto found = ivars->pipes.find(address); found != ivars->pipes.end()) {
    found->second->retain();
    *pipe = found->second.get();
    return kIOReturnSuccess;
  }
  const isochio::controller::Host& host = *ivars->core->host;
  const auto* configuration = IOUSBHostDevice_Access::configuration(*ivars->core);
  const auto* setting = find_setting(configuration, ivars->number, host.alternate(ivars->number));
  if (setting == nullptr) return kIOReturnNotFound;
  const IOUSBEndpointDescriptor* endpoint = IOUSBGetNextEndpointDescriptor(configuration, setting, nullptr);
  while (endpoint != nullptr && endpoint->bEndpointAddress != address)
    endpoint = IOUSBGetNextEndpointDescriptor(configuration, setting,
                                              reinterpret_cast<const IOUSBDescriptorHeader*>(endpoint));
  const auto configs = host.endpoints();
  const auto config =
      std::find_if(configs.begin(), configs.end(), [&](const auto& c) { return c.address.value == address; });
  if (endpoint == nullptr || config == configs.end()) return kIOReturnNotFound;
  const auto device = host.device_descriptor();
  const auto bcd_usb = static_cast<std::uint16_t>(device.size() >= 4 ? device[2] | (device[3] << 8) : 0x0200);
  IOUSBHostPipe* made = IOUSBHostPipe_Access::create(*ivars, *config, *endpoint, bcd_usb);
  ivars->pipes[address] = OSSharedPtr<IOUSBHostPipe>(made, OSRetain);
  *pipe = made;
  return kIOReturnSuccess;
}

kern_return_t IOUSBHostInterface::GetPortStatus(std::uint32_t* portStatus, OSDispatchMethod) {
  if (!ivars->alive) return kIOReturnNoDevice;
  return ivars->device->GetPortStatus(portStatus);
}

kern_return_t IOUSBHostInterface::SetIdlePolicy(std::uint32_t deviceIdleTimeout, OSDispatchMethod) {
  if (const IOReturn refused = opened(*ivars); refused != kIOReturnSuccess) return refused;
  ivars->idle_policy = deviceIdleTimeout;
  return kIOReturnSuccess;
}

kern_return_t IOUSBHostInterface::GetIdlePolicy(std::uint32_t* deviceIdleTimeout, OSDispatchMethod) {
  if (deviceIdleTimeout == nullptr) return kIOReturnBadArgument;
  if (const IOReturn refused = opened(*ivars); refused != kIOReturnSuccess) return refused;
  *deviceIdleTimeout = ivars->idle_policy;
  return kIOReturnSuccess;
}

kern_return_t IOUSBHostInterface::CopyDevice(IOUSBHostDevice** device, OSDispatchMethod) {
  if (device == nullptr) return kIOReturnBadArgument;
  if (!ivars->alive) return kIOReturnNoDevice;
  ivars->device->retain();
  *device = ivars->device;
  return kIOReturnSuccess;
}

kern_return_t IOUSBHostInterface::DeviceRequest(std::uint8_t bmRequestType, std::uint8_t bRequest, std::uint16_t wValue,
                                                std::uint16_t wIndex, std::uint16_t wLength,
                                                IOMemoryDescriptor* dataBuffer, std::uint16_t* bytesTransferred,
                                                std::uint32_t completionTimeout, OSDispatchMethod) {
  if (const IOReturn refused = opened(*ivars); refused != kIOReturnSuccess) return refused;
  std::uint32_t transferred = 0;
  const IOReturn result = control_request(*ivars->core, {bmRequestType, bRequest, wValue, wIndex, wLength}, dataBuffer,
                                          completionTimeout, transferred);
  if (bytesTransferred != nullptr) *bytesTransferred = static_cast<std::uint16_t>(transferred);
  return result;
}

kern_return_t IOUSBHostInterface::AsyncDeviceRequest(std::uint8_t bmRequestType, std::uint8_t bRequest,
                                                     std::uint16_t wValue, std::uint16_t wIndex, std::uint16_t wLength,
                                                     IOMemoryDescriptor* dataBuffer, OSAction* completion,
                                                     std::uint32_t completionTimeout, OSDispatchMethod) {
  if (const IOReturn refused = opened(*ivars); refused != kIOReturnSuccess) return refused;
  return IOUSBHostDevice_Access::async_request(*ivars->device, {bmRequestType, bRequest, wValue, wIndex, wLength},
                                               dataBuffer, completion, completionTimeout);
}

kern_return_t IOUSBHostInterface::AbortDeviceRequests(IOOptionBits, IOReturn withError, OSDispatchMethod) {
  if (const IOReturn refused = opened(*ivars); refused != kIOReturnSuccess) return refused;
  return IOUSBHostDevice_Access::abort_requests(*ivars->device, withError);
}

const IOUSBConfigurationDescriptor* IOUSBHostInterface::CopyConfigurationDescriptor() {
  return ivars->alive ? ivars->device->CopyConfigurationDescriptor(static_cast<IOService*>(this)) : nullptr;
}

const IOUSBInterfaceDescriptor* IOUSBHostInterface::GetInterfaceDescriptor(
    const IOUSBConfigurationDescriptor* configurationDescriptor) {
  if (configurationDescriptor == nullptr || !ivars->alive || !ivars->core->usable()) return nullptr;
  return find_setting(configurationDescriptor, ivars->number, ivars->core->host->alternate(ivars->number));
}

const IOUSBStringDescriptor* IOUSBHostInterface::CopyStringDescriptor(std::uint8_t index) {
  return CopyStringDescriptor(index, kIOUSBLanguageIDEnglishUS);
}

const IOUSBStringDescriptor* IOUSBHostInterface::CopyStringDescriptor(std::uint8_t index, std::uint16_t languageID) {
  return ivars->alive ? ivars->device->CopyStringDescriptor(index, languageID) : nullptr;
}

kern_return_t IOUSBHostInterface::CreateIOBuffer(IOOptionBits options, std::uint64_t capacity,
                                                 IOBufferMemoryDescriptor** buffer) {
  return IOBufferMemoryDescriptor::Create(options, capacity, 0, buffer);
}
