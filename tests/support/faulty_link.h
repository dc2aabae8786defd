// isochio: a bad cable: a Link over another Link that damages packets of both directions now and then, by a seed.
// Damage is what a CRC or a PID check shows for certain (one bit) or almost (bytes cut off), or the packet is gone, or
// noise comes before it. Lines and time are left alone.
#pragma once

#include <algorithm>
#include <random>
#include <vector>

#include "bus/link.h"
#include "usb/packet.h"

namespace isochio::test {

class FaultyLink final : public bus::Link {
 public:
  struct Rates {  ///< per mille of packets
    unsigned flip = 0, cut = 0, drop = 0, noise = 0;
    unsigned answer_flip = 0, answer_drop = 0, answer_error = 0;
  };

  FaultyLink(bus::Link& link, std::uint32_t seed) : link_(link), random_(seed) {}
  void set_rates(const Rates& rates) { rates_ = rates; }
  std::uint64_t damaged() const { return damaged_; }

  bus::Packet send(std::span<const std::uint8_t> bytes, bool long_eop) override {
    bytes_.assign(bytes.begin(), bytes.end());
    if (strikes(rates_.noise)) make_noise();
    if (strikes(rates_.drop)) {
      // The time passes, and nobody hears anything.
      const bus::BusTime start = link_.now(), end = start + bus::Duration{64};
      link_.advance(end);
      return {bytes_, start, end, true, false};
    }
    if (strikes(rates_.flip)) flip(bytes_);
    if (bytes_.size() > 1 && strikes(rates_.cut)) bytes_.resize(1 + random_() % (bytes_.size() - 1));
    return link_.send(bytes_, long_eop);
  }

  bool receive(bus::BusTime start_before, bus::Packet& packet) override {
    if (!link_.receive(start_before, packet)) return false;
    if (strikes(rates_.answer_drop)) return false;
    if (strikes(rates_.answer_error)) packet.rx_error = true;
    if (strikes(rates_.answer_flip)) {
      bytes_.assign(packet.bytes.begin(), packet.bytes.end());
      flip(bytes_);
      packet.bytes = bytes_;
    }
    return true;
  }

  bus::BusTime now() const override { return link_.now(); }
  void advance(bus::BusTime until) override { link_.advance(until); }
  void drive(bus::LineState state) override { link_.drive(state); }
  void release() override { link_.release(); }
  bool wait_device_drives(bus::LineState s, bus::BusTime until) override { return link_.wait_device_drives(s, until); }
  bool wait_device_releases(bus::BusTime until) override { return link_.wait_device_releases(until); }
  void set_speed(usb::Speed speed) override { link_.set_speed(speed); }
  usb::Speed speed() const override { return link_.speed(); }
  void set_attached(bool attached) override { link_.set_attached(attached); }
  bool device_present() const override { return link_.device_present(); }
  void set_observer(bus::PacketObserver* observer) override { link_.set_observer(observer); }
  Clocks clocks() const override { return link_.clocks(); }

 private:
  bool strikes(unsigned rate) {
    const bool hit = rate != 0 && random_() % 1000 < rate;
    damaged_ += hit ? 1 : 0;
    return hit;
  }
  void flip(std::vector<std::uint8_t>& bytes) {
    const auto bit = random_() % (8 * bytes.size());
    bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
  }
  void make_noise() {
    std::vector<std::uint8_t> noise(1 + random_() % 12);
    for (auto& byte : noise) byte = static_cast<std::uint8_t>(random_());
    if (usb::parse(noise)) noise[0] ^= 0x10U;  // a wrong check nibble
    const bus::BusTime end = link_.send(noise).end;
    link_.advance(end + (link_.speed() == usb::Speed::high ? bus::Duration{88} : 2 * bus::fs_bit));
  }

  bus::Link& link_;
  std::minstd_rand random_;
  Rates rates_;
  std::vector<std::uint8_t> bytes_;
  std::uint64_t damaged_ = 0;
};

}  // namespace isochio::test
