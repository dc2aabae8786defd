// isochio: a bus made by hand for tests of observers: packets with right times unless told otherwise, and a host that
// asks for isochronous entries. Nothing here looks at what the observers think.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "bus/link.h"
#include "check/violation.h"
#include "controller/host.h"
#include "usb/packet.h"

namespace isochio::test {

class KeptViolations final : public check::ViolationSink {
 public:
  void report(const check::Violation& violation) override { all.push_back(violation); }
  std::size_t count(check::Rule rule) const {
    std::size_t n = 0;
    for (const auto& v : all) n += v.rule == rule ? 1U : 0U;
    return n;
  }
  /// "" if all is well, else the rules in order, e.g. "late late crc".
  std::string rules() const {
    std::string text;
    for (const auto& v : all) text += (text.empty() ? "" : " ") + std::string(check::to_string(v.rule));
    return text;
  }
  std::vector<check::Violation> all;
};

class BusScript {
 public:
  using Bytes = std::vector<std::uint8_t>;
  BusScript(bus::PacketObserver& observer, usb::Speed speed) : observer_(observer), speed_(speed) {}

  bus::BusTime now() const { return now_; }
  usb::Speed speed() const { return speed_; }
  bus::Duration bits(std::int64_t n) const { return speed_ == usb::Speed::full ? n * bus::fs_bit : n * bus::hs_bit; }
  bus::Duration period() const { return speed_ == usb::Speed::full ? bus::frame : bus::microframe; }

  /// The SOF of this (micro)frame, at its time since the first one, moved by `shift`.
  void sof(usb::FrameTime at, bus::Duration shift = {}) {
    sof_number(at, static_cast<std::uint16_t>(at.frame() & 0x7ffU), shift);
  }
  void sof_number(usb::FrameTime at, std::uint16_t number, bus::Duration shift = {}) {
    if (!started_) origin_ = at;
    started_ = true;
    const std::uint64_t step = speed_ == usb::Speed::full ? 8 : 1;
    now_ = first_ + static_cast<std::int64_t>((at.value - origin_.value) / step) * period() + shift;
    const auto p = usb::make_sof(number);
    put({p.begin(), p.end()}, true);
  }
  void token(usb::Pid pid, std::uint8_t endpoint) {
    wait_host();
    const auto p = usb::make_token(pid, 5, endpoint);
    put({p.begin(), p.end()}, true);
  }
  static Bytes data_bytes(usb::Pid pid, const Bytes& payload) {
    Bytes buffer(payload.size() + 3);
    usb::make_data(pid, payload, buffer);
    return buffer;
  }
  void host_data(usb::Pid pid, const Bytes& payload) {
    wait_host();
    put(data_bytes(pid, payload), true);
  }
  void device_data(usb::Pid pid, const Bytes& payload, std::int64_t response_bits = 0) {
    now_ += bits(response_bits != 0 ? response_bits : usual_response());
    put(data_bytes(pid, payload), false);
  }
  void device_raw(const Bytes& bytes, bool rx_error = false) {
    now_ += bits(usual_response());
    put(bytes, false, rx_error);
  }
  void host_handshake(usb::Pid pid) {
    wait_host();
    put({usb::pid_byte(pid)}, true);
  }
  void device_handshake(usb::Pid pid) {
    now_ += bits(usual_response());
    put({usb::pid_byte(pid)}, false);
  }
  void idle(bus::Duration d) { now_ += d; }
  void line(bus::PacketObserver::LineEvent event) { observer_.on_line(event, now_); }

  /// One packet now, with SYNC and EOP, unstuffed.
  void put(const Bytes& bytes, bool from_host, bool rx_error = false) {
    bus::Packet p;
    p.bytes = bytes;
    p.start = now_;
    const auto overhead = speed_ == usb::Speed::full ? 8 + 2 : 32 + 8;
    now_ += bits(static_cast<std::int64_t>(bytes.size()) * 8 + overhead);
    p.end = now_;
    p.from_host = from_host;
    p.rx_error = rx_error;
    observer_.on_packet(p, speed_);
  }

 private:
  std::int64_t usual_response() const { return speed_ == usb::Speed::full ? 4 : 100; }
  void wait_host() { now_ += bits(speed_ == usb::Speed::full ? 3 : 96); }

  bus::PacketObserver& observer_;
  usb::Speed speed_;
  bus::BusTime first_{1'000'000}, now_{1'000'000};
  usb::FrameTime origin_;
  bool started_ = false;
};

}  // namespace isochio::test
