// isochio: when a fault is made, and what becomes of packets. SOFs and clocks are in fault_link_time.cc.
#include "fault/fault_link.h"

#include <algorithm>
#include <cmath>

#include "usb/bandwidth.h"
#include "usb/packet.h"

namespace isochio::fault {

using bus::BusTime;
using bus::Duration;
using usb::Pid;
using usb::PidKind;

FaultLink::FaultLink(bus::Link& link, FaultPlan plan, FaultListener& listener)
    : link_(link), plan_(std::move(plan)), listener_(listener) {
  link_.set_observer(this);
}

Duration FaultLink::bits(double n) const {
  const auto unit = static_cast<double>(link_.speed() == usb::Speed::high ? 1 : bus::fs_bit.bits);
  return {static_cast<std::int64_t>(std::llround(n * unit))};
}

// --- when -----------------------------------------------------------------------------------------------------------

void FaultLink::arm(usb::FrameTime origin, FrameNow now) {
  frame_now_ = std::move(now);
  current_ = frame_now_();
  armed_ = true;
  triggers_.assign(plan_.faults.size(), {});
  for (std::size_t i = 0; i < triggers_.size(); ++i) {
    const When& when = plan_.faults[i].when;
    Trigger& trigger = triggers_[i];
    trigger.fault = &plan_.faults[i];
    // Each fault has a sequence of its own: another one in the file leaves it alone.
    trigger.random.state = plan_.seed * 0x2545f4914f6cdd1dU + i * 0x9e3779b97f4a7c15U;
    const unsigned microframe = link_.speed() == usb::Speed::high ? when.microframe : 0;
    trigger.begin = {origin.value + when.frame * 8 + microframe};
    trigger.end = {when.frames == 0 ? std::numeric_limits<std::uint64_t>::max()
                                    : trigger.begin.value + when.frames * 8};
  }
  sort_triggers();
  plan_shift();
}

void FaultLink::forget() {
  early_at_ = never;
  early_sent_ = false;
  shift_ = nullptr;
  insertion_.size = 0;
}

void FaultLink::disarm() {
  armed_ = false;
  forget();
  if (device_ppm_ != 0) link_.set_device_clock(0);
  device_ppm_ = 0;
}

void FaultLink::sort_triggers() {
  for (auto* list :
       {&sof_, &token_, &data_out_, &handshake_out_, &data_in_, &handshake_in_, &shifts_, &jumps_, &clocks_})
    list->clear();
  for (Trigger& trigger : triggers_) {
    const PlannedFault& fault = *trigger.fault;
    const bool from_host = fault.from_host.value_or(true);
    switch (fault.kind) {
      case Kind::sof_early:
      case Kind::sof_late:
      case Kind::sof_jitter:
        shifts_.push_back(&trigger);
        continue;
      case Kind::frame_jump:
        jumps_.push_back(&trigger);
        continue;
      case Kind::device_clock:
      case Kind::bus_clock:
        clocks_.push_back(&trigger);
        continue;
      default:
        break;
    }
    if (from_host && fault.packets.has(PacketSet::sof)) sof_.push_back(&trigger);
    if (from_host && fault.packets.has(PacketSet::token)) token_.push_back(&trigger);
    if (fault.kind == Kind::spurious_handshake) {
      // It comes behind data of the other side, or takes the place of the device's own.
      data_in_.push_back(&trigger);
      if (!from_host) data_out_.push_back(&trigger);
      continue;
    }
    if (fault.packets.has(PacketSet::data)) (from_host ? data_out_ : data_in_).push_back(&trigger);
    if (fault.packets.has(PacketSet::handshake)) (from_host ? handshake_out_ : handshake_in_).push_back(&trigger);
  }
}

bool FaultLink::strikes(Trigger& trigger, usb::FrameTime at) {
  if (at < trigger.begin || at >= trigger.end) return false;
  const When& when = trigger.fault->when;
  if (when.nth != 0) {
    if (trigger.counted != at) trigger.in_frame = 0;
    trigger.counted = at;
    if (++trigger.in_frame != when.nth) return false;
  }
  if (when.count != 0 && trigger.made >= when.count) return false;
  if (++trigger.matches % when.every != 0) return false;
  constexpr double all = 18446744073709551616.0;  // 2^64
  if (when.probability < 1 && trigger.random() >= static_cast<std::uint64_t>(when.probability * all)) return false;
  ++trigger.made;
  return true;
}

bool FaultLink::concerns(const PlannedFault& fault, bool has_endpoint) const {
  return !fault.endpoint || (has_endpoint && *fault.endpoint == endpoint_);
}

void FaultLink::record(const PlannedFault& fault, BusTime time, usb::FrameTime at, Pid pid, std::int64_t detail) {
  const bool has_endpoint = fault.packets.bits != 0 && pid != Pid::sof;
  listener_.on_fault({++injected_, &fault, time, at, fault.from_host.value_or(true), pid,
                      has_endpoint ? endpoint_ : usb::EndpointAddress{}, has_endpoint, detail});
}

// --- one packet -----------------------------------------------------------------------------------------------------

namespace {

struct BitRange {
  std::size_t first = 0, count = 0;
};

/// Where a part of a packet is, in bits from its PID on. SYNC is none of them.
BitRange part_of(Place place, std::span<const std::uint8_t> bytes) {
  const bool data = usb::kind(usb::pid_of(bytes[0])) == PidKind::data;
  constexpr std::size_t token_bits = 11, crc5_bits = 5;
  switch (place) {
    case Place::pid:
      return {0, 8};
    case Place::token:
      return bytes.size() == 3 && !data ? BitRange{8, token_bits} : BitRange{};
    case Place::payload:
      return data && bytes.size() > 3 ? BitRange{8, 8 * (bytes.size() - 3)} : BitRange{};
    case Place::crc:
      if (data) return bytes.size() >= 3 ? BitRange{8 * (bytes.size() - 2), 16} : BitRange{};
      return bytes.size() == 3 ? BitRange{8 + token_bits, crc5_bits} : BitRange{};
    case Place::sync:
      break;
  }
  return {};
}

Pid other_data_pid(Pid pid) { return pid == Pid::data0 ? Pid::data1 : pid == Pid::data2 ? Pid::data1 : Pid::data0; }

bool is_device_answer_due(Pid token) { return token == Pid::in || token == Pid::ping; }

}  // namespace

/// Can the fault be made with this packet at all? A packet without payload has no bit of payload to spoil.
bool FaultLink::suits(const PlannedFault& fault, const Edit& edit) {
  switch (fault.kind) {
    case Kind::bit_error: {
      if (fault.place == Place::sync) return true;
      const auto part = part_of(fault.place, edit.bytes);
      return part.count > 0 && (!fault.bit || *fault.bit < part.count);
    }
    case Kind::truncated:
      return edit.bytes.size() > fault.bytes;
    case Kind::stuffing_error:
      return !fault.byte || *fault.byte < edit.bytes.size();
    default:
      return true;
  }
}

/// Bytes of its own, to be changed; the first `size` of them.
std::span<std::uint8_t> FaultLink::own(Edit& edit, std::size_t size) {
  if (edit.bytes.data() != buffer_.data()) std::copy(edit.bytes.begin(), edit.bytes.end(), buffer_.begin());
  edit.bytes = {buffer_.data(), std::min(size, buffer_.size())};
  return {buffer_.data(), edit.bytes.size()};
}

std::int64_t FaultLink::flip(Trigger& trigger, Edit& edit) {
  const PlannedFault& fault = *trigger.fault;
  if (fault.place == Place::sync) {
    edit.lost = true;
    return 0;
  }
  const BitRange part = part_of(fault.place, edit.bytes);
  const std::size_t bit = fault.bit ? *fault.bit : trigger.random.below(part.count);
  const std::size_t at = part.first + bit;
  own(edit, edit.bytes.size())[at / 8] ^= static_cast<std::uint8_t>(1U << at % 8);
  return static_cast<std::int64_t>(bit);
}

void FaultLink::lengthen(Edit& edit, std::size_t count, Random& random) {
  const std::size_t before = edit.bytes.size();
  const auto bytes = own(edit, before + count);
  for (std::size_t i = before; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(random());
  edit.longer = edit.longer + static_cast<std::int64_t>(bytes.size() - before) * bits(8);
}

void FaultLink::apply(Trigger& trigger, Edit& edit, BusTime start) {
  const PlannedFault& fault = *trigger.fault;
  const Pid sent = usb::pid_of(edit.bytes[0]);
  std::int64_t detail = 0;
  const auto change_pid = [&](Pid pid) {
    own(edit, edit.bytes.size())[0] = usb::pid_byte(pid);
    detail = static_cast<std::int64_t>(pid);
  };
  switch (fault.kind) {
    case Kind::bit_error:
      detail = flip(trigger, edit);
      break;
    case Kind::wrong_pid:
      change_pid(fault.pid);
      break;
    case Kind::wrong_data_pid:
      change_pid(fault.pid_given ? fault.pid : other_data_pid(sent));
      break;
    case Kind::truncated:
      edit.bytes = edit.bytes.first(edit.bytes.size() - fault.bytes);
      edit.longer = edit.longer - std::int64_t{fault.bytes} * bits(8);
      detail = fault.bytes;
      break;
    case Kind::oversized: {
      // Behind the payload: the CRC16 moves on and is right again.
      const bool data = usb::kind(sent) == PidKind::data && edit.bytes.size() >= 3;
      lengthen(edit, fault.bytes, trigger.random);
      if (data) {
        const auto bytes = own(edit, edit.bytes.size());
        const std::uint16_t crc = usb::crc16(bytes.subspan(1, bytes.size() - 3));
        bytes[bytes.size() - 2] = static_cast<std::uint8_t>(crc & 0xffU);
        bytes[bytes.size() - 1] = static_cast<std::uint8_t>(crc >> 8U);
      }
      detail = fault.bytes;
      break;
    }
    case Kind::babble:
      lengthen(edit, fault.bytes, trigger.random);
      detail = fault.bytes;
      break;
    case Kind::missing_eop:
      // The idle line goes on as ones (full speed) or breaks off within a byte (high speed): no receiver takes that for
      // a packet's end.
      if (link_.speed() == usb::Speed::full) {
        lengthen(edit, 1, trigger.random);
        own(edit, edit.bytes.size()).back() = 0xff;
      }
      edit.error_at = edit.bytes.size() - 1;
      break;
    case Kind::stuffing_error:
      edit.error_at = fault.byte ? *fault.byte : trigger.random.below(edit.bytes.size());
      detail = static_cast<std::int64_t>(edit.error_at);
      break;
    case Kind::lost:
    case Kind::sof_lost:
    case Kind::no_answer:
      edit.lost = true;
      break;
    case Kind::late_answer: {
      // The host's data wait behind its token, its handshake behind the device's data.
      const BusTime other = *fault.from_host ? bus_end_ : sent_end_;
      const BusTime wanted = other + bits(fault.bits);
      edit.delay = std::max(edit.delay, wanted - start);
      start = std::max(start, wanted);
      detail = (start - other).bits;
      break;
    }
    case Kind::other_address: {
      const auto endpoint = static_cast<std::uint8_t>(endpoint_.number());
      const auto token = usb::make_token(sent, fault.address, endpoint);
      std::copy(token.begin(), token.end(), own(edit, token.size()).begin());
      detail = fault.address;
      break;
    }
    case Kind::spurious_handshake:
      detail = static_cast<std::int64_t>(fault.pid);
      if (*fault.from_host) {
        insertion_ = {{usb::pid_byte(fault.pid)}, 1, false};
      } else if (endpoint_.is_in()) {
        own(edit, 1)[0] = usb::pid_byte(fault.pid);
      } else {
        edit.answer_follows = true;
        edit.answer = usb::pid_byte(fault.pid);
      }
      break;
    case Kind::repeated_token:
    case Kind::sof_repeated:
      edit.repeat = true;
      break;
    case Kind::sof_number: {
      const auto right = static_cast<std::int32_t>((edit.bytes[1] | edit.bytes[2] << 8U) & 0x7ffU);
      const std::int32_t wrong = fault.number ? *fault.number : right + fault.delta;
      const auto sof = usb::make_sof(static_cast<std::uint16_t>(wrong & 0x7ff));
      std::copy(sof.begin(), sof.end(), own(edit, sof.size()).begin());
      detail = wrong & 0x7ff;
      break;
    }
    default:
      break;
  }
  record(fault, start, current_, sent, detail);
}

void FaultLink::apply_all(const std::vector<Trigger*>& triggers, Edit& edit, BusTime start) {
  const bool has_endpoint = &triggers != &sof_;
  for (Trigger* trigger : triggers) {
    const PlannedFault& fault = *trigger->fault;
    if (edit.lost || !concerns(fault, has_endpoint) || !suits(fault, edit)) continue;
    if (strikes(*trigger, current_)) apply(*trigger, edit, start);
  }
}

// --- from the host --------------------------------------------------------------------------------------------------

/// Behind the last packet, whoever sent it, the next one may begin after this: 88 bits are within both limits at high
/// speed [7.1.18.2], 3 bits at full speed [7.1.18.1].
void FaultLink::wait_gap() {
  constexpr double full_gap = 3;
  const bool high = link_.speed() == usb::Speed::high;
  link_.advance(bus_end_ + bits(high ? usb::inter_packet_bits(usb::Speed::high) : full_gap));
}

/// The packet that nobody asked for, and what the device has to say to it. The host's own wait until that is over.
void FaultLink::insert() {
  if (insertion_.size == 0) return;
  passing_ = true;
  wait_gap();
  bus_end_ = link_.send(std::span(insertion_.bytes).first(insertion_.size)).end;
  if (insertion_.answered) {
    const auto patience = usb::host_timeout_min_bits(link_.speed()) + usb::host_timeout_max_bits(link_.speed());
    bus::Packet packet;
    link_.receive(bus_end_ + bits(patience / 2.0), packet);
  }
  insertion_.size = 0;
  wait_gap();
  passing_ = false;
}

/// A handshake that the device never sent, for those who look on; the host does not listen.
void FaultLink::answer_behind(std::uint8_t handshake) {
  constexpr double high_response = 96, full_response = 3;
  const bool high = link_.speed() == usb::Speed::high;
  const BusTime start = bus_end_ + bits(high ? high_response : full_response);
  const std::array<std::uint8_t, 1> bytes{handshake};
  const BusTime end = start + bits(static_cast<double>(usb::packet_bits(link_.speed(), bytes)));
  link_.advance(end);
  bus_end_ = end;
  if (observer_ != nullptr) observer_->on_packet({bytes, start, end, false, false}, link_.speed());
  wait_gap();
}

bus::Packet FaultLink::put(const Edit& edit, bool long_eop) {
  if (edit.lost) {
    const BusTime start = link_.now();
    const BusTime end = start + bits(static_cast<double>(usb::packet_bits(link_.speed(), edit.bytes, long_eop)));
    link_.advance(end);
    return {edit.bytes, start, end, true, false};
  }
  if (edit.error_at != no_error) link_.inject_rx_error(edit.error_at);
  return link_.send(edit.bytes, long_eop);
}

bus::Packet FaultLink::send_edited(const std::vector<Trigger*>& triggers, std::span<const std::uint8_t> bytes,
                                   bool long_eop) {
  Edit edit{.bytes = bytes};
  apply_all(triggers, edit, link_.now());
  if (edit.delay.bits > 0 && !edit.lost) link_.advance(link_.now() + edit.delay);
  bus::Packet packet = put(edit, long_eop);
  if (edit.repeat) {
    bus_end_ = packet.end;
    wait_gap();
    packet = put(edit, long_eop);
  }
  sent_end_ = bus_end_ = packet.end;
  if (edit.answer_follows) answer_behind(edit.answer);
  return packet;
}

bus::Packet FaultLink::send_token(std::span<const std::uint8_t> bytes) {
  const auto token = usb::parse(bytes);
  const Pid pid = usb::pid_of(bytes[0]);
  if (token) endpoint_ = usb::endpoint(token->endpoint, pid == Pid::in ? usb::Direction::in : usb::Direction::out);
  Edit edit{.bytes = bytes};
  apply_all(token_, edit, link_.now());
  // One that is answered comes again when the answer is over; else at once, before the data.
  if (edit.repeat && is_device_answer_due(pid)) {
    std::copy_n(edit.bytes.begin(), std::min(edit.bytes.size(), insertion_.bytes.size()), insertion_.bytes.begin());
    insertion_.size = std::min(edit.bytes.size(), insertion_.bytes.size());
    insertion_.answered = true;
    edit.repeat = false;
  }
  bus::Packet packet = put(edit, false);
  if (edit.repeat) {
    bus_end_ = packet.end;
    wait_gap();
    packet = put(edit, false);
  }
  sent_end_ = bus_end_ = packet.end;
  return packet;
}

bus::Packet FaultLink::send(std::span<const std::uint8_t> bytes, bool long_eop) {
  if (!armed_ || bytes.empty()) return link_.send(bytes, long_eop);
  insert();
  const PidKind kind = usb::kind(usb::pid_of(bytes[0]));
  if (kind == PidKind::start_of_frame) return send_sof(bytes, long_eop);
  if (link_.now() >= early_at_) send_early_sof();
  if (kind == PidKind::token) return send_token(bytes);
  return send_edited(kind == PidKind::data ? data_out_ : handshake_out_, bytes, long_eop);
}

void FaultLink::advance(BusTime until) {
  if (!armed_) return link_.advance(until);
  insert();
  if (until > early_at_) {
    link_.advance(early_at_);
    send_early_sof();
  }
  changed_ = false;
  link_.advance(until);
  if (changed_ && !answer_lost_) link_.advance(answer_.end);
}

// --- from the device ------------------------------------------------------------------------------------------------

void FaultLink::on_packet(const bus::Packet& packet, usb::Speed speed) {
  bus_end_ = packet.end;
  if (armed_ && !passing_ && !packet.from_host && !packet.bytes.empty()) {
    const bool data = usb::kind(usb::pid_of(packet.bytes[0])) == PidKind::data;
    const auto& triggers = data ? data_in_ : handshake_in_;
    Edit edit{.bytes = packet.bytes};
    const std::uint64_t before = injected_;
    if (!triggers.empty()) apply_all(triggers, edit, packet.start);
    if (injected_ != before) {
      changed_ = true;
      answer_ = packet;
      answer_.bytes = edit.bytes;
      answer_.start = packet.start + edit.delay;
      answer_.end = packet.end + edit.delay + edit.longer;
      answer_.rx_error = packet.rx_error || edit.error_at != no_error;
      answer_lost_ = edit.lost;
      bus_end_ = answer_.end;
      if (!answer_lost_ && observer_ != nullptr) observer_->on_packet(answer_, speed);
      return;
    }
  }
  if (observer_ != nullptr) observer_->on_packet(packet, speed);
}

bool FaultLink::receive(BusTime start_before, bus::Packet& packet) {
  changed_ = false;
  if (!link_.receive(start_before, packet)) return false;
  if (!changed_) return true;
  if (!answer_lost_) link_.advance(answer_.end);
  if (answer_lost_ || answer_.start >= start_before) {
    link_.advance(start_before);
    return false;
  }
  packet = answer_;
  return true;
}

}  // namespace isochio::fault
