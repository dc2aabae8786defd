// isochio: IOTimerDispatchSource, a one-shot timer in virtual time whose handler runs on the timer's queue.
#pragma once

#include <DriverKit/IODispatchSource.h>

inline constexpr std::uint64_t kIOTimerClockRealTime = 0x80;
inline constexpr std::uint64_t kIOTimerClockMonotonicRaw = 0x84;
inline constexpr std::uint64_t kIOTimerClockUptimeRaw = 0x88;
inline constexpr std::uint64_t kIOTimerClockMachContinuousTime = 0xC4;
inline constexpr std::uint64_t kIOTimerClockMachAbsoluteTime = 0xC8;

struct IOTimerDispatchSource_IVars;

class IOTimerDispatchSource : public IODispatchSource {
 public:
  /// The identity is ours: no public source gives Apple's.
  using TimerOccurred_Type = OSActionType<0xdbc5b2e5d2b446f4ULL, void(OSAction*, std::uint64_t)>;

  static kern_return_t _Dispatch(OSMetaClassBase* self, IORPC rpc);

  static kern_return_t Create(IODispatchQueue* queue, IOTimerDispatchSource** source);
  /// `action` of TYPE(IOTimerDispatchSource::TimerOccurred); held.
  kern_return_t SetHandler(OSAction* action, OSDispatchMethod supermethod = nullptr);
  /// `options`: one of the clocks. `deadline` in that clock's units: mach ticks for the mach clocks, else nanoseconds.
  /// Replaces an earlier deadline. `leeway` is accepted and not used.
  kern_return_t WakeAtTime(std::uint64_t options, std::uint64_t deadline, std::uint64_t leeway,
                           OSDispatchMethod supermethod = nullptr);
  kern_return_t Cancel(IODispatchSourceCancelHandler handler) override;
  /// A source is enabled when it is made.
  kern_return_t SetEnableWithCompletion(bool enable, IODispatchSourceCancelHandler handler) override;

  void free() override;

 private:
  IOTimerDispatchSource();
  IOTimerDispatchSource_IVars* ivars;
};
