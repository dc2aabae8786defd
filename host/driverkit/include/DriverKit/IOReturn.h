// isochio: return codes with Apple's numeric values. Signed 32-bit constant expressions, so that braces such as
// `IOUSBIsochronousFrame{kIOReturnInvalid, n, 0, 0, 0}` don't narrow.
#pragma once

#include <cstdint>

using kern_return_t = int;
using IOReturn = kern_return_t;

#define err_get_system(err) (((static_cast<unsigned>(err)) >> 26) & 0x3fU)
#define err_get_sub(err) (((static_cast<unsigned>(err)) >> 14) & 0xfffU)
#define err_get_code(err) ((static_cast<unsigned>(err)) & 0x3fffU)

constexpr IOReturn iokit_common_err(std::uint32_t code) { return static_cast<IOReturn>(0xe0000000U | code); }
constexpr IOReturn iokit_usb_err(std::uint32_t code) { return static_cast<IOReturn>(0xe0004000U | code); }
constexpr IOReturn iokit_usbhost_err(std::uint32_t code) {
  return static_cast<IOReturn>(0xe0005000U | (code & 0xfffU));
}

inline constexpr kern_return_t KERN_SUCCESS = 0;
inline constexpr IOReturn kIOReturnSuccess = 0;
inline constexpr IOReturn kIOReturnInvalid = iokit_common_err(0x001);
inline constexpr IOReturn kIOReturnError = iokit_common_err(0x2bc);
inline constexpr IOReturn kIOReturnNoMemory = iokit_common_err(0x2bd);
inline constexpr IOReturn kIOReturnNoResources = iokit_common_err(0x2be);
inline constexpr IOReturn kIOReturnIPCError = iokit_common_err(0x2bf);
inline constexpr IOReturn kIOReturnNoDevice = iokit_common_err(0x2c0);
inline constexpr IOReturn kIOReturnNotPrivileged = iokit_common_err(0x2c1);
inline constexpr IOReturn kIOReturnBadArgument = iokit_common_err(0x2c2);
inline constexpr IOReturn kIOReturnLockedRead = iokit_common_err(0x2c3);
inline constexpr IOReturn kIOReturnLockedWrite = iokit_common_err(0x2c4);
inline constexpr IOReturn kIOReturnExclusiveAccess = iokit_common_err(0x2c5);
inline constexpr IOReturn kIOReturnBadMessageID = iokit_common_err(0x2c6);
inline constexpr IOReturn kIOReturnUnsupported = iokit_common_err(0x2c7);
inline constexpr IOReturn kIOReturnVMError = iokit_common_err(0x2c8);
inline constexpr IOReturn kIOReturnInternalError = iokit_common_err(0x2c9);
inline constexpr IOReturn kIOReturnIOError = iokit_common_err(0x2ca);
inline constexpr IOReturn kIOReturnCannotLock = iokit_common_err(0x2cc);
inline constexpr IOReturn kIOReturnNotOpen = iokit_common_err(0x2cd);
inline constexpr IOReturn kIOReturnNotReadable = iokit_common_err(0x2ce);
inline constexpr IOReturn kIOReturnNotWritable = iokit_common_err(0x2cf);
inline constexpr IOReturn kIOReturnNotAligned = iokit_common_err(0x2d0);
inline constexpr IOReturn kIOReturnBadMedia = iokit_common_err(0x2d1);
inline constexpr IOReturn kIOReturnStillOpen = iokit_common_err(0x2d2);
inline constexpr IOReturn kIOReturnRLDError = iokit_common_err(0x2d3);
inline constexpr IOReturn kIOReturnDMAError = iokit_common_err(0x2d4);
inline constexpr IOReturn kIOReturnBusy = iokit_common_err(0x2d5);
inline constexpr IOReturn kIOReturnTimeout = iokit_common_err(0x2d6);
inline constexpr IOReturn kIOReturnOffline = iokit_common_err(0x2d7);
inline constexpr IOReturn kIOReturnNotReady = iokit_common_err(0x2d8);
inline constexpr IOReturn kIOReturnNotAttached = iokit_common_err(0x2d9);
inline constexpr IOReturn kIOReturnNoChannels = iokit_common_err(0x2da);
inline constexpr IOReturn kIOReturnNoSpace = iokit_common_err(0x2db);
inline constexpr IOReturn kIOReturnPortExists = iokit_common_err(0x2dd);
inline constexpr IOReturn kIOReturnCannotWire = iokit_common_err(0x2de);
inline constexpr IOReturn kIOReturnNoInterrupt = iokit_common_err(0x2df);
inline constexpr IOReturn kIOReturnNoFrames = iokit_common_err(0x2e0);
inline constexpr IOReturn kIOReturnMessageTooLarge = iokit_common_err(0x2e1);
inline constexpr IOReturn kIOReturnNotPermitted = iokit_common_err(0x2e2);
inline constexpr IOReturn kIOReturnNoPower = iokit_common_err(0x2e3);
inline constexpr IOReturn kIOReturnNoMedia = iokit_common_err(0x2e4);
inline constexpr IOReturn kIOReturnUnformattedMedia = iokit_common_err(0x2e5);
inline constexpr IOReturn kIOReturnUnsupportedMode = iokit_common_err(0x2e6);
inline constexpr IOReturn kIOReturnUnderrun = iokit_common_err(0x2e7);
inline constexpr IOReturn kIOReturnOverrun = iokit_common_err(0x2e8);
inline constexpr IOReturn kIOReturnDeviceError = iokit_common_err(0x2e9);
inline constexpr IOReturn kIOReturnNoCompletion = iokit_common_err(0x2ea);
inline constexpr IOReturn kIOReturnAborted = iokit_common_err(0x2eb);
inline constexpr IOReturn kIOReturnNoBandwidth = iokit_common_err(0x2ec);
inline constexpr IOReturn kIOReturnNotResponding = iokit_common_err(0x2ed);
inline constexpr IOReturn kIOReturnIsoTooOld = iokit_common_err(0x2ee);
inline constexpr IOReturn kIOReturnIsoTooNew = iokit_common_err(0x2ef);
inline constexpr IOReturn kIOReturnNotFound = iokit_common_err(0x2f0);

// The USB host family.
inline constexpr IOReturn kUSBHostReturnPipeStalled = iokit_usbhost_err(0);
inline constexpr IOReturn kUSBHostReturnNoPower = iokit_usbhost_err(1);

// Legacy USB codes, still used in isochronous frame lists.
inline constexpr IOReturn kIOUSBCRCErr = iokit_usb_err(0x01);
inline constexpr IOReturn kIOUSBBitstufErr = iokit_usb_err(0x02);
inline constexpr IOReturn kIOUSBDataToggleErr = iokit_usb_err(0x03);
inline constexpr IOReturn kIOUSBPIDCheckErr = iokit_usb_err(0x06);
inline constexpr IOReturn kIOUSBWrongPIDErr = iokit_usb_err(0x07);
inline constexpr IOReturn kIOUSBReserved1Err = iokit_usb_err(0x0a);
inline constexpr IOReturn kIOUSBReserved2Err = iokit_usb_err(0x0b);
inline constexpr IOReturn kIOUSBBufferOverrunErr = iokit_usb_err(0x0c);
inline constexpr IOReturn kIOUSBBufferUnderrunErr = iokit_usb_err(0x0d);
inline constexpr IOReturn kIOUSBNotSent1Err = iokit_usb_err(0x0e);
inline constexpr IOReturn kIOUSBNotSent2Err = iokit_usb_err(0x0f);
inline constexpr IOReturn kIOUSBLinkErr = iokit_usb_err(0x10);
inline constexpr IOReturn kIOUSBDeviceNotHighSpeed = iokit_usb_err(0x49);
inline constexpr IOReturn kIOUSBSyncRequestOnWLThread = iokit_usb_err(0x4a);
inline constexpr IOReturn kIOUSBHighSpeedSplitError = iokit_usb_err(0x4b);
inline constexpr IOReturn kIOUSBLowLatencyFrameListNotPreviouslyAllocated = iokit_usb_err(0x4c);
inline constexpr IOReturn kIOUSBLowLatencyBufferNotPreviouslyAllocated = iokit_usb_err(0x4d);
inline constexpr IOReturn kIOUSBPipeStalled = iokit_usb_err(0x4f);
inline constexpr IOReturn kIOUSBTransactionReturned = iokit_usb_err(0x50);
inline constexpr IOReturn kIOUSBTransactionTimeout = iokit_usb_err(0x51);
