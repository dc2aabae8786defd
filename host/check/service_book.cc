// isochio: one record a service interval.
#include "check/service_book.h"

#include <algorithm>

namespace isochio::check {

void ServiceBook::Ring::remove(std::size_t i) {
  for (; i + 1 < count; ++i) (*this)[i] = (*this)[i + 1];
  --count;
}

void ServiceBook::on_transaction(const Transaction& t) {
  if (t.type != usb::TransferType::isochronous) return;
  Ring& r = ring(t.endpoint);
  if (r.count == 0 || r[r.count - 1].at != t.at) {
    if (r.count == depth) {
      r.first = (r.first + 1) % depth;
      --r.count;
      ++given_up_;
    }
    ++r.count;
    r[r.count - 1] = {};
    r[r.count - 1].at = t.at;
    r[r.count - 1].start = t.start;
  }
  Service& s = r[r.count - 1];
  if (s.transactions < s.data_pids.size()) s.data_pids[s.transactions] = t.data_pid;
  if (s.transactions < 255) ++s.transactions;
  s.end = t.end;
  s.late |= t.late;
  s.too_late |= t.too_late;
  if (t.outcome == Outcome::ok) {
    s.bytes += t.length;
    s.largest_ok = std::max(s.largest_ok, t.length);
  } else if (s.outcome == Outcome::ok) {
    s.outcome = t.outcome;
  }
}

Claim ServiceBook::claim(usb::EndpointAddress endpoint, ServiceWindow window, bool moved) {
  Ring& r = ring(endpoint);
  Claim c;
  std::size_t before = 0;
  while (before < r.count && r[before].at < window.begin) ++before;
  std::size_t inside = before;
  while (inside < r.count && r[inside].at < window.end) ++inside;

  if (inside > before) {
    c.found = Found::in_time;
    c.service = r[before];
    c.extra = static_cast<std::uint32_t>(inside - before - 1);
    if (c.extra > 0) c.first_extra = r[before + 1];
    while (inside > before) r.remove(--inside);
  } else if (moved && before > 0) {
    c.found = Found::early;
    c.service = r[--before];
    r.remove(before);
  } else if (moved && inside < r.count) {
    c.found = Found::late;
    c.service = r[inside];
    r.remove(inside);
  }
  c.unasked = static_cast<std::uint32_t>(before);
  if (before > 0) c.first_unasked = r[0];
  while (before > 0) r.remove(--before);
  return c;
}

std::uint32_t ServiceBook::leftover(usb::EndpointAddress endpoint, Service& first) {
  Ring& r = ring(endpoint);
  const auto n = static_cast<std::uint32_t>(r.count);
  if (n > 0) first = r[0];
  r.count = 0;
  return n;
}

void ServiceBook::forget(usb::EndpointAddress endpoint) { ring(endpoint).count = 0; }

}  // namespace isochio::check
