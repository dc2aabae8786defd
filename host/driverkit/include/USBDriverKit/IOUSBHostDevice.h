// isochio: IOUSBHostDevice, the device that the Runtime's Host has enumerated.
#pragma once

#include <USBDriverKit/IOUSBHostInterface.h>

struct IOUSBHostDevice_IVars;

class IOUSBHostDevice : public IOService {
 public:
  /// The identity is ours: no public source gives Apple's.
  using CompleteAsyncDeviceRequest_Type =
      OSActionType<0xb1b77bbbbb5a2d47ULL, void(OSAction* action, IOReturn status, std::uint32_t bytesTransferred)>;

  static kern_return_t _Dispatch(OSMetaClassBase* self, IORPC rpc);

  kern_return_t Open(IOService* forClient, IOOptionBits options, std::uintptr_t arg,
                     OSDispatchMethod supermethod = nullptr);
  kern_return_t Close(IOService* forClient, IOOptionBits options, OSDispatchMethod supermethod = nullptr);
  /// A value that is already set is a no-op. `matchInterfaces` has no meaning: nothing else looks for interfaces here.
  kern_return_t SetConfiguration(std::uint8_t bConfigurationValue, bool matchInterfaces,
                                 OSDispatchMethod supermethod = nullptr);
  kern_return_t GetAddress(std::uint8_t* address, OSDispatchMethod supermethod = nullptr);
  kern_return_t GetSpeed(std::uint8_t* speed, OSDispatchMethod supermethod = nullptr);
  kern_return_t GetFrameNumber(std::uint64_t* frameNumber, std::uint64_t* theTime,
                               OSDispatchMethod supermethod = nullptr);
  kern_return_t GetPortStatus(std::uint32_t* portStatus, OSDispatchMethod supermethod = nullptr);
  /// Resets the port and enumerates anew. This object and its interfaces are dead afterwards.
  kern_return_t Reset(OSDispatchMethod supermethod = nullptr);
  kern_return_t CreateInterfaceIterator(std::uintptr_t* ref, OSDispatchMethod supermethod = nullptr);
  kern_return_t DestroyInterfaceIterator(std::uintptr_t ref, OSDispatchMethod supermethod = nullptr);
  /// Success with a null interface at the end of the list; else retained.
  kern_return_t CopyInterface(std::uintptr_t ref, IOUSBHostInterface** interface,
                              OSDispatchMethod supermethod = nullptr);
  kern_return_t DeviceRequest(IOService* forClient, std::uint8_t bmRequestType, std::uint8_t bRequest,
                              std::uint16_t wValue, std::uint16_t wIndex, std::uint16_t wLength,
                              IOMemoryDescriptor* dataBuffer, std::uint16_t* bytesTransferred,
                              std::uint32_t completionTimeout, OSDispatchMethod supermethod = nullptr);
  kern_return_t AsyncDeviceRequest(IOService* forClient, std::uint8_t bmRequestType, std::uint8_t bRequest,
                                   std::uint16_t wValue, std::uint16_t wIndex, std::uint16_t wLength,
                                   IOMemoryDescriptor* dataBuffer, OSAction* completion,
                                   std::uint32_t completionTimeout, OSDispatchMethod supermethod = nullptr);
  kern_return_t AbortDeviceRequests(IOService* forClient, IOOptionBits options, IOReturn withError,
                                    OSDispatchMethod supermethod = nullptr);

  kern_return_t CopyDescriptor(std::uint8_t type, std::uint16_t* length, std::uint8_t index, std::uint16_t languageID,
                               std::uint8_t requestType, std::uint8_t requestRecipient, std::uint8_t* descriptor);
  const IOUSBDeviceDescriptor* CopyDeviceDescriptor();
  const IOUSBConfigurationDescriptor* CopyConfigurationDescriptor(std::uint8_t index);
  const IOUSBConfigurationDescriptor* CopyConfigurationDescriptorWithValue(std::uint8_t bConfigurationValue);
  const IOUSBConfigurationDescriptor* CopyConfigurationDescriptor(IOService* forClient);
  const IOUSBBOSDescriptor* CopyCapabilityDescriptors();
  const IOUSBStringDescriptor* CopyStringDescriptor(std::uint8_t index);
  const IOUSBStringDescriptor* CopyStringDescriptor(std::uint8_t index, std::uint16_t languageID);
  kern_return_t CreateIOBuffer(IOOptionBits options, std::uint64_t capacity, IOBufferMemoryDescriptor** buffer);

  void free() override;

 private:
  friend struct IOUSBHostDevice_Access;
  IOUSBHostDevice();
  ~IOUSBHostDevice() override = default;
  IOUSBHostDevice_IVars* ivars;
};
