// isochio: see timeline.h.
#include "report/timeline.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace isochio::report {
namespace {

using controller::Status;

std::size_t slot_of(usb::EndpointAddress e) { return e.number() + (e.is_in() ? 16U : 0U); }
std::int64_t number(auto value) { return static_cast<std::int64_t>(value); }

// Kinds of completions.
constexpr std::int64_t isochronous = 0, bulk = 1, refused = 2;

constexpr double feedback_scale = 65536.0;  // samples in the column `values.value`

}  // namespace

Timeline::Table::Table(std::string table_name, std::initializer_list<const char*> column_names)
    : name(std::move(table_name)) {
  for (const char* column : column_names) columns.emplace_back(column, PackedColumn());
}

void Timeline::Table::row(std::initializer_list<std::int64_t> values) {
  auto column = columns.begin();
  for (const std::int64_t value : values) (column++)->second.add(value);
}

Timeline::Timeline(std::uint64_t first_frame, std::uint64_t most)
    : wire_(first_frame),
      most_(most),
      sofs_("sofs", {"time", "at", "interval"}),
      transactions_("transactions", {"time", "bits", "at", "endpoint", "type", "token", "data", "handshake", "length",
                                     "response", "outcome"}),
      entries_("entries", {"request", "entry", "endpoint", "at", "asked", "moved", "status", "time"}),
      completions_("completions", {"request", "endpoint", "kind", "submitted", "due", "time", "status"}),
      values_("values", {"time", "endpoint", "value"}) {
  wire_.add(this);
  intervals_.fill(1);
}

void Timeline::finish() { wire_.settle(); }

/// Beyond the limit only what is not in order.
bool Timeline::keep(const Table& table, bool in_order) {
  if (!in_order || table.rows() < most_) return true;
  ++omitted_;
  return false;
}

void Timeline::on_packet(const bus::Packet& packet, usb::Speed speed) { wire_.packet(packet, speed); }
void Timeline::on_line(LineEvent event, bus::BusTime at) { wire_.line(event, at); }

void Timeline::on_sof(const check::Sof& sof) {
  if (!sof.first) distributions_.sof_interval.add(sof.interval.bits);
  if (keep(sofs_, true)) sofs_.row({sof.time.bits, number(sof.at.value), sof.first ? 0 : sof.interval.bits});
}

void Timeline::on_packet(const check::DecodedPacket& packet) {
  if (packet.packet->from_host) {
    host_end_ = packet.packet->end;
  } else if (response_ < 0) {
    response_ = (packet.packet->start - host_end_).bits;
  }
}

void Timeline::on_transaction(const check::Transaction& t) {
  const std::int64_t response = std::exchange(response_, -1);
  if (response >= 0) distributions_.response.add(response);
  const bool in_order = t.outcome == check::Outcome::ok || t.outcome == check::Outcome::nak;
  if (!keep(transactions_, in_order)) return;
  transactions_.row({t.start.bits, (t.end - t.start).bits, number(t.at.value), t.endpoint.value, number(t.type),
                     t.token, t.data_pid, t.handshake, t.length, response, number(t.outcome)});
}

void Timeline::on_endpoints(std::span<const usb::EndpointConfig> endpoints, usb::Speed speed, bus::BusTime) {
  wire_.settle();
  wire_.endpoints(endpoints);
  for (const auto& e : endpoints) intervals_[slot_of(e.address)] = e.interval * (speed == usb::Speed::full ? 8U : 1U);
}

void Timeline::on_submit(const controller::IsochRequest& request, bus::BusTime at) { submitted_[request.id] = at; }

void Timeline::on_refused(const controller::IsochRequest& request, Status why, bus::BusTime at) {
  completions_.row({number(request.id), request.endpoint.value, refused, at.bits, at.bits, at.bits, number(why)});
}

void Timeline::on_entry(const controller::IsochRequest& request, std::size_t index, bus::BusTime at) {
  wire_.settle();
  const auto& entry = request.entries[index];
  feedback_value(request, index, at);
  const bool in_order = entry.status == Status::ok || entry.status == Status::short_packet;
  if (!keep(entries_, in_order)) return;
  entries_.row({number(request.id), number(index), request.endpoint.value,
                number(request.start().value + index * intervals_[slot_of(request.endpoint)]), entry.request,
                entry.complete, number(entry.status), at.bits});
}

void Timeline::feedback_value(const controller::IsochRequest& request, std::size_t index, bus::BusTime at) {
  const auto stream = std::find_if(feedback_.begin(), feedback_.end(),
                                   [&](const auto& candidate) { return candidate.endpoint == request.endpoint; });
  if (stream == feedback_.end()) return;
  if (offset_request_ != request.id || index < offset_index_) {
    offset_request_ = request.id;
    offset_index_ = offset_ = 0;
  }
  for (; offset_index_ < index; ++offset_index_) offset_ += request.entries[offset_index_].request;
  const std::size_t length = request.entries[index].complete;
  if (length == 0 || offset_ + length > request.data.size()) return;
  const auto value = stream->read(request.data.subspan(offset_, length));
  if (value && keep(values_, true))
    values_.row({at.bits, request.endpoint.value, std::llround(*value * feedback_scale)});
}

void Timeline::on_complete(const controller::IsochRequest& request, Status overall, bus::BusTime due,
                           bus::BusTime now) {
  const auto found = submitted_.find(request.id);
  const bus::BusTime submitted = found == submitted_.end() ? due : found->second;
  if (found != submitted_.end()) submitted_.erase(found);
  distributions_.latency.add((now - due).bits);
  if (keep(completions_, overall == Status::ok || overall == Status::short_packet))
    completions_.row(
        {number(request.id), request.endpoint.value, isochronous, submitted.bits, due.bits, now.bits, number(overall)});
}

void Timeline::on_bulk(const controller::BulkRequest& request, bus::BusTime begin, bus::BusTime end) {
  wire_.settle();
  if (keep(completions_, request.status == Status::ok || request.status == Status::short_packet))
    completions_.row(
        {number(request.id), request.endpoint.value, bulk, begin.bits, end.bits, end.bits, number(request.status)});
}

}  // namespace isochio::report
