// isochio: IOMemoryDescriptor: one or more pieces of memory of this process. There is no other address space, so a
// "mapping" is the memory itself.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <DriverKit/IOMemoryMap.h>
#include <DriverKit/OSObject.h>

inline constexpr std::uint64_t kIOMemoryMapFixedAddress = 0x1;
inline constexpr std::uint64_t kIOMemoryMapReadOnly = 0x2;
inline constexpr std::uint64_t kIOMemoryMapCacheModeDefault = 0x0;
inline constexpr std::uint64_t kIOMemoryMapCacheModeInhibit = 0x100;
inline constexpr std::uint64_t kIOMemoryMapCacheModeCopyback = 0x200;
inline constexpr std::uint64_t kIOMemoryMapCacheModeWriteThrough = 0x400;

class IOMemoryDescriptor : public OSObject {
 public:
  static kern_return_t _Dispatch(OSMetaClassBase* self, IORPC rpc);

  kern_return_t GetLength(std::uint64_t* length, OSDispatchMethod supermethod = nullptr);
  /// `length` 0: to the end. `address` and `alignment` must be 0 or be satisfied by the memory as it is
  /// (kIOReturnUnsupported otherwise); so must a memory of several pieces be viewed within one of them.
  kern_return_t CreateMapping(std::uint64_t options, std::uint64_t address, std::uint64_t offset, std::uint64_t length,
                              std::uint64_t alignment, IOMemoryMap** map, OSDispatchMethod supermethod = nullptr);
  static kern_return_t CreateSubMemoryDescriptor(std::uint64_t options, std::uint64_t offset, std::uint64_t length,
                                                 IOMemoryDescriptor* of, IOMemoryDescriptor** memory);
  static kern_return_t CreateWithMemoryDescriptors(std::uint64_t options, std::uint32_t count,
                                                   IOMemoryDescriptor* const descriptors[],
                                                   IOMemoryDescriptor** memory);

  // The rest is for the runtime.
  using Pieces = std::vector<std::span<std::uint8_t>>;
  /// The memory, `length` bytes from `offset` at most.
  virtual Pieces GetPieces(std::uint64_t offset, std::uint64_t length) const = 0;
  virtual std::uint64_t GetByteCount() const = 0;
  std::uint64_t GetDirection() const { return direction_; }
  void ReadBytes(std::uint64_t offset, std::span<std::uint8_t> bytes) const;
  void WriteBytes(std::uint64_t offset, std::span<const std::uint8_t> bytes);

 protected:
  std::uint64_t direction_ = kIOMemoryDirectionInOut;
};
