// isochio: IOUSBHostDevice.
#include <USBDriverKit/IOUSBHostDevice.h>

#include <DriverKit/IOLib.h>

#include <algorithm>
#include <cstring>

#include "driverkit/pipe_jobs.h"
#include "driverkit/status.h"
#include "driverkit/usb_objects.h"

using isochio::controller::ControlSetup;
using isochio::controller::Status;
using namespace isochio::driverkit;
namespace usb = isochio::usb;

namespace isochio::driverkit {

std::uint8_t connection_speed(const Core& core) {
  return core.host->speed() == usb::Speed::high ? kIOUSBHostConnectionSpeedHigh : kIOUSBHostConnectionSpeedFull;
}

IOReturn control_request(Core& core, const ControlSetup& setup, IOMemoryDescriptor* data, std::uint32_t timeout_ms,
                         std::uint32_t& transferred) {
  transferred = 0;
  if (setup.length > 0 && (data == nullptr || data->GetByteCount() < setup.length)) return kIOReturnBadArgument;
  const bool in = (setup.request_type & kIOUSBDeviceRequestDirectionIn) != 0;
  const OSSharedPtr<IOMemoryDescriptor> held(data, OSRetain);
  TransferBytes bytes(data, setup.length, in);
  const auto done = core.host->control(setup, bytes.bytes(), bus::millisecond * timeout_ms);
  if (!done) {
    note_status(core, done.error());
    return to_return(done.error());
  }
  transferred = static_cast<std::uint32_t>(*done);
  if (in) bytes.flush(0, transferred);
  return kIOReturnSuccess;
}

std::uint8_t* copy_descriptor(Core& core, std::uint8_t type, std::uint8_t index, std::uint16_t language,
                              std::uint16_t length) {
  std::vector<std::uint8_t> bytes(length);
  const ControlSetup setup{kIOUSBDeviceRequestDirectionIn, kIOUSBDeviceRequestGetDescriptor,
                           static_cast<std::uint16_t>((type << 8) | index), language, length};
  const auto got = core.host->control(setup, bytes, bus::millisecond * kUSBHostStandardRequestCompletionTimeout);
  if (!got || *got < 2 || bytes[1] != type) return nullptr;
  auto* copy = static_cast<std::uint8_t*>(IOMallocZero(std::max<std::size_t>(*got, bytes[0])));
  std::memcpy(copy, bytes.data(), *got);
  return copy;
}

void note_status(Core& core, Status status) {
  if (status != Status::no_device || !core.usable()) return;
  // Not from inside the Host's callback.
  core.call_at(core.host->now(), [weak = core.weak_from_this()] {
    if (const auto held = weak.lock(); held && held->usable()) remove_device(*held);
  });
}

void remove_device(Core& core) {
  if (core.device_gone) return;
  core.device_gone = true;
  if (core.device) IOUSBHostDevice_Access::kill(*core.device);
  const auto drivers = core.started;
  for (const auto& driver : drivers) {
    IODispatchQueue* queue = IOService_Access::queue(*driver, "Default");
    queue->DispatchAsync([driver, weak = core.weak_from_this()] {
      driver->Stop(driver->GetProvider());
      if (const auto held = weak.lock()) std::erase(held->started, driver);
    });
  }
}

}  // namespace isochio::driverkit

IOUSBHostDevice::IOUSBHostDevice() : ivars(new IOUSBHostDevice_IVars) {}
kern_return_t IOUSBHostDevice::_Dispatch(OSMetaClassBase*, IORPC) { return kIOReturnUnsupported; }

void IOUSBHostDevice::free() {
  IOUSBHostDevice_Access::kill(*this);
  delete ivars;
  IOService::free();
}

IOUSBHostDevice* IOUSBHostDevice_Access::create(const std::shared_ptr<Core>& core) {
  auto* device = new IOUSBHostDevice();
  device->init();
  device->ivars->core = core;
  return device;
}

namespace {

IOReturn usable(const IOUSBHostDevice_IVars& ivars) {
  return ivars.core->usable() && ivars.alive ? kIOReturnSuccess : kIOReturnNoDevice;
}

/// A request of `client` to the device: the device is there, and open by it.
IOReturn permitted(const IOUSBHostDevice_IVars& ivars, const IOService* client) {
  if (const IOReturn refused = usable(ivars); refused != kIOReturnSuccess) return refused;
  if (!ivars.core->options.device_requests_need_open) return kIOReturnSuccess;
  return ivars.opener != nullptr && (client == nullptr || client == ivars.opener) ? kIOReturnSuccess : kIOReturnNotOpen;
}

void kill_interfaces(IOUSBHostDevice_IVars& ivars) {
  const auto interfaces = std::exchange(ivars.interfaces, {});
  ivars.iterators.clear();
  for (const auto& interface : interfaces) {
    auto& inside = IOUSBHostInterface_Access::ivars(*interface);
    inside.alive = false;
    inside.device = nullptr;
    inside.opener = nullptr;
    IOUSBHostInterface_Access::drop_pipes(inside, true);
    if (ivars.core->host != nullptr) ivars.core->dead.push_back(interface);
  }
}

}  // namespace

void IOUSBHostDevice_Access::kill(IOUSBHostDevice& device) {
  if (!std::exchange(device.ivars->alive, false)) return;
  device.ivars->opener = nullptr;
  kill_interfaces(*device.ivars);
  abort_requests(device, kIOReturnAborted);
}

const IOUSBConfigurationDescriptor* IOUSBHostDevice_Access::configuration(const Core& core) {
  const auto bytes = core.host->configuration_descriptor();
  if (bytes.size() < sizeof(IOUSBConfigurationDescriptor)) return nullptr;
  const auto* descriptor = reinterpret_cast<const IOUSBConfigurationDescriptor*>(bytes.data());
  return descriptor->wTotalLength <= bytes.size() ? descriptor : nullptr;
}

IOReturn IOUSBHostDevice_Access::configure(IOUSBHostDevice& device, std::uint8_t value) {
  IOUSBHostDevice_IVars& ivars = *device.ivars;
  if (ivars.configuration == value) return kIOReturnSuccess;
  const auto* descriptor = configuration(*ivars.core);
  if (value != 0 && (descriptor == nullptr || descriptor->bConfigurationValue != value)) return kIOReturnBadArgument;
  kill_interfaces(ivars);
  const OSSharedPtr<IOUSBHostDevice> held(&device, OSRetain);
  const auto set = ivars.core->host->set_configuration(value);
  if (!set) {
    note_status(*ivars.core, set.error());
    return to_return(set.error());
  }
  ivars.configuration = value;
  ivars.configured_at = ivars.core->host->now();
  if (value == 0) return kIOReturnSuccess;
  descriptor = configuration(*ivars.core);
  for (const auto* setting = IOUSBGetNextInterfaceDescriptor(descriptor, nullptr); setting != nullptr;
       setting = IOUSBGetNextInterfaceDescriptor(descriptor, reinterpret_cast<const IOUSBDescriptorHeader*>(setting))) {
    const bool known = std::any_of(ivars.interfaces.begin(), ivars.interfaces.end(), [&](const auto& interface) {
      return IOUSBHostInterface_Access::ivars(*interface).number == setting->bInterfaceNumber;
    });
    if (!known)
      ivars.interfaces.emplace_back(IOUSBHostInterface_Access::create(device, setting->bInterfaceNumber), OSNoRetain);
  }
  return kIOReturnSuccess;
}

kern_return_t IOUSBHostDevice::Open(IOService* forClient, IOOptionBits, std::uintptr_t, OSDispatchMethod) {
  if (const IOReturn refused = usable(*ivars); refused != kIOReturnSuccess) return refused;
  if (forClient == nullptr) return kIOReturnBadArgument;
  if (ivars->opener != nullptr) return kIOReturnExclusiveAccess;
  ivars->opener = forClient;
  return kIOReturnSuccess;
}

kern_return_t IOUSBHostDevice::Close(IOService* forClient, IOOptionBits, OSDispatchMethod) {
  if (ivars->opener == nullptr || ivars->opener != forClient) return kIOReturnNotOpen;
  ivars->opener = nullptr;
  return kIOReturnSuccess;
}

kern_return_t IOUSBHostDevice::SetConfiguration(std::uint8_t bConfigurationValue, bool, OSDispatchMethod) {
  const IOReturn refused = permitted(*ivars, nullptr);
  return refused != kIOReturnSuccess ? refused : IOUSBHostDevice_Access::configure(*this, bConfigurationValue);
}

kern_return_t IOUSBHostDevice::GetAddress(std::uint8_t* address, OSDispatchMethod) {
  if (address == nullptr) return kIOReturnBadArgument;
  if (const IOReturn refused = usable(*ivars); refused != kIOReturnSuccess) return refused;
  *address = ivars->core->host->address();
  return kIOReturnSuccess;
}

kern_return_t IOUSBHostDevice::GetSpeed(std::uint8_t* speed, OSDispatchMethod) {
  if (speed == nullptr) return kIOReturnBadArgument;
  if (const IOReturn refused = usable(*ivars); refused != kIOReturnSuccess) return refused;
  *speed = connection_speed(*ivars->core);
  return kIOReturnSuccess;
}

kern_return_t IOUSBHostDevice::GetFrameNumber(std::uint64_t* frameNumber, std::uint64_t* theTime, OSDispatchMethod) {
  if (frameNumber == nullptr) return kIOReturnBadArgument;
  if (const IOReturn refused = usable(*ivars); refused != kIOReturnSuccess) return refused;
  *frameNumber = ivars->core->host->frame_number();
  if (theTime != nullptr) *theTime = ivars->core->to_absolute(ivars->core->host->now());
  return kIOReturnSuccess;
}

kern_return_t IOUSBHostDevice::GetPortStatus(std::uint32_t* portStatus, OSDispatchMethod) {
  if (portStatus == nullptr) return kIOReturnBadArgument;
  if (const IOReturn refused = usable(*ivars); refused != kIOReturnSuccess) return refused;
  const std::uint32_t speed = connection_speed(*ivars->core);
  *portStatus =
      kIOUSBHostPortTypeStandard | (speed << kIOUSBHostPortStatusConnectedSpeedPhase) | kIOUSBHostPortStatusEnabled;
  return kIOReturnSuccess;
}

kern_return_t IOUSBHostDevice::Reset(OSDispatchMethod) {
  if (const IOReturn refused = permitted(*ivars, nullptr); refused != kIOReturnSuccess) return refused;
  const OSSharedPtr<IOUSBHostDevice> held(this, OSRetain);
  const auto core = ivars->core;
  IOUSBHostDevice_Access::kill(*this);
  const auto reset = core->host->reset_device();
  if (!reset) {
    core->log("isochio: Reset: " + reset.error());
    remove_device(*core);
    return kIOReturnNoDevice;
  }
  core->dead.push_back(core->device);
  core->device.reset(IOUSBHostDevice_Access::create(core), OSNoRetain);
  return kIOReturnSuccess;
}

kern_return_t IOUSBHostDevice::CreateInterfaceIterator(std::uintptr_t* ref, OSDispatchMethod) {
  if (ref == nullptr) return kIOReturnBadArgument;
  if (const IOReturn refused = usable(*ivars); refused != kIOReturnSuccess) return refused;
  *ref = ivars->next_iterator++;
  ivars->iterators[*ref] = 0;
  return kIOReturnSuccess;
}

kern_return_t IOUSBHostDevice::DestroyInterfaceIterator(std::uintptr_t ref, OSDispatchMethod) {
  return ivars->iterators.erase(ref) != 0 ? kIOReturnSuccess : kIOReturnBadArgument;
}

kern_return_t IOUSBHostDevice::CopyInterface(std::uintptr_t ref, IOUSBHostInterface** interface, OSDispatchMethod) {
  if (interface == nullptr) return kIOReturnBadArgument;
  *interface = nullptr;
  const auto found = ivars->iterators.find(ref);
  if (found == ivars->iterators.end()) return kIOReturnBadArgument;
  if (found->second >= ivars->interfaces.size()) return kIOReturnSuccess;
  *interface = ivars->interfaces[found->second++].get();
  (*interface)->retain();
  return kIOReturnSuccess;
}

kern_return_t IOUSBHostDevice::DeviceRequest(IOService* forClient, std::uint8_t bmRequestType, std::uint8_t bRequest,
                                             std::uint16_t wValue, std::uint16_t wIndex, std::uint16_t wLength,
                                             IOMemoryDescriptor* dataBuffer, std::uint16_t* bytesTransferred,
                                             std::uint32_t completionTimeout, OSDispatchMethod) {
  if (const IOReturn refused = permitted(*ivars, forClient); refused != kIOReturnSuccess) return refused;
  std::uint32_t transferred = 0;
  const IOReturn result = control_request(*ivars->core, {bmRequestType, bRequest, wValue, wIndex, wLength}, dataBuffer,
                                          completionTimeout, transferred);
  if (bytesTransferred != nullptr) *bytesTransferred = static_cast<std::uint16_t>(transferred);
  return result;
}

kern_return_t IOUSBHostDevice::AsyncDeviceRequest(IOService* forClient, std::uint8_t bmRequestType,
                                                  std::uint8_t bRequest, std::uint16_t wValue, std::uint16_t wIndex,
                                                  std::uint16_t wLength, IOMemoryDescriptor* dataBuffer,
                                                  OSAction* completion, std::uint32_t completionTimeout,
                                                  OSDispatchMethod) {
  if (const IOReturn refused = permitted(*ivars, forClient); refused != kIOReturnSuccess) return refused;
  return IOUSBHostDevice_Access::async_request(*this, {bmRequestType, bRequest, wValue, wIndex, wLength}, dataBuffer,
                                               completion, completionTimeout);
}

kern_return_t IOUSBHostDevice::AbortDeviceRequests(IOService* forClient, IOOptionBits, IOReturn withError,
                                                   OSDispatchMethod) {
  if (const IOReturn refused = permitted(*ivars, forClient); refused != kIOReturnSuccess) return refused;
  return IOUSBHostDevice_Access::abort_requests(*this, withError);
}

IOReturn IOUSBHostDevice_Access::async_request(IOUSBHostDevice& device, const ControlSetup& setup,
                                               IOMemoryDescriptor* data, OSAction* completion,
                                               std::uint32_t timeout_ms) {
  if (completion == nullptr || completion->GetTypeID() != IOUSBHostDevice::CompleteAsyncDeviceRequest_Type::id)
    return kIOReturnBadArgument;
  if (setup.length > 0 && (data == nullptr || data->GetByteCount() < setup.length)) return kIOReturnBadArgument;
  IOUSBHostDevice_IVars& ivars = *device.ivars;
  ivars.requests.push_back({setup, OSSharedPtr<IOMemoryDescriptor>(data, OSRetain),
                            OSSharedPtr<OSAction>(completion, OSRetain), timeout_ms});
  ivars.core->call_at(ivars.core->host->now(),
                      [held = OSSharedPtr<IOUSBHostDevice>(&device, OSRetain)] { held->ivars->run_requests(); });
  return kIOReturnSuccess;
}

void IOUSBHostDevice_IVars::run_requests() {
  if (request_running) return;  // the bus runs inside of one; it goes on with the next itself
  request_running = true;
  while (!requests.empty()) {
    const AsyncRequest request = std::move(requests.front());
    requests.pop_front();
    std::uint32_t transferred = 0;
    const IOReturn status = core->usable() && alive ? control_request(*core, request.setup, request.data.get(),
                                                                      request.timeout_ms, transferred)
                                                    : kIOReturnNoDevice;
    request.completion->Deliver<IOUSBHostDevice::CompleteAsyncDeviceRequest_Type>(nullptr, status, transferred);
  }
  request_running = false;
}

IOReturn IOUSBHostDevice_Access::abort_requests(IOUSBHostDevice& device, IOReturn error) {
  for (const auto& request : std::exchange(device.ivars->requests, {}))
    request.completion->Deliver<IOUSBHostDevice::CompleteAsyncDeviceRequest_Type>(
        nullptr, error != kIOReturnSuccess ? error : kIOReturnAborted, std::uint32_t{0});
  return kIOReturnSuccess;
}

kern_return_t IOUSBHostDevice::CopyDescriptor(std::uint8_t type, std::uint16_t* length, std::uint8_t index,
                                              std::uint16_t languageID, std::uint8_t requestType,
                                              std::uint8_t requestRecipient, std::uint8_t* descriptor) {
  if (length == nullptr || (*length > 0 && descriptor == nullptr)) return kIOReturnBadArgument;
  if (const IOReturn refused = usable(*ivars); refused != kIOReturnSuccess) return refused;
  const auto request_type = static_cast<std::uint8_t>(kIOUSBDeviceRequestDirectionIn | ((requestType & 3U) << 5U) |
                                                      (requestRecipient & 0x1fU));
  const auto got = ivars->core->host->control({request_type, kIOUSBDeviceRequestGetDescriptor,
                                               static_cast<std::uint16_t>((type << 8) | index), languageID, *length},
                                              std::span(descriptor, *length),
                                              isochio::bus::millisecond * kUSBHostStandardRequestCompletionTimeout);
  *length = got ? static_cast<std::uint16_t>(*got) : std::uint16_t{0};
  return got ? kIOReturnSuccess : to_return(got.error());
}

namespace {

template <class Descriptor>
const Descriptor* copy_of(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < sizeof(Descriptor)) return nullptr;
  void* copy = IOMalloc(bytes.size());
  std::memcpy(copy, bytes.data(), bytes.size());
  return static_cast<const Descriptor*>(copy);
}

}  // namespace

const IOUSBDeviceDescriptor* IOUSBHostDevice::CopyDeviceDescriptor() {
  if (usable(*ivars) != kIOReturnSuccess) return nullptr;
  return copy_of<IOUSBDeviceDescriptor>(ivars->core->host->device_descriptor());
}

const IOUSBConfigurationDescriptor* IOUSBHostDevice::CopyConfigurationDescriptor(std::uint8_t index) {
  if (index != 0 || usable(*ivars) != kIOReturnSuccess) return nullptr;  // the Host knows one configuration
  return copy_of<IOUSBConfigurationDescriptor>(ivars->core->host->configuration_descriptor());
}

const IOUSBConfigurationDescriptor* IOUSBHostDevice::CopyConfigurationDescriptorWithValue(
    std::uint8_t bConfigurationValue) {
  if (usable(*ivars) != kIOReturnSuccess) return nullptr;
  const auto* descriptor = IOUSBHostDevice_Access::configuration(*ivars->core);
  return descriptor != nullptr && descriptor->bConfigurationValue == bConfigurationValue
             ? CopyConfigurationDescriptor(std::uint8_t{0})
             : nullptr;
}

const IOUSBConfigurationDescriptor* IOUSBHostDevice::CopyConfigurationDescriptor(IOService*) {
  return ivars->configuration != 0 ? CopyConfigurationDescriptor(std::uint8_t{0}) : nullptr;
}

const IOUSBBOSDescriptor* IOUSBHostDevice::CopyCapabilityDescriptors() {
  if (usable(*ivars) != kIOReturnSuccess) return nullptr;
  const auto read = [&](std::uint16_t length) {
    return reinterpret_cast<const IOUSBBOSDescriptor*>(
        copy_descriptor(*ivars->core, kIOUSBDescriptorTypeBOS, 0, 0, length));
  };
  const IOUSBBOSDescriptor* header = read(sizeof(IOUSBBOSDescriptor));
  if (header == nullptr) return nullptr;
  const std::uint16_t length = header->wTotalLength;
  IOUSBHostFreeDescriptor(header);
  return length >= sizeof(IOUSBBOSDescriptor) ? read(length) : nullptr;
}

const IOUSBStringDescriptor* IOUSBHostDevice::CopyStringDescriptor(std::uint8_t index) {
  return CopyStringDescriptor(index, kIOUSBLanguageIDEnglishUS);
}

const IOUSBStringDescriptor* IOUSBHostDevice::CopyStringDescriptor(std::uint8_t index, std::uint16_t languageID) {
  if (usable(*ivars) != kIOReturnSuccess) return nullptr;
  return reinterpret_cast<const IOUSBStringDescriptor*>(copy_descriptor(
      *ivars->core, kIOUSBDescriptorTypeString, index, index == 0 ? std::uint16_t{0} : languageID, 255));
}

kern_return_t IOUSBHostDevice::CreateIOBuffer(IOOptionBits options, std::uint64_t capacity,
                                              IOBufferMemoryDescriptor** buffer) {
  return IOBufferMemoryDescriptor::Create(options, capacity, 0, buffer);
}
