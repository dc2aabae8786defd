// isochio: basic types of DriverKit.
#pragma once

#include <cstddef>
#include <cstdint>

#include <DriverKit/IOReturn.h>

using IOOptionBits = std::uint32_t;
using IOByteCount = std::uint64_t;
using IOPhysicalAddress = std::uint64_t;
using IOVirtualAddress = std::uint64_t;
using AbsoluteTime = std::uint64_t;

struct IOAddressSegment {
  std::uint64_t address;  ///< a pointer of this process
  std::uint64_t length;   ///< bytes
};

// Memory directions: seen from the host, "in" is what a device writes.
inline constexpr std::uint64_t kIOMemoryDirectionNone = 0x0;
inline constexpr std::uint64_t kIOMemoryDirectionIn = 0x1;
inline constexpr std::uint64_t kIOMemoryDirectionOut = 0x2;
inline constexpr std::uint64_t kIOMemoryDirectionOutIn = 0x3;
inline constexpr std::uint64_t kIOMemoryDirectionInOut = kIOMemoryDirectionOutIn;
