// isochio: see PlaybackDriver.iig. Eight requests in flight on either pipe; each completion fills its slot again, with
// as many samples as the device's feedback asks for, and submits it at the cursor.
#include "PlaybackDriver.h"

#include <DriverKit/IOBufferMemoryDescriptor.h>
#include <DriverKit/IOLib.h>
#include <USBDriverKit/IOUSBHostDevice.h>
#include <USBDriverKit/IOUSBHostInterface.h>

static const uint8_t kConfiguration = 1;
static const uint8_t kAlternate = 9;  // rtl/devices/test.toml
static const uint8_t kOutputAddress = 0x01;
static const uint8_t kFeedbackAddress = 0x81;
static const uint32_t kSlots = 8;
static const uint32_t kFramesPerRequest = 2;
static const uint32_t kLead = 4;         // frames between now and a fresh start
static const uint32_t kSampleBytes = 4;  // 16 bits, stereo
static const uint32_t kSampleRate = 44100;

struct Slot {
  OSAction* action;
  IOBufferMemoryDescriptor* data;
  IOBufferMemoryDescriptor* list;
  uint8_t* bytes;
  IOUSBIsochronousFrame* frames;
};

struct PlaybackDriver_IVars {
  IOUSBHostDevice* device;
  IOUSBHostInterface* interface;
  IOUSBHostPipe* output;
  IOUSBHostPipe* feedback;
  Slot outputSlots[kSlots];
  Slot feedbackSlots[kSlots];
  uint32_t outputEntries;      // in a request
  uint32_t feedbackEntries;    // in a request
  uint32_t intervalsPerFrame;  // of the output
  uint32_t maxPacket;
  uint32_t feedbackBytes;
  uint32_t nominal;  // samples per interval, 16.16
  uint32_t rate;     // what the feedback says
  uint32_t phase;    // the fraction of a sample that is owed
  uint32_t sample;   // counts samples; it is what we play
  uint64_t outputCursor;
  uint64_t feedbackCursor;
  bool running;
  PlaybackStatistics statistics;
};

bool PlaybackDriver::init() {
  if (!super::init()) return false;
  ivars = IONewZero(PlaybackDriver_IVars, 1);
  return ivars != nullptr;
}

static void ReleaseSlot(Slot* slot) {
  OSSafeReleaseNULL(slot->action);
  OSSafeReleaseNULL(slot->data);
  OSSafeReleaseNULL(slot->list);
}

void PlaybackDriver::free() {
  if (ivars != nullptr) {
    for (uint32_t i = 0; i < kSlots; ++i) {
      ReleaseSlot(&ivars->outputSlots[i]);
      ReleaseSlot(&ivars->feedbackSlots[i]);
    }
    OSSafeReleaseNULL(ivars->output);
    OSSafeReleaseNULL(ivars->feedback);
    OSSafeReleaseNULL(ivars->interface);
    OSSafeReleaseNULL(ivars->device);
  }
  IOSafeDeleteNULL(ivars, PlaybackDriver_IVars, 1);
  super::free();
}

void PlaybackDriver::GetStatistics(PlaybackStatistics* statistics) {
  *statistics = ivars->statistics;
  statistics->rate = ivars->rate;
}

kern_return_t PlaybackDriver::OpenStream(IOUSBHostDevice* device) {
  uintptr_t iterator = 0;
  kern_return_t ret = device->Open(this, 0, 0);
  if (ret != kIOReturnSuccess) return ret;
  device->retain();
  ivars->device = device;
  if ((ret = device->SetConfiguration(kConfiguration, false)) != kIOReturnSuccess) return ret;
  if ((ret = device->CreateInterfaceIterator(&iterator)) != kIOReturnSuccess) return ret;
  ret = device->CopyInterface(iterator, &ivars->interface);
  device->DestroyInterfaceIterator(iterator);
  if (ret != kIOReturnSuccess) return ret;
  if (ivars->interface == nullptr) return kIOReturnNotFound;
  if ((ret = ivars->interface->Open(this, 0, nullptr)) != kIOReturnSuccess) return ret;
  if ((ret = ivars->interface->SelectAlternateSetting(kAlternate)) != kIOReturnSuccess) return ret;
  if ((ret = ivars->interface->CopyPipe(kOutputAddress, &ivars->output)) != kIOReturnSuccess) return ret;
  return ivars->interface->CopyPipe(kFeedbackAddress, &ivars->feedback);
}

// The device's own way of setting its clock: a vendor request that writes a register (docs/registers.md).
kern_return_t PlaybackDriver::SetSampleRate() {
  static const uint8_t kWriteRegisters = 0x01;
  static const uint16_t kSampleRateRegister = 0x00a;
  IOBufferMemoryDescriptor* buffer = nullptr;
  IOAddressSegment range = {};
  uint16_t transferred = 0;
  kern_return_t ret = ivars->device->CreateIOBuffer(kIOMemoryDirectionOut, sizeof(kSampleRate), &buffer);
  if (ret != kIOReturnSuccess) return ret;
  buffer->GetAddressRange(&range);
  memcpy(reinterpret_cast<void*>(range.address), &kSampleRate, sizeof(kSampleRate));
  ret = ivars->device->DeviceRequest(
      this, kIOUSBDeviceRequestDirectionOut | kIOUSBDeviceRequestTypeVendor | kIOUSBDeviceRequestRecipientDevice,
      kWriteRegisters, 0, kSampleRateRegister, sizeof(kSampleRate), buffer, &transferred, 1000);
  OSSafeReleaseNULL(buffer);
  return ret;
}

static kern_return_t MakeSlot(Slot* slot, IOUSBHostInterface* interface, uint32_t entries, uint32_t bytesPerEntry,
                              uint64_t direction) {
  IOAddressSegment range = {};
  kern_return_t ret = interface->CreateIOBuffer((IOOptionBits)direction, entries * bytesPerEntry, &slot->data);
  if (ret != kIOReturnSuccess) return ret;
  slot->data->GetAddressRange(&range);
  slot->bytes = reinterpret_cast<uint8_t*>(range.address);
  ret = IOBufferMemoryDescriptor::Create(kIOMemoryDirectionInOut, entries * sizeof(IOUSBIsochronousFrame), 0,
                                         &slot->list);
  if (ret != kIOReturnSuccess) return ret;
  slot->list->GetAddressRange(&range);
  slot->frames = reinterpret_cast<IOUSBIsochronousFrame*>(range.address);
  return kIOReturnSuccess;
}

kern_return_t PlaybackDriver::MakeSlots() {
  uint8_t speed = 0;
  IOUSBStandardEndpointDescriptors descriptors = {};
  ivars->device->GetSpeed(&speed);
  const bool high = speed == kIOUSBHostConnectionSpeedHigh;
  ivars->output->GetDescriptors(&descriptors, kIOUSBGetEndpointDescriptorOriginal);
  ivars->maxPacket = IOUSBGetEndpointMaxPacketSize(speed, &descriptors.descriptor);
  ivars->intervalsPerFrame = high ? 8 : 1;
  ivars->outputEntries = kFramesPerRequest * ivars->intervalsPerFrame;
  ivars->feedbackEntries = kFramesPerRequest;  // bInterval 4 at high speed: one entry is a frame
  ivars->feedbackBytes = high ? 4 : 3;
  ivars->nominal =
      static_cast<uint32_t>((static_cast<uint64_t>(kSampleRate) << 16) / (1000 * ivars->intervalsPerFrame));
  ivars->rate = ivars->nominal;

  for (uint32_t i = 0; i < kSlots; ++i) {
    kern_return_t ret = MakeSlot(&ivars->outputSlots[i], ivars->interface, ivars->outputEntries, ivars->maxPacket,
                                 kIOMemoryDirectionOut);
    if (ret != kIOReturnSuccess) return ret;
    ret = MakeSlot(&ivars->feedbackSlots[i], ivars->interface, ivars->feedbackEntries, ivars->feedbackBytes,
                   kIOMemoryDirectionIn);
    if (ret != kIOReturnSuccess) return ret;
    if ((ret = CreateActionOutputComplete(sizeof(uint32_t), &ivars->outputSlots[i].action)) != kIOReturnSuccess)
      return ret;
    if ((ret = CreateActionFeedbackComplete(sizeof(uint32_t), &ivars->feedbackSlots[i].action)) != kIOReturnSuccess)
      return ret;
    *static_cast<uint32_t*>(ivars->outputSlots[i].action->GetReference()) = i;
    *static_cast<uint32_t*>(ivars->feedbackSlots[i].action->GetReference()) = i;
  }
  return kIOReturnSuccess;
}

kern_return_t IMPL(PlaybackDriver, Start) {
  kern_return_t ret = Start(provider, SUPERDISPATCH);
  if (ret != kIOReturnSuccess) return ret;
  IOUSBHostDevice* device = OSDynamicCast(IOUSBHostDevice, provider);
  uint64_t now = 0;
  if (device == nullptr) {
    ret = kIOReturnNoDevice;
    goto fail;
  }
  if ((ret = OpenStream(device)) != kIOReturnSuccess) goto fail;
  if ((ret = SetSampleRate()) != kIOReturnSuccess) goto fail;
  if ((ret = MakeSlots()) != kIOReturnSuccess) goto fail;
  ivars->running = true;
  ivars->interface->GetFrameNumber(&now, nullptr);
  ivars->outputCursor = ivars->feedbackCursor = now + kLead;
  for (uint32_t i = 0; i < kSlots; ++i) {
    FillOutput(i);
    if ((ret = SubmitOutput(i)) != kIOReturnSuccess) goto fail;
    if ((ret = SubmitFeedback(i)) != kIOReturnSuccess) goto fail;
  }
  return RegisterService();

fail:
  os_log(OS_LOG_DEFAULT, "PlaybackDriver: Start failed: 0x%08x", ret);
  Stop(provider, SUPERDISPATCH);
  return ret;
}

kern_return_t IMPL(PlaybackDriver, Stop) {
  ivars->running = false;
  if (ivars->output != nullptr) ivars->output->Abort(kIOUSBAbortAsynchronous, kIOReturnAborted, nullptr);
  if (ivars->feedback != nullptr) ivars->feedback->Abort(kIOUSBAbortAsynchronous, kIOReturnAborted, nullptr);
  for (uint32_t i = 0; i < kSlots; ++i) {
    if (ivars->outputSlots[i].action != nullptr) ivars->outputSlots[i].action->Cancel(nullptr);
    if (ivars->feedbackSlots[i].action != nullptr) ivars->feedbackSlots[i].action->Cancel(nullptr);
  }
  if (ivars->interface != nullptr) ivars->interface->Close(this, 0);
  if (ivars->device != nullptr) ivars->device->Close(this, 0);
  return Stop(provider, SUPERDISPATCH);
}

void PlaybackDriver::FillOutput(uint32_t index) {
  Slot* slot = &ivars->outputSlots[index];
  uint8_t* at = slot->bytes;
  for (uint32_t i = 0; i < ivars->outputEntries; ++i) {
    ivars->phase += ivars->rate;
    uint32_t samples = ivars->phase >> 16;
    ivars->phase &= 0xffff;
    if (samples * kSampleBytes > ivars->maxPacket) samples = ivars->maxPacket / kSampleBytes;
    slot->frames[i] = {kIOReturnInvalid, samples * kSampleBytes, 0, 0, 0};
    for (uint32_t k = 0; k < samples; ++k) {
      memcpy(at, &ivars->sample, kSampleBytes);
      ++ivars->sample;
      at += kSampleBytes;
    }
  }
}

// Submits at the cursor; a cursor that has been overtaken is set anew, once.
static kern_return_t SubmitAt(IOUSBHostInterface* interface, IOUSBHostPipe* pipe, Slot* slot, uint64_t* cursor,
                              PlaybackStatistics* statistics) {
  kern_return_t ret = pipe->IsochIO(slot->data, slot->list, *cursor, slot->action);
  if (ret == kIOReturnIsoTooOld || ret == kIOReturnIsoTooNew) {
    uint64_t now = 0;
    interface->GetFrameNumber(&now, nullptr);
    *cursor = now + kLead;
    statistics->resyncs++;
    ret = pipe->IsochIO(slot->data, slot->list, *cursor, slot->action);
  }
  if (ret == kIOReturnSuccess) *cursor += kFramesPerRequest;
  return ret;
}

kern_return_t PlaybackDriver::SubmitOutput(uint32_t index) {
  return SubmitAt(ivars->interface, ivars->output, &ivars->outputSlots[index], &ivars->outputCursor,
                  &ivars->statistics);
}

kern_return_t PlaybackDriver::SubmitFeedback(uint32_t index) {
  Slot* slot = &ivars->feedbackSlots[index];
  for (uint32_t i = 0; i < ivars->feedbackEntries; ++i)
    slot->frames[i] = {kIOReturnInvalid, ivars->feedbackBytes, 0, 0, 0};
  return SubmitAt(ivars->interface, ivars->feedback, slot, &ivars->feedbackCursor, &ivars->statistics);
}

void PlaybackDriver::TakeFeedback(uint32_t index) {
  Slot* slot = &ivars->feedbackSlots[index];
  for (uint32_t i = 0; i < ivars->feedbackEntries; ++i) {
    const IOUSBIsochronousFrame* frame = &slot->frames[i];
    if (frame->status != kIOReturnSuccess && frame->status != kIOReturnUnderrun) continue;
    if (frame->completeCount < ivars->feedbackBytes) continue;
    uint32_t value = 0;
    memcpy(&value, slot->bytes + i * ivars->feedbackBytes, ivars->feedbackBytes);
    if (ivars->feedbackBytes == 3) value <<= 2;  // 10.14 to 16.16
    const uint32_t tolerance = ivars->nominal / 20;
    if (value < ivars->nominal - tolerance || value > ivars->nominal + tolerance) continue;
    ivars->rate = value;
    ivars->statistics.feedbacks++;
  }
}

void IMPL(PlaybackDriver, OutputComplete) {
  if (!ivars->running || status == kIOReturnAborted || status == kIOReturnNoDevice) return;
  const uint32_t index = *static_cast<uint32_t*>(action->GetReference());
  const Slot* slot = &ivars->outputSlots[index];
  ivars->statistics.requests++;
  for (uint32_t i = 0; i < ivars->outputEntries; ++i) {
    if (slot->frames[i].status == kIOReturnSuccess) {
      ivars->statistics.entries++;
      ivars->statistics.samples += slot->frames[i].completeCount / kSampleBytes;
    } else {
      ivars->statistics.lostEntries++;
    }
  }
  FillOutput(index);
  const kern_return_t ret = SubmitOutput(index);
  if (ret != kIOReturnSuccess) os_log(OS_LOG_DEFAULT, "PlaybackDriver: output slot %u: 0x%08x", index, ret);
}

void IMPL(PlaybackDriver, FeedbackComplete) {
  if (!ivars->running || status == kIOReturnAborted || status == kIOReturnNoDevice) return;
  const uint32_t index = *static_cast<uint32_t*>(action->GetReference());
  TakeFeedback(index);
  const kern_return_t ret = SubmitFeedback(index);
  if (ret != kIOReturnSuccess) os_log(OS_LOG_DEFAULT, "PlaybackDriver: feedback slot %u: 0x%08x", index, ret);
}
