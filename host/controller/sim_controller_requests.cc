// Requests: submission, refusals, ends and completions.
#include <algorithm>

#include "controller/sim_controller.h"
#include "controller/timing.h"

namespace isochio::controller {

using bus::BusTime;
using bus::Duration;

// --- isochronous ----------------------------------------------------------------------------------------------------

Status SimController::submission_status(const IsochRequest& request) const {
  if (!connected_) return Status::no_device;
  const IsochPointer& pipe = isoch_[index(request.endpoint)];
  if (!pipe) return bulk_[index(request.endpoint)] ? Status::bad_argument : Status::not_open;
  if (pipe->closed) return Status::not_open;
  if (request.client == nullptr) return Status::bad_argument;
  // A request that is taken back alone leaves the pipe open to others.
  const bool waits = pipe->aborting != 0 && !pipe->in_aborted_callback && !request.by_interval;
  if (waits) return Status::not_permitted;
  return pipe->check(request);
}

tl::expected<void, Status> SimController::refuse(const IsochRequest& request, Status status) {
  for (RequestObserver* observer : observers_) observer->on_refused(request, status, now());
  return tl::unexpected(status);
}

tl::expected<void, Status> SimController::submit(IsochRequest& request) {
  const Status status = submission_status(request);
  if (status != Status::ok) return refuse(request, status);
  IsochPipe& pipe = *isoch_[index(request.endpoint)];
  // By frames DriverKit's rule counts the frame that is running; by intervals, what the SOFs have begun.
  const auto start = pipe.place(request, request.by_interval ? current_ : clock_.at(now(), usb::Speed::high));
  if (!start) return refuse(request, start.error());
  request.id = ++isoch_id_;
  for (IsochEntry& entry : request.entries) entry = {.request = entry.request};
  pipe.push(request, *start);
  for (RequestObserver* observer : observers_) observer->on_submit(request, now());
  return {};
}

void SimController::end_entry(const IsochPointer& pipe, Status status, bool aborted) {
  const BusTime time = now();
  const IsochPipe::Ended ended = pipe->finish(status, time, !aborted);
  for (RequestObserver* observer : observers_) observer->on_entry(*ended.request, ended.entry, time);
  notes_.push_back({ended.request, ended.entry});
  if (!ended.last) return;
  if (options_.ring_events && pipe->empty() && !aborted) watch_ring(pipe);
  // A completion never comes before the (micro)frame of the last entry is over.
  const BusTime over = clock_.start({ended.service.value + FrameClock::step(speed_)});
  const Status overall = aborted ? status : ended.overall;
  complete_later(pipe, *ended.request, overall, aborted ? time : std::max(time, over), aborted);
}

/// The ring has run dry if nothing is there when the next service interval begins.
void SimController::watch_ring(const IsochPointer& pipe) {
  const usb::FrameTime next = pipe->available();
  events_.add(std::max(now(), clock_.start(next)), [this, pipe, next] {
    if (pipe->closed || !pipe->empty() || pipe->available() != next) return;
    for (RequestObserver* observer : observers_) observer->on_ring_empty(pipe->config().address, now());
  });
}

void SimController::complete_later(const IsochPointer& pipe, IsochRequest& request, Status overall, BusTime due,
                                   bool aborted) {
  pipe->last_completion = std::max(interrupts_.served(due), pipe->last_completion);
  ++pipe->completing;
  if (aborted) ++pipe->aborting;
  events_.add(pipe->last_completion, [this, pipe, request = &request, overall, due, aborted] {
    complete(*pipe, *request, overall, due, aborted);
  });
}

void SimController::complete(IsochPipe& pipe, IsochRequest& request, Status overall, BusTime due, bool aborted) {
  for (RequestObserver* observer : observers_) observer->on_complete(request, overall, due, now());
  --pipe.completing;
  if (aborted) --pipe.aborting;
  const bool outer = std::exchange(pipe.in_aborted_callback, aborted);
  request.client->on_complete(request, overall);
  pipe.in_aborted_callback = outer;
}

// --- bulk and interrupt ---------------------------------------------------------------------------------------------

tl::expected<void, Status> SimController::submit(BulkRequest& request) {
  if (!connected_) return tl::unexpected(Status::no_device);
  const BulkPointer& pipe = bulk_[index(request.endpoint)];
  if (!pipe) return tl::unexpected(isoch_[index(request.endpoint)] ? Status::bad_argument : Status::not_open);
  if (pipe->closed) return tl::unexpected(Status::not_open);
  // A timeout on an interrupt endpoint has no meaning [driverkit-facts 1.1].
  if (pipe->interrupt() && request.timeout != Duration{}) return tl::unexpected(Status::bad_argument);
  if (pipe->aborting != 0 && !pipe->in_aborted_callback) return tl::unexpected(Status::not_permitted);
  if (pipe->halted()) return tl::unexpected(Status::stall);
  if (pipe->depth() >= options_.pipe_depth) return tl::unexpected(Status::no_resources);
  request.id = ++bulk_id_;
  request.complete = 0;
  request.status = Status::pending;
  pipe->push(request, now());
  if (request.timeout != Duration{}) {
    call_at(now() + request.timeout, [this, pipe, id = request.id] {
      const auto ended = pipe->end(id, Status::timeout);
      if (ended.request != nullptr) complete_later(pipe, ended, false);
    });
  }
  return {};
}

void SimController::complete_later(const BulkPointer& pipe, BulkPipe::Ended ended, bool aborted) {
  pipe->last_completion = std::max(interrupts_.served(now()), pipe->last_completion);
  ++pipe->completing;
  if (aborted) ++pipe->aborting;
  events_.add(pipe->last_completion, [this, pipe, ended, aborted] { complete(*pipe, ended, aborted); });
}

void SimController::complete(BulkPipe& pipe, const BulkPipe::Ended& ended, bool aborted) {
  BulkRequest& request = *ended.request;
  for (RequestObserver* observer : observers_) observer->on_bulk(request, ended.begin, now());
  --pipe.completing;
  if (aborted) --pipe.aborting;
  const bool outer = std::exchange(pipe.in_aborted_callback, aborted);
  // The request may be freed or submitted again in its own callback.
  if (const auto callback = request.on_complete) callback(request);
  pipe.in_aborted_callback = outer;
}

tl::expected<void, Status> SimController::clear_halt(usb::EndpointAddress endpoint) {
  if (!connected_) return tl::unexpected(Status::no_device);
  const BulkPointer& pipe = bulk_[index(endpoint)];
  if (!pipe) return tl::unexpected(isoch_[index(endpoint)] ? Status::bad_argument : Status::not_open);
  abort(endpoint);
  pipe->clear_halt();
  return {};
}

// --- control --------------------------------------------------------------------------------------------------------

Status SimController::control_refusal(const ControlSetup& setup, std::span<std::uint8_t> data) const {
  if (data.size() < setup.length) return Status::bad_argument;
  if (!link_.device_present()) return Status::no_device;
  return running_ ? Status::ok : Status::not_ready;
}

tl::expected<std::size_t, Status> SimController::control(const ControlSetup& setup, std::span<std::uint8_t> data,
                                                         Duration timeout) {
  if (const Status refusal = control_refusal(setup, data); refusal != Status::ok) return tl::unexpected(refusal);
  ControlTransfer transfer{.setup = setup, .data = data, .id = ++control_id_, .begin = now()};
  control_.push(transfer);
  if (timeout != Duration{}) {
    call_at(now() + timeout, [this, id = transfer.id] { control_.end(id, Status::timeout); });
  }
  run_until(EventQueue::never, [&] { return transfer.status != Status::pending; });
  for (RequestObserver* observer : observers_) {
    observer->on_control(setup, data.first(transfer.complete), transfer.status, transfer.begin, now());
  }
  if (transfer.status != Status::ok) return tl::unexpected(transfer.status);
  return transfer.complete;
}

tl::expected<void, Status> SimController::submit(ControlRequest& request) {
  const Status refusal = control_refusal(request.setup, request.data);
  if (refusal != Status::ok) return tl::unexpected(refusal);
  const std::uint64_t id = ++control_id_;
  request.id = id;
  request.complete = 0;
  request.status = Status::pending;
  auto pending = std::make_unique<PendingControl>();
  pending->request = &request;
  pending->transfer = {.setup = request.setup, .data = request.data, .id = id, .begin = now()};
  pending->transfer.on_end = [this, id] { events_.add(now(), [this, id] { complete_control(id); }); };
  control_.push(pending->transfer);
  controls_.push_back(std::move(pending));
  if (request.timeout != Duration{}) {
    call_at(now() + request.timeout, [this, id] { control_.end(id, Status::timeout); });
  }
  return {};
}

void SimController::complete_control(std::uint64_t id) {
  const auto found =
      std::find_if(controls_.begin(), controls_.end(), [&](const auto& one) { return one->transfer.id == id; });
  if (found == controls_.end()) return;
  const std::unique_ptr<PendingControl> ended = std::move(*found);
  controls_.erase(found);
  const ControlTransfer& transfer = ended->transfer;
  for (RequestObserver* observer : observers_) {
    observer->on_control(transfer.setup, transfer.data.first(transfer.complete), transfer.status, transfer.begin,
                         now());
  }
  ControlRequest& request = *ended->request;
  request.complete = transfer.complete;
  request.status = transfer.status;
  // The request may be freed in its own callback.
  if (const auto callback = request.on_complete) callback(request);
}

bool SimController::abort(ControlRequest& request) {
  const bool found = std::any_of(controls_.begin(), controls_.end(), [&](const auto& one) {
    return one->transfer.id == request.id && one->transfer.status == Status::pending;
  });
  if (found) control_.end(request.id, Status::aborted);
  return found;
}

// --- pipes ----------------------------------------------------------------------------------------------------------

void SimController::open(const usb::EndpointConfig& endpoint, usb::Speed speed, std::uint32_t phase) {
  if (endpoint.type == usb::TransferType::isochronous) {
    isoch_[index(endpoint.address)] = std::make_shared<IsochPipe>(endpoint, speed, phase, options_);
  } else if (endpoint.type != usb::TransferType::control) {
    bulk_[index(endpoint.address)] = std::make_shared<BulkPipe>(endpoint, speed, phase);
  }
  list_pipes();
}

void SimController::list_pipes() {
  isoch_list_.clear();
  interrupt_list_.clear();
  bulk_list_.clear();
  for (const IsochPointer& pipe : isoch_) {
    if (pipe) isoch_list_.push_back(pipe);
  }
  for (const BulkPointer& pipe : bulk_) {
    if (pipe) (pipe->interrupt() ? interrupt_list_ : bulk_list_).push_back(pipe);
  }
  // Who was served in this (micro)frame is not asked again: isochronous pipes know it, interrupt pipes wait for the
  // next.
  isoch_turn_ = 0;
  interrupt_turn_ = interrupt_list_.size();
  turn_ = 0;
}

void SimController::abort(usb::EndpointAddress endpoint, Status status) {
  if (const IsochPointer pipe = isoch_[index(endpoint)]) {
    while (!pipe->empty()) end_entry(pipe, status, true);
    pipe->restart();
  }
  if (const BulkPointer pipe = bulk_[index(endpoint)]) {
    while (!pipe->empty()) complete_later(pipe, pipe->end_head(status), true);
  }
}

void SimController::set_frame_number(std::uint64_t frame) {
  for (const IsochPointer& pipe : isoch_) {
    if (!pipe) continue;
    abort(pipe->config().address);
    pipe->renumber();
  }
  clock_.renumber(now(), frame);
  current_ = clock_.at(now(), speed_);
  for (RequestObserver* observer : observers_) observer->on_frame_number(frame, now());
}

bool SimController::abort(IsochRequest& request) {
  const IsochPointer pipe = isoch_[index(request.endpoint)];
  if (!pipe) return false;
  const bool found = pipe->take_out(request, [&] { end_entry(pipe, Status::aborted, true); });
  if (found && pipe->empty()) pipe->restart();
  return found;
}

std::optional<usb::FrameTime> SimController::available(usb::EndpointAddress endpoint) const {
  const IsochPointer& pipe = isoch_[index(endpoint)];
  if (!pipe || pipe->available().value == 0) return std::nullopt;
  return pipe->available();
}

bool SimController::abort(BulkRequest& request) {
  const BulkPointer pipe = bulk_[index(request.endpoint)];
  if (!pipe) return false;
  const auto ended = pipe->end(request.id, Status::aborted);
  if (ended.request != nullptr) complete_later(pipe, ended, false);
  return ended.request != nullptr;
}

void SimController::close(usb::EndpointAddress endpoint, Status status) {
  abort(endpoint, status);
  if (isoch_[index(endpoint)]) isoch_[index(endpoint)]->closed = true;
  if (bulk_[index(endpoint)]) bulk_[index(endpoint)]->closed = true;
}

bool SimController::completing(usb::EndpointAddress endpoint) const {
  const IsochPointer& isoch = isoch_[index(endpoint)];
  const BulkPointer& bulk = bulk_[index(endpoint)];
  return (isoch && isoch->completing != 0) || (bulk && bulk->completing != 0);
}

void SimController::reopen(usb::EndpointAddress endpoint) {
  if (isoch_[index(endpoint)]) isoch_[index(endpoint)]->closed = false;
  if (bulk_[index(endpoint)]) bulk_[index(endpoint)]->closed = false;
}

void SimController::drop(usb::EndpointAddress endpoint) {
  isoch_[index(endpoint)].reset();
  bulk_[index(endpoint)].reset();
  list_pipes();
}

void SimController::close_all(Status status) {
  for (std::uint8_t i = 0; i < 32; ++i) {
    const auto endpoint = usb::endpoint(i % 16U, i >= 16 ? usb::Direction::in : usb::Direction::out);
    close(endpoint, status);
    isoch_[i].reset();
    bulk_[i].reset();
  }
  list_pipes();
  control_.end_all(status);
}

}  // namespace isochio::controller
