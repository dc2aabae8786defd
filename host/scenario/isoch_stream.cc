#include "scenario/isoch_stream.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

#include <DriverKit/IOLib.h>

#include "check/service_time.h"
#include "driverkit/return_words.h"

namespace isochio::scenario {
namespace {

/// A loopback IN stream stays on for this long after its source's end; in it, what is inside the device comes back.
constexpr std::uint64_t drain_frames = 16;
/// … at most so long where streams begin apart.
constexpr std::uint64_t unplaced_drain_frames = 500;
/// Feedback values before this one may be from before the first whole measurement.
constexpr std::uint64_t feedback_settling = 32;
constexpr std::uint32_t feedback_tolerance_ppm = 1000;
/// What a stream may take beyond its frames before a stuck driver is left alone.
constexpr std::uint64_t grace_frames = 96;
/// A driver that waits in Stop gives up after this; public drivers take seconds, which shows nothing more.
constexpr bus::Duration stop_patience = 200 * bus::millisecond;

}  // namespace

IsochStream::IsochStream(StreamContext& context, const IsochStreamPlan& plan, const StreamTarget& target, Loop* loop)
    : context_(context),
      plan_(plan),
      target_(target),
      loop_(loop),
      pattern_(driver::make_pattern(plan.driver)),
      is_wrong_(plan.driver != "repaired"),
      schedule_(plan.size, target.endpoint, context.speed),
      generator_(target.pattern, target.seed) {
  if (plan_.size.kind == SizePlan::Kind::feedback && plan_.tolerance_ppm)
    rate_.emplace(plan_.size.sample_rate, target_.clock_ppm, *plan_.tolerance_ppm);
  if (plan_.payload != Payload::file) return;
  file_ = std::fopen(plan_.file.c_str(), "rb");
  if (file_ == nullptr) error_ = fmt::format("{} can't be read", plan_.file.string());
}

IsochStream::~IsochStream() {
  if (file_ != nullptr) std::fclose(file_);
}

void IsochStream::fail(const char* what, IOReturn code) {
  if (error_.empty())
    error_ = fmt::format("stream {} (endpoint 0x{:02x}): {}", plan_.name, target_.endpoint.address.value,
                         driverkit::failed_with(what, code));
}

std::uint64_t IsochStream::aligned(std::uint64_t frame) const {
  const std::uint64_t step = std::max<std::uint64_t>(1, target_.endpoint.interval / units_per_frame());
  return (frame + step - 1) / step * step;
}

std::uint64_t IsochStream::next_frame_with_lead() const {
  std::uint64_t now = 0;
  interface_->GetFrameNumber(&now, nullptr);
  return aligned(pattern_->first_frame(now, plan_.lead));
}

bool IsochStream::at_end() const {
  if (stopping_ || !error_.empty()) return true;
  if (is_wrong_ && context_.runtime.host().now() >= deadline_) return true;
  if (plan_.payload == Payload::file) return file_ended_;
  if (target_.source && context_.unplaced)
    return loop_->source_end() != 0 && (loop_->all_back() || cursor_ >= loop_->source_end() + unplaced_drain_frames);
  if (target_.source) return loop_->source_end() != 0 && cursor_ >= loop_->source_end() + drain_frames;
  return frames_planned_ >= context_.frames;
}

bool IsochStream::make_slot(Slot& slot) {
  const bool in = target_.endpoint.address.is_in();
  const std::size_t entries =
      pattern_->entries(std::size_t{plan_.frames_per_request} * units_per_frame() / target_.endpoint.interval);
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
  if (code == kIOReturnSuccess && !plan_.synchronous) code = make_action(slot);
  if (code != kIOReturnSuccess) {
    fail("making a request", code);
    return false;
  }
  slot.bytes = {reinterpret_cast<std::uint8_t*>(data.address), data.length};
  slot.entries = {reinterpret_cast<IOUSBIsochronousFrame*>(list.address), entries};
  return true;
}

kern_return_t IsochStream::make_action(Slot& slot) {
  OSAction* action = nullptr;
  const auto on_complete = [this, &slot](OSAction*, IOReturn status) { completed(slot, status); };
  kern_return_t code = kIOReturnSuccess;
  if (pattern_->served_target()) {
    code = context_.runtime.create_isoch_action(on_complete, 0, &action);
  } else {
    // Any object that no service of the runtime is.
    code = OSAction::CreateWithInvoke(
        slot.list.get(), IOUSBHostPipe::CompleteAsyncIsochIO_Type::id, 0, [](OSObject*, OSAction*, const void*) {},
        &action);
  }
  slot.action.reset(action, OSNoRetain);
  return code;
}

bool IsochStream::open_pipe() {
  IOUSBHostPipe* pipe = nullptr;
  const auto code = interface_->CopyPipe(target_.endpoint.address.value, &pipe);
  pipe_.reset(pipe, OSNoRetain);
  const bool gone = code == kIOReturnNoDevice || code == kIOReturnNotOpen;
  if (gone && context_.may_vanish) {
    interrupt();  // once more, before it could go on
    return false;
  }
  if (code != kIOReturnSuccess) fail("CopyPipe", code);
  for (const auto& endpoint : context_.runtime.host().endpoints())
    if (endpoint.address == target_.endpoint.address)
      phase_ = std::uint64_t{endpoint.phase.value_or(0)} * (8 / units_per_frame());
  return code == kIOReturnSuccess;
}

void IsochStream::start(IOUSBHostInterface* interface) {
  interface_.reset(interface, OSRetain);
  open_pipe();
  IODispatchQueue* default_queue = nullptr;
  context_.runtime.client()->CopyDispatchQueue("Default", &default_queue);
  default_queue_.reset(default_queue, OSNoRetain);
  slots_.resize(pattern_->depth(plan_.depth));
  for (auto& slot : slots_)
    if (error_.empty() && !make_slot(slot)) return;
  if (!error_.empty()) return;
  cursor_ = next_frame_with_lead();
  first_frame_ = cursor_;
  set_deadline(cursor_ - context_.runtime.host().frame_number() + context_.frames);
  if (plan_.synchronous) {
    IODispatchQueue* queue = nullptr;
    IODispatchQueue::Create(plan_.name.c_str(), 0, 0, &queue);
    queue_.reset(queue, OSNoRetain);
    ++in_flight_;
    queue_->DispatchAsync([this] { run_synchronous(); });
    return;
  }
  submit_all();
}

void IsochStream::submit_all() {
  for (auto& slot : slots_) refill(slot);
}

/// By time, since the frame counter may jump.
void IsochStream::set_deadline(std::uint64_t frames) {
  deadline_ = context_.runtime.host().now() + static_cast<std::int64_t>(frames + grace_frames) * bus::frame;
}

bool IsochStream::finished() const {
  if (interrupted_ && !may_go_on_) return !error_.empty();
  if (in_flight_ == 0 && !interrupted_ && !stop_busy_ && (stopping_ || !error_.empty() || exhausted_)) return true;
  return is_wrong_ && !stop_busy_ && context_.runtime.host().now() >= deadline_;
}

/// Fills the whole list from the cursor on. Entries beyond the stream's end are left out: the list gets shorter.
void IsochStream::fill(Slot& slot) {
  std::uint64_t frames = plan_.frames_per_request;
  const bool counted = plan_.payload != Payload::file && !target_.source;
  if (counted) frames = std::min<std::uint64_t>(frames, aligned(context_.frames - frames_planned_));
  const auto count =
      std::min(slot.entries.size(),
               pattern_->entries(static_cast<std::size_t>(frames * units_per_frame() / target_.endpoint.interval)));
  slot.frames = static_cast<std::uint32_t>(frames);
  slot.count = count;
  slot.list->SetLength(count * sizeof(IOUSBIsochronousFrame));
  const std::uint64_t unit = 8 / units_per_frame();
  const std::uint64_t step = target_.endpoint.interval * unit;
  std::size_t offset = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t written = pattern_->offset(offset, i, target_.endpoint.max_packet);
    fill_entry(slot.entries[i], slot.bytes.subspan(written), {cursor_ * 8 + i * step + phase_});
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

kern_return_t IsochStream::call(Slot& slot, OSAction* completion) {
  fill(slot);
  const std::uint64_t first = plan_.explicit_start ? pattern_->argument(cursor_, submissions_) : 0;
  return pipe_->IsochIO(slot.data.get(), slot.list.get(), first, completion);
}

void IsochStream::report_refusal(IOReturn code) {
  if (context_.refusals_expected) return;
  context_.reporter.report({check::Rule::status, 0, -1, target_.endpoint.address, usb::FrameTime::of(cursor_),
                            context_.runtime.host().now(), fmt::format("a request for frame {} accepted", cursor_),
                            fmt::format("kIOReturnIsoToo{} in frame {}", code == kIOReturnIsoTooOld ? "Old" : "New",
                                        context_.runtime.host().frame_number())});
}

/// Fills and submits at the cursor. A refusal for the sake of time is a violation; what comes of it is the driver's
/// pattern, and what was planned for the request is planned anew.
bool IsochStream::submit(Slot& slot, OSAction* completion) {
  using driver::AfterRefusal;
  const auto schedule = schedule_;
  const auto generator = generator_;
  const long position = file_ != nullptr ? std::ftell(file_) : 0;
  const auto take_back = [&] {
    schedule_ = schedule;
    generator_ = generator;
    if (file_ != nullptr) file_ended_ = std::fseek(file_, position, SEEK_SET) != 0;
  };
  auto code = call(slot, completion);
  if (code == kIOReturnSuccess) return true;
  if (code == kIOReturnIsoTooOld || code == kIOReturnIsoTooNew) report_refusal(code);
  take_back();
  auto what = pattern_->after_refusal(code, context_.may_vanish);
  if (what == AfterRefusal::start_anew) {
    cursor_ = next_frame_with_lead();
    code = call(slot, completion);
    if (code == kIOReturnSuccess) return true;
    take_back();
    what = AfterRefusal::fail;
  }
  if (what == AfterRefusal::same_again) later(bus::frame, [this, &slot] { refill(slot); });
  if (what == AfterRefusal::fail && context_.promised) what = AfterRefusal::end;
  if (what == AfterRefusal::end) stop();
  if (what == AfterRefusal::fail) fail("IsochIO", code);
  return false;
}

/// On the driver's queue, but not in its way until then.
void IsochStream::later(bus::Duration pause, std::function<void()> task) {
  auto& host = context_.runtime.host();
  host.call_at(host.now() + pause, [queue = default_queue_, task = std::move(task)] { queue->DispatchAsync(task); });
}

/// The host has the request: what was only planned counts now.
void IsochStream::submitted(Slot& slot) {
  slot.id = context_.ids.id();
  slot.first_frame = context_.ids.first_frame();
  ++submissions_;
  cursor_ = pattern_->next({slot.first_frame, slot.count, slot.frames}) + plan_.gap;
  frames_planned_ += slot.frames;
  if (rate_) judge_rate(slot);
  const bool last = at_end();
  if (loop_ != nullptr && !target_.source) {
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < slot.count; ++i) bytes += slot.entries[i].requestCount;
    const auto window = check::service_window(slot.first_frame, 0, target_.endpoint.interval, context_.speed);
    loop_->sent(slot.bytes.first(bytes),
                {slot.id, -1, target_.endpoint.address, window, context_.runtime.host().now()});
    if (last) loop_->source_ended(cursor_);
  }
}

void IsochStream::refill(Slot& slot) {
  if (interrupted_) return;
  if (at_end()) {
    if (!std::exchange(exhausted_, true)) begin_stop();
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
  const bool looks = pattern_->looks_at_entries(status);
  if (looks) look_at(slot);
  tell_consumed(slot, status, looks);
  if (pattern_->clears_stall(status)) pipe_->ClearStall(true);
  if (const auto work = pattern_->work(completions_); work.bits > 0)
    context_.runtime.host().run_until(context_.runtime.host().now() + work);
  // One damaged packet does not make a silent device: the checks report it, and the stream goes on.
  const bool silent = !context_.promised && status == kIOReturnNotResponding &&
                      std::ranges::all_of(slot.entries.first(slot.count),
                                          [](const auto& entry) { return entry.status == kIOReturnNotResponding; });
  after(slot, status, pattern_->after_completion({status, silent, completions_, context_.may_vanish}));
}

void IsochStream::after(Slot& slot, IOReturn status, driver::AfterCompletion what) {
  using driver::AfterCompletion;
  if (interrupted_) {
    if (in_flight_ == 0 && may_go_on_) later({}, [this] { resume_streaming(); });
    return;
  }
  if (what == AfterCompletion::fail) fail("IsochIO's completion", status);
  if (what == AfterCompletion::end) stop();
  if (what != AfterCompletion::resubmit) return;
  const auto pause = pattern_->pause(completions_);
  if (pause.bits == 0) return refill(slot);
  later(pause, [this, &slot] { refill(slot); });
}

/// What an application gets: entries without error, or nothing.
void IsochStream::tell_consumed(const Slot& slot, IOReturn status, bool looked) const {
  if (context_.diagnosis == nullptr) return;
  const auto is_good = [](const auto& entry) {
    return entry.status == kIOReturnSuccess || entry.status == kIOReturnUnderrun;
  };
  const auto good = static_cast<std::size_t>(std::ranges::count_if(slot.entries.first(slot.count), is_good));
  context_.diagnosis->consumed(target_.endpoint.address, slot.id, status, good, looked ? good : 0,
                               context_.runtime.host().now());
}

// --- interruptions --------------------------------------------------------------------------------------------------

void IsochStream::interrupt() {
  if (stopping_ || exhausted_ || !error_.empty() || pattern_->rearms_aborted()) return;
  interrupted_ = true;
  may_go_on_ = false;
}

void IsochStream::end_interrupted() {
  if (!interrupted_ || may_go_on_) return;
  interrupted_ = false;
  stop();
}

void IsochStream::go_on(IOUSBHostInterface* interface) {
  if (!interrupted_) return;
  next_interface_ = interface;
  may_go_on_ = true;
  if (in_flight_ == 0) later({}, [this] { resume_streaming(); });
}

/// The pipe may be a new one, and the frame counter anywhere.
void IsochStream::resume_streaming() {
  if (!interrupted_ || !may_go_on_ || in_flight_ != 0) return;
  interrupted_ = may_go_on_ = false;
  if (pattern_->copies_pipe_again()) {
    if (next_interface_ != nullptr) interface_.reset(next_interface_, OSRetain);
    if (!open_pipe()) return;
  }
  if (pattern_->plans_again()) cursor_ = next_frame_with_lead();
  const std::uint64_t left = context_.frames - std::min(context_.frames, frames_planned_);
  set_deadline(left);
  submit_all();
}

// --- the driver's Stop ----------------------------------------------------------------------------------------------

/// The stream has submitted its last request; up to `depth` - 1 are still in flight.
void IsochStream::begin_stop() {
  using driver::StopStyle;
  switch (pattern_->stop()) {
    case StopStyle::drain:
      return;
    case StopStyle::wait_on_queue:
      stop_busy_ = true;
      return later({}, [this] { stop_on_queue(); });
    case StopStyle::free_at_once:
      return later({}, [this] {
        pipe_->Abort(kIOUSBAbortAsynchronous, kIOReturnAborted, nullptr);
        if (context_.diagnosis != nullptr)
          context_.diagnosis->freed(target_.endpoint.address, context_.runtime.host().now());
      });
    case StopStyle::cancel_and_wait:
      stop_busy_ = true;
      return later({}, [this] { stop_cancelling(); });
  }
}

void IsochStream::stop_on_queue() {
  constexpr std::uint64_t poll = 10;  // ms
  auto& host = context_.runtime.host();
  const bus::BusTime give_up = host.now() + stop_patience;
  pipe_->Abort(kIOUSBAbortAsynchronous, kIOReturnAborted, nullptr);
  while (in_flight_ != 0 && host.now() < give_up) IOSleep(poll);
  stop_busy_ = false;
}

void IsochStream::stop_cancelling() {
  for (const auto& slot : slots_) slot.action->Cancel([] {});
  pipe_->Abort(kIOUSBAbortAsynchronous, kIOReturnAborted, nullptr);
  later(stop_patience, [this] {
    if (context_.diagnosis != nullptr)
      context_.diagnosis->waited_in_vain(target_.endpoint.address, in_flight_, context_.runtime.host().now());
    stop_busy_ = false;
    in_flight_ = 0;
  });
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
  for (std::size_t i = 0; i < slot.count; ++i) {
    const auto& entry = slot.entries[i];
    const auto bytes = slot.bytes.subspan(offset, entry.completeCount);
    offset += entry.requestCount;
    if (bytes.empty() && context_.buffered) continue;
    const check::PacketPlace place{
        slot.id, static_cast<std::int64_t>(i), target_.endpoint.address,
        check::service_window(slot.first_frame, i, target_.endpoint.interval, context_.speed),
        context_.runtime.from_absolute(entry.timeStamp)};
    if (target_.source) loop_->received(bytes, place);
    if (plan_.payload == Payload::feedback) take_feedback(bytes, place);
  }
}

/// What was sent before this request, against what the device's clock counts in that time; a driver that is off would
/// empty or overrun the device's buffer sooner or later. Told once.
void IsochStream::judge_rate(const Slot& slot) {
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < slot.count; ++i) bytes += slot.entries[i].requestCount;
  const auto off = rate_->sent(slot.frames, bytes / plan_.size.sample_bytes);
  if (!off) return;
  context_.reporter.report({check::Rule::count, slot.id, -1, target_.endpoint.address,
                            usb::FrameTime::of(slot.first_frame), context_.runtime.host().now(),
                            fmt::format("{:.1f} samples since frame {}", off->expected, slot.first_frame - off->frames),
                            fmt::format("{} samples", off->sent)});
  rate_.reset();
}

void IsochStream::take_feedback(std::span<const std::uint8_t> bytes, const check::PacketPlace& place) {
  const auto value = FeedbackValue::read(bytes, context_.speed);
  if (++feedback_values_ < feedback_settling) return;
  const auto nominal = FeedbackValue::of_rate(plan_.size.sample_rate, context_.speed, target_.clock_ppm).q16;
  const auto off = value ? std::abs(std::int64_t{value->q16} - std::int64_t{nominal}) : std::int64_t{nominal};
  if (static_cast<std::uint64_t>(off) * 1'000'000 >
      std::uint64_t{nominal} * plan_.tolerance_ppm.value_or(feedback_tolerance_ppm)) {
    const auto samples = [](std::uint32_t q16) { return static_cast<double>(q16) / 65536.0; };
    context_.reporter.report(
        {check::Rule::payload_corrupt, place.request, place.entry, place.endpoint, place.window.begin, place.time,
         fmt::format("feedback of {:.5f} samples", samples(nominal)),
         value ? fmt::format("{:.5f} samples", samples(value->q16)) : fmt::format("{} bytes", bytes.size())});
  }
  if (!value) return;
  const FeedbackValue used{pattern_->feedback(bytes, value->q16)};
  if (context_.diagnosis != nullptr)
    context_.diagnosis->feedback_used(place.endpoint, place.request, value->q16, used.q16, place.time);
  if (follow_) follow_(used);
}

}  // namespace isochio::scenario
