// isochio: IOUSBHostInterface, one interface of the configured device.
#pragma once

#include <DriverKit/IOBufferMemoryDescriptor.h>
#include <USBDriverKit/IOUSBHostPipe.h>

class IOUSBHostDevice;
struct IOUSBHostInterface_IVars;

class IOUSBHostInterface : public IOService {
 public:
  static kern_return_t _Dispatch(OSMetaClassBase* self, IORPC rpc);

  kern_return_t Open(IOService* forClient, IOOptionBits options, std::uint8_t* arg,
                     OSDispatchMethod supermethod = nullptr);
  kern_return_t Close(IOService* forClient, IOOptionBits options, OSDispatchMethod supermethod = nullptr);
  /// `theTime` (may be null): the mach time of the reading.
  kern_return_t GetFrameNumber(std::uint64_t* frameNumber, std::uint64_t* theTime,
                               OSDispatchMethod supermethod = nullptr);
  kern_return_t SelectAlternateSetting(std::uint8_t bAlternateSetting, OSDispatchMethod supermethod = nullptr);
  kern_return_t CopyPipe(std::uint8_t address, IOUSBHostPipe** pipe, OSDispatchMethod supermethod = nullptr);
  kern_return_t GetPortStatus(std::uint32_t* portStatus, OSDispatchMethod supermethod = nullptr);
  kern_return_t SetIdlePolicy(std::uint32_t deviceIdleTimeout, OSDispatchMethod supermethod = nullptr);
  kern_return_t GetIdlePolicy(std::uint32_t* deviceIdleTimeout, OSDispatchMethod supermethod = nullptr);
  kern_return_t CopyDevice(IOUSBHostDevice** device, OSDispatchMethod supermethod = nullptr);
  kern_return_t DeviceRequest(std::uint8_t bmRequestType, std::uint8_t bRequest, std::uint16_t wValue,
                              std::uint16_t wIndex, std::uint16_t wLength, IOMemoryDescriptor* dataBuffer,
                              std::uint16_t* bytesTransferred, std::uint32_t completionTimeout,
                              OSDispatchMethod supermethod = nullptr);
  kern_return_t AsyncDeviceRequest(std::uint8_t bmRequestType, std::uint8_t bRequest, std::uint16_t wValue,
                                   std::uint16_t wIndex, std::uint16_t wLength, IOMemoryDescriptor* dataBuffer,
                                   OSAction* completion, std::uint32_t completionTimeout,
                                   OSDispatchMethod supermethod = nullptr);
  kern_return_t AbortDeviceRequests(IOOptionBits options, IOReturn withError, OSDispatchMethod supermethod = nullptr);

  const IOUSBConfigurationDescriptor* CopyConfigurationDescriptor();
  /// Points into `configurationDescriptor`: the current alternate setting of this interface.
  const IOUSBInterfaceDescriptor* GetInterfaceDescriptor(const IOUSBConfigurationDescriptor* configurationDescriptor);
  const IOUSBStringDescriptor* CopyStringDescriptor(std::uint8_t index);
  const IOUSBStringDescriptor* CopyStringDescriptor(std::uint8_t index, std::uint16_t languageID);
  kern_return_t CreateIOBuffer(IOOptionBits options, std::uint64_t capacity, IOBufferMemoryDescriptor** buffer);

  void free() override;

 private:
  friend struct IOUSBHostInterface_Access;
  IOUSBHostInterface();
  ~IOUSBHostInterface() override = default;
  IOUSBHostInterface_IVars* ivars;
};
