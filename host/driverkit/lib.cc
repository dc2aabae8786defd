// isochio: the functions of DriverKit that belong to no object; they go to the current Runtime.
#include <DriverKit/IOLib.h>

#include <cstdarg>
#include <cstdio>
#include <string>
#include <vector>

#include "driverkit/core.h"

using isochio::driverkit::Core;
using isochio::driverkit::Hang;
namespace bus = isochio::bus;

namespace {

/// Takes privacy markers out of a format: "%{public}s" becomes "%s".
std::string plain_format(const char* format) {
  std::string plain;
  for (const char* c = format; *c != '\0'; ++c) {
    plain += *c;
    if (c[0] == '%' && c[1] == '{') {
      while (*c != '\0' && *c != '}') ++c;
      if (*c == '\0') break;
    } else if (c[0] == '%' && c[1] == '%') {
      plain += *++c;
    }
  }
  return plain;
}

void log_line(const char* format, va_list arguments) {
  const std::string plain = plain_format(format);
  va_list again;
  va_copy(again, arguments);
  const int length = std::vsnprintf(nullptr, 0, plain.c_str(), arguments);
  std::string line(length > 0 ? static_cast<std::size_t>(length) : 0U, '\0');
  std::vsnprintf(line.data(), line.size() + 1, plain.c_str(), again);
  va_end(again);
  while (!line.empty() && line.back() == '\n') line.pop_back();
  if (const auto core = Core::current()) {
    core->log(line);
  } else {
    std::fprintf(stderr, "%s\n", line.c_str());
  }
}

void sleep_for(bus::Duration duration) {
  if (const auto core = Core::current()) core->sleep(duration);
}

}  // namespace

void isochio_os_log(os_log_t log, os_log_type_t, const char* format, ...) {
  if (log == nullptr) return;
  va_list arguments;
  va_start(arguments, format);
  log_line(format, arguments);
  va_end(arguments);
}

int IOLog(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  log_line(format, arguments);
  va_end(arguments);
  return 0;
}

void IOSleep(std::uint64_t milliseconds) { sleep_for(bus::millisecond * static_cast<std::int64_t>(milliseconds)); }
void IODelay(std::uint64_t microseconds) { sleep_for(bus::microsecond * static_cast<std::int64_t>(microseconds)); }

std::uint64_t mach_absolute_time() {
  const auto core = Core::current();
  return core && core->host != nullptr ? core->to_absolute(core->host->now()) : 0;
}
std::uint64_t mach_continuous_time() { return mach_absolute_time(); }

kern_return_t mach_timebase_info(mach_timebase_info_t info) {
  const auto core = Core::current();
  if (info == nullptr || !core) return kIOReturnBadArgument;
  *info = {core->options.timebase_numer, core->options.timebase_denom};
  return KERN_SUCCESS;
}

std::uint64_t clock_gettime_nsec_np(int) {
  const auto core = Core::current();
  return core && core->host != nullptr ? static_cast<std::uint64_t>(bus::to_ns(core->host->now())) : 0;
}

struct IOLock {
  bool held = false;
};

IOLock* IOLockAlloc() { return new IOLock; }
void IOLockFree(IOLock* lock) { delete lock; }
void IOLockLock(IOLock* lock) {
  if (lock->held) throw Hang("IOLockLock on a lock that is held: in one thread nobody can release it");
  lock->held = true;
}
bool IOLockTryLock(IOLock* lock) { return !std::exchange(lock->held, true); }
void IOLockUnlock(IOLock* lock) { lock->held = false; }

struct IORecursiveLock {
  int depth = 0;
};

IORecursiveLock* IORecursiveLockAlloc() { return new IORecursiveLock; }
void IORecursiveLockFree(IORecursiveLock* lock) { delete lock; }
void IORecursiveLockLock(IORecursiveLock* lock) { ++lock->depth; }
void IORecursiveLockUnlock(IORecursiveLock* lock) { --lock->depth; }
