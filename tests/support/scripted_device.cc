#include "support/scripted_device.h"

#include <algorithm>
#include <utility>

#include "usb/bandwidth.h"
#include "usb/descriptors.h"

namespace isochio::test {

using bus::BusTime;
using bus::Duration;
using bus::LineState;
using usb::EndpointAddress;
using usb::Pid;
using usb::Speed;
using usb::TransferType;
using LineEvent = bus::PacketObserver::LineEvent;

namespace {

constexpr Duration chirp_length = bus::millisecond + 500 * bus::microsecond;  // TUCH >= 1 ms [7.1.7.5]
constexpr EndpointAddress control_endpoint{0};

// DATA2, DATA1, DATA0 by how many packets follow in the service interval [5.9.1]
constexpr Pid isochronous_pid(std::size_t following) {
  return following == 0 ? Pid::data0 : following == 1 ? Pid::data1 : Pid::data2;
}

constexpr Pid data_pid(bool toggle) { return toggle ? Pid::data1 : Pid::data0; }

}  // namespace

ScriptedDevice::ScriptedDevice(ScriptedDeviceOptions options) : options_(std::move(options)) {}

// --- time and the wire ----------------------------------------------------------------------------------------------

Duration ScriptedDevice::bits(std::uint64_t n) const {
  return static_cast<std::int64_t>(n) * (speed_ == Speed::high ? bus::hs_bit : bus::fs_bit);
}

void ScriptedDevice::line_event(LineEvent event) {
  if (observer_ != nullptr) observer_->on_line(event, now_);
}

bus::Packet ScriptedDevice::send(std::span<const std::uint8_t> bytes, bool long_eop) {
  bus::Packet packet{bytes, now_, now_ + bits(usb::packet_bits(speed_, bytes, long_eop)), true, false};
  // What the device would have begun to say meanwhile is lost: the host drives the line.
  std::erase_if(answers_, [&](const Answer& answer) { return answer.start < packet.end; });
  now_ = packet.end;
  if (observer_ != nullptr) observer_->on_packet(packet, speed_);
  if (attached_ && speed_ == device_speed_) hear(bytes);
  return packet;
}

void ScriptedDevice::deliver(Answer& answer, bus::Packet& packet) {
  receiving_ = std::move(answer.bytes);
  const BusTime end = answer.start + bits(usb::packet_bits(speed_, receiving_));
  packet = {receiving_, answer.start, end, false, answer.rx_error};
  answers_.pop_front();
  now_ = std::max(now_, end);
  if (observer_ != nullptr) observer_->on_packet(packet, speed_);
}

bool ScriptedDevice::receive(BusTime start_before, bus::Packet& packet) {
  if (!answers_.empty() && answers_.front().start < start_before) {
    deliver(answers_.front(), packet);
    return true;
  }
  now_ = std::max(now_, start_before);
  return false;
}

void ScriptedDevice::advance(BusTime until) {
  bus::Packet unexpected;
  while (!answers_.empty() && answers_.front().start < until) deliver(answers_.front(), unexpected);
  now_ = std::max(now_, until);
}

void ScriptedDevice::set_attached(bool attached) {
  if (attached == attached_) return;
  attached_ = attached;
  answers_.clear();
  device_speed_ = Speed::full;
  reset();
  line_event(attached ? LineEvent::attach : LineEvent::detach);
}

// --- reset, chirp, resume -------------------------------------------------------------------------------------------

void ScriptedDevice::drive(LineState state) {
  if (in_reset_ && driven_ && *driven_ != LineState::se0) chirp_states_.push_back(now_ - driven_since_);
  const bool ends_resume = driven_ == LineState::k && !in_reset_;
  if (state == LineState::se0 && !in_reset_ && !ends_resume) {
    in_reset_ = true;
    reset_begin_ = now_;
    chirp_states_.clear();
    answers_.clear();
    line_event(LineEvent::reset_begin);
    if (attached_ && options_.high_speed && strike(control_endpoint, Fault::no_chirp) == nullptr) {
      // A high-speed device takes 3 ms to tell a reset from a suspend.
      const Duration wait = device_speed_ == Speed::high ? 3100 * bus::microsecond : 100 * bus::microsecond;
      const bool endless = strike(control_endpoint, Fault::endless_chirp) != nullptr;
      device_k_begin_ = now_ + wait;
      device_k_end_ = device_k_begin_ + (endless ? bus::second : chirp_length);
    }
  }
  driven_ = state;
  driven_since_ = now_;
}

void ScriptedDevice::release() {
  driven_.reset();
  if (!in_reset_) return;
  in_reset_ = false;
  const auto good = std::count_if(chirp_states_.begin(), chirp_states_.end(),
                                  [](Duration d) { return d >= 40 * bus::microsecond && d <= 60 * bus::microsecond; });
  const bool chirped = device_k_begin_ >= reset_begin_;
  device_speed_ = chirped && good >= 6 ? Speed::high : Speed::full;
  device_k_begin_ = device_k_end_ = BusTime{-1};
  reset();
  line_event(LineEvent::reset_end);
  line_event(device_speed_ == Speed::high ? LineEvent::high_speed : LineEvent::full_speed);
}

bool ScriptedDevice::wait_device_drives(LineState state, BusTime until) {
  const BusTime begin = std::max(now_, device_k_begin_);
  if (attached_ && state == LineState::k && begin < device_k_end_ && begin < until) {
    now_ = begin;
    line_event(in_reset_ ? LineEvent::device_chirp : LineEvent::resume);
    return true;
  }
  now_ = std::max(now_, until);
  return false;
}

bool ScriptedDevice::wait_device_releases(BusTime until) {
  if (now_ < device_k_begin_ || now_ >= device_k_end_) return true;
  const bool released = device_k_end_ <= until;
  now_ = std::max(now_, released ? device_k_end_ : until);
  return released;
}

void ScriptedDevice::wake(BusTime at) {
  device_k_begin_ = at;
  device_k_end_ = at + 5 * bus::millisecond;
}

void ScriptedDevice::reset() {
  address_ = configuration_ = 0;
  alternates_.clear();
  endpoints_.clear();
  halted_.clear();
  stamp_valid_ = false;
  token_.reset();
  sent_.reset();
}

// --- what the host sends --------------------------------------------------------------------------------------------

const Misbehaviour* ScriptedDevice::strike(EndpointAddress endpoint, Fault fault) {
  const Misbehaviour* hit = nullptr;
  for (Planned& planned : misbehaviours_) {
    if (planned.what.fault != fault || planned.what.endpoint != endpoint) continue;
    const std::uint64_t n = planned.seen++;
    if (n >= planned.what.after && n - planned.what.after < planned.what.times) hit = &planned.what;
  }
  return hit;
}

ScriptedDevice::Endpoint* ScriptedDevice::find(EndpointAddress address) {
  const auto found = endpoints_.find(address.value);
  return found == endpoints_.end() ? nullptr : &found->second;
}

std::uint64_t ScriptedDevice::transactions(EndpointAddress endpoint) const {
  const auto found = tokens_.find(endpoint.value);
  return found == tokens_.end() ? 0 : found->second;
}

void ScriptedDevice::hear(std::span<const std::uint8_t> bytes) {
  const auto packet = usb::parse(bytes);
  if (!packet) {
    token_.reset();
    return;
  }
  switch (usb::kind(packet->pid)) {
    case usb::PidKind::start_of_frame:
      return hear_sof(packet->frame_number);
    case usb::PidKind::token:
      return hear_token(*packet);
    case usb::PidKind::data:
      return hear_data(*packet);
    case usb::PidKind::handshake:
      if (packet->pid == Pid::ack) hear_ack();
      return;
    default:
      return;
  }
}

void ScriptedDevice::hear_sof(std::uint16_t frame_number) {
  const bool same = stamp_valid_ && frame_number == stamp_ >> 3U;
  const unsigned microframe = device_speed_ == Speed::high && same ? (stamp_ & 7U) + 1U : 0U;
  stamp_ = static_cast<std::uint16_t>(frame_number << 3U | (microframe & 7U));
  stamp_valid_ = true;
  token_.reset();
  sent_.reset();
}

void ScriptedDevice::hear_token(const usb::ParsedPacket& token) {
  token_.reset();
  sent_.reset();
  if (token.address != address_) return;
  const bool in = token.pid == Pid::in;
  const auto address = token.endpoint == 0
                           ? control_endpoint
                           : usb::endpoint(token.endpoint, in ? usb::Direction::in : usb::Direction::out);
  if (token.pid == Pid::ping) {
    ++pings_;
  } else {
    ++tokens_[address.value];
  }
  if (address != control_endpoint && find(address) == nullptr) return;
  if (strike(address, Fault::no_answer) != nullptr) return;
  if (in) return in_token(address);
  if (token.pid != Pid::ping) {
    token_ = token;
  } else {
    answer_handshake(address, strike(address, Fault::nak) != nullptr ? Pid::nak : Pid::ack);
  }
}

void ScriptedDevice::in_token(EndpointAddress address) {
  if (address == control_endpoint) return control_in();
  Endpoint& endpoint = *find(address);
  if (endpoint.config.type == TransferType::isochronous) return isochronous_in(endpoint);
  bulk_in(endpoint);
}

void ScriptedDevice::hear_data(const usb::ParsedPacket& data) {
  if (!token_) return;
  const usb::ParsedPacket token = *std::exchange(token_, std::nullopt);
  if (token.pid == Pid::setup) return control_setup(data.payload);
  if (token.endpoint == 0) return control_out(data.pid, data.payload);
  endpoint_out(*find(usb::endpoint(token.endpoint, usb::Direction::out)), data);
}

void ScriptedDevice::hear_ack() {
  if (!sent_) return;
  const EndpointAddress address = *std::exchange(sent_, std::nullopt);
  if (address == control_endpoint) return control_ack();
  Endpoint& endpoint = *find(address);
  endpoint.toggle = !endpoint.toggle;
  endpoint.waiting.pop_front();
}

// --- isochronous ----------------------------------------------------------------------------------------------------

void ScriptedDevice::open_interval(Endpoint& endpoint) {
  const auto address = endpoint.config.address;
  const auto fresh = [&]() -> Packets {
    const auto source = sources_.find(address.value);
    if (source == sources_.end() || !source->second) return {Bytes{}};
    const Misbehaviour* wrong = strike(address, Fault::wrong_stamp);
    const unsigned stamp =
        stamp_ + (wrong == nullptr ? 0U : wrong->argument * (device_speed_ == Speed::full ? 8U : 1U));
    return source->second(static_cast<std::uint16_t>(stamp & 0x3fffU));
  };
  auto& held = endpoint.held;
  held.push_back(fresh());
  if (strike(address, Fault::lose) != nullptr) {
    held.pop_front();
    held.push_back(fresh());
  }
  if (strike(address, Fault::reorder) != nullptr) {
    held.push_back(fresh());
    std::swap(held[0], held[1]);
  }
  if (strike(address, Fault::duplicate) != nullptr) held.push_front(endpoint.last);
  endpoint.last = held.front();
  held.pop_front();
  endpoint.waiting.assign(endpoint.last.begin(), endpoint.last.end());
  if (endpoint.waiting.empty()) endpoint.waiting.emplace_back();
}

void ScriptedDevice::isochronous_in(Endpoint& endpoint) {
  const unsigned counted = device_speed_ == Speed::full ? stamp_ >> 3U : stamp_;
  const std::int64_t interval = counted / endpoint.config.interval;
  if (interval != endpoint.interval) open_interval(endpoint);
  endpoint.interval = interval;
  if (endpoint.waiting.empty()) return answer_data(endpoint.config.address, Pid::data0, {});  // one token too many
  const Bytes payload = std::move(endpoint.waiting.front());
  endpoint.waiting.pop_front();
  answer_data(endpoint.config.address, isochronous_pid(endpoint.waiting.size()), payload);
}

void ScriptedDevice::endpoint_out(Endpoint& endpoint, const usb::ParsedPacket& data) {
  if (endpoint.config.type != TransferType::isochronous) return bulk_out(endpoint, data.pid, data.payload);
  hand_to_sink(endpoint.config.address, data.pid, data.payload);
}

void ScriptedDevice::hand_to_sink(EndpointAddress address, Pid pid, std::span<const std::uint8_t> payload) {
  const auto sink = sinks_.find(address.value);
  if (sink == sinks_.end() || !sink->second) return;
  Bytes bytes(payload.begin(), payload.end());
  const Misbehaviour* corrupt = strike(address, Fault::corrupt);
  if (corrupt != nullptr && corrupt->argument < bytes.size()) bytes[corrupt->argument] ^= 0xffU;
  const Misbehaviour* cut = strike(address, Fault::truncate);
  if (cut != nullptr) bytes.resize(bytes.size() - std::min<std::size_t>(bytes.size(), cut->argument));
  sink->second(stamp_, pid, bytes);
}

// --- bulk and interrupt ---------------------------------------------------------------------------------------------

void ScriptedDevice::bulk_in(Endpoint& endpoint) {
  const auto address = endpoint.config.address;
  if (halted_[address.value] || strike(address, Fault::stall) != nullptr) return answer_handshake(address, Pid::stall);
  const auto source = sources_.find(address.value);
  if (endpoint.waiting.empty() && source != sources_.end() && source->second) {
    for (Bytes& packet : source->second(stamp_)) endpoint.waiting.push_back(std::move(packet));
  }
  if (endpoint.waiting.empty() || strike(address, Fault::nak) != nullptr) return answer_handshake(address, Pid::nak);
  sent_ = address;
  answer_data(address, data_pid(endpoint.toggle), endpoint.waiting.front());
}

void ScriptedDevice::bulk_out(Endpoint& endpoint, Pid pid, std::span<const std::uint8_t> payload) {
  const auto address = endpoint.config.address;
  if (halted_[address.value] || strike(address, Fault::stall) != nullptr) return answer_handshake(address, Pid::stall);
  if (strike(address, Fault::nak) != nullptr) return answer_handshake(address, Pid::nak);
  if (pid == data_pid(endpoint.toggle)) {
    endpoint.toggle = !endpoint.toggle;
    hand_to_sink(address, pid, payload);
    Endpoint* back = find(usb::endpoint(address.number(), usb::Direction::in));
    if (back != nullptr && back->config.type == endpoint.config.type)
      back->waiting.emplace_back(payload.begin(), payload.end());
  }
  const bool full = device_speed_ == Speed::high && strike(address, Fault::nyet) != nullptr;
  answer_handshake(address, full ? Pid::nyet : Pid::ack);
}

// --- answers --------------------------------------------------------------------------------------------------------

void ScriptedDevice::answer(EndpointAddress endpoint, std::span<const std::uint8_t> bytes) {
  Answer answer{now_ + bits(speed_ == Speed::high ? options_.response_high : options_.response_full),
                Bytes(bytes.begin(), bytes.end()), false};
  if (const auto* wrong = strike(endpoint, Fault::wrong_pid))
    answer.bytes[0] = static_cast<std::uint8_t>(wrong->argument);
  if (strike(endpoint, Fault::rx_error) != nullptr) answer.rx_error = true;
  if (const auto* late = strike(endpoint, Fault::late_answer)) {
    answer.start = now_ + bits(late->argument != 0 ? late->argument : usb::host_timeout_max_bits(speed_) + 8);
  }
  if (strike(endpoint, Fault::lost_answer) != nullptr) return;
  answers_.push_back(answer);
  if (const auto* extra = strike(endpoint, Fault::extra_packet)) {
    answer.start += bits(usb::packet_bits(speed_, answer.bytes) + extra->argument);
    answers_.push_back(std::move(answer));
  }
}

void ScriptedDevice::answer_data(EndpointAddress endpoint, Pid pid, std::span<const std::uint8_t> payload) {
  Bytes sent(payload.begin(), payload.end());
  if (const auto* babble = strike(endpoint, Fault::babble)) sent.resize(sent.size() + babble->argument, 0x55);
  if (const auto* cut = strike(endpoint, Fault::truncate)) {
    sent.resize(sent.size() - std::min<std::size_t>(sent.size(), cut->argument));
  }
  const auto* corrupt = strike(endpoint, Fault::corrupt);
  if (corrupt != nullptr && corrupt->argument < sent.size()) sent[corrupt->argument] ^= 0xffU;
  Bytes buffer(sent.size() + usb::data_overhead);
  usb::make_data(pid, sent, buffer);
  if (strike(endpoint, Fault::bad_crc) != nullptr) buffer.back() ^= 0x01U;
  answer(endpoint, buffer);
}

void ScriptedDevice::answer_handshake(EndpointAddress endpoint, Pid pid) {
  const auto packet = usb::make_handshake(pid);
  answer(endpoint, packet);
}

}  // namespace isochio::test
