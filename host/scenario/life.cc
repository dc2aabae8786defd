#include "scenario/life.h"

#include <algorithm>

#include <fmt/format.h>

#include "driverkit/return_words.h"
namespace isochio::scenario {
namespace {

/// After a plug is pulled, what is in flight has ended by then.
constexpr bus::Duration notice = 2 * bus::millisecond;

tl::expected<void, std::string> checked(const char* what, kern_return_t code) {
  if (code == kIOReturnSuccess) return {};
  return tl::unexpected(driverkit::failed_with(what, code));
}

constexpr auto everything = [](const auto&) { return true; };

}  // namespace

Life::Life(LifeContext context) : context_(std::move(context)) {}

template <typename Which>
void Life::interrupt(Which&& which) {
  for (const auto& stream : context_.streams)
    if (which(stream->plan())) stream->interrupt();
  for (const auto& stream : context_.bulk)
    if (which(stream->plan())) stream->interrupt();
}

template <typename Which>
void Life::go_on(Which&& which) {
  const auto continues = [&](const auto& stream) {
    if (which(stream->plan())) stream->go_on(context_.runtime.interface(stream->plan().interface));
  };
  for (const auto& stream : context_.streams) continues(stream);
  for (const auto& stream : context_.bulk) continues(stream);
}

void Life::schedule(bus::BusTime base) {
  left_ = context_.scenario.events.size();
  for (const Event& event : context_.scenario.events) {
    const bus::BusTime at = std::max(base + event.at, context_.host.now());
    if (event.kind == Event::Kind::unplug) context_.link.pull_at(at);
    if (event.kind == Event::Kind::bus_reset) context_.link.silence_at(at);
    const bool cuts = event.kind == Event::Kind::unplug || event.kind == Event::Kind::bus_reset;
    if (cuts && context_.promises != nullptr) context_.promises->cut_at(event, at);
    context_.host.call_at(at, [this, &event] { begin(event); });
  }
}

void Life::stop() {
  stopped_ = true;
  context_.link.forget_cuts();
}

void Life::begin(const Event& event) {
  if (stopped_) return;
  // A plug is pulled by somebody who does not ask what host software is doing; the link has done it already.
  if (event.kind == Event::Kind::unplug) return finish(event);
  waiting_.push_back(&event);
  work();
}

/// One after the other, in the order of their times.
void Life::work() {
  if (busy_ || stopped_ || waiting_.empty()) return;
  const Event& event = *waiting_.front();
  waiting_.pop_front();
  busy_ = true;
  finish(event);
  busy_ = false;
  if (!waiting_.empty()) context_.host.call_at(context_.host.now(), [this] { work(); });
}

void Life::finish(const Event& event) {
  if (context_.promises != nullptr) context_.promises->begins(event, context_.host.now());
  perform(event);
  if (context_.promises != nullptr) context_.promises->ended(event);
  --left_;
  if (left_ == 0) end_what_is_left();
}

void Life::perform(const Event& event) {
  using Kind = Event::Kind;
  const auto done = [&]() -> Done {
    switch (event.kind) {
      case Kind::bus_reset:
        return bus_reset(event);
      case Kind::suspend:
        return suspend();
      case Kind::resume:
        return resume();
      case Kind::unplug:
        return unplug();
      case Kind::plug:
        return plug();
      case Kind::alternate:
        return select(event);
      case Kind::abort:
        return abort(event);
      case Kind::sleep:
        return sleep();
      case Kind::wake:
        return wake(event);
      case Kind::block_queue:
        context_.runtime.block_queue(event.duration);
        return {};
    }
    return {};
  }();
  // With the plug pulled meanwhile, nothing can be expected to work.
  if (!done && error_.empty() && !unplugged_)
    error_ = fmt::format("event {} ({}): {}", event.path, to_string(event.kind), done.error());
}

/// As IOUSBHostDevice::Reset, which is what a driver or the system calls.
Life::Done Life::bus_reset(const Event& event) {
  interrupt(everything);
  usable_ = false;
  const auto code = context_.runtime.device()->Reset();
  context_.link.end_silence();
  if (unplugged_) return {};
  if (auto done = checked("Reset", code); !done || !event.go_on) return done;
  if (auto done = context_.configure(); !done) return done;
  usable_ = true;
  go_on(everything);
  return {};
}

Life::Done Life::suspend() {
  if (!unplugged_) context_.host.suspend();
  return {};
}

Life::Done Life::resume() {
  if (asleep_ || !context_.host.suspended()) return {};
  context_.host.resume();
  return context_.restart_log();
}

Life::Done Life::unplug() {
  if (std::exchange(unplugged_, true)) return {};
  usable_ = false;
  const auto again = [](const Event& other) { return other.kind == Event::Kind::plug && other.go_on; };
  if (std::any_of(context_.scenario.events.begin(), context_.scenario.events.end(), again)) interrupt(everything);
  context_.host.call_at(context_.host.now() + notice, [this] {
    if (unplugged_) context_.runtime.device_removed();
  });
  return {};
}

Life::Done Life::plug() {
  if (!unplugged_) return {};
  context_.runtime.device_removed();
  // Requests are ours until the host has ended them.
  context_.runtime.run_until([this] { return !context_.host.connected(); }, bus::millisecond);
  context_.link.set_attached(true);
  unplugged_ = asleep_ = false;
  if (auto enumerated = context_.host.enumerate(); !enumerated) return enumerated;
  context_.runtime.device_arrived();
  if (auto done = context_.configure(); !done) return done;
  usable_ = true;
  go_on(everything);
  return {};
}

Life::Done Life::select(const Event& event) {
  auto* interface = context_.runtime.interface(event.interface);
  if (interface == nullptr) return unplugged_ ? Done{} : tl::unexpected<std::string>("there is no such interface");
  const auto mine = [&](const auto& plan) { return plan.interface == event.interface; };
  interrupt(mine);
  if (auto done = checked("SelectAlternateSetting", interface->SelectAlternateSetting(event.setting)); !done)
    return done;
  const auto in_place = [&](const auto& stream) {
    return mine(stream->plan()) && stream->plan().alternate == event.setting;
  };
  const bool back = std::any_of(context_.streams.begin(), context_.streams.end(), in_place) ||
                    std::any_of(context_.bulk.begin(), context_.bulk.end(), in_place);
  if (!back || !event.go_on) return {};
  if (auto done = context_.set_up_device(); !done) return done;
  go_on(mine);
  return {};
}

Life::Done Life::abort(const Event& event) {
  const auto found = std::find_if(context_.streams.begin(), context_.streams.end(),
                                  [&](const auto& stream) { return stream->plan().name == event.stream; });
  IOUSBHostPipe* pipe = (*found)->pipe();
  if (pipe == nullptr || (*found)->interrupted() || (*found)->finished()) return {};
  (*found)->interrupt();
  const OSSharedPtr<IOUSBHostPipe> held(pipe, OSRetain);
  const auto code =
      pipe->Abort(event.synchronous ? kIOUSBAbortSynchronous : kIOUSBAbortAsynchronous, kIOReturnAborted, nullptr);
  if (event.go_on) (*found)->go_on();
  return unplugged_ ? Done{} : checked("Abort", code);
}

/// The system stops what is in flight, and the bus.
Life::Done Life::sleep() {
  if (unplugged_ || std::exchange(asleep_, true)) return {};
  interrupt(everything);
  for (const auto& endpoint : std::vector(context_.host.endpoints().begin(), context_.host.endpoints().end()))
    context_.host.abort(endpoint.address);
  context_.host.suspend();
  return {};
}

Life::Done Life::wake(const Event& event) {
  if (unplugged_ || !std::exchange(asleep_, false)) return {};
  const auto now = static_cast<std::int64_t>(context_.host.frame_number());
  if (event.frame) context_.host.set_frame_number(*event.frame);
  if (event.jump != 0)
    context_.host.set_frame_number(static_cast<std::uint64_t>(std::max<std::int64_t>(1, now + event.jump)));
  context_.host.resume();
  if (auto done = context_.restart_log(); !done) return done;
  go_on(everything);
  return {};
}

/// Streams that wait for something that no event brings any more are over.
void Life::end_what_is_left() {
  for (const auto& stream : context_.streams) stream->end_interrupted();
  for (const auto& stream : context_.bulk) stream->end_interrupted();
}

}  // namespace isochio::scenario
