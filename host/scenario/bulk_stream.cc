#include "scenario/bulk_stream.h"

#include <fmt/format.h>

#include "driverkit/return_words.h"
namespace isochio::scenario {

BulkStream::BulkStream(StreamContext& context, const BulkStreamPlan& plan, const StreamTarget& target, Loop* loop)
    : context_(context), plan_(plan), target_(target), loop_(loop), generator_(target.pattern, target.seed) {}

void BulkStream::fail(const char* what, IOReturn code) {
  if (error_.empty())
    error_ = fmt::format("bulk stream {} (endpoint 0x{:02x}): {}", plan_.name, target_.endpoint.address.value,
                         driverkit::failed_with(what, code));
}

void BulkStream::start(IOUSBHostInterface* interface) {
  IOUSBHostPipe* pipe = nullptr;
  auto code = interface->CopyPipe(target_.endpoint.address.value, &pipe);
  pipe_.reset(pipe, OSNoRetain);
  if (code != kIOReturnSuccess) return fail("CopyPipe", code);
  slots_.resize(plan_.depth);
  for (auto& slot : slots_) {
    IOBufferMemoryDescriptor* data = nullptr;
    OSAction* action = nullptr;
    IOAddressSegment range{};
    const auto direction = target_.endpoint.address.is_in() ? kIOMemoryDirectionIn : kIOMemoryDirectionOut;
    code = interface->CreateIOBuffer(static_cast<IOOptionBits>(direction), plan_.bytes, &data);
    slot.data.reset(data, OSNoRetain);
    if (code == kIOReturnSuccess) code = slot.data->GetAddressRange(&range);
    if (code == kIOReturnSuccess)
      code = context_.runtime.create_io_action([this, &slot](OSAction*, IOReturn status, std::uint32_t actual,
                                                             std::uint64_t) { completed(slot, status, actual); },
                                               0, &action);
    slot.action.reset(action, OSNoRetain);
    if (code != kIOReturnSuccess) return fail("making a request", code);
    slot.bytes = {reinterpret_cast<std::uint8_t*>(range.address), range.length};
  }
  for (auto& slot : slots_) submit(slot);
}

void BulkStream::submit(Slot& slot) {
  const bool out = !target_.endpoint.address.is_in();
  if (!error_.empty() || aborting_ || interrupted_ || (draining_ && (out || !target_.source || loop_->all_back())))
    return;
  if (out) generator_.interval(slot.bytes, target_.endpoint.max_packet, {});
  const auto code = pipe_->AsyncIO(slot.data.get(), plan_.bytes, slot.action.get(), 0);
  if (code != kIOReturnSuccess && context_.may_vanish) return;
  if (code != kIOReturnSuccess) return fail("AsyncIO", code);
  ++in_flight_;
  if (!out || loop_ == nullptr) return;
  loop_->sent(slot.bytes, here());
}

check::PacketPlace BulkStream::here() const {
  const auto& host = context_.runtime.host();
  return {0, -1, target_.endpoint.address, {host.frame_time(), host.frame_time()}, host.now()};
}

void BulkStream::completed(Slot& slot, IOReturn status, std::uint32_t actual) {
  --in_flight_;
  if (target_.source) loop_->received(slot.bytes.first(actual), here());
  if (status == kIOReturnAborted || interrupted_) return;
  if (status != kIOReturnSuccess && status != kIOReturnUnderrun) return fail("AsyncIO's completion", status);
  submit(slot);
}

void BulkStream::go_on(IOUSBHostInterface* interface) {
  if (!interrupted_ || may_go_on_ || interface == nullptr) return;
  may_go_on_ = true;
  resume_streaming(interface);
}

/// When the last completion of before has run.
void BulkStream::resume_streaming(IOUSBHostInterface* interface) {
  auto& host = context_.runtime.host();
  if (in_flight_ != 0) {
    host.call_at(host.now() + bus::microframe, [this, interface] { resume_streaming(interface); });
    return;
  }
  interrupted_ = may_go_on_ = false;
  IOUSBHostPipe* pipe = nullptr;
  const auto code = interface->CopyPipe(target_.endpoint.address.value, &pipe);
  pipe_.reset(pipe, OSNoRetain);
  if (code != kIOReturnSuccess) return;  // the device has gone again
  for (auto& slot : slots_) submit(slot);
}

void BulkStream::end_interrupted() {
  if (interrupted_ && !may_go_on_) aborting_ = true;
}

bool BulkStream::drained() const {
  if (!error_.empty() || in_flight_ == 0) return true;
  if (!target_.endpoint.address.is_in()) return false;
  return draining_ && (!target_.source || loop_->all_back());
}

void BulkStream::abort() {
  aborting_ = true;
  if (pipe_) pipe_->Abort(kIOUSBAbortSynchronous, kIOReturnAborted, nullptr);
}

}  // namespace isochio::scenario
