// isochio: see pipe_jobs.h.
#include "driverkit/pipe_jobs.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "driverkit/status.h"

namespace isochio::driverkit {

using controller::Status;

TransferBytes::TransferBytes(IOMemoryDescriptor* memory, std::uint64_t length, bool device_writes)
    : memory_(memory, OSRetain) {
  if (length == 0) return;
  const auto pieces = memory->GetPieces(0, length);
  if (pieces.size() == 1) {
    bytes_ = pieces.front();
    return;
  }
  bounce_.resize(length);
  bytes_ = bounce_;
  if (!device_writes) memory->ReadBytes(0, bounce_);
}

void TransferBytes::flush(std::uint64_t offset, std::uint64_t length) {
  if (!bounce_.empty()) memory_->WriteBytes(offset, std::span(bounce_).subspan(offset, length));
}

IsochJob::IsochJob(IOUSBHostPipe* pipe, OSAction* action, IOMemoryDescriptor* data, std::uint64_t data_length,
                   IOMemoryDescriptor* list, std::span<const std::uint32_t> request_counts, std::uint64_t first_frame)
    : PipeJob(pipe, action),
      list_(list, OSRetain),
      bytes_(data, data_length, IOUSBHostPipe_Access::ivars(*pipe).config.address.is_in()),
      ended_(request_counts.size(), kIOReturnInvalid) {
  request_.endpoint = IOUSBHostPipe_Access::ivars(*pipe).config.address;
  request_.data = bytes_.bytes();
  request_.first_frame = first_frame;
  request_.client = this;
  request_.entries.resize(request_counts.size());
  offsets_.resize(request_counts.size());
  std::uint64_t offset = 0;
  for (std::size_t i = 0; i < request_counts.size(); ++i) {
    request_.entries[i].request = request_counts[i];
    offsets_[i] = offset;
    offset += request_counts[i];
  }
}

void IsochJob::preset() {
  const IOReturn invalid = kIOReturnInvalid;
  for (std::size_t i = 0; i < request_.entries.size(); ++i)
    list_->WriteBytes(i * sizeof(IOUSBIsochronousFrame),
                      std::span(reinterpret_cast<const std::uint8_t*>(&invalid), sizeof invalid));
}

void IsochJob::write_entry(std::size_t index, IOReturn status) {
  const controller::IsochEntry& entry = request_.entries[index];
  const Core& core = *pipe().core;
  bus::BusTime time = entry.time;
  if (const std::int64_t grain = core.options.timestamp_granularity.bits; grain > 0)
    time.bits = (time.bits + grain - 1) / grain * grain;
  // requestCount and reserved stay the caller's.
  struct Result {
    std::uint32_t complete_count, reserved;
    std::uint64_t time_stamp;
  } __attribute__((packed));
  const std::uint64_t at = index * sizeof(IOUSBIsochronousFrame);
  list_->WriteBytes(at, std::span(reinterpret_cast<const std::uint8_t*>(&status), sizeof status));
  Result result{entry.complete, 0, core.to_absolute(time)};
  const std::uint64_t result_at = at + offsetof(IOUSBIsochronousFrame, completeCount);
  list_->WriteBytes(result_at, std::span(reinterpret_cast<const std::uint8_t*>(&result.complete_count),
                                         sizeof result.complete_count));
  list_->WriteBytes(at + offsetof(IOUSBIsochronousFrame, timeStamp),
                    std::span(reinterpret_cast<const std::uint8_t*>(&result) + offsetof(Result, time_stamp),
                              sizeof result.time_stamp));
  if (request_.endpoint.is_in()) bytes_.flush(offsets_[index], entry.complete);
  ended_[index] = status;
  if (core.options.isoch_observer != nullptr) core.options.isoch_observer->on_entry(request_, index, status);
}

void IsochJob::on_entry(controller::IsochRequest& request, std::size_t index) {
  note_status(*pipe().core, request.entries[index].status);
  write_entry(index, entry_return(request.entries[index].status, pipe().core->options));
}

IOReturn IsochJob::overall(Status host_status) const {
  if (host_status == Status::aborted || host_status == Status::no_device) return abort_error();
  AccumulatedStatus accumulated;
  bool short_in = false;
  for (std::size_t i = 0; i < ended_.size(); ++i) {
    accumulated.add(ended_[i]);
    short_in |= request_.entries[i].complete < request_.entries[i].request;
  }
  const auto missed = [](const controller::IsochEntry& entry) { return entry.status == Status::missed; };
  if (IOUSBHostPipe_Access::ivars(*pipe_).core->options.late_request == LateRequest::iso_too_old &&
      std::ranges::all_of(request_.entries, missed))
    return kIOReturnIsoTooOld;
  const OverallStatus rule = IOUSBHostPipe_Access::ivars(*pipe_).core->options.overall_status;
  const bool overrun = (rule == OverallStatus::always_overrun || (rule == OverallStatus::overrun_on_short && short_in));
  if (overrun && request_.endpoint.is_in() && accumulated.value() == kIOReturnSuccess) return kIOReturnOverrun;
  return accumulated.value();
}

namespace {
/// A synchronous call gets its result: as if a completion ran and ended.
void note_return(const Core& core, const controller::Delivery& delivery) {
  auto* observer = core.options.driver_observer;
  if (observer == nullptr || core.host == nullptr) return;
  observer->on_callback(delivery, core.host->now());
  observer->on_callback_end(delivery, core.host->now());
}
}  // namespace

void IsochJob::on_complete(controller::IsochRequest& request, Status host_status) {
  const auto held = shared_from_this();
  const bool aborted = host_status == Status::aborted || host_status == Status::no_device;
  for (std::size_t i = 0; i < ended_.size(); ++i) {
    if (ended_[i] == kIOReturnInvalid) write_entry(i, entry_return(request.entries[i].status, pipe().core->options));
  }
  result_ = overall(host_status);
  if (auto* observer = pipe().core->options.isoch_observer; observer != nullptr)
    observer->on_complete(request, result_);
  done_ = true;
  note_status(*pipe().core, host_status);
  pipe().retire(*this);
  const auto delivery =
      std::make_shared<controller::Delivery>(controller::Delivery{request.id, request.endpoint, host_status, result_});
  if (!action_) return note_return(*pipe().core, *delivery);
  using Type = IOUSBHostPipe::CompleteAsyncIsochIO_Type;
  const bool cancelled = action_->IsCancelled();
  if (action_->DeliverErased(Type::id, std::make_shared<Type::Arguments>(result_), scope(aborted), delivery)) return;
  using Dropped = controller::DriverObserver::Dropped;
  report_dropped(*pipe().core, *delivery, cancelled ? Dropped::cancelled : Dropped::not_served);
}

BulkJob::BulkJob(IOUSBHostPipe* pipe, OSAction* action, IOMemoryDescriptor* data, std::uint32_t length,
                 std::uint32_t timeout_ms)
    : PipeJob(pipe, action), bytes_(data, length, IOUSBHostPipe_Access::ivars(*pipe).config.address.is_in()) {
  request_.endpoint = IOUSBHostPipe_Access::ivars(*pipe).config.address;
  request_.data = bytes_.bytes();
  request_.timeout = bus::millisecond * timeout_ms;
  request_.on_complete = [this](controller::BulkRequest&) { complete(); };
}

void BulkJob::complete() {
  const auto held = shared_from_this();
  const bool aborted = request_.status == Status::aborted || request_.status == Status::no_device;
  if (request_.endpoint.is_in()) bytes_.flush(0, request_.complete);
  result_ = aborted ? abort_error() : to_return(request_.status);
  done_ = true;
  Core& core = *pipe().core;
  note_status(core, request_.status);
  pipe().retire(*this);
  if (action_)
    action_->Deliver<IOUSBHostPipe::CompleteAsyncIO_Type>(
        scope(aborted), result_, static_cast<std::uint32_t>(request_.complete),
        core.host != nullptr ? core.to_absolute(core.host->now()) : 0);
}

}  // namespace isochio::driverkit
