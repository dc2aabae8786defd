// isochio: one bulk or interrupt pipe: a queue of requests, moved packet by packet; halts on STALL and errors.
// Source: USB 2.0 sections 5.7, 5.8, 8.5.1, 8.5.2, 8.5.4.
#pragma once

#include <cstdint>
#include <deque>

#include "controller/acknowledged.h"
#include "controller/host.h"

namespace isochio::controller {

class BulkPipe {
 public:
  BulkPipe(const usb::EndpointConfig& config, usb::Speed speed, std::uint32_t phase)
      : config_(config), speed_(speed), phase_(phase) {}

  const usb::EndpointConfig& config() const { return config_; }
  std::uint32_t phase() const { return phase_; }
  bool interrupt() const { return config_.type == usb::TransferType::interrupt; }

  void push(BulkRequest& request, bus::BusTime now) { queue_.push_back({&request, now}); }
  bool empty() const { return queue_.empty(); }
  std::size_t depth() const { return queue_.size(); }

  /// There is something to do at `now`; see not_before().
  bool ready() const { return !queue_.empty() && !halted_; }
  /// The device said NAK: the next attempt is not before this.
  bus::BusTime not_before() const { return not_before_; }
  /// Interrupt: it is polled in the (micro)frames whose number is phase() modulo the interval.
  bool polls_in(usb::FrameTime t) const;
  bus::Duration longest() const;

  struct Ended {
    BulkRequest* request = nullptr;  ///< empty: nothing has ended
    bus::BusTime begin{};
  };
  /// One transaction for the request at the head. `nak_pause`: how long a NAK keeps the pipe quiet.
  Ended transact(TransactionEngine& engine, std::uint8_t address, bus::BusTime now, bus::Duration nak_pause,
                 std::uint64_t& naks, std::uint64_t& retries);
  /// Takes out the request at the head, or a certain one if it is still queued.
  Ended end_head(Status status);
  Ended end(std::uint64_t id, Status status);

  bool halted() const { return halted_; }
  void clear_halt();

  unsigned completing = 0;  ///< ended requests whose completion has not come yet
  unsigned aborting = 0;    ///< of these, aborted ones
  bool in_aborted_callback = false;
  bool closed = false;
  bus::BusTime last_completion{};

 private:
  struct Slot {
    BulkRequest* request;
    bus::BusTime begin;
  };
  Outcome attempt(TransactionEngine& engine, std::uint8_t address, BulkRequest& request, bool& complete);

  usb::EndpointConfig config_;
  usb::Speed speed_;
  std::uint32_t phase_;
  std::deque<Slot> queue_;
  Flow flow_;
  bool halted_ = false;
  bus::BusTime not_before_{};
};

}  // namespace isochio::controller
