// isochio: the device's own record against the wire.
#include "check/device_log.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

namespace isochio::check {
namespace {

constexpr std::size_t entry_bytes = 12;
// Registers of an engine, from FUNCTION on.
constexpr std::size_t reg_packets = 8, reg_bytes = 9, reg_zero_length = 10, reg_lost = 11, reg_duplicate = 12,
                      reg_reordered = 13, reg_corrupt = 14, reg_mistimed = 15, reg_sequence = 16, reg_overflow = 17,
                      reg_bad_sequence = 18, reg_first_bad = 19, reg_truncated = 20, reg_count = 21;

std::size_t slot(usb::EndpointAddress e) { return e.number() + (e.is_in() ? 16U : 0U); }

std::string describe(const char* kind, std::uint8_t pid, std::uint8_t endpoint, std::uint16_t length,
                     std::uint16_t stamp) {
  return fmt::format("{} {} endpoint {} length {} in {}.{}", kind, pid::name(pid), endpoint, length, stamp >> 3U,
                     stamp & 7U);
}

const char* kind_name(std::uint8_t kind) {
  switch (kind) {
    case 0:
      return "SOF";
    case 2:
      return "token";
    case 3:
      return "data in";
    case 4:
      return "data out";
    case 5:
      return "handshake";
    default:
      return "event";
  }
}

}  // namespace

void DeviceLog::Ring::push(const Record& record) {
  if (full()) drop(1);
  records[(first + count) % records.size()] = record;
  ++count;
}

void DeviceLog::Ring::drop(std::size_t n) {
  first = (first + n) % records.size();
  count -= n;
}

DeviceLog::DeviceLog(Reporter& reporter, bool wire) : reporter_(reporter), wire_(wire) {
  oldest_.records.resize(ring_size);
  newest_.records.resize(ring_size);
}

void DeviceLog::remember(const Record& record) {
  if ((mask_ >> record.kind & 1U) == 0) return;
  if (newest_.count == 0 && !oldest_.full()) {
    oldest_.push(record);
  } else {
    newest_.push(record);
  }
}

void DeviceLog::on_break(bus::BusTime) {
  oldest_.count = newest_.count = 0;
  lose_step();
}

void DeviceLog::on_sof(const Sof& s) {
  now_ = s.at;
  now_time_ = s.time;
  now_speed_ = s.speed;
  remember({s.at.stamp(), s.number, sof_kind, pid::sof, 0, s.time});
}

void DeviceLog::on_packet(const DecodedPacket& d) {
  if (d.fault != Fault::none || d.pid == pid::sof) return;
  if (pid::is_token(d.pid)) {
    token_ = d.pid;
    token_endpoint_ = usb::endpoint(d.endpoint, d.pid == pid::in ? usb::Direction::in : usb::Direction::out);
  }
  const std::uint8_t endpoint = token_endpoint_.number();
  if (endpoint == 0) return;  // control transfers read the log themselves
  const std::uint16_t stamp = d.at.stamp();
  if (pid::is_token(d.pid)) {
    remember({stamp, 0, token_kind, d.pid, endpoint, d.packet->end});
  } else if (pid::is_data(d.pid)) {
    remember({stamp, static_cast<std::uint16_t>(d.data.size()), d.packet->from_host ? data_out_kind : data_in_kind,
              d.pid, endpoint, d.packet->end});
  } else {
    remember({stamp, 0, handshake_kind, d.pid, endpoint, d.packet->end});
  }
}

void DeviceLog::on_transaction(const Transaction& t) {
  if (t.endpoint.number() == 0 || t.data_pid == 0) return;
  const bool isochronous = t.type == usb::TransferType::isochronous;
  Totals& total = totals_[slot(t.endpoint)];
  const bool answered = !isochronous && !t.endpoint.is_in();
  const bool moved = answered ? t.handshake == pid::ack || t.handshake == pid::nyet : t.outcome == Outcome::ok;
  if (!moved) return;
  // A bulk packet that comes again with the same PID after its ACK was lost is the same packet to who takes it, and one
  // more to who sends it.
  if (answered && total.last_pid == t.data_pid) return;
  total.last_pid = t.data_pid;
  ++total.packets;
  total.bytes += t.length;
  if (t.length == 0) ++total.zero_length;
}

void DeviceLog::restart(usb::EndpointAddress endpoint) { totals_[slot(endpoint)] = {}; }

void DeviceLog::entries(std::span<const std::uint8_t> bytes) {
  for (; bytes.size() >= entry_bytes; bytes = bytes.subspan(entry_bytes)) entry(bytes.first(entry_bytes));
}

void DeviceLog::entry(std::span<const std::uint8_t> b) {
  const std::uint8_t kind = b[7];
  const bool compared =
      kind == sof_kind || kind == token_kind || kind == data_in_kind || kind == data_out_kind || kind == handshake_kind;
  const auto number = static_cast<std::uint8_t>(b[6] & 0x0fU);
  if (!compared || (kind != sof_kind && number == 0) || (kind == data_out_kind && b[11] != 0)) return;
  const auto stamp = static_cast<std::uint16_t>(b[4] | b[5] << 8U);
  const bool has_length = kind == sof_kind || kind == data_in_kind || kind == data_out_kind;
  const auto length = static_cast<std::uint16_t>(has_length ? b[8] | b[9] << 8U : 0);
  const Record wanted{
      stamp, length, kind, kind == sof_kind ? pid::sof : b[10], kind == sof_kind ? std::uint8_t{0} : number, {}};
  const std::uint32_t clock = b[0] | b[1] << 8U | b[2] << 16U | std::uint32_t{b[3]} << 24U;
  if (find(wanted, clock)) {
    ++matched_;
    return;
  }
  if (!reporter_.count_only(Rule::device_log)) return;
  reporter_.forward({Rule::device_log,
                     0,
                     -1,
                     usb::endpoint(number, usb::Direction::out),
                     {full_frame(stamp)},
                     now_time_,
                     "on the wire what the device logged",
                     describe(kind_name(kind), wanted.pid, wanted.endpoint, wanted.length, stamp)});
}

/// A device whose frame number was wrong for a while logs what looks like a packet of another time: by its 60 MHz
/// clock, which may be a little off, it is none of that (micro)frame. Packets are logged when they end.
bool DeviceLog::is_near(const Record& record, std::uint32_t clock) const {
  if (!in_step_ || !found_) return true;
  constexpr std::int64_t bits_per_clock = 8, clock_error = 50;  // 2 %
  const std::int64_t passed = bits_per_clock * static_cast<std::int32_t>(clock - found_->clock);
  const std::int64_t off = (record.time - found_->time).bits - passed;
  const auto width = now_speed_ == usb::Speed::high ? bus::microframe : bus::frame;
  return std::abs(off) <= width.bits / 2 + std::abs(passed) / clock_error;
}

/// Looks for the record from where the log has come to, and steps behind it. What is stepped over was not logged.
bool DeviceLog::find(const Record& wanted, std::uint32_t clock) {
  const std::size_t total = oldest_.count + newest_.count;
  std::size_t i = 0;
  for (; i < total; ++i) {
    const Record& r = i < oldest_.count ? oldest_[i] : newest_[i - oldest_.count];
    if (r.says_same(wanted) && is_near(r, clock)) break;
    // Differences modulo 2^14; a record clearly later than the entry ends the search.
    const unsigned ahead = (static_cast<unsigned>(r.stamp) - wanted.stamp) & 0x3fffU;
    if (in_step_ && ahead >= 1 && ahead < 0x2000U) return false;
  }
  if (i == total) return false;
  found_ = {clock, (i < oldest_.count ? oldest_[i] : newest_[i - oldest_.count]).time};
  if (i > 0 && in_step_) skipped(i, oldest_.count > 0 ? oldest_[0] : newest_[0]);
  const std::size_t from_oldest = std::min(i + 1, oldest_.count);
  oldest_.drop(from_oldest);
  newest_.drop(i + 1 - from_oldest);
  if (oldest_.count == 0) std::swap(oldest_, newest_);
  // Several packets of a microframe may look alike, so that a first one does not show where the log begins: from the
  // next microframe on none may be missing.
  if (!in_step_ && first_stamp_ && *first_stamp_ != wanted.stamp) in_step_ = true;
  if (!first_stamp_) first_stamp_ = wanted.stamp;
  return true;
}

void DeviceLog::skipped(std::size_t records, const Record& first) {
  for (std::size_t n = 1; n < records; ++n) reporter_.count_only(Rule::device_log);
  if (!reporter_.count_only(Rule::device_log)) return;
  reporter_.forward(
      {Rule::device_log,
       0,
       -1,
       usb::endpoint(first.endpoint, usb::Direction::out),
       {full_frame(first.stamp)},
       now_time_,
       "in the device's log " + describe(kind_name(first.kind), first.pid, first.endpoint, first.length, first.stamp),
       records == 1 ? "not there" : fmt::format("not there, nor {} after it", records - 1)});
}

/// The latest (micro)frame up to now with these 14 bits.
std::uint64_t DeviceLog::full_frame(std::uint16_t stamp) const {
  const std::uint64_t behind = (now_.value - stamp) & 0x3fffU;
  return now_.value >= behind ? now_.value - behind : stamp;
}

void DeviceLog::equal(usb::EndpointAddress endpoint, const char* name, std::uint64_t expected, std::uint32_t seen,
                      bus::BusTime now) {
  // Registers are 32 bits wide.
  if (static_cast<std::uint32_t>(expected) == seen || !reporter_.count_only(Rule::device_log)) return;
  reporter_.forward({Rule::device_log, 0, -1, endpoint, now_, now,
                     fmt::format("counter {} = {}, as on the wire", name, static_cast<std::uint32_t>(expected)),
                     fmt::format("{}", seen)});
}

void DeviceLog::none(Rule rule, usb::EndpointAddress endpoint, const char* name, std::uint32_t seen, bus::BusTime now,
                     const std::string& more) {
  if (seen == 0 || !reporter_.count_only(rule)) return;
  reporter_.forward({rule, 0, -1, endpoint, now_, now, fmt::format("counter {} = 0 in the device", name),
                     fmt::format("{}{}", seen, more)});
}

void DeviceLog::counters(usb::EndpointAddress endpoint, std::span<const std::uint32_t> r, bus::BusTime now,
                         bool exact_stamps, PayloadStatistics& found) {
  if (r.size() < reg_count) return;
  const Totals& total = totals_[slot(endpoint)];
  if (wire_) {
    equal(endpoint, "PACKETS", total.packets, r[reg_packets], now);
    equal(endpoint, "BYTES", total.bytes, r[reg_bytes], now);
    equal(endpoint, "ZERO_LENGTH", total.zero_length, r[reg_zero_length], now);
  }
  if (endpoint.is_in()) {
    none(Rule::duplicate, endpoint, "DUPLICATE", r[reg_duplicate], now);
    return;
  }
  std::string bad;
  if ((r[reg_first_bad] >> 31U) != 0)
    bad = fmt::format(", first in sequence {} byte {}: 0x{:02x} for 0x{:02x}", r[reg_bad_sequence],
                      r[reg_first_bad] >> 16U & 0x7ffU, r[reg_first_bad] & 0xffU, r[reg_first_bad] >> 8U & 0xffU);
  none(Rule::payload_lost, endpoint, "LOST", r[reg_lost], now);
  none(Rule::payload_reordered, endpoint, "REORDERED", r[reg_reordered], now);
  none(Rule::payload_corrupt, endpoint, "CORRUPT", r[reg_corrupt], now, bad);
  if (exact_stamps) none(Rule::payload_mistimed, endpoint, "MISTIMED", r[reg_mistimed], now);
  none(Rule::payload_truncated, endpoint, "TRUNCATED", r[reg_truncated], now);
  none(Rule::payload_duplicate, endpoint, "DUPLICATE", r[reg_duplicate], now);
  none(Rule::pid_sequence, endpoint, "SEQUENCE_ERRORS", r[reg_sequence], now);
  none(Rule::device_log, endpoint, "OVERFLOW", r[reg_overflow], now);
  found.lost = std::max<std::uint64_t>(found.lost, r[reg_lost]);
  found.duplicate = std::max<std::uint64_t>(found.duplicate, r[reg_duplicate]);
  found.reordered = std::max<std::uint64_t>(found.reordered, r[reg_reordered]);
  found.corrupt = std::max<std::uint64_t>(found.corrupt, r[reg_corrupt]);
  if (exact_stamps) found.mistimed = std::max<std::uint64_t>(found.mistimed, r[reg_mistimed]);
  found.truncated = std::max<std::uint64_t>(found.truncated, r[reg_truncated]);
}

}  // namespace isochio::check
