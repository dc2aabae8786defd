// isochio: a Link that can be cut at any bit time: the plug is pulled, or the port stops in the middle of a transaction
// because a reset is about to begin. A Link over another Link; without a cut it changes nothing. A packet of the device
// that the cut goes through arrives short, with rx_error and `cut`; of a packet of the host the device gets only what
// was on the wire before.
#pragma once

#include <cstdint>
#include <vector>

#include "bus/link.h"

namespace isochio::bus {

class CutLink final : public Link, private PacketObserver {
 public:
  explicit CutLink(Link& link) : link_(link) { link_.set_observer(this); }

  /// The plug is pulled at `at`: set_attached(true) brings the device back. A time that is past means now.
  void pull_at(BusTime at) { add({at, true}); }
  /// From `at` on nothing goes over the wire until somebody drives or releases the line: what a reset in the middle of
  /// a transaction does.
  void silence_at(BusTime at) { add({at, false}); }
  /// What was planned and has not happened will not.
  void forget_cuts() { cuts_.clear(); }
  /// The reset did not come.
  void end_silence() { silent_ = false; }

  BusTime now() const override { return link_.now(); }
  void advance(BusTime until) override;
  Packet send(std::span<const std::uint8_t> bytes, bool long_eop = false) override;
  bool receive(BusTime start_before, Packet& packet) override;
  void drive(LineState state) override;
  void release() override;
  bool wait_device_drives(LineState state, BusTime until) override;
  bool wait_device_releases(BusTime until) override;
  void set_speed(usb::Speed speed) override { link_.set_speed(speed); }
  usb::Speed speed() const override { return link_.speed(); }
  void set_attached(bool attached) override;
  bool device_present() const override { return link_.device_present(); }
  void set_observer(PacketObserver* observer) override { observer_ = observer; }
  Clocks clocks() const override { return link_.clocks(); }

 private:
  struct Cut {
    BusTime at;
    bool pulls;
  };
  void on_packet(const Packet& packet, usb::Speed speed) override;
  void on_line(LineEvent event, BusTime at) override {
    if (observer_ != nullptr) observer_->on_line(event, at);
  }
  void add(Cut cut);
  void cut_now();
  bool due(BusTime by) const { return !cuts_.empty() && cuts_.front().at <= by; }
  std::size_t bytes_before(BusTime start, std::size_t size, BusTime at) const;
  Packet shortened(const Packet& packet);

  Link& link_;
  PacketObserver* observer_ = nullptr;
  std::vector<Cut> cuts_;  ///< to come, by time
  bool silent_ = false;
  std::span<const std::uint8_t> whole_;  ///< what the host is sending, while the device gets less
  std::vector<std::uint8_t> short_;
};

}  // namespace isochio::bus
