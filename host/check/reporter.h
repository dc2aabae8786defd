// isochio: counts violations and lets only the first of each rule through, so that a broken run does not fill a disk.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "check/violation.h"

namespace isochio::check {

class Reporter final : public ViolationSink {
 public:
  /// `sink` gets at most `cap` violations of each rule; all are counted. `sink` must outlive this.
  explicit Reporter(ViolationSink& sink, std::uint64_t cap = 1000) : sink_(sink), cap_(cap) {}

  void report(const Violation& violation) override {
    if (count_only(violation.rule)) sink_.report(violation);
  }

  /// Counts one violation; true if its text is still wanted. Spares making strings that nobody will read: call it, and
  /// forward() only if it is true.
  bool count_only(Rule rule) { return ++counts_[static_cast<std::size_t>(rule)] <= cap_; }
  void forward(const Violation& violation) { sink_.report(violation); }

  std::uint64_t count(Rule rule) const { return counts_[static_cast<std::size_t>(rule)]; }
  std::uint64_t count(Group group) const;
  std::uint64_t total() const;
  /// Of `count(rule)`, those that went to the sink.
  std::uint64_t reported(Rule rule) const { return count(rule) < cap_ ? count(rule) : cap_; }
  std::uint64_t cap() const { return cap_; }

 private:
  ViolationSink& sink_;
  std::uint64_t cap_;
  std::array<std::uint64_t, rule_count> counts_{};
};

/// One line for people: "late: request 3 entry 7, endpoint 0x81, frame 1002.3, 12.345678 ms: expected …, seen …".
std::string to_string(const Violation& violation);

/// "1002.3"
std::string to_string(usb::FrameTime time);

}  // namespace isochio::check
