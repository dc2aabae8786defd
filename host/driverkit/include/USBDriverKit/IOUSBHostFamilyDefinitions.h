// isochio: constants of the USB host family, and the entry of an isochronous frame list.
#pragma once

#include <cstdint>

#include <DriverKit/IOReturn.h>
#include <DriverKit/IOTypes.h>
#include <USBDriverKit/AppleUSBDescriptorParsing.h>

enum tIOUSBHostConnectionSpeed : std::uint8_t {
  kIOUSBHostConnectionSpeedNone = 0,
  kIOUSBHostConnectionSpeedFull = 1,
  kIOUSBHostConnectionSpeedLow = 2,
  kIOUSBHostConnectionSpeedHigh = 3,
  kIOUSBHostConnectionSpeedSuper = 4,
  kIOUSBHostConnectionSpeedSuperPlus = 5,
  kIOUSBHostConnectionSpeedSuperPlusBy2 = 6,
};

enum tIOUSBHostPortType : std::uint8_t {
  kIOUSBHostPortTypeStandard = 0,
  kIOUSBHostPortTypeCaptive = 1,
  kIOUSBHostPortTypeInternal = 2,
};

// Bits of GetPortStatus.
inline constexpr std::uint32_t kIOUSBHostPortStatusPortTypeMask = 0x0000000f;
inline constexpr std::uint32_t kIOUSBHostPortStatusConnectedSpeedMask = 0x00000700;
inline constexpr std::uint32_t kIOUSBHostPortStatusConnectedSpeedPhase = 8;
inline constexpr std::uint32_t kIOUSBHostPortStatusResetting = 0x00000800;
inline constexpr std::uint32_t kIOUSBHostPortStatusEnabled = 0x00001000;
inline constexpr std::uint32_t kIOUSBHostPortStatusSuspended = 0x00002000;
inline constexpr std::uint32_t kIOUSBHostPortStatusOvercurrent = 0x00004000;
inline constexpr std::uint32_t kIOUSBHostPortStatusTestMode = 0x00008000;

inline constexpr IOOptionBits kUSBHostOpenOptionSelectAlternateSetting = 1U << 16;

inline constexpr IOOptionBits kIOUSBAbortAsynchronous = 0x0;
inline constexpr IOOptionBits kIOUSBAbortSynchronous = 0x1;

inline constexpr std::uint32_t kUSBHostTransferLimit = 1024;  ///< outstanding on one pipe
inline constexpr std::uint32_t kUSBHostDefaultDeviceIdlePolicy = 0;
inline constexpr std::uint32_t kUSBHostClassRequestCompletionTimeout = 5000;
inline constexpr std::uint32_t kUSBHostVendorRequestCompletionTimeout = 5000;
inline constexpr std::uint32_t kUSBHostStandardRequestCompletionTimeout = 5000;

enum IOUSBGetEndpointDescriptorOptions : std::uint32_t {
  kIOUSBGetEndpointDescriptorOriginal = 0,
  kIOUSBGetEndpointDescriptorCurrentPolicy = 1,
};

/// One service interval of an isochronous request. `requestCount` is the caller's; the rest is written as the interval
/// ends. The data of entry i begins at the sum of the requestCounts before it.
struct IOUSBIsochronousFrame {
  IOReturn status;
  std::uint32_t requestCount;   ///< bytes
  std::uint32_t completeCount;  ///< bytes
  std::uint32_t reserved;
  std::uint64_t timeStamp;  ///< mach absolute time
} __attribute__((packed));
static_assert(sizeof(IOUSBIsochronousFrame) == 24);
