// isochio: OSAction, a method of a target object that something will call later. Generated CreateAction<Method>()
// functions make them; the type says which completion (with which parameters) an action answers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <DriverKit/OSBlock.h>
#include <DriverKit/OSObject.h>

namespace isochio::controller {
struct Delivery;
}
class OSAction;
using OSActionCancelHandler = OSBlock;
using OSActionAbortedHandler = OSBlock;

/// A completion type: its 64-bit identity and its parameters, the action first.
template <std::uint64_t Id, class Signature>
struct OSActionType;
template <std::uint64_t Id, class... Args>
struct OSActionType<Id, void(OSAction*, Args...)> {
  static constexpr std::uint64_t id = Id;
  using Arguments = std::tuple<Args...>;
  using Signature = void(OSAction*, Args...);
};

class OSAction : public OSObject {
 public:
  using Invoke = std::function<void(OSObject* target, OSAction* action, const void* arguments)>;

  static kern_return_t _Dispatch(OSMetaClassBase* self, IORPC rpc);

  /// What generated code calls. `reference_size` zeroed bytes go with the action. The result has one reference, and
  /// holds the target until it is cancelled or freed. `queue_name`: the target's queue (QUEUENAME), by default
  /// "Default".
  static kern_return_t CreateWithInvoke(OSObject* target, std::uint64_t type, std::size_t reference_size, Invoke invoke,
                                        OSAction** action, const char* queue_name = nullptr);

  /// The bytes of the action. Must not be called on an action made with reference size 0: DriverKit asserts there;
  /// here the calling queue dies (Runtime::hung()).
  void* GetReference();

  /// Later deliveries are silently dropped. `handler` runs on the target's queue when no callback of this action is
  /// running any more.
  kern_return_t Cancel(OSActionCancelHandler handler);
  kern_return_t SetAbortedHandler(OSActionAbortedHandler handler);
  kern_return_t Aborted();

  // The rest is for the runtime.
  std::uint64_t GetTypeID() const { return type_; }
  OSObject* GetTarget() const { return target_; }
  bool IsCancelled() const { return cancelled_; }

  /// Puts a call of the target's method into the target's queue. False when it will never run: cancelled, or the
  /// target is no IOService.
  template <class Type, class... Args>
  bool Deliver(const void* scope, Args... args) {
    return DeliverErased(Type::id, std::make_shared<typename Type::Arguments>(args...), scope);
  }
  /// `scope` tells a running delivery from others (Core::running_scope).
  /// `delivery` (may be null) is what observers of drivers are told about it.
  bool DeliverErased(std::uint64_t type, std::shared_ptr<const void> arguments, const void* scope = nullptr,
                     std::shared_ptr<const isochio::controller::Delivery> delivery = nullptr);
  void Run(const void* arguments);

  void free() override;

 private:
  OSAction() = default;
  ~OSAction() override = default;

  OSObject* target_ = nullptr;
  std::uint64_t type_ = 0;
  Invoke invoke_;
  struct alignas(std::max_align_t) Block {
    std::uint8_t bytes[sizeof(std::max_align_t)] = {};
  };
  std::vector<Block> reference_;
  std::size_t reference_size_ = 0;
  const char* queue_name_ = nullptr;
  bool cancelled_ = false;
  OSActionAbortedHandler aborted_;
};

/// Makes an action of completion type `Type` that calls `Method` of `target`. Wrong parameters don't compile.
template <class Type, auto Method, class Target>
kern_return_t OSActionMake(Target* target, std::size_t reference_size, OSAction** action,
                           const char* queue_name = nullptr) {
  auto invoke = [](OSObject* object, OSAction* self, const void* arguments) {
    auto* typed = dynamic_cast<Target*>(object);
    std::apply([&](auto... args) { (typed->*Method)(self, args...); },
               *static_cast<const typename Type::Arguments*>(arguments));
  };
  return OSAction::CreateWithInvoke(target, Type::id, reference_size, invoke, action, queue_name);
}

/// The parameters of a member function as a plain function type, to compare with a completion type's Signature.
template <class Method>
struct OSMethodSignature;
template <class Class, class Result, class... Args>
struct OSMethodSignature<Result (Class::*)(Args...)> {
  using type = Result(Args...);
};
