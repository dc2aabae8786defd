// isochio: names of rules and groups, and the counting of violations.
#include "check/reporter.h"

#include <fmt/format.h>

namespace isochio::check {

const char* to_string(Rule rule) {
  switch (rule) {
    case Rule::late:
      return "late";
    case Rule::early:
      return "early";
    case Rule::missed:
      return "missed";
    case Rule::duplicate:
      return "duplicate";
    case Rule::sof_interval:
      return "sof_interval";
    case Rule::sof_number:
      return "sof_number";
    case Rule::inter_packet_gap:
      return "inter_packet_gap";
    case Rule::response_time:
      return "response_time";
    case Rule::end_of_frame:
      return "end_of_frame";
    case Rule::completion_latency:
      return "completion_latency";
    case Rule::payload_lost:
      return "payload_lost";
    case Rule::payload_duplicate:
      return "payload_duplicate";
    case Rule::payload_reordered:
      return "payload_reordered";
    case Rule::payload_truncated:
      return "payload_truncated";
    case Rule::payload_corrupt:
      return "payload_corrupt";
    case Rule::payload_mistimed:
      return "payload_mistimed";
    case Rule::pid_sequence:
      return "pid_sequence";
    case Rule::crc:
      return "crc";
    case Rule::packet_error:
      return "packet_error";
    case Rule::status:
      return "status";
    case Rule::count:
      return "count";
    case Rule::promise:
      return "promise";
    case Rule::device_log:
      return "device_log";
    case Rule::bandwidth:
      return "bandwidth";
    case Rule::cursor_not_advanced:
      return "cursor_not_advanced";
    case Rule::wrong_span:
      return "wrong_span";
    case Rule::overlapping:
      return "overlapping";
    case Rule::no_lead:
      return "no_lead";
    case Rule::rearmed_with_zero:
      return "rearmed_with_zero";
    case Rule::transfer_thrown_away:
      return "transfer_thrown_away";
    case Rule::rearmed_on_abort:
      return "rearmed_on_abort";
    case Rule::waits_on_own_queue:
      return "waits_on_own_queue";
    case Rule::not_replanned:
      return "not_replanned";
    case Rule::wrong_stride:
      return "wrong_stride";
    case Rule::stale_pipe:
      return "stale_pipe";
    case Rule::late_resubmit:
      return "late_resubmit";
    case Rule::not_resubmitted:
      return "not_resubmitted";
    case Rule::too_early:
      return "too_early";
    case Rule::slow_completion:
      return "slow_completion";
    case Rule::freed_too_early:
      return "freed_too_early";
    case Rule::completion_dropped:
      return "completion_dropped";
    case Rule::completion_unserved:
      return "completion_unserved";
    case Rule::bad_list:
      return "bad_list";
    case Rule::explicit_on_continuous:
      return "explicit_on_continuous";
    case Rule::clears_stall:
      return "clears_stall";
    case Rule::feedback_misread:
      return "feedback_misread";
  }
  return "?";
}

const char* to_string(Group group) {
  switch (group) {
    case Group::frame_timing:
      return "frame_timing";
    case Group::wire_timing:
      return "wire_timing";
    case Group::payload:
      return "payload";
    case Group::pid_sequence:
      return "pid_sequence";
    case Group::status:
      return "status";
    case Group::latency:
      return "latency";
    case Group::device_log:
      return "device_log";
    case Group::driver:
      return "driver";
  }
  return "?";
}

Group group_of(Rule rule) {
  switch (rule) {
    case Rule::late:
    case Rule::early:
    case Rule::missed:
    case Rule::duplicate:
    case Rule::bandwidth:
      return Group::frame_timing;
    case Rule::sof_interval:
    case Rule::sof_number:
    case Rule::inter_packet_gap:
    case Rule::response_time:
    case Rule::end_of_frame:
      return Group::wire_timing;
    case Rule::payload_lost:
    case Rule::payload_duplicate:
    case Rule::payload_reordered:
    case Rule::payload_truncated:
    case Rule::payload_corrupt:
    case Rule::payload_mistimed:
      return Group::payload;
    case Rule::pid_sequence:
    case Rule::crc:
    case Rule::packet_error:
      return Group::pid_sequence;
    case Rule::status:
    case Rule::count:
    case Rule::promise:
      return Group::status;
    case Rule::completion_latency:
      return Group::latency;
    case Rule::device_log:
      return Group::device_log;
    case Rule::cursor_not_advanced:
    case Rule::wrong_span:
    case Rule::overlapping:
    case Rule::no_lead:
    case Rule::rearmed_with_zero:
    case Rule::transfer_thrown_away:
    case Rule::rearmed_on_abort:
    case Rule::waits_on_own_queue:
    case Rule::not_replanned:
    case Rule::wrong_stride:
    case Rule::stale_pipe:
    case Rule::late_resubmit:
    case Rule::not_resubmitted:
    case Rule::too_early:
    case Rule::slow_completion:
    case Rule::freed_too_early:
    case Rule::completion_dropped:
    case Rule::completion_unserved:
    case Rule::bad_list:
    case Rule::explicit_on_continuous:
    case Rule::clears_stall:
    case Rule::feedback_misread:
      return Group::driver;
  }
  return Group::status;
}

std::uint64_t Reporter::count(Group group) const {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < rule_count; ++i)
    if (group_of(static_cast<Rule>(i)) == group) sum += counts_[i];
  return sum;
}

std::uint64_t Reporter::total() const {
  std::uint64_t sum = 0;
  for (const auto c : counts_) sum += c;
  return sum;
}

std::string to_string(usb::FrameTime time) { return fmt::format("{}.{}", time.frame(), time.microframe()); }

std::string to_string(const Violation& v) {
  std::string text = fmt::format("{}: ", to_string(v.rule));
  if (v.request != 0) text += fmt::format("request {} ", v.request);
  if (v.entry >= 0) text += fmt::format("entry {} ", v.entry);
  if (v.endpoint.value != 0) text += fmt::format("endpoint 0x{:02x} ", v.endpoint.value);
  const std::int64_t ns = bus::to_ns(v.time);
  text += fmt::format("frame {} at {}.{:06d} ms: expected {}, seen {}", to_string(v.at), ns / 1'000'000, ns % 1'000'000,
                      v.expected, v.seen);
  if (v.fault != 0) text += fmt::format(" [after fault {}, made in frame {}]", v.fault, to_string(v.fault_at));
  return text;
}

}  // namespace isochio::check
