// isochio: see frame_list.h.
#include "report/frame_list.h"

#include <fmt/format.h>

#include <new>

namespace isochio::report {
namespace {

std::size_t slot_of(usb::EndpointAddress e) { return e.number() + (e.is_in() ? 16U : 0U); }

/// To the nearest: a request whose callback waits for a transaction to end varies by nanoseconds with the bits of that.
std::int64_t microseconds(bus::Duration d) { return (d.bits + bus::microsecond.bits / 2) / bus::microsecond.bits; }

/// [[how many, asked, moved, status], …]
std::string entries_text(const controller::IsochRequest& request) {
  std::string text;
  const auto& entries = request.entries;
  for (std::size_t i = 0; i < entries.size();) {
    std::size_t end = i + 1;
    while (end < entries.size() && entries[end].request == entries[i].request &&
           entries[end].complete == entries[i].complete && entries[end].status == entries[i].status)
      ++end;
    text += fmt::format("{}[{},{},{},\"{}\"]", text.empty() ? "" : ",", end - i, entries[i].request,
                        entries[i].complete, controller::to_string(entries[i].status));
    i = end;
  }
  return text;
}

}  // namespace

FrameList::FrameList() : spool_(std::tmpfile()) {
  intervals_.fill(1);
  whole_ = spool_ != nullptr;
  if (!spool_) spool_.reset(std::fopen("/dev/null", "wb+"));
  if (!spool_) throw std::bad_alloc();
}

FrameList::~FrameList() = default;

void FrameList::on_endpoints(std::span<const usb::EndpointConfig> endpoints, usb::Speed speed, bus::BusTime) {
  for (const auto& e : endpoints) intervals_[slot_of(e.address)] = e.interval * (speed == usb::Speed::full ? 8U : 1U);
}

void FrameList::on_refused(const controller::IsochRequest& request, controller::Status why, bus::BusTime) {
  add(request, true,
      fmt::format("\"interval\":{},\"status\":\"{}\",\"latency_us\":null,\"entries\":[]",
                  intervals_[slot_of(request.endpoint)], controller::to_string(why)));
}

void FrameList::on_complete(const controller::IsochRequest& request, controller::Status overall, bus::BusTime due,
                            bus::BusTime now) {
  add(request, false,
      fmt::format("\"interval\":{},\"status\":\"{}\",\"latency_us\":{},\"entries\":[{}]",
                  intervals_[slot_of(request.endpoint)], controller::to_string(overall), microseconds(now - due),
                  entries_text(request)));
}

void FrameList::add(const controller::IsochRequest& request, bool refused, std::string shape) {
  constexpr std::uint16_t of_refusals = 0x100;
  const auto key = static_cast<std::uint16_t>(request.endpoint.value | (refused ? of_refusals : 0U));
  const std::uint64_t begin = request.start().value;
  const auto found = open_.find(key);
  if (found != open_.end()) {
    Row& row = found->second;
    const bool goes_on = row.shape == shape && begin > row.last && (row.repeat == 1 || begin - row.last == row.step);
    if (goes_on && begin - row.begin < 8 * longest_row) {
      row.step = begin - row.last;
      row.last = begin;
      ++row.repeat;
      return;
    }
    write_row(key, row);
  }
  open_[key] = {std::move(shape), request.id, begin, 0, begin, 1};
}

void FrameList::write_row(std::uint16_t key, const Row& row) {
  const auto text = fmt::format(
      "{}\n    "
      "{{\"endpoint\":\"0x{:02x}\",\"frame\":{},\"microframe\":{},\"repeat\":{},\"step\":{},\"request\":{},{}}}",
      first_ ? "" : ",", key & 0xffU, row.begin / 8, row.begin % 8, row.repeat, row.step, row.request, row.shape);
  first_ = false;
  if (std::fwrite(text.data(), 1, text.size(), spool_.get()) != text.size()) whole_ = false;
}

void FrameList::end_rows() {
  for (const auto& [key, row] : open_) write_row(key, row);
  open_.clear();
  if (std::fflush(spool_.get()) != 0) whole_ = false;
}

}  // namespace isochio::report
