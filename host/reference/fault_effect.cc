// isochio: from a fault on the wire to what it may do to an entry: docs/faults.md, row by row.
#include <algorithm>

#include "reference/entry.h"

namespace isochio::reference {
namespace {

using fault::InjectedFault;
using fault::Kind;
using fault::Place;

constexpr std::int64_t fs_bit = 40;  // in HS bit times, in which faults are told

const Effect nothing{};
Effect ends(End end) { return {false, false, false, {end}}; }
Effect may_end(std::vector<End> how) { return {true, true, false, std::move(how)}; }

/// A host gives up after 16 to 18 bit times (high speed 736 to 816) [7.1.19]; in between it may do either.
Effect late(const InjectedFault& fault, usb::Speed speed) {
  const std::int64_t least = speed == usb::Speed::high ? 736 : 16 * fs_bit;
  const std::int64_t most = speed == usb::Speed::high ? 816 : 18 * fs_bit;
  Effect effect;
  effect.holds_bus = true;
  if (fault.detail >= most) effect = {false, false, true, {End::no_answer}};
  if (fault.detail >= least && fault.detail < most) effect.ends = {End::no_answer};
  return effect;
}

/// The device's data have another PID: at full speed DATA0 and DATA1 are alike [8.5.5]; at high speed it says how many
/// transactions follow [5.9.2], and that may come true or not.
Effect other_data_pid(usb::Pid pid, usb::Speed speed) {
  if (usb::kind(pid) != usb::PidKind::data) return ends(End::pid);
  if (pid == usb::Pid::mdata) return ends(End::sequence);  // for OUT alone [8.5.5]
  if (speed == usb::Speed::full) return pid == usb::Pid::data2 ? ends(End::sequence) : nothing;
  return may_end({End::sequence, End::no_answer});
}

/// Data of the device to the host.
Effect on_data_in(const InjectedFault& fault, const usb::EndpointConfig& endpoint, usb::Speed speed) {
  switch (fault.plan->kind) {
    case Kind::bit_error:
      if (fault.plan->place == Place::sync) return ends(End::no_answer);
      return ends(fault.plan->place == Place::pid ? End::pid : End::crc);
    case Kind::wrong_pid:
    case Kind::wrong_data_pid:
      return other_data_pid(static_cast<usb::Pid>(fault.detail), speed);
    case Kind::truncated:
      return {false, false, false, {End::crc, End::pid}};  // too short for a CRC16, it may pass for another packet
    case Kind::oversized:
      return {true, true, true, {}};
    case Kind::babble:
      return {true, true, true, {End::crc}};
    case Kind::missing_eop:
    case Kind::stuffing_error:
      return ends(End::stuffing);
    case Kind::no_answer:
      return ends(End::no_answer);
    case Kind::late_answer:
      return late(fault, speed);
    case Kind::spurious_handshake:
      if (fault.from_host) return nothing;
      return ends(End::pid);
    default:
      return may_end({End::no_answer, End::crc, End::stuffing, End::pid, End::sequence});
  }
  (void)endpoint;
}

/// An IN token: spoilt, nobody answers.
Effect on_token_in(const InjectedFault& fault, const usb::EndpointConfig& endpoint) {
  if (fault.plan->kind == Kind::wrong_pid) return {false, false, true, {End::no_answer, End::pid}};
  if (fault.plan->kind != Kind::repeated_token) return ends(End::no_answer);
  // The second token gets what the next transaction should have had.
  Effect effect{true, true, true, {}};
  if (endpoint.transactions > 1) effect.ends = {End::sequence, End::no_answer};
  return effect;
}

bool moves_sof(Kind kind) { return kind == Kind::sof_early || kind == Kind::sof_late || kind == Kind::sof_jitter; }

/// A packet or SOF that lasts or waits may leave those behind it no room in the (micro)frame.
bool takes_time(const InjectedFault& fault) {
  switch (fault.plan->kind) {
    case Kind::babble:
    case Kind::oversized:
    case Kind::late_answer:
    case Kind::repeated_token:
    case Kind::sof_repeated:
    case Kind::spurious_handshake:
    case Kind::missing_eop:
    case Kind::wrong_pid:
      return true;
    default:
      return moves_sof(fault.plan->kind);
  }
}

}  // namespace

Effect effect_of(const InjectedFault& fault, const usb::EndpointConfig& endpoint, usb::Speed speed,
                 bool same_endpoint) {
  Effect effect;
  const bool token = usb::kind(fault.pid) == usb::PidKind::token;
  if (moves_sof(fault.plan->kind)) {
    // An SOF in the middle of a transaction spoils it for either side.
    effect = endpoint.address.is_in() ? may_end({End::no_answer, End::crc, End::stuffing, End::pid, End::sequence})
                                      : Effect{};
  } else if (fault.plan->kind == Kind::sof_lost) {
    effect.any_size = true;  // a device that misses SOFs may not know its frames for a while, and have nothing ready
  } else if (same_endpoint && endpoint.address.is_in()) {
    effect = token ? on_token_in(fault, endpoint) : on_data_in(fault, endpoint, speed);
  }
  effect.holds_bus = effect.holds_bus || takes_time(fault);
  return effect;
}

}  // namespace isochio::reference
