// isochio: IODispatchQueue, a serial queue in virtual time. A task runs when the bus reaches its moment; a queue whose
// task is blocked in a synchronous call delivers nothing until that call returns.
#pragma once

#include <DriverKit/OSBlock.h>
#include <DriverKit/OSObject.h>

using IODispatchBlock = OSBlock;
using IODispatchQueueCancelHandler = OSBlock;
using IODispatchFunction = void (*)(void* context);
using IODispatchQueueName = char[256];

inline constexpr std::uint64_t kIODispatchQueueReentrant = 1;
inline constexpr std::uint64_t kIODispatchQueueMethodsNotSynchronous = 2;
#define kIOServiceDefaultQueueName "Default"

struct IODispatchQueue_IVars;

class IODispatchQueue : public OSObject {
 public:
  static kern_return_t _Dispatch(OSMetaClassBase* self, IORPC rpc);

  /// `options` and `priority` are accepted and have no meaning in virtual time.
  static kern_return_t Create(const char* name, std::uint64_t options, std::uint64_t priority, IODispatchQueue** queue);

  void DispatchAsync(IODispatchBlock block);
  void DispatchAsync_f(void* context, IODispatchFunction function);
  /// Waits for its turn, runs the block, returns. From a task of the same queue it deadlocks, as it does on macOS: the
  /// queue is then hung (Runtime::hung()).
  void DispatchSync(const IODispatchBlock& block);
  void DispatchSync_f(void* context, IODispatchFunction function);
  bool OnQueue();
  const char* GetName();
  /// No task runs any more; `handler` is called when the running one has returned.
  kern_return_t Cancel(IODispatchQueueCancelHandler handler);

  // The rest is for the runtime.
  /// DispatchAsync, not before `bits` of bus time (1/480 us) have passed.
  void DispatchAfter(std::int64_t bits, IODispatchBlock block);
  bool IsDead() const;  ///< cancelled or hung

  void free() override;

 private:
  IODispatchQueue();
  IODispatchQueue_IVars* ivars;
};
