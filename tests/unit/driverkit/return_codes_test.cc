// isochio: every return code against the table of Apple's values (driverkit-facts 3), written out in full so that a
// slip in the arithmetic of the headers shows.
#include <DriverKit/IOReturn.h>
#include <doctest/doctest.h>

namespace {

struct Code {
  const char* name;
  IOReturn value;
  std::uint32_t expected;
};

#define CODE(name, value) \
  { #name, name, value }
constexpr Code codes[] = {
    CODE(kIOReturnSuccess, 0),
    CODE(kIOReturnNotReady, 0xe00002d8U),
    CODE(kIOReturnInvalid, 0xe0000001U),
    CODE(kIOReturnNotAttached, 0xe00002d9U),
    CODE(kIOReturnError, 0xe00002bcU),
    CODE(kIOReturnNoChannels, 0xe00002daU),
    CODE(kIOReturnNoMemory, 0xe00002bdU),
    CODE(kIOReturnNoSpace, 0xe00002dbU),
    CODE(kIOReturnNoResources, 0xe00002beU),
    CODE(kIOReturnPortExists, 0xe00002ddU),
    CODE(kIOReturnIPCError, 0xe00002bfU),
    CODE(kIOReturnCannotWire, 0xe00002deU),
    CODE(kIOReturnNoDevice, 0xe00002c0U),
    CODE(kIOReturnNoInterrupt, 0xe00002dfU),
    CODE(kIOReturnNotPrivileged, 0xe00002c1U),
    CODE(kIOReturnNoFrames, 0xe00002e0U),
    CODE(kIOReturnBadArgument, 0xe00002c2U),
    CODE(kIOReturnMessageTooLarge, 0xe00002e1U),
    CODE(kIOReturnLockedRead, 0xe00002c3U),
    CODE(kIOReturnNotPermitted, 0xe00002e2U),
    CODE(kIOReturnLockedWrite, 0xe00002c4U),
    CODE(kIOReturnNoPower, 0xe00002e3U),
    CODE(kIOReturnExclusiveAccess, 0xe00002c5U),
    CODE(kIOReturnNoMedia, 0xe00002e4U),
    CODE(kIOReturnBadMessageID, 0xe00002c6U),
    CODE(kIOReturnUnformattedMedia, 0xe00002e5U),
    CODE(kIOReturnUnsupported, 0xe00002c7U),
    CODE(kIOReturnUnsupportedMode, 0xe00002e6U),
    CODE(kIOReturnVMError, 0xe00002c8U),
    CODE(kIOReturnUnderrun, 0xe00002e7U),
    CODE(kIOReturnInternalError, 0xe00002c9U),
    CODE(kIOReturnOverrun, 0xe00002e8U),
    CODE(kIOReturnIOError, 0xe00002caU),
    CODE(kIOReturnDeviceError, 0xe00002e9U),
    CODE(kIOReturnCannotLock, 0xe00002ccU),
    CODE(kIOReturnNoCompletion, 0xe00002eaU),
    CODE(kIOReturnNotOpen, 0xe00002cdU),
    CODE(kIOReturnAborted, 0xe00002ebU),
    CODE(kIOReturnNotReadable, 0xe00002ceU),
    CODE(kIOReturnNoBandwidth, 0xe00002ecU),
    CODE(kIOReturnNotWritable, 0xe00002cfU),
    CODE(kIOReturnNotResponding, 0xe00002edU),
    CODE(kIOReturnNotAligned, 0xe00002d0U),
    CODE(kIOReturnIsoTooOld, 0xe00002eeU),
    CODE(kIOReturnBadMedia, 0xe00002d1U),
    CODE(kIOReturnIsoTooNew, 0xe00002efU),
    CODE(kIOReturnStillOpen, 0xe00002d2U),
    CODE(kIOReturnNotFound, 0xe00002f0U),
    CODE(kIOReturnRLDError, 0xe00002d3U),
    CODE(kIOReturnDMAError, 0xe00002d4U),
    CODE(kIOReturnBusy, 0xe00002d5U),
    CODE(kIOReturnTimeout, 0xe00002d6U),
    CODE(kIOReturnOffline, 0xe00002d7U),
    CODE(kIOUSBCRCErr, 0xe0004001U),
    CODE(kIOUSBNotSent1Err, 0xe000400eU),
    CODE(kIOUSBBitstufErr, 0xe0004002U),
    CODE(kIOUSBNotSent2Err, 0xe000400fU),
    CODE(kIOUSBDataToggleErr, 0xe0004003U),
    CODE(kIOUSBLinkErr, 0xe0004010U),
    CODE(kIOUSBPIDCheckErr, 0xe0004006U),
    CODE(kIOUSBDeviceNotHighSpeed, 0xe0004049U),
    CODE(kIOUSBWrongPIDErr, 0xe0004007U),
    CODE(kIOUSBSyncRequestOnWLThread, 0xe000404aU),
    CODE(kIOUSBReserved1Err, 0xe000400aU),
    CODE(kIOUSBHighSpeedSplitError, 0xe000404bU),
    CODE(kIOUSBReserved2Err, 0xe000400bU),
    CODE(kIOUSBLowLatencyFrameListNotPreviouslyAllocated, 0xe000404cU),
    CODE(kIOUSBBufferOverrunErr, 0xe000400cU),
    CODE(kIOUSBLowLatencyBufferNotPreviouslyAllocated, 0xe000404dU),
    CODE(kIOUSBBufferUnderrunErr, 0xe000400dU),
    CODE(kIOUSBPipeStalled, 0xe000404fU),
    CODE(kIOUSBTransactionReturned, 0xe0004050U),
    CODE(kIOUSBTransactionTimeout, 0xe0004051U),
    CODE(kUSBHostReturnPipeStalled, 0xe0005000U),
    CODE(kUSBHostReturnNoPower, 0xe0005001U),
};
#undef CODE

}  // namespace

TEST_CASE("every return code has Apple's numeric value") {
  for (const auto& code : codes) {
    CAPTURE(code.name);
    CHECK(static_cast<std::uint32_t>(code.value) == code.expected);
  }
}
