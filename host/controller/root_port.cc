#include "controller/root_port.h"

#include <algorithm>

#include "controller/timing.h"

namespace isochio::controller {

using bus::BusTime;
using bus::LineState;
using usb::Speed;

bool RootPort::attach() {
  controller_.stop();
  link_.set_speed(Speed::full);
  link_.set_attached(true);
  link_.release();
  pass(controller_.now() + controller_.options().debounce);
  return link_.device_present();
}

Speed RootPort::reset() {
  controller_.stop();
  suspended_ = false;
  link_.set_speed(Speed::full);
  link_.drive(LineState::se0);
  const BusTime begin = link_.now();
  const BusTime end = begin + controller_.options().reset;
  Speed speed = Speed::full;
  if (device_chirps(begin)) {
    answer_chirp(end);
    speed = Speed::high;
  }
  hold(LineState::se0, end);
  link_.set_speed(speed);
  link_.release();
  controller_.control_pipe().reset(speed);
  controller_.start(speed);
  pass(controller_.now() + timing::reset_recovery);
  return speed;
}

// A K of at least 2.5 us is a chirp; it must be over 7 ms after the reset began.
bool RootPort::device_chirps(BusTime reset_begin) {
  const BusTime latest = reset_begin + timing::device_chirp_latest;
  while (link_.wait_device_drives(LineState::k, latest)) {
    const BusTime k_begin = link_.now();
    if (!link_.wait_device_releases(latest)) return false;
    if (link_.now() - k_begin >= timing::chirp_filter) return true;
  }
  return false;
}

// K and J in turn until shortly before the end of the reset, always in pairs.
void RootPort::answer_chirp(BusTime reset_end) {
  link_.advance(link_.now() + timing::chirp_pause);
  while (link_.now() + 2 * timing::chirp_state + timing::chirp_end <= reset_end) {
    hold(LineState::k, link_.now() + timing::chirp_state);
    hold(LineState::j, link_.now() + timing::chirp_state);
  }
}

void RootPort::hold(LineState state, BusTime until) {
  link_.drive(state);
  link_.advance(until);
}

void RootPort::suspend() {
  if (suspended_ || !controller_.running()) return;
  suspended_ = true;
  controller_.finish_interval();
  speed_ = link_.speed();
  controller_.stop();
  if (speed_ == Speed::high) {
    // Idle is SE0 at high speed: device and port go back to full-speed idle when that has lasted 3 ms [7.1.7.6].
    pass(controller_.now() + timing::suspend_after);
    link_.set_speed(Speed::full);
  }
  suspended_since_ = controller_.now();
  controller_.stop(true);  // nobody drives: the device's pull-up makes the J of full-speed idle
}

void RootPort::resume() {
  if (!suspended_) return;
  suspended_ = false;
  controller_.stop();
  pass(std::max(controller_.now(), suspended_since_ + timing::suspended_least));
  link_.drive(LineState::k);
  pass(controller_.now() + timing::resume_signal);
  hold(LineState::se0, controller_.now() + timing::resume_end);
  link_.set_speed(speed_);
  link_.release();
  controller_.start(speed_);
  pass(controller_.now() + timing::resume_recovery);
}

void RootPort::disconnected() {
  suspended_ = false;
  controller_.stop();
  link_.release();
  link_.set_speed(Speed::full);
}

}  // namespace isochio::controller
