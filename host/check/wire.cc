// isochio: from packets to (micro)frames and transactions.
#include "check/wire.h"

#include "check/crc.h"
#include "usb/bandwidth.h"
#include "usb/crc.h"
#include "usb/packet.h"

namespace isochio::check {

std::string_view pid::name(std::uint8_t byte) {
  if (byte == 0) return "none";
  return usb::pid_check_good(byte) ? usb::to_string(usb::pid_of(byte)) : "?";
}

const char* to_string(Fault fault) {
  switch (fault) {
    case Fault::none:
      return "none";
    case Fault::empty:
      return "no PID";
    case Fault::rx_error:
      return "bit stuffing or alignment violated";
    case Fault::babble:
      return "longer than any packet may be";
    case Fault::pid_check:
      return "PID check nibble wrong";
    case Fault::pid_unknown:
      return "unknown PID";
    case Fault::length:
      return "length wrong for its PID";
    case Fault::crc5:
      return "CRC5 wrong";
    case Fault::crc16:
      return "CRC16 wrong";
  }
  return "?";
}

const char* to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::ok:
      return "ok";
    case Outcome::no_response:
      return "no response";
    case Outcome::crc_error:
      return "CRC16 wrong";
    case Outcome::bit_stuff:
      return "bit stuffing violated";
    case Outcome::babble:
      return "babble";
    case Outcome::pid_error:
      return "PID wrong";
    case Outcome::nak:
      return "NAK";
    case Outcome::nyet:
      return "NYET";
    case Outcome::stall:
      return "STALL";
  }
  return "?";
}

bool high_bandwidth_in_good(std::span<const std::uint8_t> pids, bool whole) {
  const auto rank = [](std::uint8_t p) { return p == pid::data0 ? 0 : p == pid::data1 ? 1 : p == pid::data2 ? 2 : 9; };
  for (std::size_t i = 0; i < pids.size(); ++i) {
    if (rank(pids[i]) > 2) return false;
    if (i > 0 && rank(pids[i]) != rank(pids[i - 1]) - 1) return false;
  }
  return !whole || (!pids.empty() && rank(pids.back()) == 0);
}

namespace {

bus::Duration nominal(usb::Speed speed) { return speed == usb::Speed::full ? bus::frame : bus::microframe; }
std::uint64_t step(usb::Speed speed) { return speed == usb::Speed::full ? 8U : 1U; }

void decode_token(DecodedPacket& d) {
  const auto bytes = d.packet->bytes;
  if (bytes.size() != 3) {
    d.fault = Fault::length;
    return;
  }
  const auto fields = static_cast<std::uint16_t>(bytes[1] | bytes[2] << 8U);
  if (usb::crc5(fields & 0x7ffU) != fields >> 11U) {
    d.fault = Fault::crc5;
    return;
  }
  d.frame_number = fields & 0x7ffU;
  d.address = static_cast<std::uint8_t>(fields & 0x7fU);
  d.endpoint = static_cast<std::uint8_t>((fields >> 7U) & 0x0fU);
}

void decode_data(DecodedPacket& d) {
  const auto bytes = d.packet->bytes;
  if (bytes.size() < 3) {
    d.fault = Fault::length;
  } else if (!crc16_good(bytes.subspan(1))) {
    d.fault = bytes.size() > usb::max_payload + usb::data_overhead ? Fault::babble : Fault::crc16;
  } else {
    d.data = bytes.subspan(1, bytes.size() - 3);
  }
}

DecodedPacket decode(const bus::Packet& packet, usb::Speed speed) {
  DecodedPacket d;
  d.packet = &packet;
  d.speed = speed;
  if (packet.rx_error) {
    d.fault = Fault::rx_error;
    if (!packet.bytes.empty()) d.pid = packet.bytes[0];
    return d;
  }
  if (packet.bytes.empty()) {
    d.fault = Fault::empty;
    return d;
  }
  d.pid = packet.bytes[0];
  if (!usb::pid_check_good(d.pid)) {
    d.fault = Fault::pid_check;
  } else if (pid::is_token(d.pid) || d.pid == pid::sof) {
    decode_token(d);
  } else if (pid::is_data(d.pid)) {
    decode_data(d);
  } else if (pid::is_handshake(d.pid)) {
    if (packet.bytes.size() != 1) d.fault = Fault::length;
  } else {
    d.fault = Fault::pid_unknown;
  }
  return d;
}

}  // namespace

void Wire::endpoints(std::span<const usb::EndpointConfig> endpoints) {
  configs_.fill({});
  for (const auto& e : endpoints) configs_[e.address.number() + (e.address.is_in() ? 16U : 0U)] = e;
}

const usb::EndpointConfig* Wire::config(std::uint8_t number, bool is_in) const {
  const auto& c = configs_[number + (is_in ? 16U : 0U)];
  return c.address.number() == 0 ? nullptr : &c;
}

usb::FrameTime Wire::frame_at(bus::BusTime time) const {
  if (!have_sof_) return usb::FrameTime::of(anchor_frame_);
  const bus::Duration since = time - last_sof_;
  // What comes so little after the end of a (micro)frame still belongs to it; behind an SOF that did not come, the
  // first token is later than that.
  const bus::Duration margin{speed_ == usb::Speed::high ? 100 : 500};
  if (since < nominal(speed_) + margin) return last_at_;
  return {last_at_.value + static_cast<std::uint64_t>(since / nominal(speed_)) * step(speed_)};
}

void Wire::packet(const bus::Packet& packet, usb::Speed speed) {
  DecodedPacket d = decode(packet, speed);
  last_time_ = packet.end;
  if (d.fault == Fault::none && d.pid == pid::sof) {
    settle();
    sof(d);
    return;
  }
  d.at = frame_at(packet.start);
  for (auto* l : listeners_) l->on_packet(d);
  if (d.fault != Fault::none) {
    spoilt(d);
  } else if (pid::is_token(d.pid)) {
    token(d);
  } else if (pid::is_data(d.pid)) {
    data(d);
  } else {
    handshake(d);
  }
}

/// The 64-bit number nearest to the anchor that has these 11 bits.
usb::FrameTime Wire::first_sof(std::uint16_t number) const {
  const std::uint64_t base = anchor_frame_ & ~std::uint64_t{0x7ff};
  std::uint64_t frame = base | number;
  if (frame > anchor_frame_ + 1024 && frame >= 2048) frame -= 2048;
  if (frame + 1024 < anchor_frame_) frame += 2048;
  return usb::FrameTime::of(frame);
}

/// A bus that was suspended goes on where it would be by then: (micro)frames follow one another whatever the port does.
/// Empty: that is not certain, since two clocks have been apart for too long, or the number says otherwise.
std::optional<usb::FrameTime> Wire::after_a_break(const Sof& sof) const {
  constexpr bus::Duration longest = 100 * bus::millisecond;  // 500 ppm are less than half a microframe in it
  const bus::Duration since = sof.time - last_sof_;
  if (!have_sof_ || !microframe_known_ || speed_ != sof.speed || since > longest) return std::nullopt;
  const bus::Duration half{nominal(sof.speed).bits / 2};
  const usb::FrameTime at{last_at_.value +
                          static_cast<std::uint64_t>((since + half) / nominal(sof.speed)) * step(sof.speed)};
  if ((at.frame() & 0x7ffU) != sof.number) return std::nullopt;
  return at;
}

void Wire::sof(const DecodedPacket& packet) {
  Sof s;
  s.time = packet.packet->start;
  s.speed = packet.speed;
  s.number = packet.frame_number;
  s.first = broken_ || speed_ != packet.speed;
  if (s.first) {
    if (have_sof_) anchor_frame_ = last_at_.frame() + static_cast<std::uint64_t>((s.time - last_sof_) / bus::frame);
    const auto resumed = after_a_break(s);
    s.at = resumed.value_or(first_sof(s.number));
    microframe_known_ = packet.speed == usb::Speed::full || resumed;
  } else {
    s.interval = s.time - last_sof_;
    const auto half = bus::Duration{nominal(s.speed).bits / 2};
    const std::int64_t passed = (s.interval + half) / nominal(s.speed);
    s.at = {last_at_.value + static_cast<std::uint64_t>(passed) * step(s.speed)};
    if (!microframe_known_ && s.number != last_number_) {
      // The first change of number shows where the frame begins.
      s.at = usb::FrameTime::of((last_at_.frame() + ((s.number - last_number_) & 0x7ffU)));
      microframe_known_ = true;
    } else if (!microframe_known_) {
      s.at = usb::FrameTime::of(last_at_.frame(), last_at_.microframe() < 7 ? last_at_.microframe() + 1 : 7);
    }
    s.number_expected = (s.at.frame() & 0x7ffU) == s.number;
  }
  speed_ = packet.speed;
  have_sof_ = true;
  broken_ = false;
  last_at_ = s.at;
  last_sof_ = s.time;
  last_number_ = s.number;
  DecodedPacket d = packet;
  d.at = s.at;
  for (auto* l : listeners_) l->on_packet(d);
  for (auto* l : listeners_) l->on_sof(s);
}

void Wire::token(const DecodedPacket& packet) {
  settle();
  const bool is_in = packet.pid == pid::in;
  transaction_ = {};
  transaction_.at = packet.at;
  transaction_.start = packet.packet->start;
  transaction_.end = packet.packet->end;
  transaction_.speed = packet.speed;
  transaction_.address = packet.address;
  transaction_.endpoint = usb::endpoint(packet.endpoint, is_in ? usb::Direction::in : usb::Direction::out);
  if (const auto* c = config(packet.endpoint, is_in)) transaction_.type = c->type;
  transaction_.token = packet.pid;
  transaction_.outcome = Outcome::no_response;
  open_ = true;
}

void Wire::data(const DecodedPacket& packet) {
  // Data without a token, or from the wrong side, is nobody's; the packet check reports it.
  const bool to_host = transaction_.token == pid::in;
  if (!open_ || transaction_.data_pid != 0 || packet.packet->from_host == to_host) return;
  transaction_.data_pid = packet.pid;
  transaction_.length = static_cast<std::uint32_t>(packet.data.size());
  note_delay(packet);
  transaction_.end = packet.packet->end;
  const bool isochronous = transaction_.type == usb::TransferType::isochronous;
  if (isochronous || to_host) transaction_.outcome = Outcome::ok;
  for (auto* l : listeners_) l->on_data(transaction_, packet.data);
  if (isochronous) emit();
}

void Wire::note_delay(const DecodedPacket& packet) {
  if (packet.packet->from_host) return;
  const auto limit = [&](unsigned bits) {
    return std::int64_t{bits} * (packet.speed == usb::Speed::high ? bus::hs_bit : bus::fs_bit);
  };
  const bus::Duration delay = packet.packet->start - transaction_.end;
  transaction_.late = delay > limit(usb::host_timeout_min_bits(packet.speed));
  transaction_.too_late = delay > limit(usb::host_timeout_max_bits(packet.speed));
}

void Wire::handshake(const DecodedPacket& packet) {
  if (!open_) return;
  const bool to_host = transaction_.token == pid::in;
  const bool answers_data = transaction_.data_pid != 0;
  // IN: the host acknowledges data, or the device refuses. OUT, SETUP, PING: the device answers.
  if (packet.packet->from_host != (to_host && answers_data)) return;
  transaction_.handshake = packet.pid;
  transaction_.handshake_from_host = packet.packet->from_host;
  transaction_.end = packet.packet->end;
  switch (packet.pid) {
    case pid::ack:
      transaction_.outcome = Outcome::ok;
      break;
    case pid::nak:
      transaction_.outcome = Outcome::nak;
      break;
    case pid::nyet:
      transaction_.outcome = Outcome::nyet;
      break;
    default:
      transaction_.outcome = Outcome::stall;
      break;
  }
  // An isochronous endpoint has no handshake, and nobody acknowledges an IN token [8.4.6.1, 8.5.5].
  const bool acknowledged = packet.pid == pid::ack || packet.pid == pid::nyet;
  if (to_host && !answers_data && (acknowledged || transaction_.type == usb::TransferType::isochronous))
    transaction_.outcome = Outcome::pid_error;
  emit();
}

void Wire::spoilt(const DecodedPacket& packet) {
  if (!open_ || packet.packet->from_host) return;
  switch (packet.fault) {
    case Fault::crc16:
      transaction_.outcome = Outcome::crc_error;
      break;
    case Fault::length:  // data too short to have a CRC16; a handshake with something behind it
      transaction_.outcome = pid::is_data(packet.pid) ? Outcome::crc_error : Outcome::pid_error;
      break;
    case Fault::rx_error:
      transaction_.outcome = Outcome::bit_stuff;
      break;
    case Fault::babble:
      transaction_.outcome = Outcome::babble;
      break;
    default:
      transaction_.outcome = Outcome::pid_error;
      break;
  }
  transaction_.end = packet.packet->end;
  if (packet.fault == Fault::crc16) transaction_.data_pid = packet.pid;
  emit();
}

void Wire::settle() {
  if (open_) emit();
}

void Wire::emit() {
  open_ = false;
  for (auto* l : listeners_) l->on_transaction(transaction_);
}

void Wire::renumber(std::uint64_t frame) {
  settle();
  anchor_frame_ = frame;
  have_sof_ = false;
  broken_ = true;
}

void Wire::line(bus::PacketObserver::LineEvent event, bus::BusTime at) {
  using Event = bus::PacketObserver::LineEvent;
  if (event != Event::reset_begin && event != Event::suspend && event != Event::detach && event != Event::resume)
    return;
  settle();
  broken_ = true;
  for (auto* l : listeners_) l->on_break(at);
}

}  // namespace isochio::check
