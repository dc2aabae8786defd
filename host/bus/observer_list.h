// isochio: one PacketObserver that hands everything on to several, in the order in which they were added.
#pragma once

#include <vector>

#include "bus/link.h"

namespace isochio::bus {

class ObserverList final : public PacketObserver {
 public:
  /// The observer must outlive this list. Not from inside a callback.
  void add(PacketObserver* observer) { observers_.push_back(observer); }

  void on_packet(const Packet& packet, usb::Speed speed) override {
    for (PacketObserver* observer : observers_) observer->on_packet(packet, speed);
  }
  void on_line(LineEvent event, BusTime at) override {
    for (PacketObserver* observer : observers_) observer->on_line(event, at);
  }

 private:
  std::vector<PacketObserver*> observers_;
};

}  // namespace isochio::bus
