// isochio: the object model: counts, actions, collections.
#include <DriverKit/IOService.h>

#include <cstring>

#include "driverkit/core.h"

using isochio::driverkit::Core;

void OSMetaClassBase::release() const {
  if (--retain_count_ != 0) return;
  retain_count_ = 1 << 30;  // free() may retain and release the object once more
  const_cast<OSMetaClassBase*>(this)->free();
}

kern_return_t OSObject::_Dispatch(OSMetaClassBase*, IORPC) { return kIOReturnUnsupported; }
void OSObject::free() { delete this; }

kern_return_t OSAction::_Dispatch(OSMetaClassBase*, IORPC) { return kIOReturnUnsupported; }

kern_return_t OSAction::CreateWithInvoke(OSObject* target, std::uint64_t type, std::size_t reference_size,
                                         Invoke invoke, OSAction** action, const char* queue_name) {
  if (target == nullptr || action == nullptr) return kIOReturnBadArgument;
  auto* made = new OSAction();
  target->retain();
  made->target_ = target;
  made->type_ = type;
  made->invoke_ = std::move(invoke);
  made->reference_size_ = reference_size;
  made->reference_.resize((reference_size + sizeof(Block) - 1) / sizeof(Block));
  made->queue_name_ = queue_name;
  *action = made;
  return kIOReturnSuccess;
}

void* OSAction::GetReference() {
  if (reference_size_ == 0)
    throw isochio::driverkit::Hang(
        "OSAction::GetReference on an action made with reference size 0: DriverKit asserts and the process dies");
  return reference_.data();
}

namespace {

using isochio::controller::Delivery;
using isochio::controller::DriverObserver;

/// A completion while it runs: whose scope it is, and who is told.
class RunningDelivery {
 public:
  RunningDelivery(Core& core, const void* scope, const Delivery* delivery)
      : core_(core), outer_(std::exchange(core.running_scope, scope)), delivery_(delivery) {
    ++core_.deliveries;
    if (observed()) core_.options.driver_observer->on_callback(*delivery_, core_.host->now());
  }
  ~RunningDelivery() {
    core_.running_scope = outer_;
    if (observed()) core_.options.driver_observer->on_callback_end(*delivery_, core_.host->now());
  }
  RunningDelivery(const RunningDelivery&) = delete;
  RunningDelivery& operator=(const RunningDelivery&) = delete;

 private:
  bool observed() const {
    return delivery_ != nullptr && core_.options.driver_observer != nullptr && core_.host != nullptr;
  }
  Core& core_;
  const void* outer_;
  const Delivery* delivery_;
};

}  // namespace

void isochio::driverkit::report_dropped(const Core& core, const Delivery& delivery, DriverObserver::Dropped why) {
  if (core.options.driver_observer != nullptr && core.host != nullptr)
    core.options.driver_observer->on_dropped(delivery, why, core.host->now());
}

bool OSAction::DeliverErased(std::uint64_t type, std::shared_ptr<const void> arguments, const void* scope,
                             std::shared_ptr<const isochio::controller::Delivery> delivery) {
  if (cancelled_ || type != type_) return false;
  auto* service = dynamic_cast<IOService*>(target_);
  const auto core = service != nullptr ? IOService_Access::ivars(*service).core : Core::current();
  if (!core) return false;
  if (service == nullptr) {
    core->log("isochio: an OSAction whose target is no IOService: its completion is never delivered");
    return false;
  }
  auto deliver = [action = OSSharedPtr<OSAction>(this, OSRetain), arguments = std::move(arguments), scope, core,
                  delivery = std::move(delivery)] {
    const bool cancelled = action->IsCancelled();
    const RunningDelivery running(*core, scope, cancelled ? nullptr : delivery.get());
    if (cancelled && delivery) report_dropped(*core, *delivery, DriverObserver::Dropped::cancelled);
    action->Run(arguments.get());
  };
  IODispatchQueue* queue = IOService_Access::queue(*service, queue_name_ != nullptr ? queue_name_ : "Default");
  queue->DispatchAfter(core->options.dispatch_latency.bits, deliver);
  return true;
}

void OSAction::Run(const void* arguments) {
  if (!cancelled_) invoke_(target_, this, arguments);
}

kern_return_t OSAction::Cancel(OSActionCancelHandler handler) {
  if (cancelled_) return kIOReturnNotReady;
  cancelled_ = true;
  // A callback of this action may be running right now on the target's queue; behind it is early enough.
  auto finish = [action = OSSharedPtr<OSAction>(this, OSRetain), handler = std::move(handler)] {
    handler();
    if (OSObject* target = std::exchange(action->target_, nullptr)) target->release();
  };
  auto* service = dynamic_cast<IOService*>(target_);
  if (service == nullptr) {
    finish();
  } else {
    IOService_Access::queue(*service, queue_name_ != nullptr ? queue_name_ : "Default")->DispatchAsync(finish);
  }
  return kIOReturnSuccess;
}

kern_return_t OSAction::SetAbortedHandler(OSActionAbortedHandler handler) {
  aborted_ = std::move(handler);
  return kIOReturnSuccess;
}

kern_return_t OSAction::Aborted() {
  aborted_();
  return kIOReturnSuccess;
}

void OSAction::free() {
  if (OSObject* target = std::exchange(target_, nullptr)) target->release();
  OSObject::free();
}

OSString* OSString::withCString(const char* text) {
  auto* made = new OSString();
  made->text_ = text;
  return made;
}

OSNumber* OSNumber::withNumber(std::uint64_t value, std::size_t bits) {
  auto* made = new OSNumber();
  made->value_ = bits < 64 ? value & ((std::uint64_t{1} << bits) - 1) : value;
  return made;
}

OSBoolean* OSBoolean::withBoolean(bool value) {
  auto* made = new OSBoolean();
  made->value_ = value;
  return made;
}

OSData* OSData::withBytes(const void* bytes, std::size_t length) {
  auto* made = new OSData();
  const auto* first = static_cast<const std::uint8_t*>(bytes);
  made->bytes_.assign(first, first + length);
  return made;
}

OSArray* OSArray::withCapacity(std::uint32_t capacity) {
  auto* made = new OSArray();
  made->objects_.reserve(capacity);
  return made;
}

bool OSArray::setObject(OSObject* object) {
  if (object == nullptr) return false;
  objects_.emplace_back(object, OSRetain);
  return true;
}

OSDictionary* OSDictionary::withCapacity(std::uint32_t) { return new OSDictionary(); }

bool OSDictionary::setObject(const char* key, OSObject* object) {
  if (key == nullptr || object == nullptr) return false;
  objects_[key] = OSSharedPtr<OSObject>(object, OSRetain);
  return true;
}

OSObject* OSDictionary::getObject(const char* key) const {
  const auto found = objects_.find(key);
  return found == objects_.end() ? nullptr : found->second.get();
}
