// isochio: data PIDs and packets out of place.
#include "check/pid_sequence.h"

#include <algorithm>

#include <fmt/format.h>

namespace isochio::check {
namespace {

std::string names(std::span<const std::uint8_t> pids) {
  std::string text;
  for (const auto p : pids) text += fmt::format("{}{}", text.empty() ? "" : " ", pid::name(p));
  return text.empty() ? "none" : text;
}

}  // namespace

void PidSequence::violate(usb::EndpointAddress endpoint, usb::FrameTime at, bus::BusTime time, std::string expected,
                          std::string seen) {
  if (!reporter_.count_only(Rule::pid_sequence)) return;
  reporter_.forward({Rule::pid_sequence, 0, -1, endpoint, at, time, std::move(expected), std::move(seen)});
}

void PidSequence::endpoints(std::span<const usb::EndpointConfig> endpoints) {
  finish();
  std::array<bool, 32> now{};
  for (const auto& e : endpoints) {
    Slot& s = slots_[index(e.address)];
    now[index(e.address)] = true;
    s.config = e;
    s.toggle = s.present ? Toggle::any : Toggle::data0;
    s.present = true;
  }
  for (std::size_t i = 0; i < slots_.size(); ++i)
    if (!now[i]) slots_[i] = {};
}

void PidSequence::on_break(bus::BusTime) {
  finish();
  for (auto& s : slots_) s.toggle = Toggle::any;
  control_known_ = false;
}

void PidSequence::finish() {
  for (std::size_t i = 0; open_ != 0 && i < slots_.size(); ++i)
    if ((open_ >> i & 1U) != 0) close(slots_[i]);
  open_ = 0;
}

void PidSequence::on_sof(const Sof&) {
  if (open_ != 0) finish();
}

void PidSequence::on_transaction(const Transaction& t) {
  if (t.endpoint.number() == 0) {
    control(t);
  } else if (t.type == usb::TransferType::isochronous) {
    isochronous(t);
  } else {
    toggled(t);
  }
}

void PidSequence::isochronous(const Transaction& t) {
  Slot& s = slots_[index(t.endpoint)];
  if (t.speed == usb::Speed::full) {
    // A host takes DATA0 or DATA1, and sends DATA0 [8.5.5].
    const bool good = t.data_pid == pid::data0 || (t.endpoint.is_in() && t.data_pid == pid::data1);
    if (t.outcome == Outcome::ok && !good)
      violate(t.endpoint, t.at, t.start, "DATA0", std::string(pid::name(t.data_pid)));
    return;
  }
  if (s.count != 0 && s.at != t.at) close(s);  // the SOF between them did not come
  if (s.count == 0) {
    s.at = t.at;
    s.time = t.start;
    s.spoilt = false;
    open_ |= 1U << index(t.endpoint);
  }
  if (s.count < s.pids.size()) s.pids[s.count] = t.data_pid;
  if (s.count < 255) ++s.count;
  s.spoilt |= t.outcome != Outcome::ok;
  s.config.address = t.endpoint;
}

/// A service interval of a high-speed endpoint is over.
void PidSequence::close(Slot& s) {
  const std::size_t n = s.count;
  s.count = 0;
  const auto pids = std::span(s.pids).first(std::min(n, s.pids.size()));
  const std::size_t most = s.present ? s.config.transactions : 3;
  if (n > most) {
    violate(s.config.address, s.at, s.time, fmt::format("at most {} transactions in a microframe", most),
            fmt::format("{}", n));
    return;
  }
  if (s.spoilt) return;
  if (s.config.address.is_in()) {
    const bool first_fits = pids[0] != pid::data2 || most == 3;
    const bool fits = first_fits && (pids[0] != pid::data1 || most >= 2);
    if (!fits || !high_bandwidth_in_good(pids, false))
      violate(s.config.address, s.at, s.time,
              most == 3   ? "DATA2 DATA1 DATA0 or its end"
              : most == 2 ? "DATA1 DATA0 or its end"
                          : "DATA0",
              names(pids));
    return;
  }
  std::array<std::uint8_t, 3> want{pid::mdata, pid::mdata, pid::mdata};
  want[n - 1] = n == 1 ? pid::data0 : n == 2 ? pid::data1 : pid::data2;
  if (!std::equal(pids.begin(), pids.end(), want.begin()))
    violate(s.config.address, s.at, s.time, names(std::span(want).first(n)), names(pids));
}

void PidSequence::toggled(const Transaction& t) {
  if (t.data_pid == 0 || t.outcome == Outcome::crc_error || t.outcome == Outcome::bit_stuff) return;
  Slot& s = slots_[index(t.endpoint)];
  const Toggle seen = t.data_pid == pid::data1 ? Toggle::data1 : Toggle::data0;
  const bool is_toggle = t.data_pid == pid::data0 || t.data_pid == pid::data1;
  if (!is_toggle || (s.toggle != Toggle::any && seen != s.toggle))
    violate(t.endpoint, t.at, t.start, s.toggle == Toggle::data1 ? "DATA1" : "DATA0",
            std::string(pid::name(t.data_pid)));
  const bool taken = t.handshake == pid::ack || t.handshake == pid::nyet;
  s.toggle = taken == (seen == Toggle::data0) ? Toggle::data1 : Toggle::data0;
}

void PidSequence::on_data(const Transaction& t, std::span<const std::uint8_t> bytes) {
  if (t.token != pid::setup || bytes.size() != 8) return;
  control_known_ = true;
  control_in_ = (bytes[0] & 0x80U) != 0;
  control_data_ = (bytes[6] | bytes[7]) != 0;
  control_toggle_ = Toggle::data1;
  // CLEAR_FEATURE(ENDPOINT_HALT) resets the toggle [9.4.5].
  if (bytes[0] == 0x02 && bytes[1] == 1 && bytes[2] == 0) slots_[index({bytes[4]})].toggle = Toggle::data0;
}

void PidSequence::control(const Transaction& t) {
  if (t.data_pid == 0 || t.outcome == Outcome::crc_error || t.outcome == Outcome::bit_stuff) return;
  if (t.token == pid::setup) {
    if (t.data_pid != pid::data0) violate({}, t.at, t.start, "SETUP with DATA0", std::string(pid::name(t.data_pid)));
    return;
  }
  if (!control_known_) return;
  const bool data_stage = control_data_ && (t.token == pid::in) == control_in_;
  // The status stage is always DATA1 [8.5.3].
  const Toggle want = data_stage ? control_toggle_ : Toggle::data1;
  if (t.data_pid != (want == Toggle::data1 ? pid::data1 : pid::data0))
    violate(
        {static_cast<std::uint8_t>(t.token == pid::in ? 0x80U : 0U)}, t.at, t.start,
        fmt::format("{} in the {} stage", want == Toggle::data1 ? "DATA1" : "DATA0", data_stage ? "data" : "status"),
        std::string(pid::name(t.data_pid)));
  if (data_stage && (t.handshake == pid::ack || t.handshake == pid::nyet))
    control_toggle_ = t.data_pid == pid::data0 ? Toggle::data1 : Toggle::data0;
}

/// Why a good packet may not come here; null if it may.
void PacketCheck::endpoints(std::span<const usb::EndpointConfig> endpoints) {
  configs_.fill({});
  for (const auto& e : endpoints) configs_[e.address.number() + (e.address.is_in() ? 16U : 0U)] = e;
}

const char* PacketCheck::misplaced(const DecodedPacket& d) const {
  const bool from_host = d.packet->from_host;
  const bool isochronous = config().type == usb::TransferType::isochronous;
  if (pid::is_handshake(d.pid) && isochronous) return "no handshake at an isochronous endpoint";
  if (pid::is_data(d.pid) && isochronous && d.data.size() > config().max_packet)
    return "no more payload than wMaxPacketSize";
  const bool owes_data = last_from_host_ && (last_pid_ == pid::out || last_pid_ == pid::setup);
  if (from_host && owes_data && !pid::is_data(d.pid)) return "data of the host behind its OUT or SETUP token";
  if (from_host) {
    if (pid::is_data(d.pid) && !(last_from_host_ && (last_pid_ == pid::out || last_pid_ == pid::setup)))
      return "data of the host only after OUT or SETUP";
    return nullptr;
  }
  if (pid::is_token(d.pid) || d.pid == pid::sof) return "no token from a device";
  if (!last_from_host_) return "one packet of the device in a transaction";
  if (pid::is_data(d.pid) && last_pid_ != pid::in) return "data of the device only after IN";
  const bool asked = last_pid_ == pid::in || last_pid_ == pid::ping || pid::is_data(last_pid_);
  return asked ? nullptr : "a packet of the device only when asked";
}

void PacketCheck::on_packet(const DecodedPacket& d) {
  if (d.fault == Fault::none && pid::is_token(d.pid))
    endpoint_ = usb::endpoint(d.endpoint, d.pid == pid::in ? usb::Direction::in : usb::Direction::out);
  const char* why = d.fault == Fault::none ? misplaced(d) : nullptr;
  if (!d.packet->cut && (d.fault != Fault::none || why != nullptr)) {
    const Rule rule = d.fault == Fault::crc16 || d.fault == Fault::crc5 ? Rule::crc : Rule::packet_error;
    if (reporter_.count_only(rule))
      reporter_.forward({rule, 0, -1, endpoint_, d.at, d.packet->start, why != nullptr ? why : "a good packet",
                         fmt::format("{} of {} bytes from the {}{}{}", d.pid == 0 ? "packet" : pid::name(d.pid),
                                     d.packet->bytes.size(), d.packet->from_host ? "host" : "device",
                                     why != nullptr ? "" : ": ", why != nullptr ? "" : to_string(d.fault))});
  }
  last_pid_ = d.pid;
  last_from_host_ = d.packet->from_host;
}

}  // namespace isochio::check
