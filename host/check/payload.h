// isochio: makes and checks the payload of docs/payload.md on the host side. Streaming and resynchronising: nothing is
// kept but counters and the running sequence.
#pragma once

#include <cstdint>
#include <span>

#include "check/reporter.h"
#include "check/service_time.h"
#include "check/statistics.h"
#include "usb/types.h"

namespace isochio::check {

enum class Pattern : std::uint8_t {
  none,   ///< not looked at
  prbs,   ///< docs/payload.md: sequence, stamp, length, PRBS31, CRC32
  zeros,  ///< Gadget Zero's patterns
  mod63,
};
inline constexpr std::uint32_t default_seed = 0x49534F49;  ///< reset value of the engines' SEED register
inline constexpr std::size_t prbs_header_bytes = 8;
inline constexpr std::size_t prbs_least_bytes = 12;  ///< from here on a packet carries a CRC32

/// One packet of the pattern; `sequence` is not used for zeros and mod63.
void make_packet(Pattern pattern, std::uint32_t seed, std::uint32_t sequence, usb::FrameTime at,
                 std::span<std::uint8_t> packet);

/// Is the CRC32 of this PRBS packet good? True for packets too short to carry one.
bool prbs_intact(std::span<const std::uint8_t> packet);

class PatternGenerator {
 public:
  explicit PatternGenerator(Pattern pattern = Pattern::prbs, std::uint32_t seed = default_seed)
      : pattern_(pattern), seed_(seed) {}

  /// Fills one packet (transaction) that will move at `at`. Zero length consumes no sequence number.
  void packet(std::span<std::uint8_t> bytes, usb::FrameTime at);
  /// Fills what one service interval carries: packets of `max_packet` bytes and the rest.
  void interval(std::span<std::uint8_t> bytes, std::uint16_t max_packet, usb::FrameTime at);
  std::uint32_t next_sequence() const { return sequence_; }

 private:
  Pattern pattern_;
  std::uint32_t seed_, sequence_ = 0;
};

/// Where a packet belongs, for the text of a violation.
struct PacketPlace {
  std::uint64_t request = 0;
  std::int64_t entry = -1;
  usb::EndpointAddress endpoint;
  ServiceWindow window;  ///< when it should have moved; empty (begin == end): time is not checked (bulk)
  bus::BusTime time;
};

class PatternChecker {
 public:
  PatternChecker(Reporter& reporter, Pattern pattern, std::uint32_t seed = default_seed)
      : reporter_(reporter), pattern_(pattern), seed_(seed) {}

  void packet(std::span<const std::uint8_t> bytes, const PacketPlace& place);
  /// Packets of one service interval, back to back as IsochIO packs them: all but the last of `max_packet` bytes.
  void interval(std::span<const std::uint8_t> bytes, std::uint16_t max_packet, const PacketPlace& place);
  /// The source restarted: the next packet's sequence is taken as it comes (`any`) or expected to be 0.
  void restart(bool any = false);
  const PayloadStatistics& statistics() const { return statistics_; }

 private:
  void prbs(std::span<const std::uint8_t> bytes, const PacketPlace& place);
  void plain(std::span<const std::uint8_t> bytes, const PacketPlace& place);
  void damaged(std::span<const std::uint8_t> bytes, const PacketPlace& place);
  bool length_differs(std::span<const std::uint8_t> bytes, std::uint32_t sequence) const;
  void truncated(std::span<const std::uint8_t> bytes, std::uint32_t number, const PacketPlace& place);
  void short_packet(std::span<const std::uint8_t> bytes, const PacketPlace& place);
  void sequence(std::uint32_t seen, const PacketPlace& place);
  void stamp(std::uint16_t seen, const PacketPlace& place);
  bool open(Rule rule, const PacketPlace& place, Violation& violation);

  Reporter& reporter_;
  Pattern pattern_;
  std::uint32_t seed_, expected_ = 0;
  bool locked_ = true;  ///< false: take the next sequence as it comes
  PayloadStatistics statistics_;
};

}  // namespace isochio::check
