// isochio: the cable and the UTMI transceiver between a host and a device model: packets and line states on one side,
// pins at 60 MHz on the other. Bus time is exact: SYNC, stuffed bits, CRC and EOP take the time they take on a wire,
// the transceiver's latencies are those of utmi_timing.h. Clock edge n is at bus time 8 n unless the device's clock is
// made to run fast or slow; the edges at or before now() have been evaluated, never a later one. Source: USB 2.0
// chapter 7, UTMI 1.05.
//
// `Model` is a class without virtual functions that has the pins of docs/rtl.md (verilator/device_model.h):
//   inputs   set_data(byte) set_rx_valid(bool) set_rx_active(bool) set_rx_error(bool) set_line_state(0 SE0, 1 J, 2 K)
//            set_tx_ready(bool) set_remote_wakeup(bool)
//   outputs  data() tx_valid() mode() [DeviceMode] quiet() wake()
//   clock()      one clock edge
//   skip(edges)  these clock edges pass, at most wake() of them; the device is quiet and no input changes
//
// A device that is not at the host's speed hears nothing and is not understood; one that is not attached sees an idle
// line. A packet that both send at once is lost for the device and flagged rx_error for the host.
#pragma once

#include <algorithm>
#include <utility>

#include "bus/link.h"
#include "line_schedule.h"
#include "receive_path.h"
#include "simulated_device.h"
#include "transmit_path.h"
#include "utmi_timing.h"

namespace isochio::verilated {

/// The device's mode pins in one byte: bit 0 xcvr_select, 1 term_select (1 = full speed), 3..2 op_mode, 4 suspend_n.
struct DeviceMode {
  std::uint8_t bits = 0;

  static constexpr std::uint8_t pack(unsigned xcvr, unsigned term, unsigned op_mode, unsigned suspend_n) {
    return static_cast<std::uint8_t>(xcvr | term << 1U | op_mode << 2U | suspend_n << 4U);
  }
  constexpr usb::Speed speed() const { return (bits & 1U) != 0 ? usb::Speed::full : usb::Speed::high; }
  constexpr bool full_speed_terms() const { return (bits & 2U) != 0; }
  constexpr unsigned op_mode() const { return bits >> 2U & 3U; }
  constexpr bool awake() const { return (bits & 0x10U) != 0; }
};
inline constexpr unsigned op_mode_normal = 0, op_mode_non_driving = 1, op_mode_raw = 2;

template <typename Model>
class UtmiLink final : public SimulatedLink {
 public:
  /// `model` out of reset; its clock edge 0 is over.
  UtmiLink(Model model, bool idle_skipping) : model_(std::move(model)), skipping_(idle_skipping) {
    mode_.bits = model_.mode();
    model_.set_line_state(line_state());
  }

  bus::BusTime now() const override { return {now_}; }

  void advance(bus::BusTime until) override;

  bus::Packet send(std::span<const std::uint8_t> bytes, bool long_eop = false) override;
  bool receive(bus::BusTime start_before, bus::Packet& packet) override;

  void drive(bus::LineState state) override;
  void release() override;
  bool wait_device_drives(bus::LineState state, bus::BusTime until) override;
  bool wait_device_releases(bus::BusTime until) override;

  void set_speed(usb::Speed speed) override;
  usb::Speed speed() const override { return speed_; }

  void set_attached(bool attached) override;
  bool device_present() const override { return attached_ && mode_.op_mode() != op_mode_non_driving; }

  void set_observer(bus::PacketObserver* observer) override { observer_ = observer; }
  Clocks clocks() const override { return {static_cast<std::uint64_t>(edge_ - first_edge), evaluated_}; }

  void pulse_remote_wakeup() override {
    add_line_change(edge_, LineChange::Source::remote_wakeup, 1);
    add_line_change(edge_ + 1, LineChange::Source::remote_wakeup, 0);
  }
  bool inject_rx_error(std::size_t byte) override {
    error_at_ = byte;
    return true;
  }
  bool set_device_clock(std::int32_t ppm) override {
    clock_.set_ppm(ppm, edge_ - 1);
    return true;
  }

  Model& model() { return model_; }

 private:
  static constexpr std::int64_t first_edge = 1;
  enum class Stop : std::uint8_t { at_limit, at_packet_start, at_packet_end, at_driving, at_release };
  using LineEvent = bus::PacketObserver::LineEvent;

  template <Stop stop>
  void run(std::int64_t limit);
  template <Stop stop>
  bool has_happened() const {
    if constexpr (stop == Stop::at_packet_start) return transmit_.active() && !transmit_.cut();
    if constexpr (stop == Stop::at_packet_end) return packet_done_;
    if constexpr (stop == Stop::at_driving) return driving_;
    if constexpr (stop == Stop::at_release) return !driving_ && !transmit_.active();
    return false;
  }
  bool skip_idle(std::int64_t last_edge);
  void set_inputs();
  void step_receive();
  void step_transmit();
  void step_line();

  void begin_transmit();
  void finish_transmit();
  void hand_over_packet();
  bool finish_packet(std::int64_t start_before);
  void add_packet_line(std::int64_t time, PacketLine line, const WireTiming& timing) {
    const std::int64_t latency = timing.bit == 1 ? squelch_latency : line_latency;
    add_line_change(clock_.first(time + latency), LineChange::Source::packet, static_cast<std::uint8_t>(line));
  }
  void add_line_change(std::int64_t edge, LineChange::Source source, std::uint8_t value);
  void drive_line(HostLine line);
  /// Bus time of a time of the device's clock (transmit_path.h).
  std::int64_t to_bus(std::int64_t device) const { return clock_.time(device / clock_bits) + device % clock_bits; }
  std::uint8_t line_state() const;
  void note_mode(std::uint8_t bits);
  bool device_listens() const {
    return attached_ && mode_.awake() && mode_.op_mode() == op_mode_normal && mode_.speed() == speed_ &&
           !transmit_.active() && !driving_;
  }
  void report(LineEvent event, std::int64_t at) {
    if (observer_ != nullptr) observer_->on_line(event, {at});
  }

  Model model_;
  DeviceClock clock_;
  ReceivePath receive_{clock_};
  TransmitPath transmit_;
  LineSchedule line_;

  std::int64_t edge_ = first_edge;  ///< the next edge to evaluate
  std::int64_t now_ = 0;
  std::uint64_t evaluated_ = 0;
  std::int64_t line_next_ = never, receive_next_ = never, transmit_next_ = never;

  // Pins as they are.
  bool rx_valid_ = false, tx_ready_ = false, line_dirty_ = false;
  bool listening_ = false;  ///< the packet in receive_ is delivered
  bool skipping_;
  DeviceMode mode_;

  // The line.
  PacketLine packet_line_ = PacketLine::none;
  HostLine host_line_ = HostLine::released;    ///< as the device sees it
  HostLine host_drives_ = HostLine::released;  ///< as the host does it
  bool driving_ = false;                       ///< the device drives the bare line
  bus::LineState driven_ = bus::LineState::k;
  std::int64_t driving_since_ = 0, released_at_ = 0;

  usb::Speed speed_ = usb::Speed::full;
  bool attached_ = false, in_reset_ = false;
  bool packet_done_ = false;  ///< hand_over_packet() set packet_
  std::size_t error_at_ = ReceivePath::no_error;
  bus::PacketObserver* observer_ = nullptr;
  bus::Packet packet_;
};

// --- the loop -------------------------------------------------------------------------------------------------------

/// Evaluates the edges up to `limit`; now() is `limit` then. Or up to the edge at which what `stop` names was seen, and
/// now() is that edge.
template <typename Model>
template <typename UtmiLink<Model>::Stop stop>
void UtmiLink<Model>::run(std::int64_t limit) {
  const std::int64_t last_edge = limit == never ? never - 1 : clock_.last(limit);
  while (edge_ <= last_edge) {
    if (skipping_ && skip_idle(last_edge)) continue;
    set_inputs();
    model_.clock();
    ++edge_;
    ++evaluated_;
    const std::uint8_t mode = model_.mode();
    if (mode != mode_.bits) note_mode(mode);
    if (has_happened<stop>()) {
      now_ = std::max(now_, clock_.time(edge_ - 1));
      return;
    }
  }
  if (limit > now_) now_ = limit;
}

/// If the model is quiet: jumps to the next edge at which an input changes or a timer may end, with nothing evaluated.
/// False if that is the next edge.
template <typename Model>
bool UtmiLink<Model>::skip_idle(std::int64_t last_edge) {
  if (!model_.quiet() || rx_valid_ || line_dirty_ || (tx_ready_ && !driving_)) return false;
  if (!transmit_.active() && model_.tx_valid() != driving_) return false;
  const std::int64_t change = std::min({receive_next_, transmit_next_, line_next_, last_edge + 1});
  const std::int64_t edges = std::min(change - edge_, static_cast<std::int64_t>(model_.wake()));
  if (edges < 1) return false;
  model_.skip(static_cast<std::uint32_t>(edges));
  edge_ += edges;
  return true;
}

/// Sets the pins for the clock edge `edge_`; the outputs are those after the edge before it.
template <typename Model>
inline void UtmiLink<Model>::set_inputs() {
  if (edge_ == line_next_) step_line();
  if (edge_ == receive_next_) {
    step_receive();
  } else if (rx_valid_) {
    rx_valid_ = false;
    model_.set_rx_valid(false);
    model_.set_rx_error(false);
  }
  if (transmit_next_ != never) {
    if (edge_ == transmit_next_) {
      step_transmit();
    } else if (tx_ready_) {
      tx_ready_ = false;
      model_.set_tx_ready(false);
    }
  } else if (model_.tx_valid() != driving_) {
    begin_transmit();
  }
  if (line_dirty_) {
    line_dirty_ = false;
    model_.set_line_state(line_state());
  }
}

template <typename Model>
void UtmiLink<Model>::step_receive() {
  switch (receive_.next_event()) {
    case ReceivePath::Event::byte: {
      bool error = false;
      const std::uint8_t byte = receive_.take_byte(error);
      if (listening_) {
        model_.set_data(byte);
        model_.set_rx_error(error);
        model_.set_rx_valid(true);
        rx_valid_ = true;
      }
      break;
    }
    case ReceivePath::Event::active:
      listening_ = device_listens();
      if (listening_) model_.set_rx_active(true);
      receive_.take_active();
      break;
    case ReceivePath::Event::inactive:
      model_.set_rx_active(false);
      model_.set_rx_valid(false);
      model_.set_rx_error(false);
      rx_valid_ = false;
      receive_.take_inactive();
      break;
  }
  receive_next_ = receive_.next_edge();
}

template <typename Model>
void UtmiLink<Model>::step_line() {
  do {
    const LineChange change = line_.take();
    switch (change.source) {
      case LineChange::Source::packet:
        packet_line_ = static_cast<PacketLine>(change.value);
        break;
      case LineChange::Source::host:
        host_line_ = static_cast<HostLine>(change.value);
        break;
      case LineChange::Source::remote_wakeup:
        model_.set_remote_wakeup(change.value != 0);
        break;
    }
    line_next_ = line_.next_edge();
  } while (line_next_ <= edge_);
  line_dirty_ = true;
}

// --- the device sends -----------------------------------------------------------------------------------------------

/// The next byte is needed at this edge.
template <typename Model>
inline void UtmiLink<Model>::step_transmit() {
  if (!model_.tx_valid()) {
    finish_transmit();
    return;
  }
  if (!tx_ready_) {
    tx_ready_ = true;
    model_.set_tx_ready(true);
  }
  if (transmit_.take(model_.data())) hand_over_packet();
  transmit_next_ = transmit_.next_edge();
}

/// tx_valid rose: a packet, or with op_mode 2 the bare line; or it fell and the line is free again.
template <typename Model>
void UtmiLink<Model>::begin_transmit() {
  const WireTiming timing = wire_timing(mode_.speed());
  if (driving_) {
    driving_ = false;
    released_at_ = clock_.time(edge_) + timing.tx_latency;
    model_.set_tx_ready(tx_ready_ = false);
    line_dirty_ = true;
  } else if (mode_.op_mode() == op_mode_raw) {
    driving_ = true;
    driven_ = model_.data() == 0 ? bus::LineState::k : bus::LineState::j;
    driving_since_ = clock_.time(edge_) + timing.tx_latency;
    model_.set_tx_ready(tx_ready_ = true);
    line_dirty_ = true;
    if (attached_ && driven_ == bus::LineState::k) {
      report(in_reset_ ? LineEvent::device_chirp : LineEvent::resume, driving_since_);
    }
  } else {
    transmit_.begin(edge_, timing);
    if (receive_.busy()) transmit_.collide();
    transmit_next_ = transmit_.next_edge();
    add_packet_line(to_bus(transmit_.start()), mode_.speed() == usb::Speed::high ? PacketLine::j : PacketLine::k,
                    timing);
    if (mode_.speed() == usb::Speed::full)
      add_packet_line(to_bus(transmit_.start()) + timing.sync, PacketLine::j, timing);
  }
}

template <typename Model>
void UtmiLink<Model>::finish_transmit() {
  const bool cut = transmit_.cut();
  transmit_.finish();
  transmit_next_ = never;
  model_.set_tx_ready(tx_ready_ = false);
  if (transmit_.timing().bit != 1) add_packet_line(to_bus(transmit_.eop_start()), PacketLine::se0, transmit_.timing());
  add_packet_line(to_bus(transmit_.end()), PacketLine::none, transmit_.timing());
  if (!cut) hand_over_packet();
}

/// The packet is whole (or cut): to the observer, and to receive() if it waits.
template <typename Model>
void UtmiLink<Model>::hand_over_packet() {
  if (!attached_) return;
  bus::Packet packet;
  packet.bytes = transmit_.bytes();
  packet.start = {to_bus(transmit_.start())};
  packet.end = {to_bus(transmit_.end())};
  packet.from_host = false;
  packet.rx_error = transmit_.bad() || transmit_.timing().bit != wire_timing(speed_).bit;
  packet_ = packet;
  packet_done_ = true;
  if (observer_ != nullptr) observer_->on_packet(packet, speed_);
}

/// Receives the packet under way whole if it began before `start_before`.
template <typename Model>
bool UtmiLink<Model>::finish_packet(std::int64_t start_before) {
  const bool begun = attached_ && has_happened<Stop::at_packet_start>() && to_bus(transmit_.start()) < start_before;
  if (!begun) return false;
  packet_done_ = false;
  run<Stop::at_packet_end>(never);
  run<Stop::at_limit>(packet_.end.bits);
  return true;
}

template <typename Model>
void UtmiLink<Model>::advance(bus::BusTime until) {
  run<Stop::at_limit>(until.bits);
  finish_packet(until.bits);
}

template <typename Model>
bool UtmiLink<Model>::receive(bus::BusTime start_before, bus::Packet& packet) {
  if (!has_happened<Stop::at_packet_start>()) run<Stop::at_packet_start>(start_before.bits);
  if (!finish_packet(start_before.bits)) {
    run<Stop::at_limit>(start_before.bits);
    return false;
  }
  packet = packet_;
  return true;
}

// --- the host sends -------------------------------------------------------------------------------------------------

template <typename Model>
bus::Packet UtmiLink<Model>::send(std::span<const std::uint8_t> bytes, bool long_eop) {
  // A host that leaves less than the receive latency between two packets is held up until the first is delivered.
  while (receive_.busy()) run<Stop::at_limit>(clock_.time(receive_.next_edge()));
  const WireTiming timing = wire_timing(speed_);
  const std::int64_t eop = timing.eop(long_eop);
  const std::int64_t end =
      now_ + timing.sync + eop + timing.bit * static_cast<std::int64_t>(8 * bytes.size() + usb::stuffed_bits(bytes));
  bus::Packet packet;
  packet.bytes = bytes;
  packet.start = {now_};
  packet.end = {end};
  packet.rx_error = error_at_ < bytes.size();
  if (!bytes.empty()) {
    receive_.begin(bytes, now_, timing, eop, std::exchange(error_at_, ReceivePath::no_error));
    receive_next_ = receive_.next_edge();
  }
  if (transmit_.active()) transmit_.collide();
  if (timing.bit == 1) {
    add_packet_line(now_, PacketLine::j, timing);
  } else {
    // K and J alternate until rx_active; only the first K is shown, the rest would tell the device nothing new.
    add_packet_line(now_, PacketLine::k, timing);
    add_packet_line(now_ + timing.sync + timing.rx_latency - line_latency, PacketLine::j, timing);
    add_packet_line(end - eop, PacketLine::se0, timing);
  }
  add_packet_line(end, PacketLine::none, timing);
  run<Stop::at_limit>(end);
  if (observer_ != nullptr) observer_->on_packet(packet, speed_);
  return packet;
}

// --- line states ----------------------------------------------------------------------------------------------------

template <typename Model>
void UtmiLink<Model>::add_line_change(std::int64_t edge, LineChange::Source source, std::uint8_t value) {
  // Only a host that drives the line more often than once a clock gets here.
  while (line_.full()) run<Stop::at_limit>(clock_.time(line_next_));
  line_.add(std::max(edge, edge_), source, value);
  line_next_ = line_.next_edge();
}

/// What the transceiver's line_state shows. At high-speed terminations J means that the squelch is open [UTMI 1.05].
template <typename Model>
std::uint8_t UtmiLink<Model>::line_state() const {
  constexpr std::uint8_t se0 = 0, j = 1, k = 2;
  if (driving_) return driven_ == bus::LineState::k ? k : j;
  if (attached_) {
    const auto line = packet_line_ != PacketLine::none ? static_cast<HostLine>(packet_line_) : host_line_;
    if (line == HostLine::se0) return se0;
    if (line == HostLine::k) return mode_.full_speed_terms() ? k : j;
    if (line == HostLine::j) return j;
    if (speed_ == usb::Speed::high) return se0;
  }
  return mode_.full_speed_terms() && mode_.op_mode() != op_mode_non_driving ? j : se0;
}

template <typename Model>
void UtmiLink<Model>::note_mode(std::uint8_t bits) {
  const bool was_awake = mode_.awake();
  mode_.bits = bits;
  line_dirty_ = true;
  if (attached_ && was_awake && !mode_.awake()) report(LineEvent::suspend, clock_.time(edge_ - 1));
}

template <typename Model>
void UtmiLink<Model>::drive_line(HostLine line) {
  host_drives_ = line;
  add_line_change(clock_.first(now_ + line_latency), LineChange::Source::host, static_cast<std::uint8_t>(line));
}

template <typename Model>
void UtmiLink<Model>::drive(bus::LineState state) {
  const auto line = static_cast<HostLine>(state);
  if (line == host_drives_) return;
  // SE0 after resume's K is its end, not a reset.
  if (state == bus::LineState::se0 && host_drives_ != HostLine::k && !in_reset_) {
    in_reset_ = true;
    report(LineEvent::reset_begin, now_);
  } else if (state == bus::LineState::k && !in_reset_) {
    report(LineEvent::resume, now_);
  }
  drive_line(line);
}

template <typename Model>
void UtmiLink<Model>::release() {
  if (host_drives_ == HostLine::released) return;
  if (std::exchange(in_reset_, false)) report(LineEvent::reset_end, now_);
  drive_line(HostLine::released);
}

template <typename Model>
bool UtmiLink<Model>::wait_device_drives(bus::LineState state, bus::BusTime until) {
  if (!driving_) run<Stop::at_driving>(until.bits);
  if (!attached_ || !driving_ || driven_ != state || driving_since_ >= until.bits) {
    run<Stop::at_limit>(until.bits);
    return false;
  }
  run<Stop::at_limit>(std::max(driving_since_, now_));
  return true;
}

template <typename Model>
bool UtmiLink<Model>::wait_device_releases(bus::BusTime until) {
  if (!has_happened<Stop::at_release>()) run<Stop::at_release>(until.bits);
  const std::int64_t released = std::max({released_at_, to_bus(transmit_.end()), now_});
  const bool is_free = !driving_ && !transmit_.active() && released <= until.bits;
  run<Stop::at_limit>(is_free ? released : until.bits);
  return is_free;
}

// --- the port -------------------------------------------------------------------------------------------------------

template <typename Model>
void UtmiLink<Model>::set_speed(usb::Speed speed) {
  if (speed_ == speed) return;
  speed_ = speed;
  line_dirty_ = true;
  report(speed == usb::Speed::high ? LineEvent::high_speed : LineEvent::full_speed, now_);
}

template <typename Model>
void UtmiLink<Model>::set_attached(bool attached) {
  if (attached_ == attached) return;
  attached_ = attached;
  line_dirty_ = true;
  report(attached ? LineEvent::attach : LineEvent::detach, now_);
}

}  // namespace isochio::verilated
