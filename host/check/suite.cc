// isochio: joins the checkers: one reading of the wire, one book of services, one reporter.
#include "check/suite.h"

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

#include "check/bandwidth_check.h"
#include "check/device_log.h"
#include "check/device_timing.h"
#include "check/frame_timing.h"
#include "check/pid_sequence.h"
#include "check/service_book.h"
#include "check/status_check.h"
#include "check/wire.h"
#include "check/wire_timing.h"

namespace isochio::check {
namespace {

using controller::Status;

std::size_t slot_of(usb::EndpointAddress e) { return e.number() + (e.is_in() ? 16U : 0U); }

/// Where entry `index` begins in its request's data: the sum of the requests before it. Entries end in order, so the
/// sum is kept.
struct EntryOffset {
  std::uint64_t request = 0;
  std::size_t index = 0, offset = 0;

  std::size_t of(const controller::IsochRequest& r, std::size_t wanted) {
    if (request != r.id || index > wanted) {
      request = r.id;
      index = offset = 0;
    }
    for (; index < wanted; ++index) offset += r.entries[index].request;
    return offset;
  }
};

bool same_kind(const usb::EndpointConfig& a, const usb::EndpointConfig& b) {
  return a.type == b.type && a.max_packet == b.max_packet && a.transactions == b.transactions &&
         a.interval == b.interval;
}

/// What is known of one endpoint.
struct Stream {
  StreamOptions options;
  usb::EndpointConfig config;
  EntryOffset offset;
  bool configured = false, used = false;
  StreamStatistics statistics;
  std::optional<PatternChecker> pattern;
  PayloadStatistics moved;        ///< on the wire, or OUT without one as the device counts: packets, bytes, zero_length
  PayloadStatistics from_device;  ///< OUT: what the device's sink found
  bool counters_read = false;
  std::vector<const controller::IsochRequest*> in_flight;
};

bool did_move(Status status) {
  return status != Status::missed && status != Status::aborted && status != Status::no_device &&
         status != Status::pending;
}

/// Names request and entry of a violation that was seen on the wire, if one in flight asked for that (micro)frame.
class Annotator final : public ViolationSink {
 public:
  Annotator(ViolationSink& sink, std::array<Stream, 32>& streams, const usb::Speed& speed)
      : sink_(sink), streams_(streams), speed_(speed) {}

  void report(const Violation& violation) override {
    const Stream& s = streams_[slot_of(violation.endpoint)];
    if (violation.request == 0 && s.configured) {
      for (const auto* r : s.in_flight) {
        const ServiceWindow first = service_window(r->start(), 0, s.config.interval, speed_);
        const std::uint64_t width = first.end.value - first.begin.value;
        if (violation.at < first.begin || width == 0) continue;
        const std::uint64_t entry = (violation.at.value - first.begin.value) / width;
        if (entry >= r->entries.size()) continue;
        Violation named = violation;
        named.request = r->id;
        named.entry = static_cast<std::int64_t>(entry);
        sink_.report(named);
        return;
      }
    }
    sink_.report(violation);
  }

 private:
  ViolationSink& sink_;
  std::array<Stream, 32>& streams_;
  const usb::Speed& speed_;
};

}  // namespace

struct Suite::Parts final : WireListener {
  Parts(const SuiteOptions& o, ViolationSink& sink)
      : options(o),
        annotator(sink, streams, speed),
        reporter(annotator, o.violation_cap),
        wire(o.first_frame),
        wire_timing(reporter, o.fs_response_limit),
        frame_timing(reporter),
        bandwidth(reporter, o.periodic_percent),
        pid_sequence(reporter),
        packets(reporter),
        status(reporter, o.short_packet),
        log(reporter, o.wire),
        device_timing(reporter) {
    wire.add(&book);
    if (o.wire_timing) wire.add(&wire_timing);
    if (o.frame_timing) wire.add(&frame_timing);
    if (o.frame_timing && o.periodic_percent != 100) wire.add(&bandwidth);
    if (o.pid_sequence) wire.add(&pid_sequence);
    if (o.pid_sequence) wire.add(&packets);
    if (o.device_log) wire.add(&log);
    wire.add(this);
    for (std::size_t i = 0; i < streams.size(); ++i)
      streams[i].statistics.endpoint = usb::endpoint(i % 16, i < 16 ? usb::Direction::out : usb::Direction::in);
  }

  Stream& stream(usb::EndpointAddress e) { return streams[slot_of(e)]; }
  void on_data(const Transaction& t, std::span<const std::uint8_t> bytes) override;
  void on_transaction(const Transaction& t) override;
  void received(const controller::IsochRequest& request, std::size_t index, ServiceWindow window, bus::BusTime at);
  void leftovers(usb::EndpointAddress endpoint);
  void unseen_entry(const controller::IsochRequest& request, std::size_t index, bus::BusTime at);
  void unseen_log(std::span<const std::uint8_t> entries);
  void unseen_counters(Stream& stream, std::span<const std::uint32_t> registers);
  bool stamped(const Stream& s) const { return s.options.pattern == Pattern::prbs && s.options.endpoint.is_in(); }

  SuiteOptions options;
  std::array<Stream, 32> streams;
  usb::Speed speed = usb::Speed::full;
  Annotator annotator;
  Reporter reporter;
  Wire wire;
  ServiceBook book;
  WireTiming wire_timing;
  FrameTiming frame_timing;
  BandwidthCheck bandwidth;
  PidSequence pid_sequence;
  PacketCheck packets;
  StatusCheck status;
  DeviceLog log;
  DeviceTiming device_timing;
  Histogram latency;
  std::vector<bus::PacketObserver*> others;
};

/// OUT packets of the pattern as they stand on the wire.
void Suite::Parts::on_data(const Transaction& t, std::span<const std::uint8_t> bytes) {
  if (t.type != usb::TransferType::isochronous || t.endpoint.is_in()) return;
  Stream& s = stream(t.endpoint);
  if (!s.pattern) return;
  // Where host software can't know its place within a longer service interval, any stamp within will do.
  const std::uint64_t step = t.speed == usb::Speed::full ? 8 : 1;
  const std::uint64_t width = s.configured && !s.config.phase ? s.config.interval * step : step;
  const std::uint64_t begin = t.at.value - t.at.value % width;
  s.pattern->packet(bytes, {0, -1, t.endpoint, {{begin}, {begin + width}}, t.end});
}

/// What moved, whatever is in it: data packets that arrived, as far as the wire shows.
void Suite::Parts::on_transaction(const Transaction& t) {
  if (t.data_pid == 0 || (t.outcome != Outcome::ok && t.outcome != Outcome::nyet)) return;
  Stream& s = stream(t.endpoint);
  ++s.moved.packets;
  s.moved.bytes += t.length;
  s.moved.zero_length += t.length == 0 ? 1U : 0U;
}

/// IN data as host software gets it.
void Suite::Parts::received(const controller::IsochRequest& request, std::size_t index, ServiceWindow window,
                            bus::BusTime at) {
  Stream& s = stream(request.endpoint);
  if (!s.pattern || !request.endpoint.is_in() || !did_move(request.entries[index].status)) return;
  const std::size_t offset = s.offset.of(request, index);
  const std::size_t length = std::min(request.entries[index].complete, request.entries[index].request);
  if (offset + length > request.data.size()) return;
  s.pattern->interval(
      request.data.subspan(offset, length), s.config.max_packet,
      {request.id, static_cast<std::int64_t>(index), request.endpoint, exact_window(window, s.config, speed), at});
}

/// An entry of a host that shows no wire: there is nothing to hold its status against but what a quiet bus must give.
void Suite::Parts::unseen_entry(const controller::IsochRequest& request, std::size_t index, bus::BusTime at) {
  Stream& s = stream(request.endpoint);
  const controller::IsochEntry& e = request.entries[index];
  // An unplugged device is an error of the run, not of the entry.
  const bool good = e.status == Status::ok || e.status == Status::short_packet || e.status == Status::aborted ||
                    e.status == Status::no_device;
  const auto violate = [&](Rule rule, std::string expected, std::string seen) {
    if (!options.status || options.buffered || !reporter.count_only(rule)) return;
    reporter.forward({rule, request.id, static_cast<std::int64_t>(index), request.endpoint,
                      usb::FrameTime::of(request.first_frame), at, std::move(expected), std::move(seen)});
  };
  if (!good) violate(Rule::status, "an entry that moved", to_string(e.status));
  if (e.status == Status::ok && e.complete != e.request)
    violate(Rule::count, fmt::format("{} bytes", e.request), fmt::format("{} bytes", e.complete));
  const std::size_t offset = s.offset.of(request, index);
  const std::size_t length = std::min(e.complete, e.request);
  const bool begun = e.status != Status::aborted && e.status != Status::no_device && (length != 0 || !options.buffered);
  if (options.frame_timing && begun && stamped(s) && offset + length <= request.data.size())
    device_timing.entry(request, index, s.config, speed, request.data.subspan(offset, length), at);
  received(request, index, {}, at);
}

/// Streams whose packets carry no stamp of the device: its log tells when they moved.
void Suite::Parts::unseen_log(std::span<const std::uint8_t> entries) {
  constexpr std::size_t entry_bytes = 12;
  constexpr std::uint8_t data_in = 3, data_out = 4;
  for (; entries.size() >= entry_bytes; entries = entries.subspan(entry_bytes)) {
    const std::uint8_t kind = entries[7];
    if (kind != data_in && kind != data_out) continue;
    const Stream& s =
        stream(usb::endpoint(entries[6] & 0x0fU, kind == data_in ? usb::Direction::in : usb::Direction::out));
    if (!s.configured || s.config.type != usb::TransferType::isochronous || stamped(s)) continue;
    device_timing.logged(s.config, speed, static_cast<std::uint16_t>(entries[4] | entries[5] << 8U), {});
  }
}

/// After an abort or an error host and device may differ about the last packet.
void Suite::Parts::unseen_counters(Stream& s, std::span<const std::uint32_t> registers) {
  constexpr std::size_t moved_packets = 8, moved_bytes = 9, zero_length = 10;
  if (registers.size() <= zero_length) return;
  const std::uint32_t device_bytes = registers[moved_bytes];
  s.moved.packets = registers[moved_packets];
  s.moved.bytes = device_bytes;
  s.moved.zero_length = registers[zero_length];
  const bool comparable =
      s.statistics.aborted == 0 && s.statistics.errors == 0 && s.statistics.requests == s.statistics.completed;
  const auto bytes = static_cast<std::uint32_t>(s.statistics.bytes);
  if (options.buffered || !comparable || bytes == device_bytes || !reporter.count_only(Rule::device_log)) return;
  reporter.forward({Rule::device_log,
                    0,
                    -1,
                    s.statistics.endpoint,
                    {},
                    {},
                    fmt::format("counter BYTES = {}, as the host was told", bytes),
                    fmt::format("{}", device_bytes)});
}

/// All requests of the endpoint have ended: what still waits in the book, nobody asked for.
void Suite::Parts::leftovers(usb::EndpointAddress endpoint) {
  Service first;
  const std::uint32_t n = book.leftover(endpoint, first);
  if (n > 0 && options.frame_timing) frame_timing.unasked(endpoint, n, first);
}

Suite::Suite(const SuiteOptions& options, ViolationSink& sink) : parts_(std::make_unique<Parts>(options, sink)) {}
Suite::~Suite() = default;

void Suite::watch(const StreamOptions& options) {
  Stream& s = parts_->stream(options.endpoint);
  s.options = options;
  s.used = true;
  s.pattern.reset();
  if (options.pattern != Pattern::none && parts_->options.payload)
    s.pattern.emplace(parts_->reporter, options.pattern, options.seed);
  parts_->frame_timing.stamped(options.endpoint, options.pattern == Pattern::prbs && parts_->options.payload);
  parts_->frame_timing.allow_missed(options.endpoint, options.allow_missed);
}

void Suite::restart(usb::EndpointAddress endpoint) {
  Stream& s = parts_->stream(endpoint);
  if (s.pattern) s.pattern->restart();
  parts_->log.restart(endpoint);
  parts_->device_timing.restart(endpoint);
}

void Suite::also_show(bus::PacketObserver* observer) { parts_->others.push_back(observer); }
void Suite::device_log_mask(std::uint32_t kinds) { parts_->log.mask(kinds); }
void Suite::device_log(std::span<const std::uint8_t> entries) {
  if (!parts_->options.device_log) return;
  if (parts_->options.wire) {
    parts_->log.entries(entries);
  } else if (parts_->options.frame_timing) {
    parts_->unseen_log(entries);
  }
}
void Suite::device_log_lost(std::uint32_t events) {
  parts_->log.lost(events);
  parts_->device_timing.log_gap();
}
std::uint64_t Suite::log_entries_matched() const { return parts_->log.matched(); }

void Suite::device_counters(usb::EndpointAddress endpoint, std::span<const std::uint32_t> registers) {
  if (!parts_->options.device_log) return;
  parts_->wire.settle();
  Stream& s = parts_->stream(endpoint);
  s.counters_read = true;
  if (!parts_->options.wire) parts_->unseen_counters(s, registers);
  // Host software that can't place its first frame can't stamp its packets either.
  const bool exact_stamps = parts_->options.wire && (s.config.interval <= 1 || s.config.phase);
  parts_->log.counters(endpoint, registers, parts_->wire.last_time(), exact_stamps, s.from_device);
}

void Suite::finish(bus::BusTime) {
  parts_->wire.settle();
  parts_->pid_sequence.finish();
  for (const auto& s : parts_->streams)
    if (s.in_flight.empty()) parts_->leftovers(s.statistics.endpoint);
}

const Reporter& Suite::reporter() const { return parts_->reporter; }
Reporter& Suite::reporter() { return parts_->reporter; }
const SofStatistics& Suite::sof() const { return parts_->wire_timing.sof(); }
const Histogram& Suite::latency() const { return parts_->latency; }

std::vector<StreamStatistics> Suite::streams() const {
  std::vector<StreamStatistics> all;
  for (const auto& s : parts_->streams) {
    if (!s.used) continue;
    StreamStatistics out = s.statistics;
    const FrameTiming::Counts& c =
        parts_->options.wire ? parts_->frame_timing.counts(out.endpoint) : parts_->device_timing.counts(out.endpoint);
    out.late = c.late;
    out.early = c.early;
    out.missed = c.missed;
    out.duplicate_entries = c.duplicate;
    if (s.pattern) out.payload = s.pattern->statistics();
    if (parts_->options.wire || !out.endpoint.is_in()) {
      out.payload.packets = s.moved.packets;
      out.payload.bytes = s.moved.bytes;
      out.payload.zero_length = s.moved.zero_length;
    }
    // What the host's checks and the device's sink both saw is one thing.
    const auto larger = [](std::uint64_t& a, std::uint64_t b) { a = std::max(a, b); };
    larger(out.payload.lost, s.from_device.lost);
    larger(out.payload.duplicate, s.from_device.duplicate);
    larger(out.payload.reordered, s.from_device.reordered);
    larger(out.payload.truncated, s.from_device.truncated);
    larger(out.payload.corrupt, s.from_device.corrupt);
    larger(out.payload.mistimed, s.from_device.mistimed);
    all.push_back(out);
  }
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.endpoint < b.endpoint; });
  return all;
}

std::array<bool, group_count> Suite::not_observable() const {
  std::array<bool, group_count> hidden{};
  Parts& p = *parts_;
  if (p.options.wire) return hidden;
  const auto hide = [&](Group group) { hidden[static_cast<std::size_t>(group)] = true; };
  hide(Group::wire_timing);
  hide(Group::pid_sequence);
  hide(Group::latency);
  if (p.options.buffered) hide(Group::status);
  bool any_counters = false;
  for (const Stream& s : p.streams) {
    any_counters |= s.counters_read;
    if (!s.used || s.statistics.requests == 0) continue;
    const auto endpoint = s.statistics.endpoint;
    if (s.statistics.entries != 0 && p.device_timing.judged(endpoint) == 0) hide(Group::frame_timing);
    const bool all_empty = s.pattern && s.pattern->statistics().packets == s.pattern->statistics().zero_length;
    if (endpoint.is_in() && all_empty && p.options.buffered) hide(Group::payload);
    if (!endpoint.is_in() && s.options.pattern != Pattern::none && !s.counters_read) hide(Group::payload);
  }
  if (!any_counters || p.options.buffered) hide(Group::device_log);
  return hidden;
}

void Suite::on_packet(const bus::Packet& packet, usb::Speed speed) {
  parts_->speed = speed;
  parts_->wire.packet(packet, speed);
  for (auto* o : parts_->others) o->on_packet(packet, speed);
}

void Suite::on_line(LineEvent event, bus::BusTime at) {
  parts_->wire.line(event, at);
  for (auto* o : parts_->others) o->on_line(event, at);
}

void Suite::on_submit(const controller::IsochRequest& request, bus::BusTime) {
  Stream& s = parts_->stream(request.endpoint);
  s.used = true;
  ++s.statistics.requests;
  s.in_flight.push_back(&request);
}

void Suite::on_refused(const controller::IsochRequest& request, Status, bus::BusTime) {
  Stream& s = parts_->stream(request.endpoint);
  s.used = true;
  ++s.statistics.refused;
}

void Suite::on_entry(const controller::IsochRequest& request, std::size_t index, bus::BusTime at) {
  Parts& p = *parts_;
  p.wire.settle();
  Stream& s = p.stream(request.endpoint);
  const controller::IsochEntry& e = request.entries[index];
  ++s.statistics.entries;
  s.statistics.bytes += e.complete;
  if (e.status == Status::aborted) ++s.statistics.aborted;
  if (did_move(e.status) && e.status != Status::ok && e.status != Status::short_packet) ++s.statistics.errors;
  if (!s.configured) return;
  if (!p.options.wire) {
    p.unseen_entry(request, index, at);
    return;
  }
  const ServiceWindow window = service_window(request.start(), index, s.config.interval, p.speed);
  const Claim claim = p.book.claim(request.endpoint, window, did_move(e.status));
  if (p.options.frame_timing) p.frame_timing.entry(request, index, window, claim, at);
  if (p.options.status) p.status.entry(request, index, window, claim, &s.config, p.speed, at);
  p.received(request, index, window, at);
}

void Suite::on_complete(const controller::IsochRequest& request, Status overall, bus::BusTime due, bus::BusTime now) {
  Parts& p = *parts_;
  Stream& s = p.stream(request.endpoint);
  ++s.statistics.completed;
  const bus::Duration latency = now - due;
  if (p.options.wire) s.statistics.latency.add(latency);
  if (p.options.wire) p.latency.add(latency);
  const bus::Duration limit = p.options.completion_latency_limit;
  const bool bad = latency.bits < 0 || (limit.bits > 0 && latency > limit);
  if (bad && p.reporter.count_only(Rule::completion_latency))
    p.reporter.forward({Rule::completion_latency, request.id, -1, request.endpoint, p.wire.frame_at(now), now,
                        latency.bits < 0 ? "a completion after its last entry"
                                         : fmt::format("at most {} ns after the last entry", bus::to_ns(limit)),
                        fmt::format("{} ns", bus::to_ns(latency))});
  if (p.options.status && !p.options.buffered) p.status.complete(request, overall, now);
  std::erase(s.in_flight, &request);
  if (s.in_flight.empty() && s.configured) p.leftovers(request.endpoint);
}

void Suite::on_bulk(const controller::BulkRequest& request, bus::BusTime, bus::BusTime end) {
  Parts& p = *parts_;
  p.wire.settle();
  Stream& s = p.stream(request.endpoint);
  s.used = true;
  ++s.statistics.requests;
  ++s.statistics.completed;
  s.statistics.bytes += request.complete;
  if (request.status == Status::aborted) ++s.statistics.aborted;
  if (did_move(request.status) && request.status != Status::ok && request.status != Status::short_packet)
    ++s.statistics.errors;
  if (!s.pattern || request.complete > request.data.size()) return;
  const usb::FrameTime at = p.wire.frame_at(end);
  s.pattern->interval(request.data.first(request.complete), s.config.max_packet,
                      {request.id, -1, request.endpoint, {at, at}, end});
}

void Suite::on_endpoints(std::span<const usb::EndpointConfig> endpoints, usb::Speed speed, bus::BusTime) {
  Parts& p = *parts_;
  p.wire.settle();
  p.speed = speed;
  p.wire.endpoints(endpoints);
  p.pid_sequence.endpoints(endpoints);
  p.packets.endpoints(endpoints);
  std::array<bool, 32> now{};
  for (const auto& e : endpoints) {
    Stream& s = p.stream(e.address);
    now[slot_of(e.address)] = true;
    const bool is_new = !s.configured || !same_kind(s.config, e);
    s.config = e;
    s.configured = true;
    if (e.type == usb::TransferType::isochronous) s.used = true;
    const std::uint64_t unit = speed == usb::Speed::full ? 8 : 1;
    const auto phase = e.phase ? std::optional<std::uint64_t>(*e.phase * unit) : std::nullopt;
    if (is_new || phase) p.frame_timing.new_endpoint(e.address, phase);
    if (!is_new) continue;
    // The device starts such an endpoint's function anew (docs/registers.md).
    restart(e.address);
    p.book.forget(e.address);
  }
  for (std::size_t i = 0; i < now.size(); ++i)
    if (!now[i]) p.streams[i].configured = false;
}

void Suite::on_frame_number(std::uint64_t frame, bus::BusTime) {
  Parts& p = *parts_;
  p.wire.renumber(frame);
  for (const Stream& s : p.streams)
    if (s.configured) p.book.forget(s.config.address);
}

}  // namespace isochio::check
