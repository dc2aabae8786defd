// isochio: a violation, the thing that every checker reports. Strings are made only when something is wrong.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "bus/bus_time.h"
#include "usb/types.h"

namespace isochio::check {

enum class Rule : std::uint8_t {
  // frame timing
  late,
  early,
  missed,
  duplicate,
  sof_interval,
  sof_number,
  inter_packet_gap,
  response_time,
  end_of_frame,
  completion_latency,
  // payload
  payload_lost,
  payload_duplicate,
  payload_reordered,
  payload_truncated,
  payload_corrupt,
  payload_mistimed,
  // packets
  pid_sequence,
  crc,
  packet_error,
  // promises
  status,
  count,
  promise,
  device_log,
  bandwidth,
  // what the driver does wrong (diagnosis.h)
  cursor_not_advanced,
  wrong_span,
  overlapping,
  no_lead,
  rearmed_with_zero,
  transfer_thrown_away,
  rearmed_on_abort,
  waits_on_own_queue,
  not_replanned,
  wrong_stride,
  stale_pipe,
  late_resubmit,
  not_resubmitted,
  too_early,
  slow_completion,
  freed_too_early,
  completion_dropped,
  completion_unserved,
  bad_list,
  explicit_on_continuous,
  clears_stall,
  feedback_misread,
};
inline constexpr std::size_t rule_count = static_cast<std::size_t>(Rule::feedback_misread) + 1;
const char* to_string(Rule rule);

/// What a reader asks for, and one JUnit test case each.
enum class Group : std::uint8_t {
  frame_timing,
  wire_timing,
  payload,
  pid_sequence,
  status,
  latency,
  device_log,
  driver,
};
inline constexpr std::size_t group_count = static_cast<std::size_t>(Group::driver) + 1;
const char* to_string(Group group);
Group group_of(Rule rule);

struct Violation {
  Rule rule{};
  std::uint64_t request = 0;  ///< 0: none is concerned
  std::int64_t entry = -1;    ///< -1: none is concerned
  usb::EndpointAddress endpoint;
  usb::FrameTime at;  ///< (micro)frame
  bus::BusTime time;
  std::string expected, seen;
  std::uint64_t fault = 0;  ///< the injected fault that it follows; 0: none
  usb::FrameTime fault_at{};
};

class ViolationSink {
 public:
  virtual ~ViolationSink() = default;
  virtual void report(const Violation& violation) = 0;
};

}  // namespace isochio::check
