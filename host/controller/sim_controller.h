// isochio: the bus master: lets the bus run, (micro)frame by (micro)frame, and serves the pipes. Periodic pipes come
// first in each (micro)frame, then control and bulk in turn; nothing begins that could reach into the end-of-frame
// guard. One step is one packet exchange or one pause, and all state is kept here, so that run_until() can be nested.
// Internal to controller/; see sim_host.h.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "bus/link.h"
#include "controller/bulk_pipe.h"
#include "controller/control_pipe.h"
#include "controller/event_queue.h"
#include "controller/frame_clock.h"
#include "controller/interrupts.h"
#include "controller/isoch_pipe.h"
#include "controller/sim_host.h"

namespace isochio::controller {

class SimController {
 public:
  SimController(bus::Link& link, const SimHostOptions& options);

  // --- time
  bus::BusTime now() const { return link_.now(); }
  const FrameClock& clock() const { return clock_; }
  usb::FrameTime frame_time() const { return clock_.at(now(), link_.speed()); }
  void call_at(bus::BusTime at, std::function<void()> task) { events_.add(std::max(at, now()), std::move(task)); }
  /// The running frame gets this number. All isochronous requests in flight are aborted.
  void set_frame_number(std::uint64_t frame);
  bool run_until(bus::BusTime deadline, const std::function<bool()>& done);
  /// The first event that waits; EventQueue::never if none does.
  bus::BusTime next_event() const { return events_.next(); }

  // --- the port, as RootPort sets it
  /// SOFs from the next (micro)frame on.
  void start(usb::Speed speed);
  /// No SOFs, no transactions; `watch_wake`: notice remote wake-up.
  void stop(bool watch_wake = false);
  bool running() const { return running_; }
  /// Lets the packets of a high-bandwidth interval that has begun go out.
  void finish_interval();
  bool wake_seen() const { return wake_seen_; }
  std::function<void()> on_disconnect;  ///< the device has gone: called once, between transactions

  // --- the device, as DeviceSession sets it
  void set_address(std::uint8_t address) { address_ = address; }
  std::uint8_t address() const { return address_; }
  ControlPipe& control_pipe() { return control_; }
  void set_connected(bool connected) { connected_ = connected; }
  bool connected() const { return connected_; }

  // --- pipes
  void open(const usb::EndpointConfig& endpoint, usb::Speed speed, std::uint32_t phase);
  /// No more submissions; all in flight is ended with `status`. The pipe goes when drop() is called.
  void close(usb::EndpointAddress endpoint, Status status);
  /// Completions of ended requests are still to come.
  bool completing(usb::EndpointAddress endpoint) const;
  /// Opens a closed pipe again.
  void reopen(usb::EndpointAddress endpoint);
  void drop(usb::EndpointAddress endpoint);
  void close_all(Status status);

  // --- what host software asks for
  tl::expected<std::size_t, Status> control(const ControlSetup& setup, std::span<std::uint8_t> data,
                                            bus::Duration timeout);
  tl::expected<void, Status> submit(IsochRequest& request);
  tl::expected<void, Status> submit(BulkRequest& request);
  tl::expected<void, Status> submit(ControlRequest& request);
  void abort(usb::EndpointAddress endpoint, Status status = Status::aborted);
  bool abort(IsochRequest& request);
  bool abort(BulkRequest& request);
  bool abort(ControlRequest& request);
  /// When the first service interval after all that was queued on an isochronous pipe begins; empty: nothing was.
  std::optional<usb::FrameTime> available(usb::EndpointAddress endpoint) const;
  tl::expected<void, Status> clear_halt(usb::EndpointAddress endpoint);

  tl::expected<WireCapacity, Status> measure_capacity(usb::EndpointAddress endpoint, std::uint32_t payload);

  void add_observer(RequestObserver* observer) { observers_.push_back(observer); }
  const std::vector<RequestObserver*>& observers() const { return observers_; }
  HostCounters& counters() { return counters_; }
  const SimHostOptions& options() const { return options_; }
  bus::Link& link() { return link_; }

 private:
  using IsochPointer = std::shared_ptr<IsochPipe>;
  using BulkPointer = std::shared_ptr<BulkPipe>;
  struct Note {
    IsochRequest* request;
    std::size_t entry;
  };
  struct PendingControl {
    ControlRequest* request;
    ControlTransfer transfer;
  };

  void deliver_note();
  void step(bus::BusTime limit);
  void idle(bus::BusTime limit);
  void start_of_frame();
  bool fits(bus::Duration longest) const;
  bool serve_periodic();
  bool serve_isochronous(const IsochPointer& pipe);
  bool serve_interrupt(const BulkPointer& pipe);
  bool serve_others(bus::BusTime& wake);
  bool serve_control(bus::BusTime& wake);
  bool serve_bulk(const BulkPointer& pipe, bus::BusTime& wake);

  void end_entry(const IsochPointer& pipe, Status status, bool aborted = false);
  void watch_ring(const IsochPointer& pipe);
  void complete_later(const IsochPointer& pipe, IsochRequest& request, Status overall, bus::BusTime due, bool aborted);
  void complete(IsochPipe& pipe, IsochRequest& request, Status overall, bus::BusTime due, bool aborted);
  void complete_later(const BulkPointer& pipe, BulkPipe::Ended ended, bool aborted);
  void complete(BulkPipe& pipe, const BulkPipe::Ended& ended, bool aborted);
  Status control_refusal(const ControlSetup& setup, std::span<std::uint8_t> data) const;
  void complete_control(std::uint64_t id);
  tl::expected<void, Status> refuse(const IsochRequest& request, Status status);
  Status submission_status(const IsochRequest& request) const;
  static std::size_t index(usb::EndpointAddress endpoint) { return endpoint.number() + (endpoint.is_in() ? 16U : 0U); }
  void list_pipes();
  std::uint32_t fill(usb::EndpointAddress endpoint, std::span<const std::uint8_t> payload, bus::BusTime end);

  bus::Link& link_;
  const SimHostOptions options_;
  HostCounters counters_;
  EventQueue events_;
  FrameClock clock_;
  Interrupts interrupts_;
  TransactionEngine engine_;
  std::vector<RequestObserver*> observers_;
  std::vector<Note> notes_;  ///< entries whose client has not been told yet
  std::size_t notes_told_ = 0;

  bool running_ = false, watch_wake_ = false, wake_seen_ = false, connected_ = false;
  usb::Speed speed_ = usb::Speed::full;
  bus::BusTime next_sof_{};
  usb::FrameTime current_{};  ///< the (micro)frame whose SOF was sent last
  std::uint8_t address_ = 0;

  ControlPipe control_;
  std::vector<std::unique_ptr<PendingControl>> controls_;  ///< those that nobody blocks for
  std::array<IsochPointer, 32> isoch_;                     ///< by endpoint number, IN behind OUT
  std::array<BulkPointer, 32> bulk_;                       ///< bulk and interrupt
  std::vector<IsochPointer> isoch_list_;
  std::vector<BulkPointer> interrupt_list_, bulk_list_;
  std::size_t isoch_turn_ = 0, interrupt_turn_ = 0;  ///< next to be served in this (micro)frame
  std::size_t turn_ = 0;                             ///< control (0) or bulk (1 + index): whose turn it is
  std::uint64_t isoch_id_ = 0, bulk_id_ = 0, control_id_ = 0;
};

}  // namespace isochio::controller
