// isochio: see CaptureDriver.iig. Eight requests of two frames in flight.
#include "CaptureDriver.h"

#include <DriverKit/IOBufferMemoryDescriptor.h>
#include <DriverKit/IOLib.h>
#include <DriverKit/OSSharedPtr.h>
#include <USBDriverKit/IOUSBHostInterface.h>

namespace {

constexpr uint8_t kAlternate = 6;  // rtl/devices/test.toml
constexpr uint8_t kAddress = 0x81;
constexpr uint32_t kSlots = 8;
constexpr uint32_t kFramesPerRequest = 2;
constexpr uint32_t kLead = 4;

struct Slot {
  OSAction* action;
  IOBufferMemoryDescriptor* data;
  IOBufferMemoryDescriptor* list;
  const uint8_t* bytes;
  IOUSBIsochronousFrame* frames;
};

}  // namespace

struct CaptureDriver_IVars {
  IOUSBHostInterface* interface;
  IOUSBHostPipe* pipe;
  Slot slots[kSlots];
  uint32_t entries;   // in a request
  uint32_t capacity;  // bytes of an entry
  uint64_t cursor;
  bool running;
  CaptureStatistics statistics;
  void (*sink)(void* context, const uint8_t* bytes, uint32_t length);
  void* sinkContext;
};

bool CaptureDriver::init() {
  if (!super::init()) return false;
  ivars = IONewZero(CaptureDriver_IVars, 1);
  return ivars != nullptr;
}

void CaptureDriver::free() {
  if (ivars != nullptr) {
    for (Slot& slot : ivars->slots) {
      OSSafeReleaseNULL(slot.action);
      OSSafeReleaseNULL(slot.data);
      OSSafeReleaseNULL(slot.list);
    }
    OSSafeReleaseNULL(ivars->pipe);
    OSSafeReleaseNULL(ivars->interface);
  }
  IOSafeDeleteNULL(ivars, CaptureDriver_IVars, 1);
  super::free();
}

void CaptureDriver::GetStatistics(CaptureStatistics* statistics) { *statistics = ivars->statistics; }

void CaptureDriver::SetSink(void (*sink)(void* context, const uint8_t* bytes, uint32_t length), void* context) {
  ivars->sink = sink;
  ivars->sinkContext = context;
}

kern_return_t CaptureDriver::MakeSlots() {
  uint8_t speed = 0;
  IOUSBStandardEndpointDescriptors descriptors = {};
  ivars->pipe->GetSpeed(&speed);
  ivars->pipe->GetDescriptors(&descriptors, kIOUSBGetEndpointDescriptorCurrentPolicy);
  ivars->capacity = IOUSBGetEndpointMaxPacketSize(speed, &descriptors.descriptor) *
                    IOUSBGetEndpointMult(speed, &descriptors.descriptor);
  ivars->entries = kFramesPerRequest * (speed == kIOUSBHostConnectionSpeedHigh ? 8 : 1);
  for (uint32_t i = 0; i < kSlots; ++i) {
    Slot& slot = ivars->slots[i];
    kern_return_t ret = ivars->interface->CreateIOBuffer((IOOptionBits)kIOMemoryDirectionIn,
                                                         uint64_t{ivars->entries} * ivars->capacity, &slot.data);
    if (ret != kIOReturnSuccess) return ret;
    ret = IOBufferMemoryDescriptor::Create(kIOMemoryDirectionInOut, ivars->entries * sizeof(IOUSBIsochronousFrame), 0,
                                           &slot.list);
    if (ret != kIOReturnSuccess) return ret;
    IOMemoryMap* map = nullptr;
    if ((ret = slot.data->CreateMapping(0, 0, 0, 0, 0, &map)) != kIOReturnSuccess) return ret;
    slot.bytes = reinterpret_cast<const uint8_t*>(map->GetAddress());
    OSSafeReleaseNULL(map);  // the buffer itself outlives the view
    IOAddressSegment range = {};
    slot.list->GetAddressRange(&range);
    slot.frames = reinterpret_cast<IOUSBIsochronousFrame*>(range.address);
    if ((ret = CreateActionCaptureComplete(sizeof(uint32_t), &slot.action)) != kIOReturnSuccess) return ret;
    *static_cast<uint32_t*>(slot.action->GetReference()) = i;
  }
  return kIOReturnSuccess;
}

kern_return_t IMPL(CaptureDriver, Start) {
  kern_return_t ret = Start(provider, SUPERDISPATCH);
  if (ret != kIOReturnSuccess) return ret;
  OSSharedPtr<IOUSBHostInterface> interface(OSDynamicCast(IOUSBHostInterface, provider), OSRetain);
  if (!interface) return kIOReturnBadArgument;
  ivars->interface = interface.detach();

  if ((ret = ivars->interface->Open(this, 0, nullptr)) == kIOReturnSuccess &&
      (ret = ivars->interface->SelectAlternateSetting(kAlternate)) == kIOReturnSuccess &&
      (ret = ivars->interface->CopyPipe(kAddress, &ivars->pipe)) == kIOReturnSuccess) {
    ret = MakeSlots();
  }
  if (ret == kIOReturnSuccess) {
    ivars->running = true;
    ivars->interface->GetFrameNumber(&ivars->cursor, nullptr);
    ivars->cursor += kLead;
    for (uint32_t i = 0; i < kSlots && ret == kIOReturnSuccess; ++i) ret = Submit(i);
  }
  if (ret != kIOReturnSuccess) os_log(OS_LOG_DEFAULT, "CaptureDriver: Start failed: 0x%08x", ret);
  return ret;
}

kern_return_t IMPL(CaptureDriver, Stop) {
  ivars->running = false;
  if (ivars->pipe != nullptr) ivars->pipe->Abort(kIOUSBAbortSynchronous, kIOReturnAborted, nullptr);
  for (Slot& slot : ivars->slots)
    if (slot.action != nullptr) slot.action->Cancel(nullptr);
  if (ivars->interface != nullptr) ivars->interface->Close(this, 0);
  return Stop(provider, SUPERDISPATCH);
}

kern_return_t CaptureDriver::Submit(uint32_t index) {
  Slot& slot = ivars->slots[index];
  for (uint32_t i = 0; i < ivars->entries; ++i) slot.frames[i] = {kIOReturnInvalid, ivars->capacity, 0, 0, 0};
  kern_return_t ret = ivars->pipe->IsochIO(slot.data, slot.list, ivars->cursor, slot.action);
  if (ret == kIOReturnIsoTooOld || ret == kIOReturnIsoTooNew) {
    ivars->interface->GetFrameNumber(&ivars->cursor, nullptr);
    ivars->cursor += kLead;
    ivars->statistics.resyncs++;
    ret = ivars->pipe->IsochIO(slot.data, slot.list, ivars->cursor, slot.action);
  }
  if (ret == kIOReturnSuccess) ivars->cursor += kFramesPerRequest;
  return ret;
}

void IMPL(CaptureDriver, CaptureComplete) {
  if (!ivars->running || status == kIOReturnAborted || status == kIOReturnNoDevice) return;
  const uint32_t index = *static_cast<uint32_t*>(action->GetReference());
  const Slot& slot = ivars->slots[index];
  ivars->statistics.requests++;
  for (uint32_t i = 0; i < ivars->entries; ++i) {
    const IOUSBIsochronousFrame& frame = slot.frames[i];
    const bool good = frame.status == kIOReturnSuccess || frame.status == kIOReturnUnderrun;
    if (!good) {
      ivars->statistics.failedEntries++;
      continue;
    }
    (frame.completeCount == frame.requestCount ? ivars->statistics.entries : ivars->statistics.shortEntries)++;
    ivars->statistics.bytes += frame.completeCount;
    if (ivars->sink != nullptr) ivars->sink(ivars->sinkContext, slot.bytes + i * ivars->capacity, frame.completeCount);
  }
  const kern_return_t ret = Submit(index);
  if (ret != kIOReturnSuccess) os_log(OS_LOG_DEFAULT, "CaptureDriver: slot %u: 0x%08x", index, ret);
}
