// isochio: the control pipe: transfers of setup, data and status stage, one after the other.
// Source: USB 2.0 sections 5.5, 8.5.3, 9.3.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>

#include "controller/acknowledged.h"
#include "controller/host.h"

namespace isochio::controller {

/// Lives where the caller waits; the pipe only points to it.
struct ControlTransfer {
  ControlSetup setup;
  std::span<std::uint8_t> data;
  std::uint64_t id = 0;
  bus::BusTime begin{};
  std::size_t complete = 0;
  Status status = Status::pending;
  std::function<void()> on_end{};  ///< the transfer has left the queue; may not touch the pipe
};

class ControlPipe {
 public:
  /// After a bus reset, until the device descriptor says more: 8 bytes at full speed, 64 at high speed [5.5.3].
  void reset(usb::Speed speed);
  void set_max_packet(std::uint16_t bytes) { max_packet_ = bytes; }

  void push(ControlTransfer& transfer);
  bool ready() const { return !queue_.empty(); }
  bus::BusTime not_before() const { return not_before_; }
  bus::Duration longest() const;

  /// One transaction. A transfer that ends leaves the queue and has its status.
  void transact(TransactionEngine& engine, std::uint8_t address, bus::BusTime now, bus::Duration nak_pause,
                std::uint64_t& naks, std::uint64_t& retries);
  /// Ends a transfer that is still queued (timeout); no-op otherwise.
  void end(std::uint64_t id, Status status);
  void end_all(Status status);

 private:
  enum class Stage : std::uint8_t { setup, data, status };

  Outcome attempt(TransactionEngine& engine, std::uint8_t address);
  Outcome attempt_setup(TransactionEngine& engine, std::uint8_t address, const ControlSetup& setup);
  Outcome attempt_data(TransactionEngine& engine, std::uint8_t address, ControlTransfer& transfer);
  Outcome attempt_status(TransactionEngine& engine, std::uint8_t address, ControlTransfer& transfer);
  void begin_stage(Stage stage);
  void end_head(Status status);
  static void finish(ControlTransfer& transfer, Status status);
  bool high() const { return speed_ == usb::Speed::high; }

  usb::Speed speed_ = usb::Speed::full;
  std::uint16_t max_packet_ = 8;
  std::deque<ControlTransfer*> queue_;
  Stage stage_ = Stage::setup;
  Flow flow_;
  bus::BusTime not_before_{};
};

}  // namespace isochio::controller
