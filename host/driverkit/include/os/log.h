// isochio: os_log, into the log sink of the current Runtime. Privacy markers such as %{public}s are understood.
#pragma once

#include <cstdint>

struct isochio_os_log_object {
  const char* subsystem;
};
using os_log_t = const isochio_os_log_object*;
inline constexpr isochio_os_log_object isochio_os_log_default{"default"};
#define OS_LOG_DEFAULT (&isochio_os_log_default)
#define OS_LOG_DISABLED (static_cast<os_log_t>(nullptr))

enum os_log_type_t : std::uint8_t {
  OS_LOG_TYPE_DEFAULT = 0x00,
  OS_LOG_TYPE_INFO = 0x01,
  OS_LOG_TYPE_DEBUG = 0x02,
  OS_LOG_TYPE_ERROR = 0x10,
  OS_LOG_TYPE_FAULT = 0x11,
};

/// printf conversions; not checked by the compiler, since "%llu" for uint64_t is right on Apple's platforms.
void isochio_os_log(os_log_t log, os_log_type_t type, const char* format, ...);

#define os_log(log, ...) isochio_os_log(log, OS_LOG_TYPE_DEFAULT, __VA_ARGS__)
#define os_log_info(log, ...) isochio_os_log(log, OS_LOG_TYPE_INFO, __VA_ARGS__)
#define os_log_debug(log, ...) isochio_os_log(log, OS_LOG_TYPE_DEBUG, __VA_ARGS__)
#define os_log_error(log, ...) isochio_os_log(log, OS_LOG_TYPE_ERROR, __VA_ARGS__)
#define os_log_fault(log, ...) isochio_os_log(log, OS_LOG_TYPE_FAULT, __VA_ARGS__)
