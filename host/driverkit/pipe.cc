// isochio: IOUSBHostPipe.
#include <USBDriverKit/IOUSBHostPipe.h>

#include <algorithm>
#include <cstring>

#include "driverkit/pipe_jobs.h"
#include "driverkit/status.h"

using isochio::controller::Status;
using namespace isochio::driverkit;
namespace usb = isochio::usb;

IOReturn IOUSBHostPipe_IVars::state() const {
  if (!core->usable() || no_device) return kIOReturnNoDevice;
  if (stale) return kIOReturnNotReady;
  if (interface->opener == nullptr) return kIOReturnNotOpen;
  return kIOReturnSuccess;
}

IOReturn IOUSBHostPipe_IVars::may_submit() const {
  if (const IOReturn refused = state(); refused != kIOReturnSuccess) return refused;
  // A completion of an aborted request may submit even then.
  if (aborting != nullptr && core->running_scope != this) return kIOReturnNotPermitted;
  if (jobs.size() >= kUSBHostTransferLimit) return kIOReturnNoResources;
  return kIOReturnSuccess;
}

void IOUSBHostPipe_IVars::abort(IOReturn error) {
  if (auto* observer = core->options.isoch_observer; observer != nullptr) observer->on_abort(config.address);
  for (const auto& job : jobs) job->set_abort_error(error);
  available = 0;
  continuous = false;
  if (core->host != nullptr && !jobs.empty()) core->host->abort(config.address);
}

void IOUSBHostPipe_IVars::retire(PipeJob& job) {
  const auto found = std::find_if(jobs.begin(), jobs.end(), [&](const auto& held) { return held.get() == &job; });
  if (found == jobs.end()) return;
  // The Host may still look at the request when its callback returns.
  if (core->host != nullptr) core->call_at(core->host->now(), [held = *found] {});
  jobs.erase(found);
  --core->jobs_in_flight;
  if (jobs.empty()) {
    available = 0;
    continuous = false;
  }
}

IOUSBHostPipe::IOUSBHostPipe() : ivars(new IOUSBHostPipe_IVars) {}
kern_return_t IOUSBHostPipe::_Dispatch(OSMetaClassBase*, IORPC) { return kIOReturnUnsupported; }

void IOUSBHostPipe::free() {
  delete ivars;
  OSObject::free();
}

IOUSBHostPipe* IOUSBHostPipe_Access::create(IOUSBHostInterface_IVars& interface, const usb::EndpointConfig& config,
                                            const IOUSBEndpointDescriptor& descriptor, std::uint16_t bcd_usb) {
  auto* pipe = new IOUSBHostPipe();
  IOUSBHostPipe_IVars& ivars = *pipe->ivars;
  ivars.core = interface.core;
  ivars.interface = &interface;
  ivars.config = config;
  ivars.original.bcdUSB = bcd_usb;
  ivars.original.descriptor = descriptor;
  ivars.current = ivars.original;
  return pipe;
}

kern_return_t IOUSBHostPipe::GetSpeed(std::uint8_t* speed, OSDispatchMethod) const {
  if (speed == nullptr) return kIOReturnBadArgument;
  if (!ivars->core->usable() || ivars->no_device) return kIOReturnNoDevice;
  *speed = connection_speed(*ivars->core);
  return kIOReturnSuccess;
}

kern_return_t IOUSBHostPipe::GetDeviceAddress(std::uint8_t* address, OSDispatchMethod) const {
  if (address == nullptr) return kIOReturnBadArgument;
  if (!ivars->core->usable() || ivars->no_device) return kIOReturnNoDevice;
  *address = ivars->core->host->address();
  return kIOReturnSuccess;
}

kern_return_t IOUSBHostPipe::GetDescriptors(IOUSBStandardEndpointDescriptors* descriptors,
                                            IOUSBGetEndpointDescriptorOptions type, OSDispatchMethod) {
  if (descriptors == nullptr) return kIOReturnBadArgument;
  if (ivars->stale) return kIOReturnNotReady;
  switch (type) {
    case kIOUSBGetEndpointDescriptorOriginal:
      *descriptors = ivars->original;
      return kIOReturnSuccess;
    case kIOUSBGetEndpointDescriptorCurrentPolicy:
      *descriptors = ivars->current;
      return kIOReturnSuccess;
  }
  return kIOReturnBadArgument;
}

kern_return_t IOUSBHostPipe::AdjustPipe(const IOUSBStandardEndpointDescriptors* descriptors, OSDispatchMethod) {
  if (descriptors == nullptr) return kIOReturnBadArgument;
  if (const IOReturn refused = ivars->state(); refused != kIOReturnSuccess) return refused;
  const usb::TransferType type = ivars->config.type;
  if (type != usb::TransferType::isochronous && type != usb::TransferType::interrupt) return kIOReturnUnsupported;
  const IOUSBEndpointDescriptor& was = ivars->original.descriptor;
  const IOUSBEndpointDescriptor& wanted = descriptors->descriptor;
  if (wanted.bEndpointAddress != was.bEndpointAddress || wanted.bmAttributes != was.bmAttributes)
    return kIOReturnBadArgument;
  if (wanted.bInterval != was.bInterval) return kIOReturnUnsupported;
  const std::uint8_t speed = connection_speed(*ivars->core);
  const std::uint16_t packet = IOUSBGetEndpointMaxPacketSize(speed, &wanted);
  const std::uint8_t mult = IOUSBGetEndpointMult(speed, &wanted);
  if (packet > IOUSBGetEndpointMaxPacketSize(speed, &was) || mult > IOUSBGetEndpointMult(speed, &was))
    return kIOReturnBadArgument;
  ivars->config.max_packet = packet;
  ivars->config.transactions = mult;
  ivars->current = *descriptors;
  return kIOReturnSuccess;
}

kern_return_t IOUSBHostPipe::SetIdlePolicy(std::uint32_t idleTimeoutMs, OSDispatchMethod) {
  if (const IOReturn refused = ivars->state(); refused != kIOReturnSuccess) return refused;
  if (ivars->config.type == usb::TransferType::isochronous) return kIOReturnUnsupported;
  ivars->idle_policy = idleTimeoutMs;
  return kIOReturnSuccess;
}

kern_return_t IOUSBHostPipe::GetIdlePolicy(std::uint32_t* idleTimeoutMs, OSDispatchMethod) {
  if (idleTimeoutMs == nullptr) return kIOReturnBadArgument;
  if (const IOReturn refused = ivars->state(); refused != kIOReturnSuccess) return refused;
  if (ivars->config.type == usb::TransferType::isochronous) return kIOReturnUnsupported;
  *idleTimeoutMs = ivars->idle_policy;
  return kIOReturnSuccess;
}

kern_return_t IOUSBHostPipe::ClearStall(bool withRequest, OSDispatchMethod) {
  if (const IOReturn refused = ivars->state(); refused != kIOReturnSuccess) return refused;
  if (ivars->config.type == usb::TransferType::isochronous) {  // they can't halt
    if (auto* observer = ivars->core->options.driver_observer; observer != nullptr)
      observer->on_clear_stall(ivars->config.address, ivars->core->host->now());
    return kIOReturnUnsupported;
  }
  const OSSharedPtr<IOUSBHostPipe> held(this, OSRetain);
  ivars->abort(kIOReturnAborted);
  const auto cleared = ivars->core->host->clear_halt(ivars->config.address, withRequest);
  return cleared ? kIOReturnSuccess : to_return(cleared.error());
}

kern_return_t IOUSBHostPipe::Abort(IOOptionBits options, kern_return_t withError, IOService*, OSDispatchMethod) {
  if (const IOReturn refused = ivars->state(); refused != kIOReturnSuccess) return refused;
  if (options != kIOUSBAbortAsynchronous && options != kIOUSBAbortSynchronous) return kIOReturnBadArgument;
  const OSSharedPtr<IOUSBHostPipe> held(this, OSRetain);
  if (auto* observer = ivars->core->options.driver_observer; observer != nullptr)
    observer->on_abort(ivars->config.address, options == kIOUSBAbortSynchronous, ivars->core->host->now());
  const auto aborted = ivars->jobs;
  ivars->abort(withError);
  if (options == kIOUSBAbortAsynchronous) return kIOReturnSuccess;
  // Completed means here: by the controller. Their delivery may have to wait for this very queue.
  const void* outer = std::exchange(ivars->aborting, this);
  try {
    ivars->core->wait([&] {
      return ivars->core->host == nullptr ||
             std::all_of(aborted.begin(), aborted.end(), [](const auto& job) { return job->done(); });
    });
  } catch (...) {
    ivars->aborting = outer;
    throw;
  }
  ivars->aborting = outer;
  return kIOReturnSuccess;
}

namespace {

/// Puts a job on its way: into the pipe's list first, since the Host may end it while it is being submitted.
template <class Job>
IOReturn submit(IOUSBHostPipe_IVars& pipe, const std::shared_ptr<Job>& job) {
  pipe.jobs.push_back(job);
  ++pipe.core->jobs_in_flight;
  const auto accepted = pipe.core->host->submit(job->request());
  if (accepted) return kIOReturnSuccess;
  std::erase(pipe.jobs, job);
  --pipe.core->jobs_in_flight;
  note_status(*pipe.core, accepted.error());
  return to_return(accepted.error());
}

Status refusal_status(IOReturn reason) {
  switch (reason) {
    case kIOReturnIsoTooOld:
      return Status::too_old;
    case kIOReturnIsoTooNew:
      return Status::too_new;
    case kIOReturnNoDevice:
      return Status::no_device;
    case kIOReturnNotReady:
      return Status::not_ready;
    case kIOReturnNotOpen:
      return Status::not_open;
    case kIOReturnNotPermitted:
      return Status::not_permitted;
    case kIOReturnNoResources:
      return Status::no_resources;
    default:
      return Status::bad_argument;
  }
}

/// Tells the observer of a refusal that the Host does not see. The data are the first piece of the driver's buffer, by
/// which an observer knows it again.
IOReturn refuse(const IOUSBHostPipe_IVars& pipe, const IOMemoryDescriptor* data, std::uint64_t first_frame,
                std::span<const std::uint32_t> counts, IOReturn reason) {
  if (pipe.core->options.observer == nullptr || pipe.core->host == nullptr) return reason;
  isochio::controller::IsochRequest request;
  request.endpoint = pipe.config.address;
  request.first_frame = first_frame;
  request.explicit_start = first_frame != 0;
  for (const std::uint32_t count : counts) request.entries.push_back({.request = count});
  if (data != nullptr && data->GetByteCount() > 0) request.data = data->GetPieces(0, data->GetByteCount()).front();
  pipe.core->options.observer->on_refused(request, refusal_status(reason), pipe.core->host->now());
  return reason;
}

std::vector<std::uint32_t> read_request_counts(const IOMemoryDescriptor& list) {
  std::vector<std::uint32_t> counts(list.GetByteCount() / sizeof(IOUSBIsochronousFrame));
  for (std::size_t i = 0; i < counts.size(); ++i)
    list.ReadBytes(i * sizeof(IOUSBIsochronousFrame) + offsetof(IOUSBIsochronousFrame, requestCount),
                   std::span(reinterpret_cast<std::uint8_t*>(&counts[i]), sizeof counts[i]));
  return counts;
}

}  // namespace

namespace {

/// IsochIO up to the point where the request is on its way: `job` is set then.
IOReturn start_isoch(IOUSBHostPipe* self, IOUSBHostPipe_IVars& pipe, IOMemoryDescriptor* data, IOMemoryDescriptor* list,
                     std::uint64_t first_frame, OSAction* completion, std::shared_ptr<IsochJob>& job) {
  if (const IOReturn refused = pipe.may_submit(); refused != kIOReturnSuccess)
    return refuse(pipe, data, first_frame, {}, refused);
  if (data == nullptr || list == nullptr || pipe.config.type != usb::TransferType::isochronous)
    return kIOReturnBadArgument;
  if (completion != nullptr && completion->GetTypeID() != IOUSBHostPipe::CompleteAsyncIsochIO_Type::id)
    return kIOReturnBadArgument;

  const Core& core = *pipe.core;
  const usb::Speed speed = core.host->speed();
  const auto counts = read_request_counts(*list);
  IOReturn refused = check_list(speed, pipe.config, list->GetByteCount(), counts, data->GetByteCount(), core.options);
  if (refused == kIOReturnSuccess && first_frame == 0 && core.options.zero_start == ZeroStart::too_old)
    refused = kIOReturnIsoTooOld;
  if (refused == kIOReturnSuccess && first_frame != 0)
    refused = check_start(speed, pipe.config, first_frame, {core.host->frame_number(), pipe.available, pipe.continuous},
                          core.options);
  if (refused != kIOReturnSuccess) return refuse(pipe, data, first_frame, counts, refused);

  std::uint64_t length = 0;
  for (const std::uint32_t count : counts) length += count;
  job = std::make_shared<IsochJob>(self, completion, data, length, list, counts, first_frame);
  if (const IOReturn error = submit(pipe, job); error != kIOReturnSuccess) return error;
  job->preset();
  pipe.available = job->request().first_frame + span_in_frames(speed, pipe.config.interval, counts.size());
  pipe.continuous = first_frame == 0;
  return kIOReturnSuccess;
}

/// The call's arguments, for who wants to know.
void show_call(const IOUSBHostPipe_IVars& pipe, const IOMemoryDescriptor* data, const IOMemoryDescriptor* list,
               std::uint64_t first_frame) {
  auto* observer = pipe.core->options.isoch_observer;
  if (observer == nullptr) return;
  const auto counts = list != nullptr ? read_request_counts(*list) : std::vector<std::uint32_t>{};
  observer->on_call({pipe.config.address, first_frame, counts, data != nullptr ? data->GetByteCount() : 0});
}

}  // namespace

kern_return_t IOUSBHostPipe::IsochIO(IOMemoryDescriptor* dataBuffer, IOMemoryDescriptor* frameList,
                                     std::uint64_t firstFrameNumber, OSAction* completion, OSDispatchMethod) {
  const OSSharedPtr<IOUSBHostPipe> held(this, OSRetain);
  const Core& core = *ivars->core;
  const std::uint64_t running = core.host != nullptr ? core.host->frame_number() : 0;
  show_call(*ivars, dataBuffer, frameList, firstFrameNumber);
  std::shared_ptr<IsochJob> job;
  const IOReturn started = start_isoch(this, *ivars, dataBuffer, frameList, firstFrameNumber, completion, job);
  if (auto* observer = core.options.isoch_observer; observer != nullptr) {
    if (started == kIOReturnSuccess) {
      observer->on_accepted(job->request(), running);
    } else {
      observer->on_refused(ivars->config.address, firstFrameNumber, started, running);
    }
  }
  if (started != kIOReturnSuccess || completion != nullptr) return started;

  if (core.options.sync_out_on_queue == SyncOutOnQueue::hangs && core.running_queue != nullptr &&
      !ivars->config.address.is_in())
    core.hang("synchronous OUT IsochIO on a queue of the driver (option sync_out_on_queue)");
  ivars->core->wait([&] { return job->done(); });
  return job->result();
}

namespace {

/// What IO and AsyncIO have in common before a job is made.
IOReturn check_io(const IOUSBHostPipe_IVars& pipe, const IOMemoryDescriptor* data, std::uint32_t length,
                  std::uint32_t timeout_ms) {
  if (const IOReturn refused = pipe.may_submit(); refused != kIOReturnSuccess) return refused;
  const bool interrupt = pipe.config.type == usb::TransferType::interrupt;
  if (!interrupt && pipe.config.type != usb::TransferType::bulk) return kIOReturnBadArgument;
  if (interrupt && timeout_ms != 0) return kIOReturnBadArgument;
  if (length > 0 && (data == nullptr || length > data->GetByteCount())) return kIOReturnBadArgument;
  return kIOReturnSuccess;
}

}  // namespace

kern_return_t IOUSBHostPipe::AsyncIO(IOMemoryDescriptor* dataBuffer, std::uint32_t dataBufferLength,
                                     OSAction* completion, std::uint32_t completionTimeoutMs, OSDispatchMethod) {
  if (completion == nullptr || completion->GetTypeID() != CompleteAsyncIO_Type::id) return kIOReturnBadArgument;
  const IOReturn refused = check_io(*ivars, dataBuffer, dataBufferLength, completionTimeoutMs);
  if (refused != kIOReturnSuccess) return refused;
  return submit(*ivars, std::make_shared<BulkJob>(this, completion, dataBuffer, dataBufferLength, completionTimeoutMs));
}

kern_return_t IOUSBHostPipe::IO(IOMemoryDescriptor* dataBuffer, std::uint32_t dataBufferLength,
                                std::uint32_t* bytesTransferred, std::uint32_t completionTimeoutMs, OSDispatchMethod) {
  const IOReturn refused = check_io(*ivars, dataBuffer, dataBufferLength, completionTimeoutMs);
  if (refused != kIOReturnSuccess) return refused;
  const OSSharedPtr<IOUSBHostPipe> held(this, OSRetain);
  const auto job = std::make_shared<BulkJob>(this, nullptr, dataBuffer, dataBufferLength, completionTimeoutMs);
  if (const IOReturn error = submit(*ivars, job); error != kIOReturnSuccess) return error;
  ivars->core->wait([&] { return job->done(); });
  if (bytesTransferred != nullptr) *bytesTransferred = static_cast<std::uint32_t>(job->request().complete);
  return job->result();
}
