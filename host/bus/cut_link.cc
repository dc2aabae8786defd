#include "bus/cut_link.h"

#include <algorithm>
#include <utility>

#include "usb/bandwidth.h"

namespace isochio::bus {
namespace {

Duration bit(usb::Speed speed) { return speed == usb::Speed::high ? hs_bit : fs_bit; }

}  // namespace

void CutLink::add(Cut cut) {
  const auto later = [](const Cut& a, const Cut& b) { return a.at < b.at; };
  cuts_.insert(std::upper_bound(cuts_.begin(), cuts_.end(), cut, later), cut);
}

void CutLink::cut_now() {
  const bool pulls = cuts_.front().pulls;
  cuts_.erase(cuts_.begin());
  if (pulls) {
    link_.set_attached(false);
  } else {
    silent_ = true;
  }
}

/// Whole bytes of a packet that are on the wire at `at`, stuffing apart.
std::size_t CutLink::bytes_before(BusTime start, std::size_t size, BusTime at) const {
  const std::int64_t bits = (at - start) / bit(speed()) - usb::sync_bits(speed());
  return bits <= 0 ? 0 : std::min<std::size_t>(size, static_cast<std::size_t>(bits / 8));
}

void CutLink::advance(BusTime until) {
  while (due(until)) {
    link_.advance(cuts_.front().at);
    cut_now();
  }
  link_.advance(until);
}

Packet CutLink::send(std::span<const std::uint8_t> bytes, bool long_eop) {
  if (due(now())) cut_now();
  const BusTime start = now();
  const Duration length = bit(speed()) * static_cast<std::int64_t>(usb::packet_bits(speed(), bytes, long_eop));
  if (silent_) {
    link_.advance(start + length);
    return {bytes, start, start + length, true, false};
  }
  if (!due(start + length)) return link_.send(bytes, long_eop);
  const std::size_t heard = bytes_before(start, bytes.size(), cuts_.front().at);
  whole_ = bytes;
  if (heard > 0) {
    link_.send(bytes.first(heard), false);
  } else {
    link_.advance(cuts_.front().at);
    if (observer_ != nullptr && cuts_.front().pulls)
      observer_->on_packet({bytes, start, start + length, true, false}, speed());
  }
  whole_ = {};
  cut_now();
  link_.advance(start + length);
  return {bytes, start, now(), true, false};
}

bool CutLink::receive(BusTime start_before, Packet& packet) {
  if (due(now())) cut_now();
  if (silent_) {
    link_.advance(start_before);
    return false;
  }
  if (due(start_before)) {
    const BusTime until = cuts_.front().at;
    if (link_.receive(until, packet)) {
      if (due(packet.end)) {
        packet = shortened(packet);
        cut_now();
      }
      return true;
    }
    cut_now();
    return receive(start_before, packet);
  }
  if (!link_.receive(start_before, packet)) return false;
  if (due(packet.end)) {
    packet = shortened(packet);
    cut_now();
  }
  return true;
}

Packet CutLink::shortened(const Packet& packet) {
  Packet cut = packet;
  const std::size_t size = bytes_before(packet.start, packet.bytes.size(), cuts_.front().at);
  short_.assign(packet.bytes.begin(), packet.bytes.begin() + static_cast<std::ptrdiff_t>(size));
  cut.bytes = short_;
  cut.rx_error = true;
  cut.cut = true;
  return cut;
}

/// The observer sees the wire at the host's end: of the host's packets all (but for a reset, which ends them), of the
/// device's what came before the cut.
void CutLink::on_packet(const Packet& packet, usb::Speed speed) {
  if (observer_ == nullptr) return;
  if (!packet.from_host && silent_) return;  // the host drives SE0 over it
  if (packet.from_host && !whole_.empty()) {
    Packet seen = packet;
    seen.bytes = whole_;
    if (cuts_.front().pulls) observer_->on_packet(seen, speed);
    return;
  }
  if (!packet.from_host && due(packet.end) && cuts_.front().at > packet.start) {
    observer_->on_packet(shortened(packet), speed);
  } else {
    observer_->on_packet(packet, speed);
  }
}

void CutLink::drive(LineState state) {
  silent_ = false;
  link_.drive(state);
}

void CutLink::release() {
  silent_ = false;
  link_.release();
}

bool CutLink::wait_device_drives(LineState state, BusTime until) {
  if (!due(until)) return link_.wait_device_drives(state, until);
  if (link_.wait_device_drives(state, cuts_.front().at)) return true;
  cut_now();
  return link_.wait_device_drives(state, until);
}

bool CutLink::wait_device_releases(BusTime until) {
  if (!due(until)) return link_.wait_device_releases(until);
  if (link_.wait_device_releases(cuts_.front().at)) return true;
  cut_now();
  return link_.wait_device_releases(until);
}

void CutLink::set_attached(bool attached) {
  silent_ = false;
  link_.set_attached(attached);
}

}  // namespace isochio::bus
