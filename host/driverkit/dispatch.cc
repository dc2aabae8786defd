// isochio: serial queues and timers in virtual time.
#include <DriverKit/IOTimerDispatchSource.h>

#include <deque>
#include <string>

#include "driverkit/core.h"

using isochio::bus::BusTime;
using isochio::bus::Duration;
using isochio::driverkit::Core;
using isochio::driverkit::Hang;

struct IODispatchQueue_IVars {
  struct Task {
    BusTime due;
    IODispatchBlock block;
  };
  std::shared_ptr<Core> core;
  std::string name;
  std::deque<Task> pending;
  bool running = false, dead = false;
  IODispatchQueueCancelHandler on_cancelled;

  /// Runs one block as a task of `queue`. A hang ends the queue, not the program.
  void run(IODispatchQueue* queue, const IODispatchBlock& block) {
    IODispatchQueue* outer = std::exchange(core->running_queue, queue);
    running = true;
    const std::uint64_t deliveries = core->deliveries;
    const BusTime begin = core->host != nullptr ? core->host->now() : BusTime{};
    try {
      block();
    } catch (const Hang& hang) {
      dead = true;
      pending.clear();
      core->hung = "queue \"" + name + "\": " + hang.what();
      core->log("isochio: " + core->hung);
    }
    running = false;
    core->running_queue = outer;
    auto* observer = core->options.driver_observer;
    if (observer == nullptr || core->host == nullptr || core->deliveries != deliveries) return;
    if (const BusTime end = core->host->now(); end > begin) observer->on_task(begin, end);
  }

  void run_due(IODispatchQueue* queue) {
    while (!running && !dead && !pending.empty() && core->host != nullptr && pending.front().due <= core->host->now()) {
      const IODispatchBlock block = std::move(pending.front().block);
      pending.pop_front();
      run(queue, block);
    }
  }

  void schedule(IODispatchQueue* queue, BusTime at) {
    core->call_at(at, [this, held = OSSharedPtr<IODispatchQueue>(queue, OSRetain)] { run_due(held.get()); });
  }
};

IODispatchQueue::IODispatchQueue() : ivars(new IODispatchQueue_IVars) {}
kern_return_t IODispatchQueue::_Dispatch(OSMetaClassBase*, IORPC) { return kIOReturnUnsupported; }

void IODispatchQueue::free() {
  delete ivars;
  OSObject::free();
}

kern_return_t IODispatchQueue::Create(const char* name, std::uint64_t, std::uint64_t, IODispatchQueue** queue) {
  if (queue == nullptr) return kIOReturnBadArgument;
  auto core = Core::current();
  if (!core) return kIOReturnNotReady;
  auto* made = new IODispatchQueue();
  made->ivars->core = std::move(core);
  made->ivars->name = name != nullptr ? name : "";
  *queue = made;
  return kIOReturnSuccess;
}

void IODispatchQueue::DispatchAsync(IODispatchBlock block) { DispatchAfter(0, std::move(block)); }

void IODispatchQueue::DispatchAfter(std::int64_t bits, IODispatchBlock block) {
  Core& core = *ivars->core;
  if (ivars->dead || core.host == nullptr) return;
  BusTime due = core.host->now() + Duration{bits};
  if (!ivars->pending.empty()) due = std::max(due, ivars->pending.back().due);  // serial: in order
  ivars->pending.push_back({due, std::move(block)});
  ivars->schedule(this, due);
}

void IODispatchQueue::DispatchAsync_f(void* context, IODispatchFunction function) {
  DispatchAsync([context, function] { function(context); });
}

void IODispatchQueue::DispatchSync(const IODispatchBlock& block) {
  Core& core = *ivars->core;
  if (ivars->dead) core.hang("DispatchSync on a queue that is hung or cancelled");
  if (ivars->running)
    core.hang(core.running_queue == this ? "DispatchSync on the queue that is running: deadlock"
                                         : "DispatchSync on a queue whose task is blocked further out: in one thread "
                                           "that one can't continue first");
  const OSSharedPtr<IODispatchQueue> held(this, OSRetain);
  ivars->run_due(this);
  ivars->run(this, block);
  ivars->run_due(this);
}

void IODispatchQueue::DispatchSync_f(void* context, IODispatchFunction function) {
  DispatchSync([context, function] { function(context); });
}

bool IODispatchQueue::OnQueue() { return ivars->core->running_queue == this; }
bool IODispatchQueue::IsDead() const { return ivars->dead; }
const char* IODispatchQueue::GetName() { return ivars->name.c_str(); }

kern_return_t IODispatchQueue::Cancel(IODispatchQueueCancelHandler handler) {
  if (ivars->dead) return kIOReturnNotReady;
  ivars->dead = true;
  ivars->pending.clear();
  Core& core = *ivars->core;
  if (core.host != nullptr) core.call_at(core.host->now(), [handler = std::move(handler)] { handler(); });
  return kIOReturnSuccess;
}

struct IOTimerDispatchSource_IVars {
  std::shared_ptr<Core> core;
  OSSharedPtr<IODispatchQueue> queue;
  OSSharedPtr<OSAction> handler;
  std::uint64_t generation = 0;  ///< a deadline that was replaced doesn't fire
  bool enabled = true, cancelled = false, armed = false;

  void fire(IOTimerDispatchSource* source, std::uint64_t armed_generation) {
    if (cancelled || generation != armed_generation) return;
    if (!enabled) {
      armed = true;  // fires when it is enabled
      return;
    }
    armed = false;
    if (!handler) return;
    const std::uint64_t time = core->to_absolute(core->host->now());
    queue->DispatchAsync(
        [this, held = OSSharedPtr<IOTimerDispatchSource>(source, OSRetain), action = handler, time, armed_generation] {
          if (cancelled || generation != armed_generation || action->IsCancelled()) return;
          const IOTimerDispatchSource::TimerOccurred_Type::Arguments arguments{time};
          action->Run(&arguments);
        });
  }
};

IOTimerDispatchSource::IOTimerDispatchSource() : ivars(new IOTimerDispatchSource_IVars) {}
kern_return_t IODispatchSource::_Dispatch(OSMetaClassBase*, IORPC) { return kIOReturnUnsupported; }
kern_return_t IOTimerDispatchSource::_Dispatch(OSMetaClassBase*, IORPC) { return kIOReturnUnsupported; }

void IOTimerDispatchSource::free() {
  delete ivars;
  OSObject::free();
}

kern_return_t IOTimerDispatchSource::Create(IODispatchQueue* queue, IOTimerDispatchSource** source) {
  if (queue == nullptr || source == nullptr) return kIOReturnBadArgument;
  auto core = Core::current();
  if (!core) return kIOReturnNotReady;
  auto* made = new IOTimerDispatchSource();
  made->ivars->core = std::move(core);
  made->ivars->queue = OSSharedPtr<IODispatchQueue>(queue, OSRetain);
  *source = made;
  return kIOReturnSuccess;
}

kern_return_t IOTimerDispatchSource::SetHandler(OSAction* action, OSDispatchMethod) {
  if (action != nullptr && action->GetTypeID() != TimerOccurred_Type::id) return kIOReturnBadArgument;
  ivars->handler.reset(action, OSRetain);
  return kIOReturnSuccess;
}

kern_return_t IOTimerDispatchSource::WakeAtTime(std::uint64_t options, std::uint64_t deadline, std::uint64_t,
                                                OSDispatchMethod) {
  if (ivars->cancelled) return kIOReturnNotReady;
  Core& core = *ivars->core;
  if (core.host == nullptr) return kIOReturnNoDevice;
  BusTime at{};
  switch (options) {
    case kIOTimerClockMachAbsoluteTime:
    case kIOTimerClockMachContinuousTime:
      at = core.from_absolute(deadline);
      break;
    case kIOTimerClockUptimeRaw:
    case kIOTimerClockMonotonicRaw:
    case kIOTimerClockRealTime:
      at = BusTime{} + isochio::bus::from_ns(static_cast<std::int64_t>(deadline));
      break;
    default:
      return kIOReturnBadArgument;
  }
  ivars->armed = false;
  const std::uint64_t generation = ++ivars->generation;
  core.call_at(at, [held = OSSharedPtr<IOTimerDispatchSource>(this, OSRetain), generation] {
    held->ivars->fire(held.get(), generation);
  });
  return kIOReturnSuccess;
}

kern_return_t IOTimerDispatchSource::Cancel(IODispatchSourceCancelHandler handler) {
  if (ivars->cancelled) return kIOReturnNotReady;
  ivars->cancelled = true;
  ivars->queue->DispatchAsync([held = OSSharedPtr<IOTimerDispatchSource>(this, OSRetain), handler] {
    handler();
    held->ivars->handler.reset();
  });
  return kIOReturnSuccess;
}

kern_return_t IOTimerDispatchSource::SetEnableWithCompletion(bool enable, IODispatchSourceCancelHandler handler) {
  if (ivars->cancelled) return kIOReturnNotReady;
  ivars->enabled = enable;
  if (enable && ivars->armed) ivars->fire(this, ivars->generation);
  if (handler) ivars->queue->DispatchAsync(handler);
  return kIOReturnSuccess;
}
