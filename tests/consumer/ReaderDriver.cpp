#include "ReaderDriver.h"

#include <DriverKit/IOBufferMemoryDescriptor.h>
#include <DriverKit/IOLib.h>
#include <USBDriverKit/IOUSBHostInterface.h>

namespace {

constexpr uint32_t kRequests = 2, kFrames = 2, kEntries = 8 * kFrames, kBytes = 3072, kLead = 4;

struct Request {
  OSAction* action;
  IOBufferMemoryDescriptor *data, *list;
  IOUSBIsochronousFrame* frames;
};

}  // namespace

struct ReaderDriver_IVars {
  IOUSBHostInterface* interface;
  IOUSBHostPipe* pipe;
  Request requests[kRequests];
  uint64_t cursor, bytes, badEntries;
  bool running;
};

bool ReaderDriver::init() {
  if (!super::init()) return false;
  ivars = IONewZero(ReaderDriver_IVars, 1);
  return ivars != nullptr;
}

void ReaderDriver::free() {
  for (Request& request : ivars->requests) {
    OSSafeReleaseNULL(request.action);
    OSSafeReleaseNULL(request.data);
    OSSafeReleaseNULL(request.list);
  }
  OSSafeReleaseNULL(ivars->pipe);
  OSSafeReleaseNULL(ivars->interface);
  IOSafeDeleteNULL(ivars, ReaderDriver_IVars, 1);
  super::free();
}

uint64_t ReaderDriver::Bytes() { return ivars->bytes; }
uint64_t ReaderDriver::BadEntries() { return ivars->badEntries; }

kern_return_t ReaderDriver::Prepare(uint32_t index) {
  Request& request = ivars->requests[index];
  kern_return_t ret = ivars->interface->CreateIOBuffer(kIOMemoryDirectionIn, kEntries * kBytes, &request.data);
  if (ret != kIOReturnSuccess) return ret;
  ret = IOBufferMemoryDescriptor::Create(kIOMemoryDirectionInOut, kEntries * sizeof(IOUSBIsochronousFrame), 0,
                                         &request.list);
  if (ret != kIOReturnSuccess) return ret;
  IOAddressSegment range = {};
  ret = request.list->GetAddressRange(&range);
  request.frames = reinterpret_cast<IOUSBIsochronousFrame*>(range.address);
  if (ret == kIOReturnSuccess) ret = CreateActionReadComplete(sizeof(uint32_t), &request.action);
  if (ret == kIOReturnSuccess) *static_cast<uint32_t*>(request.action->GetReference()) = index;
  return ret;
}

kern_return_t ReaderDriver::Submit(uint32_t index) {
  Request& request = ivars->requests[index];
  for (uint32_t i = 0; i < kEntries; ++i) request.frames[i] = {kIOReturnInvalid, kBytes, 0, 0, 0};
  const kern_return_t ret = ivars->pipe->IsochIO(request.data, request.list, ivars->cursor, request.action);
  ivars->cursor += kFrames;
  return ret;
}

kern_return_t IMPL(ReaderDriver, Start) {
  kern_return_t ret = Start(provider, SUPERDISPATCH);
  if (ret != kIOReturnSuccess) return ret;
  ivars->interface = OSDynamicCast(IOUSBHostInterface, provider);
  if (ivars->interface == nullptr) return kIOReturnBadArgument;
  ivars->interface->retain();
  if ((ret = ivars->interface->Open(this, 0, nullptr)) != kIOReturnSuccess) return ret;
  if ((ret = ivars->interface->SelectAlternateSetting(6)) != kIOReturnSuccess) return ret;
  if ((ret = ivars->interface->CopyPipe(0x81, &ivars->pipe)) != kIOReturnSuccess) return ret;
  for (uint32_t i = 0; i < kRequests && ret == kIOReturnSuccess; ++i) ret = Prepare(i);
  ivars->interface->GetFrameNumber(&ivars->cursor, nullptr);
  ivars->cursor += kLead;
  ivars->running = true;
  for (uint32_t i = 0; i < kRequests && ret == kIOReturnSuccess; ++i) ret = Submit(i);
  return ret;
}

kern_return_t IMPL(ReaderDriver, Stop) {
  ivars->running = false;
  if (ivars->pipe != nullptr) ivars->pipe->Abort(kIOUSBAbortSynchronous, kIOReturnAborted, nullptr);
  if (ivars->interface != nullptr) ivars->interface->Close(this, 0);
  return Stop(provider, SUPERDISPATCH);
}

void IMPL(ReaderDriver, ReadComplete) {
  if (!ivars->running || status == kIOReturnAborted) return;
  const uint32_t index = *static_cast<uint32_t*>(action->GetReference());
  for (uint32_t i = 0; i < kEntries; ++i) {
    const IOUSBIsochronousFrame& frame = ivars->requests[index].frames[i];
    ivars->bytes += frame.completeCount;
    if (frame.status != kIOReturnSuccess || frame.completeCount != kBytes) ivars->badEntries++;
  }
  if (Submit(index) != kIOReturnSuccess) ivars->badEntries++;
}
