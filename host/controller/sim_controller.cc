// The loop: events, (micro)frames, who may use the bus next.
#include "controller/sim_controller.h"

#include <algorithm>

#include "controller/timing.h"

namespace isochio::controller {

using bus::BusTime;
using bus::Duration;

SimController::SimController(bus::Link& link, const SimHostOptions& options)
    : link_(link),
      options_(options),
      clock_(link.now(), options.first_frame, options.clock_ppm),
      interrupts_(options.interrupt_latency, options.interrupts),
      engine_(link, counters_) {}

bool SimController::run_until(BusTime deadline, const std::function<bool()>& done) {
  for (;;) {
    if (done && done()) return true;
    const BusTime now = link_.now();
    if (!notes_.empty()) {
      deliver_note();
    } else if (events_.next() <= now) {
      events_.take()();
    } else if (now >= deadline) {
      return false;
    } else {
      step(std::min(deadline, events_.next()));
    }
  }
}

void SimController::deliver_note() {
  const Note note = notes_[notes_told_++];
  if (notes_told_ == notes_.size()) {
    notes_.clear();
    notes_told_ = 0;
  }
  note.request->client->on_entry(*note.request, note.entry);
}

void SimController::start(usb::Speed speed) {
  running_ = true;
  watch_wake_ = false;
  speed_ = speed;
  // Never in the middle of a gap: the first SOF may be one (micro)frame late.
  const usb::FrameTime first = clock_.next(std::max(now(), engine_.earliest()), speed);
  next_sof_ = clock_.start(first);
  current_ = {first.value - FrameClock::step(speed)};
  isoch_turn_ = isoch_list_.size();
  interrupt_turn_ = interrupt_list_.size();
}

void SimController::stop(bool watch_wake) {
  running_ = false;
  watch_wake_ = watch_wake;
  wake_seen_ = false;
  control_.end_all(Status::not_ready);  // whoever waits for a transfer would wait for ever
}

// Software stops the schedule before it suspends a port, and a controller ends what it has begun in a (micro)frame.
void SimController::finish_interval() {
  if (!running_) return;
  run_until(next_sof_, [this] {
    return std::ranges::none_of(isoch_list_, [](const auto& pipe) { return pipe->between_transactions(); });
  });
}

void SimController::step(BusTime limit) {
  if (connected_ && !link_.device_present() && on_disconnect) return on_disconnect();
  if (!running_) return idle(limit);
  if (link_.now() >= next_sof_) return start_of_frame();
  if (serve_periodic()) return;
  BusTime wake = std::min(limit, next_sof_);
  if (serve_others(wake)) return;
  link_.advance(wake);
}

void SimController::idle(BusTime limit) {
  if (watch_wake_ && !wake_seen_) {
    wake_seen_ = link_.wait_device_drives(bus::LineState::k, limit);
  } else {
    link_.advance(limit);
  }
}

void SimController::start_of_frame() {
  const std::uint64_t step = FrameClock::step(speed_);
  if (link_.now() < engine_.earliest()) link_.advance(engine_.earliest());
  if (link_.now() > next_sof_) ++counters_.late_sof;
  current_.value += step;
  next_sof_ = clock_.start({current_.value + step});
  while (next_sof_ <= link_.now()) {  // somebody held the bus over a whole (micro)frame
    current_.value += step;
    next_sof_ = clock_.start({current_.value + step});
    ++counters_.late_sof;
  }
  isoch_turn_ = interrupt_turn_ = 0;
  engine_.start_of_frame(current_.frame());
}

bool SimController::fits(Duration longest) const {
  const BusTime begin = std::max(link_.now(), engine_.earliest());
  return begin + longest + timing::end_of_frame_guard(speed_) <= next_sof_;
}

bool SimController::serve_periodic() {
  for (; isoch_turn_ < isoch_list_.size(); ++isoch_turn_) {
    const IsochPointer& pipe = isoch_list_[isoch_turn_];
    if (pipe->next_service() <= current_ && serve_isochronous(pipe)) return true;
  }
  for (; interrupt_turn_ < interrupt_list_.size(); ++interrupt_turn_) {
    const BulkPointer& pipe = interrupt_list_[interrupt_turn_];
    if (pipe->ready() && pipe->polls_in(current_) && serve_interrupt(pipe)) return true;
  }
  return false;
}

bool SimController::serve_isochronous(const IsochPointer& pipe) {
  const bool passed = pipe->next_service() < current_ || pipe->last_service() == current_;
  if (passed || !fits(pipe->longest())) {
    end_entry(pipe, Status::missed);
    return true;
  }
  ++counters_.isochronous;
  const Status status = pipe->transact(engine_, address_);
  if (status != Status::pending) end_entry(pipe, status);
  return true;
}

bool SimController::serve_interrupt(const BulkPointer& pipe) {
  ++interrupt_turn_;  // one transaction in its (micro)frame, whatever comes of it
  if (!fits(pipe->longest())) return false;
  const auto ended = pipe->transact(engine_, address_, now(), {}, counters_.nak, counters_.retries);
  if (ended.request != nullptr) complete_later(pipe, ended, false);
  return true;
}

bool SimController::serve_others(BusTime& wake) {
  const std::size_t count = 1 + bulk_list_.size();
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t turn = (turn_ + i) % count;
    if (turn == 0 ? serve_control(wake) : serve_bulk(bulk_list_[turn - 1], wake)) {
      turn_ = turn + 1;
      return true;
    }
  }
  return false;
}

bool SimController::serve_control(BusTime& wake) {
  if (!control_.ready()) return false;
  if (control_.not_before() > now()) {
    wake = std::min(wake, control_.not_before());
    return false;
  }
  if (!fits(control_.longest())) return false;
  control_.transact(engine_, address_, now(), options_.nak_pause, counters_.nak, counters_.retries);
  return true;
}

bool SimController::serve_bulk(const BulkPointer& pipe, BusTime& wake) {
  if (!pipe->ready()) return false;
  if (pipe->not_before() > now()) {
    wake = std::min(wake, pipe->not_before());
    return false;
  }
  if (!fits(pipe->longest())) return false;
  const auto ended = pipe->transact(engine_, address_, now(), options_.nak_pause, counters_.nak, counters_.retries);
  if (ended.request != nullptr) complete_later(pipe, ended, false);
  return true;
}

}  // namespace isochio::controller
