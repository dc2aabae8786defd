// isochio: one loopback pair of a run: what the OUT stream sent, held against what the IN stream got back.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>

#include "check/byte_stream.h"

namespace isochio::scenario {

class Loop {
 public:
  /// `capacity`: the most bytes on their way at once. `received` (may be null) gets all that comes back.
  Loop(check::Reporter& reporter, std::size_t capacity, std::FILE* received)
      : comparator_(reporter, capacity), received_(received) {}

  void sent(std::span<const std::uint8_t> bytes, const check::PacketPlace& place) { comparator_.sent(bytes, place); }
  void received(std::span<const std::uint8_t> bytes, const check::PacketPlace& place) {
    comparator_.received(bytes, place);
    if (received_ != nullptr) std::fwrite(bytes.data(), 1, bytes.size(), received_);
  }
  void finish(const check::PacketPlace& place) { comparator_.finish(0, place); }
  const check::PayloadStatistics& statistics() const { return comparator_.statistics(); }
  void source_ended(std::uint64_t frame) { source_end_ = frame; }

  bool all_back() const { return comparator_.bytes_received() >= comparator_.bytes_sent(); }
  std::uint64_t bytes_back() const { return comparator_.bytes_received(); }
  /// The frame after the OUT stream's last; 0 while it runs.
  std::uint64_t source_end() const { return source_end_; }

 private:
  check::StreamComparator comparator_;
  std::FILE* received_;
  std::uint64_t source_end_ = 0;
};

}  // namespace isochio::scenario
