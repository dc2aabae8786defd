// isochio: IOBufferMemoryDescriptor, memory that the descriptor itself allocates.
#pragma once

#include <DriverKit/IOMemoryDescriptor.h>

class IOBufferMemoryDescriptor : public IOMemoryDescriptor {
 public:
  static kern_return_t _Dispatch(OSMetaClassBase* self, IORPC rpc);

  /// `options`: a direction. `alignment` 0 or a power of two. Zeroed; the length is the capacity until SetLength.
  static kern_return_t Create(std::uint64_t options, std::uint64_t capacity, std::uint64_t alignment,
                              IOBufferMemoryDescriptor** memory);
  kern_return_t GetAddressRange(IOAddressSegment* range);
  kern_return_t SetLength(std::uint64_t length, OSDispatchMethod supermethod = nullptr);

  Pieces GetPieces(std::uint64_t offset, std::uint64_t length) const override;
  std::uint64_t GetByteCount() const override { return length_; }
  void free() override;

 private:
  IOBufferMemoryDescriptor() = default;

  std::uint8_t* bytes_ = nullptr;
  std::uint64_t capacity_ = 0, length_ = 0;
};
