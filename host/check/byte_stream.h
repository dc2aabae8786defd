// isochio: whole-stream comparison: what came back against what went out (loopback), or against a file.
#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "check/payload.h"
#include "check/reporter.h"

namespace isochio::check {

/// Loopback: bytes sent wait in a ring until they come back. Order and values must be the same; packet boundaries and
/// time don't matter. After a difference it looks for the place in the ring where the stream goes on, and tells loss
/// (ahead), repetition (behind: duplicate) and corruption (nowhere) apart.
class StreamComparator {
 public:
  /// `capacity` bytes may be on their way (rounded up to a power of two); more are a violation (payload_lost).
  explicit StreamComparator(Reporter& reporter, std::size_t capacity = 1U << 20U);

  void sent(std::span<const std::uint8_t> bytes, const PacketPlace& place = {});
  void received(std::span<const std::uint8_t> bytes, const PacketPlace& place);
  /// At the end: at most `still_inside` bytes may not have come back.
  void finish(std::uint64_t still_inside, const PacketPlace& place);

  std::uint64_t bytes_sent() const { return head_; }
  std::uint64_t bytes_received() const { return received_; }
  std::uint64_t bytes_lost() const { return lost_; }
  std::uint64_t bytes_corrupt() const { return corrupt_; }
  /// lost, duplicate, corrupt: how often that was found (not how many bytes); the rest stays 0.
  const PayloadStatistics& statistics() const { return statistics_; }

 private:
  struct Text {
    std::string expected, seen;
  };
  void report(Rule rule, const PacketPlace& place, const std::function<Text()>& text);
  std::uint8_t at(std::uint64_t position) const { return ring_[position & mask_]; }
  std::size_t matching(std::span<const std::uint8_t> bytes) const;
  bool anchored(std::span<const std::uint8_t> bytes, std::uint64_t start) const;
  bool in_place(std::span<const std::uint8_t> bytes) const;
  bool skipped(std::span<const std::uint8_t> bytes, const PacketPlace& place);
  bool repeated(std::span<const std::uint8_t>& bytes, const PacketPlace& place);
  void differs(std::span<const std::uint8_t>& bytes, const PacketPlace& place);

  Reporter& reporter_;
  std::vector<std::uint8_t> ring_;
  std::uint64_t mask_, head_ = 0, tail_ = 0, received_ = 0, lost_ = 0, corrupt_ = 0;
  PayloadStatistics statistics_;
};

/// A file that is streamed and must come back whole. Reads both sides from disk in blocks.
struct FileDifference {
  std::uint64_t expected_bytes = 0, seen_bytes = 0;
  bool same = false;
  std::uint64_t first_difference = 0;  ///< byte offset, valid if !same
  std::uint8_t expected = 0, seen = 0;
};
/// Error text names the file and why it can't be read.
tl::expected<FileDifference, std::string> compare_files(const std::string& expected, const std::string& seen);

}  // namespace isochio::check
