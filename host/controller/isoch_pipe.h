// isochio: one isochronous pipe: the queue of requests, which frames they get, and the transactions of the entry that
// is due. Pure but for transact(). Source: USB 2.0 sections 5.6, 5.9; driverkit-facts 1.4, 2.2 … 2.5.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <limits>

#include <tl/expected.hpp>

#include "controller/host.h"
#include "controller/sim_host_options.h"
#include "controller/transaction.h"

namespace isochio::controller {

/// The rule for a request's overall status: an entry's error other than short_packet replaces it, so that the last one
/// wins; short_packet is kept only if nothing else is [driverkit-facts 2.4].
constexpr Status accumulate(Status overall, Status entry) {
  if (entry == Status::ok) return overall;
  if (entry == Status::short_packet) return overall == Status::ok ? entry : overall;
  return entry;
}

/// Frames that a list of `entries` takes, by the endpoint's interval in (micro)frames (rounded down where it does
/// not fill whole frames).
constexpr std::uint64_t list_frames(std::uint64_t entries, std::uint32_t interval, usb::Speed speed) {
  return speed == usb::Speed::full ? entries * interval : entries * interval / 8U;
}
constexpr bool fills_whole_frames(std::uint64_t entries, std::uint32_t interval, usb::Speed speed) {
  return speed == usb::Speed::full || entries * interval % 8U == 0;
}
/// A first frame must be a multiple of this.
constexpr std::uint64_t frame_alignment(std::uint32_t interval, usb::Speed speed) {
  return speed == usb::Speed::full ? interval : interval > 8U ? interval / 8U : 1U;
}
/// Transactions that an entry of `bytes` takes on the wire (IN: at most): ceil(bytes / max_packet), at least 1.
constexpr std::uint32_t transactions_of(std::uint32_t bytes, std::uint16_t max_packet) {
  return bytes <= max_packet ? 1 : (bytes + max_packet - 1U) / max_packet;
}

class IsochPipe {
 public:
  static constexpr usb::FrameTime never{std::numeric_limits<std::uint64_t>::max()};
  static constexpr std::size_t most_entries = 1000;    ///< of an IsochIO list
  static constexpr std::size_t most_intervals = 1024;  ///< of a request by_interval

  IsochPipe(const usb::EndpointConfig& config, usb::Speed speed, std::uint32_t phase, const SimHostOptions& options);

  const usb::EndpointConfig& config() const { return config_; }
  std::uint32_t phase() const { return phase_; }

  // --- host software's side

  /// bad_argument if sizes, counts or alignment are wrong; else ok.
  Status check(const IsochRequest& request) const;
  /// Where the request would start while `now` is running (a whole frame but for by_interval); or too_old, too_new,
  /// bad_argument (explicit frame on a continuous stream), no_resources.
  tl::expected<usb::FrameTime, Status> place(const IsochRequest& request, usb::FrameTime now) const;
  /// Queues a request that place() has put at `start`.
  void push(IsochRequest& request, usb::FrameTime start);
  bool empty() const { return queue_.empty(); }
  /// Where the request behind all that is queued would start.
  usb::FrameTime available() const { return available_; }

  // --- the controller's side

  /// The (micro)frame in which the next entry moves; `never` if there is none.
  usb::FrameTime next_service() const { return next_service_; }
  /// The one in which the last entry moved or should have; `never` if there was none.
  usb::FrameTime last_service() const { return last_service_; }
  /// Transactions of the entry at the head have been, and more follow.
  bool between_transactions() const { return transaction_ != 0; }
  /// Worst case of the next transaction on the wire.
  bus::Duration longest() const;
  /// Runs the next transaction of the entry that is due. Status::pending: more transactions follow. Else the entry's
  /// status; then finish() must be called.
  Status transact(TransactionEngine& engine, std::uint8_t address);

  struct Ended {
    IsochRequest* request = nullptr;
    std::size_t entry = 0;
    bool last = false;  ///< of its request, which has left the queue
    Status overall = Status::ok;
    usb::FrameTime service;
  };
  /// Ends the entry at the head of the queue. There must be one. `served`: its service interval has come.
  Ended finish(Status status, bus::BusTime now, bool served = true);
  /// Runs `end_one` (which calls finish()) until `request` has left the queue, wherever in it it stands; the others
  /// keep their service intervals. false: it is not queued.
  template <typename EndOne>
  bool take_out(const IsochRequest& request, EndOne&& end_one);
  /// After all has been ended by abort(): forgets where the stream was.
  void restart();
  /// The frames have other numbers now.
  void renumber() { last_service_ = never; }

  // --- abort in progress: kept here, counted by the owner
  unsigned completing = 0;  ///< ended requests whose completion has not come yet
  unsigned aborting = 0;    ///< of these, aborted ones
  bool in_aborted_callback = false;
  bool closed = false;             ///< the endpoint is about to go or gone
  bus::BusTime last_completion{};  ///< so that completions stay in order

 private:
  struct Slot {
    IsochRequest* request;
    std::size_t entry, offset;
    Status overall;
    usb::FrameTime start;
  };

  std::uint64_t unit() const { return speed_ == usb::Speed::full ? 8 : 1; }  ///< of config_.interval
  usb::FrameTime service_of(const Slot& slot) const;
  Status transact_in(TransactionEngine& engine, std::uint8_t address);
  Status transact_out(TransactionEngine& engine, std::uint8_t address);
  Status take(usb::Pid pid, std::span<const std::uint8_t> payload);
  bool pid_allowed(usb::Pid pid) const;

  usb::EndpointConfig config_;
  usb::Speed speed_;
  std::uint32_t phase_;
  const SimHostOptions& options_;
  std::deque<Slot> queue_;
  usb::FrameTime available_{};  ///< first service interval after all that was queued
  bool continuous_ = false;     ///< a queued request was placed by the controller (first frame 0)
  usb::FrameTime next_service_ = never, last_service_ = never;
  // the entry that is moving
  std::uint32_t moved_ = 0;        ///< bytes
  std::uint32_t transaction_ = 0;  ///< those that have been
  usb::Pid last_pid_ = usb::Pid::data0;
};

template <typename EndOne>
bool IsochPipe::take_out(const IsochRequest& request, EndOne&& end_one) {
  const auto found =
      std::find_if(queue_.begin(), queue_.end(), [&](const Slot& slot) { return slot.request == &request; });
  if (found == queue_.end()) return false;
  const bool head = found == queue_.begin();
  const std::uint32_t moved = moved_, transaction = transaction_;
  if (!head) {
    const Slot slot = *found;
    queue_.erase(found);
    queue_.push_front(slot);
    moved_ = transaction_ = 0;
  }
  while (!queue_.empty() && queue_.front().request == &request) end_one();
  if (!head) {
    moved_ = moved;
    transaction_ = transaction;
  }
  return true;
}

}  // namespace isochio::controller
