// isochio: allocation, locks, delays, time and logging of DriverKit. Delays and time are virtual: they need a current
// Runtime. IONew and its kin run no constructors or destructors, as on macOS.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include <DriverKit/IOReturn.h>
#include <DriverKit/IOTypes.h>
#include <mach/mach_time.h>
#include <os/log.h>

inline void* IOMalloc(std::size_t size) { return std::malloc(size); }
inline void* IOMallocZero(std::size_t size) { return std::calloc(1, size); }
inline void IOFree(void* address, std::size_t) { std::free(address); }

#define IONew(type, count) (static_cast<type*>(IOMalloc(sizeof(type) * (count))))
#define IONewZero(type, count) (static_cast<type*>(IOMallocZero(sizeof(type) * (count))))
#define IODelete(ptr, type, count) IOFree((ptr), sizeof(type) * (count))
#define IOSafeDeleteNULL(ptr, type, count)                \
  do {                                                    \
    if ((ptr) != nullptr) IODelete((ptr), type, (count)); \
    (ptr) = nullptr;                                      \
  } while (0)

/// Blocks the calling queue for that long in virtual time; the bus and other queues go on.
void IOSleep(std::uint64_t milliseconds);
void IODelay(std::uint64_t microseconds);

/// printf conversions, into the log sink.
int IOLog(const char* format, ...);

struct IOLock;
IOLock* IOLockAlloc();
void IOLockFree(IOLock* lock);
/// Taking a lock that is held can't succeed in one thread: the calling queue is then hung (Runtime::hung()).
void IOLockLock(IOLock* lock);
bool IOLockTryLock(IOLock* lock);
void IOLockUnlock(IOLock* lock);

struct IORecursiveLock;
IORecursiveLock* IORecursiveLockAlloc();
void IORecursiveLockFree(IORecursiveLock* lock);
void IORecursiveLockLock(IORecursiveLock* lock);
void IORecursiveLockUnlock(IORecursiveLock* lock);

// Clocks that Linux's <time.h> does not name; all are the virtual time.
#ifndef CLOCK_UPTIME_RAW
#define CLOCK_UPTIME_RAW 8
#endif
std::uint64_t clock_gettime_nsec_np(int clock);
