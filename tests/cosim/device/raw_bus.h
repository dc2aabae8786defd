// isochio: a host that is bound by nothing: it sends whatever bytes it is told to the Verilated device, in any order,
// and has just enough manners to reset it and to ask it something. Packets keep the smallest gap of [7.1.18]; an SOF is
// sent before the first token of each (micro)frame.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "description/description.h"
#include "simulated_device.h"
#include "usb/packet.h"

namespace isochio::test {

struct RawBusOptions {
  const char* device = "test";
  bool fs_only = false;                                   ///< the device's pin
  bool full_speed_host = false;                           ///< answers no chirp
  std::function<void(description::Description&)> edit{};  ///< changes the description before it is compiled
  description::Bytes image{};                             ///< not empty: instead of a compiled description
  bool idle_skipping = true;
};

class RawBus {
 public:
  using Bytes = std::vector<std::uint8_t>;
  struct Setup {
    std::uint8_t type, request;
    std::uint16_t value, index, length;
  };

  explicit RawBus(const RawBusOptions& options)
      : high_(!options.fs_only && !options.full_speed_host),
        image_(compile(options)),
        link_(verilated::make_simulated_device({
            .image = image_,
            .fs_only = options.fs_only,
            .idle_skipping = options.idle_skipping,
            .wave_path = {},
        })) {
    link_->set_attached(true);
    link_->advance(link_->now() + bus::millisecond);
  }

  verilated::SimulatedLink& link() { return *link_; }
  bool high_speed() const { return high_; }
  std::uint8_t address = 0;  ///< of the tokens sent

  /// A bus reset with its chirps; the device is at address 0 then.
  void reset() {
    link_->set_speed(usb::Speed::full);
    link_->drive(bus::LineState::se0);
    const auto end = link_->now() + 15 * bus::millisecond;
    if (high_) {
      if (!link_->wait_device_drives(bus::LineState::k, end) || !link_->wait_device_releases(end)) {
        throw std::runtime_error("the device did not chirp");
      }
      // To the end: a silence of 3 ms would be the next reset.
      while (link_->now() + bus::millisecond < end) {
        hold(bus::LineState::k, 50 * bus::microsecond);
        hold(bus::LineState::j, 50 * bus::microsecond);
      }
    }
    link_->drive(bus::LineState::se0);
    link_->advance(end);
    if (high_) link_->set_speed(usb::Speed::high);
    link_->release();
    address = 0;
    realign();
  }
  /// Silence for 5 ms, with full-speed terminations after 3 ms.
  void suspend() {
    pass(3 * bus::millisecond);
    link_->set_speed(usb::Speed::full);
    pass(2 * bus::millisecond);
  }
  void resume() {
    hold(bus::LineState::k, 20 * bus::millisecond);
    hold(bus::LineState::se0, 16 * bus::fs_bit);
    if (high_) link_->set_speed(usb::Speed::high);
    link_->release();
    realign();
  }
  void hold(bus::LineState state, bus::Duration time) {
    link_->drive(state);
    link_->advance(link_->now() + time);
  }

  /// Sends bytes as they are, a gap after the packet before them.
  void send(std::span<const std::uint8_t> bytes, bool long_eop = false) {
    if (const auto earliest = busy_until_ + gap(); earliest > link_->now()) link_->advance(earliest);
    busy_until_ = link_->send(bytes, long_eop).end;
  }
  void token(usb::Pid pid, std::uint8_t endpoint) {
    keep_time();
    send(usb::make_token(pid, address, endpoint));
  }
  void data(usb::Pid pid, std::span<const std::uint8_t> payload) {
    Bytes buffer(payload.size() + usb::data_overhead);
    send(usb::make_data(pid, payload, buffer));
  }
  /// What the device answers to the packet sent last; empty if it is silent.
  Bytes receive() {
    bus::Packet packet;
    if (!link_->receive(link_->now() + answer_time(), packet)) return {};
    Bytes bytes(packet.bytes.begin(), packet.bytes.end());
    busy_until_ = link_->now();
    return bytes;
  }
  std::optional<usb::Pid> answer() {
    const Bytes bytes = receive();
    if (bytes.empty()) return {};
    return usb::pid_of(bytes[0]);
  }
  void pass(bus::Duration time) { link_->advance(link_->now() + time); }

  /// An isochronous OUT transaction.
  void out(std::uint8_t endpoint, usb::Pid pid, std::span<const std::uint8_t> payload) {
    token(usb::Pid::out, endpoint);
    data(pid, payload);
  }

  /// A control transfer; the data of an IN one. Nothing if the device stalls it or does not answer as it must.
  std::optional<Bytes> control(const Setup& setup, const Bytes& sent = {}) {
    if (!send_setup(setup)) return {};
    const bool in = (setup.type & 0x80U) != 0 && setup.length != 0;
    Bytes received;
    if (in ? !data_in(setup.length, received) : !data_out(sent)) return {};
    if (in) {
      if (transact_out(usb::Pid::data1, {}) != usb::Pid::ack) return {};
    } else {
      const auto status = transact_in();
      if (status.size() != usb::data_overhead || usb::pid_of(status[0]) != usb::Pid::data1) return {};
    }
    return received;
  }
  bool send_setup(const Setup& setup) {
    const auto low = [](unsigned word) { return static_cast<std::uint8_t>(word & 0xffU); };
    const Bytes bytes{setup.type,       setup.request,          low(setup.value),  low(setup.value >> 8U),
                      low(setup.index), low(setup.index >> 8U), low(setup.length), low(setup.length >> 8U)};
    token(usb::Pid::setup, 0);
    data(usb::Pid::data0, bytes);
    return answer() == usb::Pid::ack;
  }
  /// Endpoint 0's answer to IN, after its NAKs; acknowledged if it is data.
  Bytes transact_in() {
    for (int tries = 0; tries < most_tries; ++tries) {
      token(usb::Pid::in, 0);
      Bytes packet = receive();
      if (packet.size() >= usb::data_overhead) send(usb::make_handshake(usb::Pid::ack));
      if (packet.empty() || usb::pid_of(packet[0]) != usb::Pid::nak) return packet;
      pass(bus::microsecond);
    }
    return {};
  }
  std::optional<usb::Pid> transact_out(usb::Pid pid, std::span<const std::uint8_t> payload) {
    std::optional<usb::Pid> got;
    for (int tries = 0; tries < most_tries; ++tries) {
      token(usb::Pid::out, 0);
      data(pid, payload);
      got = answer();
      if (got != usb::Pid::nak) return got;
      pass(bus::microsecond);
    }
    return got;
  }

  bool configure(std::uint8_t alternate) {
    reset();
    if (!control({0x00, 5, 7, 0, 0})) return false;
    address = 7;
    return control({0x00, 9, 1, 0, 0}) && (alternate == 0 || control({0x01, 11, alternate, 0, 0}));
  }
  std::uint32_t read(std::uint16_t number) {
    const auto bytes = control({0xc0, 1, 0, number, 4});
    if (!bytes || bytes->size() != 4) throw std::runtime_error("register " + std::to_string(number) + " was not read");
    return (*bytes)[0] | (*bytes)[1] << 8U | (*bytes)[2] << 16U | std::uint32_t{(*bytes)[3]} << 24U;
  }
  bool write(std::uint16_t number, std::uint32_t value) {
    Bytes bytes(4);
    for (unsigned i = 0; i < 4; ++i) bytes[i] = static_cast<std::uint8_t>(value >> 8U * i);
    return control({0x40, 1, 0, number, 4}, bytes).has_value();
  }

  /// Waits for the next (micro)frame and begins it with its SOF, unless it is `lost`.
  void next_frame(bool lost = false) {
    const std::int64_t now = link_->now().bits;
    if (next_frame_ > now) link_->advance({next_frame_});
    begin_frame(lost);
  }
  /// Of the present frame; 0 at full speed.
  unsigned microframe() const { return high_ ? frame_ & 7U : 0U; }
  /// The number of the next frame that begins.
  void start_at_frame(std::uint32_t number) { frame_ = high_ ? (number << 3U) - 1U : number - 1U; }
  std::uint16_t frame_number() const { return static_cast<std::uint16_t>(high_ ? frame_ >> 3U : frame_) & 0x7ffU; }

 private:
  static constexpr int most_tries = 3000;

  bus::Duration gap() const { return high_ ? bus::Duration{88} : 2 * bus::fs_bit; }
  bus::Duration answer_time() const { return bus::Duration{high_ ? 816 : 1200}; }
  std::int64_t interval() const { return high_ ? 60'000 : 480'000; }
  void realign() { next_frame_ = link_->now().bits + gap().bits; }
  void keep_time() {
    if (link_->now().bits >= next_frame_) begin_frame(false);
  }
  void begin_frame(bool lost) {
    const std::int64_t now = link_->now().bits;
    // A frame that was missed altogether has no SOF.
    while (next_frame_ <= now) {
      next_frame_ += interval();
      ++frame_;
    }
    if (!lost) send(usb::make_sof(frame_number()), high_);
  }
  bool data_in(std::size_t length, Bytes& received) {
    for (usb::Pid pid = usb::Pid::data1;; pid = pid == usb::Pid::data1 ? usb::Pid::data0 : usb::Pid::data1) {
      const Bytes packet = transact_in();
      if (packet.size() < usb::data_overhead || usb::pid_of(packet[0]) != pid || !usb::parse(packet)) return false;
      received.insert(received.end(), packet.begin() + 1, packet.end() - 2);
      if (received.size() > length) return false;
      if (packet.size() < 64 + usb::data_overhead || received.size() == length) return true;
    }
  }
  bool data_out(const Bytes& sent) {
    usb::Pid pid = usb::Pid::data1;
    for (std::size_t at = 0; at < sent.size(); at += 64) {
      const auto part = std::span(sent).subspan(at, std::min<std::size_t>(64, sent.size() - at));
      if (transact_out(pid, part) != usb::Pid::ack) return false;
      pid = pid == usb::Pid::data1 ? usb::Pid::data0 : usb::Pid::data1;
    }
    return true;
  }
  static description::Bytes compile(const RawBusOptions& options) {
    if (!options.image.empty()) return options.image;
    auto loaded = description::load(std::string(ISOCHIO_SOURCE_DIR "/rtl/devices/") + options.device + ".toml");
    if (!loaded) throw std::runtime_error(loaded.error().to_string());
    if (options.edit) options.edit(*loaded);
    const auto image = description::compile_image(*loaded);
    if (!image) throw std::runtime_error(image.error().to_string());
    return *image;
  }

  bool high_;
  description::Bytes image_;
  std::unique_ptr<verilated::SimulatedLink> link_;
  bus::BusTime busy_until_{0};  ///< end of the last packet
  std::int64_t next_frame_ = 0;
  std::uint32_t frame_ = 0;
};

}  // namespace isochio::test
