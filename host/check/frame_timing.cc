// isochio: list against wire against the device's stamps.
#include "check/frame_timing.h"

#include <fmt/format.h>

#include "check/payload.h"

namespace isochio::check {
namespace {

std::string describe(ServiceWindow window) {
  if (window.end.value - window.begin.value <= 1) return "a transaction in " + to_string(window.begin);
  return fmt::format("a transaction from {} to before {}", to_string(window.begin), to_string(window.end));
}

}  // namespace

void FrameTiming::violate(Rule rule, const controller::IsochRequest& request, std::size_t index, ServiceWindow window,
                          bus::BusTime time, const Service* seen, const char* otherwise) {
  if (!reporter_.count_only(rule)) return;
  Violation v{rule, request.id, static_cast<std::int64_t>(index), request.endpoint, window.begin, time, {}, {}};
  v.expected = describe(window);
  v.seen = seen == nullptr ? otherwise : fmt::format("{} {}", otherwise, to_string(seen->at));
  reporter_.forward(v);
}

void FrameTiming::entry(const controller::IsochRequest& request, std::size_t index, ServiceWindow window,
                        const Claim& claim, bus::BusTime now) {
  Slot& s = slot(request.endpoint);
  const controller::IsochEntry& e = request.entries[index];
  switch (claim.found) {
    case Found::in_time:
      place(request, index, window, claim.service);
      break;
    case Found::early:
      ++s.counts.early;
      violate(Rule::early, request, index, window, claim.service.start, &claim.service, "moved in");
      break;
    case Found::late:
      ++s.counts.late;
      violate(Rule::late, request, index, window, claim.service.start, &claim.service, "moved in");
      break;
    case Found::nothing:
      if (e.status == controller::Status::missed) {
        ++s.counts.missed;
        if (!s.allow_missed) violate(Rule::missed, request, index, window, now, nullptr, "missed, as the host says");
      } else if (e.status != controller::Status::aborted && e.status != controller::Status::no_device &&
                 e.request > 0) {
        // An entry of 0 bytes may be no transaction at all [driverkit-facts 2.3].
        ++s.counts.missed;
        violate(Rule::missed, request, index, window, now, nullptr, "no transaction on the wire");
      }
      break;
  }
  if (claim.extra > 0) {
    s.counts.duplicate += claim.extra;
    violate(Rule::duplicate, request, index, window, claim.first_extra.start, &claim.first_extra, "one more in");
  }
  if (claim.unasked > 0) unasked(request.endpoint, claim.unasked, claim.first_unasked);
}

void FrameTiming::new_endpoint(usb::EndpointAddress endpoint, std::optional<std::uint64_t> phase) {
  Slot& s = slot(endpoint);
  s.scheduled = phase.has_value();
  s.phase = phase;
}

/// Endpoints with longer intervals have their place within them [5.6.4]: a move within the window is late or early too.
void FrameTiming::place(const controller::IsochRequest& request, std::size_t index, ServiceWindow window,
                        const Service& service) {
  Slot& s = slot(request.endpoint);
  const std::uint64_t width = window.end.value - window.begin.value;
  const std::uint64_t phase = width == 0 ? 0 : service.at.value % width;
  if (!s.phase) {
    s.phase = phase;
  } else if (phase != *s.phase) {
    const bool is_late = phase > *s.phase;
    ++(is_late ? s.counts.late : s.counts.early);
    const usb::FrameTime due{service.at.value - phase + *s.phase};
    violate(is_late ? Rule::late : Rule::early, request, index, {due, {due.value + 1}}, service.start, &service,
            "within its interval but in");
    if (!s.scheduled) s.phase = phase;
  }
}

void FrameTiming::unasked(usb::EndpointAddress endpoint, std::uint32_t count, const Service& first) {
  slot(endpoint).counts.duplicate += count;
  if (!reporter_.count_only(Rule::duplicate)) return;
  Violation v{Rule::duplicate, 0, -1, endpoint, first.at, first.start, {}, {}};
  v.expected = "no transaction: no entry asked for this (micro)frame";
  v.seen = fmt::format("{} transaction{}, {} bytes{}", first.transactions, first.transactions == 1 ? "" : "s",
                       first.bytes, count > 1 ? fmt::format(", and {} more services", count - 1) : "");
  reporter_.forward(v);
}

void FrameTiming::on_data(const Transaction& t, std::span<const std::uint8_t> bytes) {
  if (t.type != usb::TransferType::isochronous || !t.endpoint.is_in() || bytes.size() < 6 || !slot(t.endpoint).stamped)
    return;
  const auto stamp = static_cast<std::uint16_t>(bytes[4] | bytes[5] << 8U);
  // A damaged stamp is the payload check's business.
  if (stamp == t.at.stamp() || !prbs_intact(bytes) || !reporter_.count_only(Rule::payload_mistimed)) return;
  const auto text = [](unsigned value) { return fmt::format("{}.{}", (value >> 3U) & 0x7ffU, value & 7U); };
  reporter_.forward({Rule::payload_mistimed, 0, -1, t.endpoint, t.at, t.end,
                     fmt::format("stamp {}, as on the wire", text(t.at.stamp())), text(stamp)});
}

}  // namespace isochio::check
