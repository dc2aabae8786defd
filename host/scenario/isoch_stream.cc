#include "scenario/isoch_stream.h"

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>

#include "check/service_time.h"

namespace isochio::scenario {
namespace {

/// A loopback IN stream stays on for this long after its source's end; in it, what is inside the device comes back.
constexpr std::uint64_t drain_frames = 16;
/// … at most so long where streams begin apart.
constexpr std::uint64_t unplaced_drain_frames = 500;
/// Feedback values before this one may be from before the first whole measurement.
constexpr std::uint64_t feedback_settling = 32;
constexpr std::uint64_t feedback_tolerance_ppm = 1000;

}  // namespace

IsochStream::IsochStream(StreamContext& context, const IsochStreamPlan& plan, const StreamTarget& target, Loop* loop)
    : context_(context),
      plan_(plan),
      target_(target),
      loop_(loop),
      schedule_(plan.size, target.endpoint, context.speed),
      generator_(target.pattern, target.seed) {
  if (plan_.payload != Payload::file) return;
  file_ = std::fopen(plan_.file.c_str(), "rb");
  if (file_ == nullptr) error_ = fmt::format("{} can't be read", plan_.file.string());
}

IsochStream::~IsochStream() {
  if (file_ != nullptr) std::fclose(file_);
}

void IsochStream::fail(const char* what, IOReturn code) {
  if (error_.empty())
    error_ = fmt::format("stream {} (endpoint 0x{:02x}): {} failed with 0x{:08x}", plan_.name,
                         target_.endpoint.address.value, what, static_cast<std::uint32_t>(code));
}

std::uint64_t IsochStream::aligned(std::uint64_t frame) const {
  const std::uint64_t step = std::max<std::uint64_t>(1, target_.endpoint.interval / units_per_frame());
  return (frame + step - 1) / step * step;
}

std::uint64_t IsochStream::next_frame_with_lead() const {
  std::uint64_t now = 0;
  interface_->GetFrameNumber(&now, nullptr);
  return aligned(now + plan_.lead);
}

bool IsochStream::at_end() const {
  if (stopping_ || !error_.empty()) return true;
  if (plan_.payload == Payload::file) return file_ended_;
  if (target_.source && context_.unplaced)
    return loop_->source_end() != 0 && (loop_->all_back() || cursor_ >= loop_->source_end() + unplaced_drain_frames);
  if (target_.source) return loop_->source_end() != 0 && cursor_ >= loop_->source_end() + drain_frames;
  return frames_planned_ >= context_.frames;
}

bool IsochStream::make_slot(Slot& slot) {
  const bool in = target_.endpoint.address.is_in();
  const std::size_t entries = std::size_t{plan_.frames_per_request} * units_per_frame() / target_.endpoint.interval;
  const auto allocate = [&](std::uint64_t direction, std::size_t bytes, auto& buffer, IOAddressSegment& range) {
    IOBufferMemoryDescriptor* raw = nullptr;
    const auto code = interface_->CreateIOBuffer(static_cast<IOOptionBits>(direction), bytes, &raw);
    buffer.reset(raw, OSNoRetain);
    if (code == kIOReturnSuccess) return buffer->GetAddressRange(&range);
    return code;
  };
  IOAddressSegment data{}, list{};
  auto code = allocate(in ? kIOMemoryDirectionIn : kIOMemoryDirectionOut, entries * target_.endpoint.capacity(),
                       slot.data, data);
  if (code == kIOReturnSuccess)
    code = allocate(kIOMemoryDirectionInOut, entries * sizeof(IOUSBIsochronousFrame), slot.list, list);
  if (code == kIOReturnSuccess && !plan_.synchronous) {
    OSAction* action = nullptr;
    code = context_.runtime.create_isoch_action([this, &slot](OSAction*, IOReturn status) { completed(slot, status); },
                                                0, &action);
    slot.action.reset(action, OSNoRetain);
  }
  if (code != kIOReturnSuccess) {
    fail("making a request", code);
    return false;
  }
  slot.bytes = {reinterpret_cast<std::uint8_t*>(data.address), data.length};
  slot.entries = {reinterpret_cast<IOUSBIsochronousFrame*>(list.address), entries};
  return true;
}

void IsochStream::start(IOUSBHostInterface* interface) {
  interface_.reset(interface, OSRetain);
  IOUSBHostPipe* pipe = nullptr;
  const auto code = interface->CopyPipe(target_.endpoint.address.value, &pipe);
  pipe_.reset(pipe, OSNoRetain);
  if (code != kIOReturnSuccess) fail("CopyPipe", code);
  for (const auto& endpoint : context_.runtime.host().endpoints())
    if (endpoint.address == target_.endpoint.address) phase_ = std::uint64_t{endpoint.phase.value_or(0)} * (8 / units_per_frame());
  slots_.resize(plan_.depth);
  for (auto& slot : slots_)
    if (error_.empty() && !make_slot(slot)) return;
  if (!error_.empty()) return;
  cursor_ = next_frame_with_lead();
  if (plan_.synchronous) {
    IODispatchQueue* queue = nullptr;
    IODispatchQueue::Create(plan_.name.c_str(), 0, 0, &queue);
    queue_.reset(queue, OSNoRetain);
    ++in_flight_;
    queue_->DispatchAsync([this] { run_synchronous(); });
    return;
  }
  for (auto& slot : slots_) refill(slot);
}

/// Fills the whole list from the cursor on. Entries beyond the stream's end are left out: the list gets shorter.
void IsochStream::fill(Slot& slot) {
  std::uint64_t frames = plan_.frames_per_request;
  const bool counted = plan_.payload != Payload::file && !target_.source;
  if (counted) frames = std::min<std::uint64_t>(frames, aligned(context_.frames - frames_planned_));
  const auto count = static_cast<std::size_t>(frames * units_per_frame() / target_.endpoint.interval);
  slot.frames = static_cast<std::uint32_t>(frames);
  slot.list->SetLength(count * sizeof(IOUSBIsochronousFrame));
  const std::uint64_t unit = 8 / units_per_frame();
  const std::uint64_t step = target_.endpoint.interval * unit;
  std::size_t offset = 0;
  for (std::size_t i = 0; i < count; ++i) {
    fill_entry(slot.entries[i], slot.bytes.subspan(offset), {cursor_ * 8 + i * step + phase_});
    offset += slot.entries[i].requestCount;
  }
}

void IsochStream::fill_entry(IOUSBIsochronousFrame& entry, std::span<std::uint8_t> bytes, usb::FrameTime at) {
  entry = {kIOReturnInvalid, 0, 0, 0, 0};
  if (target_.endpoint.address.is_in()) {
    entry.requestCount = plan_.request_bytes != 0 ? plan_.request_bytes : target_.endpoint.capacity();
    return;
  }
  entry.requestCount = schedule_.next();
  bytes = bytes.first(entry.requestCount);
  if (plan_.payload == Payload::file) {
    const auto read = std::fread(bytes.data(), 1, bytes.size(), file_);
    file_ended_ = file_ended_ || read < bytes.size();
    entry.requestCount = static_cast<std::uint32_t>(read);
  } else {
    generator_.interval(bytes, target_.endpoint.max_packet, at);
  }
}

/// Fills and submits at the cursor. A refusal for the sake of time is a violation; the request is then made anew at a
/// safe distance, as drivers re-anchor [driverkit-facts 6].
bool IsochStream::submit(Slot& slot, OSAction* completion) {
  const auto schedule = schedule_;
  const auto generator = generator_;
  const long position = file_ != nullptr ? std::ftell(file_) : 0;
  const auto call = [&] {
    fill(slot);
    return pipe_->IsochIO(slot.data.get(), slot.list.get(), plan_.explicit_start ? cursor_ : 0, completion);
  };
  auto code = call();
  if (code == kIOReturnIsoTooOld || code == kIOReturnIsoTooNew) {
    context_.reporter.report({check::Rule::status, 0, -1, target_.endpoint.address, usb::FrameTime::of(cursor_),
                              context_.runtime.host().now(), fmt::format("a request for frame {} accepted", cursor_),
                              fmt::format("kIOReturnIsoToo{} in frame {}", code == kIOReturnIsoTooOld ? "Old" : "New",
                                          context_.runtime.host().frame_number())});
    schedule_ = schedule;
    generator_ = generator;
    if (file_ != nullptr) file_ended_ = std::fseek(file_, position, SEEK_SET) != 0;
    cursor_ = next_frame_with_lead();
    code = call();
  }
  if (code != kIOReturnSuccess) fail("IsochIO", code);
  return code == kIOReturnSuccess;
}

/// The host has the request: what was only planned counts now.
void IsochStream::submitted(Slot& slot) {
  slot.id = context_.ids.id();
  slot.first_frame = context_.ids.first_frame();
  cursor_ = slot.first_frame + slot.frames;
  frames_planned_ += slot.frames;
  const bool last = at_end();
  if (loop_ != nullptr && !target_.source) {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < slot.frames * units_per_frame() / target_.endpoint.interval; ++i)
      bytes += slot.entries[i].requestCount;
    const auto window = check::service_window(slot.first_frame, 0, target_.endpoint.interval, context_.speed);
    loop_->sent(slot.bytes.first(bytes),
                {slot.id, -1, target_.endpoint.address, window, context_.runtime.host().now()});
    if (last) loop_->source_ended(cursor_);
  }
}

void IsochStream::refill(Slot& slot) {
  if (at_end()) {
    exhausted_ = true;
    return;
  }
  if (!submit(slot, slot.action.get())) return;
  ++in_flight_;
  submitted(slot);
}

void IsochStream::completed(Slot& slot, IOReturn status) {
  --in_flight_;
  ++completions_;
  frames_done_ += slot.frames;
  look_at(slot);
  // The overall status is a hint only; these end a stream [driverkit-facts 2.4, 6 no. 20]. One damaged packet does not
  // make a silent device: the checks report it, and the stream goes on.
  const auto count = slot.frames * units_per_frame() / target_.endpoint.interval;
  const bool silent = status == kIOReturnNotResponding &&
                      std::ranges::all_of(slot.entries.first(count),
                                          [](const auto& entry) { return entry.status == kIOReturnNotResponding; });
  if (status == kIOReturnNoDevice || silent) return fail("IsochIO's completion", status);
  if (status == kIOReturnAborted) return stop();
  refill(slot);
}

void IsochStream::run_synchronous() {
  auto& slot = slots_.front();
  --in_flight_;
  if (at_end()) {
    exhausted_ = true;
    return;
  }
  // While a synchronous call waits, nothing is queued: the next request can't begin where the last one ended.
  cursor_ = std::max(cursor_, next_frame_with_lead());
  ++in_flight_;
  if (!submit(slot, nullptr)) {
    --in_flight_;
    return;
  }
  submitted(slot);
  ++completions_;
  frames_done_ += slot.frames;
  look_at(slot);
  queue_->DispatchAsync([this] { run_synchronous(); });
}

/// What the checkers don't see: the stream of bytes that comes back, and feedback values.
void IsochStream::look_at(const Slot& slot) {
  if (!target_.source && plan_.payload != Payload::feedback) return;
  std::size_t offset = 0;
  const auto count = slot.frames * units_per_frame() / target_.endpoint.interval;
  for (std::size_t i = 0; i < count; ++i) {
    const auto& entry = slot.entries[i];
    const auto bytes = slot.bytes.subspan(offset, entry.completeCount);
    offset += entry.requestCount;
    const check::PacketPlace place{
        slot.id, static_cast<std::int64_t>(i), target_.endpoint.address,
        check::service_window(slot.first_frame, i, target_.endpoint.interval, context_.speed),
        context_.runtime.from_absolute(entry.timeStamp)};
    if (target_.source) loop_->received(bytes, place);
    if (plan_.payload == Payload::feedback) take_feedback(bytes, place);
  }
}

void IsochStream::take_feedback(std::span<const std::uint8_t> bytes, const check::PacketPlace& place) {
  const auto value = FeedbackValue::read(bytes, context_.speed);
  if (++feedback_values_ < feedback_settling) return;
  const auto nominal = FeedbackValue::of_rate(plan_.size.sample_rate, context_.speed).q16;
  const auto off = value ? std::abs(std::int64_t{value->q16} - std::int64_t{nominal}) : std::int64_t{nominal};
  if (static_cast<std::uint64_t>(off) * 1'000'000 > std::uint64_t{nominal} * feedback_tolerance_ppm) {
    const auto samples = [](std::uint32_t q16) { return static_cast<double>(q16) / 65536.0; };
    context_.reporter.report(
        {check::Rule::payload_corrupt, place.request, place.entry, place.endpoint, place.window.begin, place.time,
         fmt::format("feedback of {:.5f} samples", samples(nominal)),
         value ? fmt::format("{:.5f} samples", samples(value->q16)) : fmt::format("{} bytes", bytes.size())});
  }
  if (value && follow_) follow_(*value);
}

}  // namespace isochio::scenario
