// isochio: IOMemoryMap, a view of a memory descriptor.
#pragma once

#include <DriverKit/OSObject.h>

class IOMemoryDescriptor;

class IOMemoryMap : public OSObject {
 public:
  std::uint64_t GetAddress() const { return address_; }
  std::uint64_t GetLength() const { return length_; }
  std::uint64_t GetOffset() const { return offset_; }

  void free() override;

 private:
  friend class IOMemoryDescriptor;
  IOMemoryMap(IOMemoryDescriptor* memory, std::uint64_t address, std::uint64_t offset, std::uint64_t length);

  IOMemoryDescriptor* memory_;  ///< held
  std::uint64_t address_, offset_, length_;
};
