// isochio: IOUSBHostPipe. What each call promises is in docs/driverkit.md; a call that returns an error is refused at
// once and its completion will not come.
#pragma once

#include <DriverKit/IOMemoryDescriptor.h>
#include <DriverKit/IOService.h>
#include <USBDriverKit/IOUSBHostFamilyDefinitions.h>

struct IOUSBHostPipe_IVars;

inline constexpr std::uint64_t IOUSBHostPipe_IsochIO_ID = 0xe50e498877f210d7ULL;
inline constexpr std::uint64_t IOUSBHostPipe_CompleteAsyncIsochIO_ID = 0xd6c5e31fcec49c24ULL;
inline constexpr std::uint64_t IOUSBHostPipe_CompleteAsyncIO_ID = 0xc320a3eea932c04aULL;

class IOUSBHostPipe : public OSObject {
 public:
  using CompleteAsyncIO_Type = OSActionType<IOUSBHostPipe_CompleteAsyncIO_ID,
                                            void(OSAction* action, IOReturn status, std::uint32_t actualByteCount,
                                                 std::uint64_t completionTimestamp)>;
  using CompleteAsyncIsochIO_Type =
      OSActionType<IOUSBHostPipe_CompleteAsyncIsochIO_ID, void(OSAction* action, IOReturn status)>;

  static kern_return_t _Dispatch(OSMetaClassBase* self, IORPC rpc);

  kern_return_t GetSpeed(std::uint8_t* speed, OSDispatchMethod supermethod = nullptr) const;
  kern_return_t GetDeviceAddress(std::uint8_t* address, OSDispatchMethod supermethod = nullptr) const;
  /// `options`: kIOUSBAbortAsynchronous or kIOUSBAbortSynchronous. `withError` is what the completions get; 0 means
  /// kIOReturnAborted. `forClient` has no meaning here.
  kern_return_t Abort(IOOptionBits options, kern_return_t withError, IOService* forClient,
                      OSDispatchMethod supermethod = nullptr);
  /// Lowers what a periodic endpoint may carry; kIOReturnBadArgument if it would exceed the original descriptor.
  kern_return_t AdjustPipe(const IOUSBStandardEndpointDescriptors* descriptors, OSDispatchMethod supermethod = nullptr);
  kern_return_t GetDescriptors(IOUSBStandardEndpointDescriptors* descriptors, IOUSBGetEndpointDescriptorOptions type,
                               OSDispatchMethod supermethod = nullptr);
  /// Kept and given back; the simulated bus never suspends an idle pipe. Bulk and interrupt only.
  kern_return_t SetIdlePolicy(std::uint32_t idleTimeoutMs, OSDispatchMethod supermethod = nullptr);
  kern_return_t GetIdlePolicy(std::uint32_t* idleTimeoutMs, OSDispatchMethod supermethod = nullptr);
  kern_return_t ClearStall(bool withRequest, OSDispatchMethod supermethod = nullptr);

  kern_return_t AsyncIO(IOMemoryDescriptor* dataBuffer, std::uint32_t dataBufferLength, OSAction* completion,
                        std::uint32_t completionTimeoutMs, OSDispatchMethod supermethod = nullptr);
  kern_return_t IO(IOMemoryDescriptor* dataBuffer, std::uint32_t dataBufferLength, std::uint32_t* bytesTransferred,
                   std::uint32_t completionTimeoutMs, OSDispatchMethod supermethod = nullptr);
  kern_return_t IsochIO(IOMemoryDescriptor* dataBuffer, IOMemoryDescriptor* frameList, std::uint64_t firstFrameNumber,
                        OSAction* completion, OSDispatchMethod supermethod = nullptr);

  void free() override;

 private:
  friend struct IOUSBHostPipe_Access;
  IOUSBHostPipe();
  ~IOUSBHostPipe() override = default;
  IOUSBHostPipe_IVars* ivars;
};
