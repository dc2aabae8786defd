#include "controller/transaction.h"

#include "controller/sim_host.h"
#include "controller/timing.h"

namespace isochio::controller {

void TransactionEngine::send(std::span<const std::uint8_t> bytes) {
  if (link_.now() < earliest_) link_.advance(earliest_);
  sent_ = link_.send(bytes).end;
  earliest_ = sent_ + timing::same_sender_gap(link_.speed());
}

void TransactionEngine::start_of_frame(std::uint64_t frame) {
  const auto packet = usb::make_sof(static_cast<std::uint16_t>(frame & 0x7ffU));
  const usb::Speed speed = link_.speed();
  sent_ = link_.send(packet, speed == usb::Speed::high).end;
  earliest_ = sent_ + timing::same_sender_gap(speed);
  ++counters_.sof;
}

Answer TransactionEngine::receive() {
  const usb::Speed speed = link_.speed();
  bus::Packet packet;
  if (!link_.receive(sent_ + timing::response_timeout(speed), packet)) return {};
  earliest_ = packet.end + timing::turnaround_gap(speed);
  if (packet.rx_error) return {.status = Status::bit_stuff};
  const auto parsed = usb::parse(packet.bytes);
  if (!parsed) {
    const bool data = !packet.bytes.empty() && usb::kind(usb::pid_of(packet.bytes[0])) == usb::PidKind::data;
    const bool crc = parsed.error() == usb::PacketError::crc16 ||
                     (data && parsed.error() == usb::PacketError::wrong_length);  // too short to have one
    if (crc && packet.bytes.size() > usb::max_payload + usb::data_overhead) return {.status = Status::overrun};
    return {.status = crc ? Status::crc_error : Status::pid_error};
  }
  const auto kind = usb::kind(parsed->pid);
  const bool allowed = kind == usb::PidKind::data || kind == usb::PidKind::handshake;
  return {allowed ? Status::ok : Status::pid_error, parsed->pid, parsed->payload};
}

Answer TransactionEngine::in(std::uint8_t address, std::uint8_t endpoint) {
  ++counters_.transactions;
  send(usb::make_token(usb::Pid::in, address, endpoint));
  Answer answer = receive();
  // After IN come data, NAK or STALL [8.4.6.1].
  if (answer.is(usb::Pid::ack) || answer.is(usb::Pid::nyet)) answer.status = Status::pid_error;
  return answer;
}

void TransactionEngine::acknowledge() { send(usb::make_handshake(usb::Pid::ack)); }

Answer TransactionEngine::out(usb::Pid token, std::uint8_t address, std::uint8_t endpoint, usb::Pid data,
                              std::span<const std::uint8_t> payload, bool answered) {
  ++counters_.transactions;
  send(usb::make_token(token, address, endpoint));
  send(usb::make_data(data, payload, buffer_));
  if (!answered) return {.status = Status::ok, .pid = data};
  Answer answer = receive();
  if (answer.is_data()) answer.status = Status::pid_error;
  return answer;
}

Answer TransactionEngine::ping(std::uint8_t address, std::uint8_t endpoint) {
  ++counters_.transactions;
  send(usb::make_token(usb::Pid::ping, address, endpoint));
  Answer answer = receive();
  if (answer.is_data()) answer.status = Status::pid_error;
  return answer;
}

}  // namespace isochio::controller
