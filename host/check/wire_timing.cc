// isochio: packet times against the limits of chapter 7.
#include "check/wire_timing.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include <fmt/format.h>

namespace isochio::check {
namespace {

std::string in_bits(bus::Duration d, usb::Speed speed) {
  return speed == usb::Speed::high ? fmt::format("{} bit times", d.bits)
                                   : fmt::format("{:g} bit times", static_cast<double>(d.bits) / 40.0);
}

/// Exact to a tenth: a bit is 25/12 ns.
std::string in_ns(bus::Duration d) {
  return fmt::format("{:.8g} ns", std::round(static_cast<double>(d.bits) * 250.0 / 12.0) / 10.0);
}

}  // namespace

WireLimits wire_limits(usb::Speed speed, bus::Duration fs_response_limit) {
  if (speed == usb::Speed::full)
    return {bus::frame,
            {240},
            {20},
            2 * bus::fs_bit,
            2 * bus::fs_bit,
            {300},
            2 * bus::fs_bit,
            fs_response_limit,
            16 * bus::fs_bit,
            41 * bus::fs_bit};
  return {bus::microframe, {30}, {4}, {88}, {8}, {192}, {8}, {192}, {736}, {560}};
}

WireTiming::WireTiming(Reporter& reporter, bus::Duration fs_response_limit)
    : reporter_(reporter),
      full_(wire_limits(usb::Speed::full, fs_response_limit)),
      high_(wire_limits(usb::Speed::high, fs_response_limit)) {}

void WireTiming::violate(Rule rule, usb::FrameTime at, bus::BusTime time, std::string expected, std::string seen) {
  reporter_.forward({rule, 0, -1, last_endpoint_, at, time, std::move(expected), std::move(seen)});
}

void WireTiming::on_break(bus::BusTime) { have_interval_ = have_last_ = answer_due_ = false; }

void WireTiming::on_sof(const Sof& s) {
  ++sof_.count;
  last_endpoint_ = {};
  if (!s.number_expected && reporter_.count_only(Rule::sof_number))
    violate(Rule::sof_number, s.at, s.time, fmt::format("frame number {}", s.at.frame() & 0x7ffU),
            fmt::format("{}", s.number));
  if (s.first) {
    have_interval_ = false;
    return;
  }
  const WireLimits& l = limits(s.speed);
  sof_.min = sof_.intervals == 0 ? s.interval : std::min(sof_.min, s.interval);
  sof_.max = sof_.intervals == 0 ? s.interval : std::max(sof_.max, s.interval);
  ++sof_.intervals;
  const bus::Duration off{std::abs((s.interval - l.sof_nominal).bits)};
  if (off > l.sof_tolerance && reporter_.count_only(Rule::sof_interval))
    violate(Rule::sof_interval, s.at, s.time, fmt::format("{} ± {}", in_ns(l.sof_nominal), in_ns(l.sof_tolerance)),
            in_ns(s.interval));
  if (have_interval_) {
    const bus::Duration jitter{std::abs((s.interval - last_interval_).bits)};
    sof_.jitter = std::max(sof_.jitter, jitter);
    // An interval that is out of tolerance has been reported already.
    if (jitter > l.sof_jitter && off <= l.sof_tolerance && reporter_.count_only(Rule::sof_interval))
      violate(Rule::sof_interval, s.at, s.time,
              fmt::format("at most {} from one interval to the next", in_ns(l.sof_jitter)), in_ns(jitter));
  }
  have_interval_ = off <= l.sof_tolerance;
  last_interval_ = s.interval;
}

void WireTiming::on_packet(const DecodedPacket& d) {
  const WireLimits& l = limits(d.speed);
  const bool is_sof = d.fault == Fault::none && d.pid == pid::sof;
  if (d.fault == Fault::none && pid::is_token(d.pid))
    last_endpoint_ = usb::endpoint(d.endpoint, d.pid == pid::in ? usb::Direction::in : usb::Direction::out);
  if (have_last_) {
    gap(d, l);
    if (is_sof) end_of_frame(d, l);
  }
  have_last_ = true;
  last_from_host_ = d.packet->from_host;
  last_pid_ = d.fault == Fault::none ? d.pid : std::uint8_t{0};
  last_end_ = d.packet->end;
  last_at_ = d.at;
  // What may still be answered: IN and PING tokens by the device; its data by the host. OUT data by the device too, but
  // not if isochronous: the wait is then no matter.
  answer_due_ =
      d.fault == Fault::none && (d.pid == pid::in || d.pid == pid::ping || d.pid == pid::out || d.pid == pid::setup);
}

/// Silence: a device answers IN always (isochronous: with zero length if it has nothing), and data it could hear
/// [8.4.5, 8.5].
void WireTiming::on_transaction(const Transaction& t) {
  if (t.outcome != Outcome::no_response) return;
  // An endpoint that nobody announced may be isochronous: its OUT has no answer.
  const bool known = t.endpoint.number() == 0 || t.type != usb::TransferType::control;
  const bool owed = t.token == pid::in || t.token == pid::ping || t.data_pid != 0;
  if (!known || !owed || !reporter_.count_only(Rule::response_time)) return;
  reporter_.forward({Rule::response_time, 0, -1, t.endpoint, t.at, t.end,
                     fmt::format("an answer to {}", pid::name(t.data_pid != 0 ? t.data_pid : t.token)), "none"});
}

void WireTiming::gap(const DecodedPacket& d, const WireLimits& l) {
  const bus::Duration idle = d.packet->start - last_end_;
  const bool from_host = d.packet->from_host;
  if (!from_host && last_from_host_) {
    if ((idle < l.response_least || idle > l.response_most) && reporter_.count_only(Rule::response_time))
      violate(Rule::response_time, d.at, d.packet->start,
              fmt::format("{} to {}", in_bits(l.response_least, d.speed), in_bits(l.response_most, d.speed)),
              in_bits(idle, d.speed));
    return;
  }
  const bus::Duration least = from_host && !last_from_host_ ? l.host_after_device : l.same_sender_gap;
  // Data behind its token, a handshake behind the device's data: the host may not keep them waiting.
  const bool same_transaction =
      d.fault == Fault::none && from_host &&
      (last_from_host_ ? pid::is_data(d.pid) && (last_pid_ == pid::out || last_pid_ == pid::setup)
                       : pid::is_handshake(d.pid) && pid::is_data(last_pid_));
  if (same_transaction && idle > l.host_most && reporter_.count_only(Rule::inter_packet_gap))
    violate(Rule::inter_packet_gap, d.at, d.packet->start,
            fmt::format("at most {} within a transaction", in_bits(l.host_most, d.speed)), in_bits(idle, d.speed));
  if (idle < least && reporter_.count_only(Rule::inter_packet_gap))
    violate(Rule::inter_packet_gap, d.at, d.packet->start, fmt::format("at least {}", in_bits(least, d.speed)),
            in_bits(idle, d.speed));
}

void WireTiming::end_of_frame(const DecodedPacket& sof, const WireLimits& l) {
  const bus::Duration left = sof.packet->start - last_end_;
  const bool cut = answer_due_ && left < l.give_up;
  if (left >= l.guard && !cut) return;
  if (!reporter_.count_only(Rule::end_of_frame)) return;
  violate(Rule::end_of_frame, last_at_, last_end_,
          fmt::format("the bus idle {} before the next SOF", in_bits(l.guard, sof.speed)),
          fmt::format("{} left{}", in_bits(left, sof.speed), cut ? ", a transaction cut by the SOF" : ""));
}

}  // namespace isochio::check
