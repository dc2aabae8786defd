// isochio: memory descriptors.
#include <DriverKit/IOBufferMemoryDescriptor.h>
#include <DriverKit/OSSharedPtr.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

namespace {

/// A part of one descriptor, or several one behind the other.
class ComposedMemory : public IOMemoryDescriptor {
 public:
  struct Part {
    OSSharedPtr<IOMemoryDescriptor> memory;
    std::uint64_t offset, length;
  };

  ComposedMemory(std::vector<Part> parts, std::uint64_t direction) : parts_(std::move(parts)) {
    direction_ = direction;
  }

  Pieces GetPieces(std::uint64_t offset, std::uint64_t length) const override {
    Pieces pieces;
    for (const Part& part : parts_) {
      if (offset < part.length && length > 0) {
        const std::uint64_t take = std::min(length, part.length - offset);
        for (const auto& piece : part.memory->GetPieces(part.offset + offset, take)) pieces.push_back(piece);
        length -= take;
      }
      offset -= std::min(offset, part.length);
    }
    return pieces;
  }

  std::uint64_t GetByteCount() const override {
    std::uint64_t sum = 0;
    for (const Part& part : parts_) sum += part.length;
    return sum;
  }

 private:
  std::vector<Part> parts_;
};

}  // namespace

IOMemoryMap::IOMemoryMap(IOMemoryDescriptor* memory, std::uint64_t address, std::uint64_t offset, std::uint64_t length)
    : memory_(memory), address_(address), offset_(offset), length_(length) {
  memory_->retain();
}

void IOMemoryMap::free() {
  memory_->release();
  OSObject::free();
}

kern_return_t IOMemoryDescriptor::_Dispatch(OSMetaClassBase*, IORPC) { return kIOReturnUnsupported; }

kern_return_t IOMemoryDescriptor::GetLength(std::uint64_t* length, OSDispatchMethod) {
  if (length == nullptr) return kIOReturnBadArgument;
  *length = GetByteCount();
  return kIOReturnSuccess;
}

kern_return_t IOMemoryDescriptor::CreateMapping(std::uint64_t options, std::uint64_t address, std::uint64_t offset,
                                                std::uint64_t length, std::uint64_t alignment, IOMemoryMap** map,
                                                OSDispatchMethod) {
  if (map == nullptr || offset > GetByteCount()) return kIOReturnBadArgument;
  if (length == 0) length = GetByteCount() - offset;
  if (length > GetByteCount() - offset) return kIOReturnBadArgument;
  const Pieces pieces = GetPieces(offset, length);
  if (pieces.size() != 1) return kIOReturnUnsupported;
  const auto where = reinterpret_cast<std::uint64_t>(pieces.front().data());
  if ((options & kIOMemoryMapFixedAddress) != 0 && address != where) return kIOReturnUnsupported;
  if (alignment > 1 && where % alignment != 0) return kIOReturnUnsupported;
  *map = new IOMemoryMap(this, where, offset, length);
  return kIOReturnSuccess;
}

kern_return_t IOMemoryDescriptor::CreateSubMemoryDescriptor(std::uint64_t options, std::uint64_t offset,
                                                            std::uint64_t length, IOMemoryDescriptor* of,
                                                            IOMemoryDescriptor** memory) {
  if (of == nullptr || memory == nullptr) return kIOReturnBadArgument;
  if (offset > of->GetByteCount() || length > of->GetByteCount() - offset) return kIOReturnBadArgument;
  *memory = new ComposedMemory({{OSSharedPtr<IOMemoryDescriptor>(of, OSRetain), offset, length}},
                               options != 0 ? options & kIOMemoryDirectionInOut : of->GetDirection());
  return kIOReturnSuccess;
}

kern_return_t IOMemoryDescriptor::CreateWithMemoryDescriptors(std::uint64_t options, std::uint32_t count,
                                                              IOMemoryDescriptor* const descriptors[],
                                                              IOMemoryDescriptor** memory) {
  if (memory == nullptr || descriptors == nullptr || count == 0) return kIOReturnBadArgument;
  std::vector<ComposedMemory::Part> parts;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (descriptors[i] == nullptr) return kIOReturnBadArgument;
    parts.push_back({OSSharedPtr<IOMemoryDescriptor>(descriptors[i], OSRetain), 0, descriptors[i]->GetByteCount()});
  }
  *memory = new ComposedMemory(std::move(parts), options & kIOMemoryDirectionInOut);
  return kIOReturnSuccess;
}

void IOMemoryDescriptor::ReadBytes(std::uint64_t offset, std::span<std::uint8_t> bytes) const {
  for (const auto& piece : GetPieces(offset, bytes.size())) {
    std::memcpy(bytes.data(), piece.data(), piece.size());
    bytes = bytes.subspan(piece.size());
  }
}

void IOMemoryDescriptor::WriteBytes(std::uint64_t offset, std::span<const std::uint8_t> bytes) {
  for (const auto& piece : GetPieces(offset, bytes.size())) {
    std::memcpy(piece.data(), bytes.data(), piece.size());
    bytes = bytes.subspan(piece.size());
  }
}

kern_return_t IOBufferMemoryDescriptor::_Dispatch(OSMetaClassBase*, IORPC) { return kIOReturnUnsupported; }

kern_return_t IOBufferMemoryDescriptor::Create(std::uint64_t options, std::uint64_t capacity, std::uint64_t alignment,
                                               IOBufferMemoryDescriptor** memory) {
  if (memory == nullptr || capacity == 0) return kIOReturnBadArgument;
  if (alignment != 0 && !std::has_single_bit(alignment)) return kIOReturnBadArgument;
  const std::uint64_t align = std::max<std::uint64_t>(alignment, alignof(std::max_align_t));
  const std::uint64_t rounded = (capacity + align - 1) / align * align;  // what aligned_alloc wants
  if (rounded < capacity) return kIOReturnNoMemory;
  void* bytes = std::aligned_alloc(align, rounded);
  if (bytes == nullptr) return kIOReturnNoMemory;
  std::memset(bytes, 0, rounded);
  auto* made = new IOBufferMemoryDescriptor();
  made->bytes_ = static_cast<std::uint8_t*>(bytes);
  made->capacity_ = made->length_ = capacity;
  made->direction_ = options & kIOMemoryDirectionInOut;
  *memory = made;
  return kIOReturnSuccess;
}

kern_return_t IOBufferMemoryDescriptor::GetAddressRange(IOAddressSegment* range) {
  if (range == nullptr) return kIOReturnBadArgument;
  *range = {reinterpret_cast<std::uint64_t>(bytes_), length_};
  return kIOReturnSuccess;
}

kern_return_t IOBufferMemoryDescriptor::SetLength(std::uint64_t length, OSDispatchMethod) {
  if (length > capacity_) return kIOReturnBadArgument;
  length_ = length;
  return kIOReturnSuccess;
}

IOMemoryDescriptor::Pieces IOBufferMemoryDescriptor::GetPieces(std::uint64_t offset, std::uint64_t length) const {
  if (offset >= length_ || length == 0) return {};
  return {std::span(bytes_ + offset, std::min(length, length_ - offset))};
}

void IOBufferMemoryDescriptor::free() {
  std::free(bytes_);
  IOMemoryDescriptor::free();
}
