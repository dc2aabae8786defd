// isochio: faults of time: SOFs that come early, late, twice, not at all or with another number, and clocks that are
// off.
#include <algorithm>

#include "fault/fault_link.h"
#include "usb/bandwidth.h"
#include "usb/packet.h"

namespace isochio::fault {

using bus::BusTime;
using usb::Pid;

namespace {

std::uint64_t step(usb::Speed speed) { return speed == usb::Speed::high ? 1 : 8; }

}  // namespace

/// From one SOF to the next by the host's clock.
bus::Duration FaultLink::interval() const {
  constexpr std::int64_t million = 1'000'000;
  const bus::Duration nominal = link_.speed() == usb::Speed::high ? bus::microframe : bus::frame;
  return {nominal.bits * million / (million + plan_.bus_clock_ppm())};
}

/// Decides now whether the next SOF is moved: one that comes early can't be decided when it is due.
void FaultLink::plan_shift() {
  shift_ = nullptr;
  shift_by_ = {};
  early_at_ = never;
  const usb::FrameTime next{current_.value + step(link_.speed())};
  for (Trigger* trigger : shifts_) {
    if (shift_ != nullptr || !strikes(*trigger, next)) continue;
    shift_ = trigger;
    const bus::Duration most = bits(trigger->fault->bits);
    switch (trigger->fault->kind) {
      case Kind::sof_early:
        shift_by_ = {-most.bits};
        break;
      case Kind::sof_late:
        shift_by_ = most;
        break;
      default:
        shift_by_ = {static_cast<std::int64_t>(trigger->random.below(2 * static_cast<std::uint64_t>(most.bits) + 1)) -
                     most.bits};
        break;
    }
  }
}

/// The SOF of the next (micro)frame, before its time.
void FaultLink::send_early_sof() {
  early_due_ = early_at_ - shift_by_;
  early_at_ = never;
  early_sent_ = true;
  const usb::FrameTime next{current_.value + step(link_.speed())};
  current_ = next;
  const auto sof = usb::make_sof(static_cast<std::uint16_t>(next.frame() & 0x7ffU));
  record(*shift_->fault, link_.now(), next, Pid::sof, shift_by_.bits);
  shift_ = nullptr;
  jump();
  const auto numbered = [&] {
    std::int32_t offset = 0;
    for (const Trigger* trigger : jumps_) offset += trigger->offset;
    return usb::make_sof(static_cast<std::uint16_t>((static_cast<std::int32_t>(next.frame()) + offset) & 0x7ff));
  };
  send_edited(sof_, jumps_.empty() ? sof : numbered(), link_.speed() == usb::Speed::high);
  wait_gap();
}

/// Frame numbers that jump stay off until the window ends.
void FaultLink::jump() {
  for (Trigger* trigger : jumps_) {
    const PlannedFault& fault = *trigger->fault;
    if (trigger->made != 0 && current_ >= trigger->end) trigger->offset = 0;
    if (trigger->made != 0 || current_ < trigger->begin || current_ >= trigger->end) continue;
    ++trigger->made;
    const auto right = static_cast<std::int32_t>(current_.frame() & 0x7ffU);
    trigger->offset = fault.number ? *fault.number - right : fault.delta;
    record(fault, link_.now(), current_, Pid::sof, (right + trigger->offset) & 0x7ff);
  }
}

void FaultLink::set_clock() {
  std::int32_t ppm = 0;
  for (Trigger* trigger : clocks_) {
    const PlannedFault& fault = *trigger->fault;
    const bool drifts = fault.to_ppm.has_value();
    if (current_ < trigger->begin || (current_ >= trigger->end && !drifts)) continue;
    if (trigger->made++ == 0) record(fault, link_.now(), current_, Pid::reserved, fault.ppm);
    if (fault.kind == Kind::bus_clock) continue;  // the host keeps that one
    ppm += fault.ppm;
    if (!drifts) continue;
    const auto whole = static_cast<std::int64_t>(trigger->end.value - trigger->begin.value);
    const auto past = std::min(static_cast<std::int64_t>(current_.value - trigger->begin.value), whole);
    ppm += static_cast<std::int32_t>(std::int64_t{*fault.to_ppm - fault.ppm} * past / whole);
  }
  if (ppm != device_ppm_) link_.set_device_clock(ppm);
  device_ppm_ = ppm;
}

bus::Packet FaultLink::send_sof(std::span<const std::uint8_t> bytes, bool long_eop) {
  if (link_.now() >= early_at_) send_early_sof();
  // Behind one that came early the host says its own when the line is free again: that is not when it was due.
  const BusTime due = early_sent_ ? early_due_ : link_.now();
  current_ = frame_now_();
  bus::Packet packet{bytes, link_.now(), link_.now(), true, false};
  if (early_sent_) {
    early_sent_ = false;
  } else {
    if (shift_ != nullptr && shift_by_.bits >= 0) {
      link_.advance(due + shift_by_);
      record(*shift_->fault, link_.now(), current_, Pid::sof, shift_by_.bits);
    }
    jump();
    std::int32_t offset = 0;
    for (const Trigger* trigger : jumps_) offset += trigger->offset;
    const auto number = static_cast<std::int32_t>(current_.frame()) + offset;
    const auto jumped = usb::make_sof(static_cast<std::uint16_t>(number & 0x7ff));
    packet = send_edited(sof_, offset == 0 ? bytes : std::span<const std::uint8_t>(jumped), long_eop);
  }
  set_clock();
  plan_shift();
  if (shift_ != nullptr && shift_by_.bits < 0) early_at_ = due + interval() + shift_by_;
  return packet;
}

}  // namespace isochio::fault
