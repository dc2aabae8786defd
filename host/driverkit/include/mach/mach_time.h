// isochio: mach time, the virtual time of the current Runtime in the ticks of its timebase.
#pragma once

#include <cstdint>

#include <DriverKit/IOReturn.h>

struct mach_timebase_info {
  std::uint32_t numer, denom;  ///< nanoseconds = ticks * numer / denom
};
using mach_timebase_info_data_t = struct mach_timebase_info;
using mach_timebase_info_t = struct mach_timebase_info*;

std::uint64_t mach_absolute_time();
std::uint64_t mach_continuous_time();
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"  // Apple gives the structure and the function one name
kern_return_t mach_timebase_info(mach_timebase_info_t info);
#pragma GCC diagnostic pop
