// isochio: what an entry must say, given what the wire showed.
#include "check/status_check.h"

#include <algorithm>
#include <span>

#include <fmt/format.h>

namespace isochio::check {
namespace {

using controller::Status;

Status promised(Outcome outcome) {
  switch (outcome) {
    case Outcome::no_response:
      return Status::no_response;
    case Outcome::crc_error:
      return Status::crc_error;
    case Outcome::bit_stuff:
      return Status::bit_stuff;
    case Outcome::babble:
      return Status::overrun;
    default:
      return Status::pid_error;
  }
}

/// How many transactions the first data PID of an IN service promises [5.9.2].
unsigned promised_transactions(std::uint8_t data_pid) {
  return data_pid == pid::data2 ? 3 : data_pid == pid::data1 ? 2 : 1;
}

/// Data PIDs that no IN transaction may have, whatever they bring: MDATA is for OUT [8.4.4], full speed has DATA0 and
/// DATA1 [8.5.5], and at high speed the first one may not promise more transactions than the endpoint has [5.9.2].
bool never_due(std::span<const std::uint8_t> pids, const usb::EndpointConfig* config, bool high_bandwidth) {
  if (pids.empty()) return false;
  if (std::find(pids.begin(), pids.end(), pid::mdata) != pids.end()) return true;
  if (!high_bandwidth) return pids[0] == pid::data2;
  return config != nullptr && promised_transactions(pids[0]) > config->transactions;
}

bool not_sent(Status status) {
  return status == Status::missed || status == Status::aborted || status == Status::no_device;
}

}  // namespace

void StatusCheck::violate(Rule rule, const Where& where, std::string expected, std::string seen) {
  reporter_.forward({rule, where.request.id, where.entry, where.request.endpoint, where.at, where.time,
                     std::move(expected), std::move(seen)});
}

void StatusCheck::entry(const controller::IsochRequest& request, std::size_t index, ServiceWindow window,
                        const Claim& claim, const usb::EndpointConfig* config, usb::Speed speed, bus::BusTime now) {
  const controller::IsochEntry& e = request.entries[index];
  const Where where{request, static_cast<std::int64_t>(index), window.begin, now};
  if (e.status == Status::pending) {
    if (reporter_.count_only(Rule::status)) violate(Rule::status, where, "an ended entry's status", "pending");
    return;
  }
  // An abort may come between the transactions of one interval.
  const bool between = (e.status == Status::aborted || e.status == Status::no_device) && config != nullptr &&
                       e.request > config->max_packet && claim.service.bytes < e.request;
  if (not_sent(e.status)) {
    if (claim.found != Found::nothing && !between && reporter_.count_only(Rule::status))
      violate(Rule::status, where, fmt::format("no transaction for an entry that is {}", to_string(e.status)),
              fmt::format("{} in {}", to_string(claim.service.outcome), to_string(claim.service.at)));
    if (e.complete != 0 && reporter_.count_only(Rule::count))
      violate(Rule::count, where, "0 bytes", fmt::format("{} bytes", e.complete));
    return;
  }
  // Whether anything moved at all is frame timing's question.
  if (claim.found == Found::nothing) return;
  if (request.endpoint.is_in()) {
    in_entry(e, claim.service, config, speed, where);
  } else {
    out_entry(e, claim.service, where);
  }
}

void StatusCheck::in_entry(const controller::IsochEntry& e, const Service& s, const usb::EndpointConfig* config,
                           usb::Speed speed, const Where& where) {
  // Behind the host's patience an answer is none; within what a host may wait it is as the host takes it [7.1.19].
  if (s.late && e.status == Status::no_response) return;
  Status want = Status::ok;
  bool either = false;
  const std::size_t n = std::min<std::size_t>(s.transactions, s.data_pids.size());
  const bool too_large = config != nullptr && s.largest_ok > config->max_packet;
  const bool high_bandwidth = speed == usb::Speed::high;
  if (s.too_late) {
    want = Status::no_response;
  } else if (s.outcome != Outcome::ok) {
    want = promised(s.outcome);
  } else if (n > 0 && s.data_pids[0] == 0) {
    want = Status::pid_error;  // a handshake where data are due
  } else if (never_due(std::span(s.data_pids).first(n), config,
                       high_bandwidth)) {  // NOLINT(bugprone-branch-clone): in order
    want = Status::sequence_error;
  } else if (s.bytes > e.request || too_large) {
    want = Status::overrun;
  } else if (high_bandwidth && !high_bandwidth_in_good(std::span(s.data_pids).first(n), s.bytes < e.request)) {
    want = Status::sequence_error;
  } else if (s.bytes < e.request) {
    using Short = SuiteOptions::ShortPacket;
    either = short_packet_ == Short::either;
    want = short_packet_ == Short::ok ? Status::ok : Status::short_packet;
  }
  const bool good = e.status == want || (either && e.status == Status::ok);
  if (!good && reporter_.count_only(Rule::status))
    violate(Rule::status, where, fmt::format("{}{}", to_string(want), either ? " or ok" : ""), to_string(e.status));

  const bool whole = want == Status::ok || want == Status::short_packet;
  const std::uint32_t most = std::min(s.bytes, e.request);
  // After an error the controller may keep what came before it, or nothing.
  const bool count_good = whole ? e.complete == s.bytes : e.complete <= (want == Status::overrun ? e.request : most);
  if (!count_good && reporter_.count_only(Rule::count))
    violate(Rule::count, where, fmt::format("{}{} bytes", whole ? "" : "at most ", whole ? s.bytes : most),
            fmt::format("{} bytes", e.complete));
}

void StatusCheck::out_entry(const controller::IsochEntry& e, const Service& s, const Where& where) {
  // Isochronous OUT has no handshake: what was sent is ok [5.6.5].
  if (e.status != Status::ok && reporter_.count_only(Rule::status))
    violate(Rule::status, where, "ok", to_string(e.status));
  if (e.complete != e.request && reporter_.count_only(Rule::count))
    violate(Rule::count, where, fmt::format("{} bytes", e.request), fmt::format("{} bytes", e.complete));
  if (s.outcome == Outcome::ok && s.bytes != e.request && reporter_.count_only(Rule::count))
    violate(Rule::count, where, fmt::format("{} bytes on the wire", e.request), fmt::format("{} bytes", s.bytes));
}

/// The accumulated status: the last entry error that is not a short packet; a short packet if nothing else.
void StatusCheck::complete(const controller::IsochRequest& request, Status overall, bus::BusTime now) {
  Status want = Status::ok;
  bool any_aborted = false;
  bool any_short = false;
  for (const auto& e : request.entries) {
    any_aborted |= e.status == Status::aborted;
    any_short |= e.status == Status::short_packet;
    if (e.status != Status::ok && e.status != Status::short_packet) want = e.status;
  }
  if (any_aborted) want = Status::aborted;
  const bool good = overall == want || (want == Status::ok && any_short && overall == Status::short_packet);
  const usb::FrameTime at = usb::FrameTime::of(request.first_frame);
  const Where where{request, -1, at, now};
  if (!good && reporter_.count_only(Rule::status))
    violate(Rule::status, where, fmt::format("overall {}", to_string(want)), to_string(overall));

  std::uint64_t& last = last_completed_[request.endpoint.number() + (request.endpoint.is_in() ? 16U : 0U)];
  // Single requests may be taken back only where requests are as Linux has them.
  if (request.by_interval && overall == Status::aborted) return;
  if (request.id < last && reporter_.count_only(Rule::status))
    violate(Rule::status, where, fmt::format("completions in the order of submission (after request {})", last),
            fmt::format("request {}", request.id));
  last = std::max(last, request.id);
}

}  // namespace isochio::check
