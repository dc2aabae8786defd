#include "scenario/expectation_check.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "driverkit/isoch_rules.h"
#include "driverkit/return_words.h"

namespace isochio::scenario {
namespace {

using driverkit::return_word;

constexpr std::size_t most_listed = 20;

std::string outcome(IOReturn status, std::optional<std::uint32_t> bytes) {
  return bytes ? fmt::format("{}, {} bytes", return_word(status), *bytes) : return_word(status);
}

/// What the device sends in every service interval, if the scenario makes that always the same.
std::optional<std::uint32_t> constant_in_size(const IsochStreamPlan& plan, const StreamTarget& target, bool registers) {
  const bool own = plan.payload == Payload::pattern || plan.payload == Payload::zeros || plan.payload == Payload::mod63;
  if (!plan.endpoint.is_in() || !registers || !own || plan.size.kind != SizePlan::Kind::fixed) return std::nullopt;
  return plan.size.bytes != 0 ? plan.size.bytes : target.endpoint.capacity();
}

/// What did not reach the wire or was not answered moved nothing [driverkit-facts 2.4]; of other failures, anything.
std::optional<std::uint32_t> default_bytes(IOReturn status) {
  const bool none = status == kIOUSBNotSent1Err || status == kIOUSBNotSent2Err || status == kIOReturnNotResponding;
  return none ? std::optional<std::uint32_t>(0) : std::nullopt;
}

/// Entries of a stream that runs as long as the scenario says.
std::optional<std::uint64_t> planned_entries(const Scenario& scenario, const IsochStreamPlan& plan,
                                             const StreamTarget& target) {
  if (plan.payload == Payload::file || target.source) return std::nullopt;
  const std::uint64_t step = driverkit::frames_per_entry(scenario.speed, target.endpoint.interval);
  const std::uint64_t intervals = (scenario.frames + step - 1) / step;
  return intervals * driverkit::entries_per_frame(scenario.speed, target.endpoint.interval);
}

}  // namespace

ExpectationCheck::ExpectationCheck(const Expectation& expectation, const Scenario& scenario, const Plan& plan)
    : expectation_(expectation),
      scenario_(scenario),
      counted_entries_(expectation.entries.size()),
      counted_refusals_(expectation.refusals.size()),
      request_size_(expectation.entries.size()) {
  for (std::size_t i = 0; i < scenario.streams.size(); ++i) {
    const auto& target = plan.streams[i];
    Stream& s = streams_[target.endpoint.address.value];
    s.name = scenario.streams[i].name;
    s.interval = target.endpoint.interval;
    s.in_size = constant_in_size(scenario.streams[i], target, plan.device.test_requests.has_value());
    s.expected = planned_entries(scenario, scenario.streams[i], target);
  }
  for (std::size_t i = 0; i < scenario.bulk.size(); ++i) bulk_[scenario.bulk[i].name] = plan.bulk[i].endpoint.address;
}

ExpectationCheck::Stream* ExpectationCheck::stream(usb::EndpointAddress endpoint) {
  const auto found = streams_.find(endpoint.value);
  return found == streams_.end() || over_ ? nullptr : &found->second;
}

void ExpectationCheck::mismatch(std::string where, std::string expected, std::string got) {
  ++result_.mismatches;
  if (result_.listed.size() < most_listed)
    result_.listed.push_back({std::move(where), std::move(expected), std::move(got)});
}

void ExpectationCheck::mismatch_in_run(Run run) {
  const bool same = run_.open && run.first == run_.last + 1 && run.head == run_.head && run.expected == run_.expected &&
                    run.got == run_.got;
  if (same) {
    run_.last = run.first;
    return;
  }
  close_run();
  run_ = std::move(run);
  run_.last = run_.first;
  run_.open = true;
}

void ExpectationCheck::close_run() {
  if (!run_.open) return;
  run_.open = false;
  const auto which = run_.first == run_.last ? fmt::format("{} {}", run_.head, run_.first)
                                             : fmt::format("{} {}..{}", run_.head, run_.first, run_.last);
  mismatch(fmt::format("{} ({})", which, run_.tail), run_.expected, run_.got);
}

// --- calls ----------------------------------------------------------------------------------------------------------

IOReturn ExpectationCheck::wanted_call(const Stream& stream) const {
  IOReturn code = kIOReturnSuccess;
  for (const auto& rule : expectation_.refusals)
    if (rule.placed && rule.stream == stream.name && rule.calls.contains(stream.calls)) code = rule.code;
  return code;
}

void ExpectationCheck::call_ended(Stream& stream, IOReturn code, std::uint64_t first_frame, std::uint64_t running) {
  const IOReturn want = wanted_call(stream);
  const std::uint64_t call = stream.calls++;
  if (code == want) return;
  for (std::size_t i = 0; want == kIOReturnSuccess && i < expectation_.refusals.size(); ++i) {
    const auto& rule = expectation_.refusals[i];
    if (rule.placed || rule.stream != stream.name || rule.code != code) continue;
    ++counted_refusals_[i];
    return;
  }
  mismatch_in_run({fmt::format("stream \"{}\", call", stream.name),
                   fmt::format("for frame {} in frame {}", first_frame, running), return_word(want), return_word(code),
                   call});
}

void ExpectationCheck::on_refused(usb::EndpointAddress endpoint, std::uint64_t first_frame, IOReturn code,
                                  std::uint64_t running) {
  if (Stream* s = stream(endpoint)) call_ended(*s, code, first_frame, running);
}

void ExpectationCheck::on_accepted(const controller::IsochRequest& request, std::uint64_t running) {
  Stream* s = stream(request.endpoint);
  if (s == nullptr) return;
  call_ended(*s, kIOReturnSuccess, request.first_frame, running);
  placed(*s, request, running);
  s->in_flight.emplace(request.id, Flight{s->requests, s->planned_entries, {}});
  for (std::size_t i = 0; i < request_size_.size(); ++i) {
    const auto& rule = expectation_.entries[i];
    if (rule.request == s->requests && rule.stream == s->name) request_size_[i] = request.entries.size();
  }
  ++s->requests;
  s->planned_entries += request.entries.size();
  s->end = request.first_frame + driverkit::span_in_frames(scenario_.speed, s->interval, request.entries.size());
}

void ExpectationCheck::placed(const Stream& stream, const controller::IsochRequest& request, std::uint64_t running) {
  std::optional<std::int64_t> lead;
  std::optional<std::int64_t> gap;
  for (const auto& rule : expectation_.requests) {
    if (rule.stream != stream.name || !rule.requests.contains(stream.requests)) continue;
    if (rule.lead) lead = rule.lead;
    if (rule.gap) gap = rule.gap;
  }
  const auto first = static_cast<std::int64_t>(request.first_frame);
  const auto compare = [&](const char* what, std::optional<std::int64_t> want, std::int64_t got) {
    if (!want || *want == got) return;
    mismatch_in_run({fmt::format("stream \"{}\", {} of request", stream.name, what),
                     fmt::format("that begins in frame {}", request.first_frame), fmt::format("{} frames", *want),
                     fmt::format("{} frames", got), stream.requests});
  };
  compare("lead", lead, first - static_cast<std::int64_t>(running));
  if (stream.requests > 0) compare("gap", gap, first - static_cast<std::int64_t>(stream.end));
}

// --- entries --------------------------------------------------------------------------------------------------------

ExpectationCheck::Wanted ExpectationCheck::wanted(const Stream& stream, const Flight& flight,
                                                  const controller::IsochRequest& request, std::size_t index) const {
  const std::uint32_t asked = request.entries[index].request;
  Wanted want;
  if (!request.endpoint.is_in()) want.bytes = asked;
  if (stream.in_size) want.bytes = *stream.in_size;
  std::optional<IOReturn> status;
  for (const auto& rule : expectation_.entries) {
    if (!rule.placed || rule.stream != stream.name || (rule.request && *rule.request != flight.number)) continue;
    const std::uint64_t place = rule.request ? index : flight.first_entry + index;
    if (!rule.entries.contains(place)) continue;
    if (rule.status) {
      status = rule.status;
      // What did not simply succeed moved what the rule says; without a word of it, see docs/expectations.md.
      if (*rule.status != kIOReturnSuccess) want.bytes = default_bytes(*rule.status);
    }
    if (!rule.bytes.empty()) want.bytes = rule.bytes[rule.entries.rank(place) % rule.bytes.size()];
  }
  const bool underrun = request.endpoint.is_in() && want.bytes && *want.bytes < asked &&
                        scenario_.driverkit.short_in == driverkit::ShortIn::underrun;
  want.status = status.value_or(underrun ? kIOReturnUnderrun : kIOReturnSuccess);
  return want;
}

bool ExpectationCheck::is_counted(const Stream& stream, IOReturn status, std::uint32_t bytes) {
  for (std::size_t i = 0; i < expectation_.entries.size(); ++i) {
    const auto& rule = expectation_.entries[i];
    const bool matches = !rule.placed && rule.stream == stream.name &&
                         status == rule.status.value_or(kIOReturnSuccess) &&
                         (rule.bytes.empty() || std::ranges::find(rule.bytes, bytes) != rule.bytes.end());
    if (!matches) continue;
    ++counted_entries_[i];
    return true;
  }
  return false;
}

void ExpectationCheck::on_entry(const controller::IsochRequest& request, std::size_t index, IOReturn status) {
  Stream* s = stream(request.endpoint);
  if (s == nullptr) return;
  const auto found = s->in_flight.find(request.id);
  if (found == s->in_flight.end()) return;
  Flight& flight = found->second;
  const std::uint32_t bytes = request.entries[index].complete;
  flight.overall.add(status);
  ++s->entries;
  s->bytes += bytes;
  const Wanted want = wanted(*s, flight, request, index);
  if ((want.status == status && (!want.bytes || *want.bytes == bytes)) || is_counted(*s, status, bytes)) return;
  mismatch_in_run({fmt::format("stream \"{}\", entry", s->name),
                   fmt::format("request {} from its entry {} on, which began in frame {}", flight.number, index,
                               request.first_frame),
                   outcome(want.status, want.bytes), outcome(status, bytes), flight.first_entry + index});
}

void ExpectationCheck::on_complete(const controller::IsochRequest& request, IOReturn overall) {
  Stream* s = stream(request.endpoint);
  if (s == nullptr) return;
  const auto found = s->in_flight.find(request.id);
  if (found == s->in_flight.end()) return;
  const Flight flight = found->second;
  s->in_flight.erase(found);
  IOReturn want = flight.overall.value();
  for (const auto& rule : expectation_.requests)
    if (rule.stream == s->name && rule.overall && rule.requests.contains(flight.number)) want = *rule.overall;
  if (overall == want) return;
  mismatch_in_run({fmt::format("stream \"{}\", overall status of request", s->name),
                   fmt::format("which began in frame {}", request.first_frame), return_word(want), return_word(overall),
                   flight.number});
}

// --- at the end -----------------------------------------------------------------------------------------------------

void ExpectationCheck::compare_sums(const Stream& stream, const std::string& error) {
  std::optional<std::uint64_t> requests;
  std::optional<std::uint64_t> bytes;
  std::optional<std::uint64_t> entries;
  if (error.empty()) entries = stream.expected;
  for (const auto& rule : expectation_.totals) {
    if (rule.stream != stream.name) continue;
    if (rule.requests) requests = rule.requests;
    if (rule.entries) entries = rule.entries;
    if (rule.bytes) bytes = rule.bytes;
  }
  const auto compare = [&](const char* what, std::optional<std::uint64_t> want, std::uint64_t got) {
    if (want && *want != got)
      mismatch(fmt::format("stream \"{}\"", stream.name), fmt::format("{} {}", *want, what),
               fmt::format("{} {}", got, what));
  };
  compare("requests", requests, stream.requests);
  compare("entries", entries, stream.entries);
  compare("bytes", bytes, stream.bytes);
}

void ExpectationCheck::bulk_moved(const std::vector<check::StreamStatistics>& all) {
  for (const auto& rule : expectation_.bulk) {
    const auto found = std::ranges::find(all, bulk_.at(rule.stream), &check::StreamStatistics::endpoint);
    const std::uint64_t got = found == all.end() ? 0 : found->bytes;
    if (got != rule.bytes)
      mismatch(fmt::format("bulk stream \"{}\"", rule.stream), fmt::format("{} bytes", rule.bytes),
               fmt::format("{} bytes", got));
  }
}

/// What is expected of entries and calls must have had its chance.
void ExpectationCheck::compare_reach() {
  const auto of = [&](const std::string& name) -> const Stream& {
    return std::ranges::find_if(streams_, [&](const auto& item) { return item.second.name == name; })->second;
  };
  const auto reach = [&](const std::string& name, const char* what, const IndexSet& set, std::uint64_t count) {
    if (set.least_end() >= count)
      mismatch(fmt::format("stream \"{}\"", name), fmt::format("{} {}", what, set.to_string()),
               fmt::format("only {} of them", count));
  };
  for (std::size_t i = 0; i < expectation_.entries.size(); ++i) {
    const auto& rule = expectation_.entries[i];
    if (!rule.placed && counted_entries_[i] != rule.count)
      mismatch(fmt::format("stream \"{}\"", rule.stream),
               fmt::format("{} entries with {}", rule.count, return_word(rule.status.value_or(kIOReturnSuccess))),
               fmt::format("{}", counted_entries_[i]));
    if (rule.request) {
      reach(rule.stream, "request", IndexSet::one(*rule.request), of(rule.stream).requests);
      if (*rule.request < of(rule.stream).requests) reach(rule.stream, "entry", rule.entries, request_size_[i]);
    } else if (rule.placed) {
      reach(rule.stream, "entry", rule.entries, of(rule.stream).entries);
    }
  }
  for (std::size_t i = 0; i < expectation_.refusals.size(); ++i) {
    const auto& rule = expectation_.refusals[i];
    if (rule.placed) {
      reach(rule.stream, "call", rule.calls, of(rule.stream).calls);
    } else if (counted_refusals_[i] != rule.count) {
      mismatch(fmt::format("stream \"{}\"", rule.stream),
               fmt::format("{} calls refused with {}", rule.count, return_word(rule.code)),
               fmt::format("{}", counted_refusals_[i]));
    }
  }
  for (const auto& rule : expectation_.requests) reach(rule.stream, "request", rule.requests, of(rule.stream).requests);
}

void ExpectationCheck::compare_violations(const check::Reporter& reporter) {
  for (std::size_t i = 0; i < check::rule_count; ++i) {
    const auto rule = static_cast<check::Rule>(i);
    // Diagnoses are compared by name, not by number.
    if (check::group_of(rule) == check::Group::driver) continue;
    const auto found = expectation_.violations.find(rule);
    const std::uint64_t want = found == expectation_.violations.end() ? 0 : found->second;
    if (want != reporter.count(rule))
      mismatch("violations", fmt::format("{} of the rule {}", want, check::to_string(rule)),
               fmt::format("{}", reporter.count(rule)));
  }
}

/// A fault that was never made has shown nothing.
void ExpectationCheck::compare_faults(const report::FaultSummary& faults) {
  std::map<std::string, std::uint64_t> made;
  for (const auto& planned : faults.planned) made[planned.name] += planned.made;
  for (const auto& [name, want] : expectation_.faults)
    if (made[name] != want)
      mismatch(fmt::format("fault \"{}\"", name), fmt::format("made {} times", want),
               fmt::format("{} times", made[name]));
  for (std::size_t i = 0; i < faults.planned.size(); ++i) {
    const auto& planned = faults.planned[i];
    const std::uint64_t count = scenario_.faults.faults[i].when.count;
    const bool good = count != 0 ? planned.made == count : planned.made != 0;
    if (!good && !expectation_.faults.contains(planned.name))
      mismatch(fmt::format("fault \"{}\"", planned.name), count != 0 ? fmt::format("made {} times", count) : "made",
               fmt::format("{} times", planned.made));
  }
}

report::ExpectationResult ExpectationCheck::finish(const std::string& error, const check::Reporter& reporter,
                                                   const report::FaultSummary& faults) {
  close_run();
  over_ = true;
  result_.given = true;
  for (const auto& [address, stream] : streams_) compare_sums(stream, error);
  compare_reach();
  compare_violations(reporter);
  if (error.empty()) compare_faults(faults);
  const std::set<std::string> want(expectation_.diagnoses.begin(), expectation_.diagnoses.end());
  std::set<std::string> got;
  for (const auto rule : driver_rules())
    if (reporter.count(rule) > 0) got.insert(check::to_string(rule));
  const auto list = [](const auto& names) {
    return names.empty() ? std::string("none") : fmt::format("{}", fmt::join(names, ", "));
  };
  if (want != got) mismatch("diagnosis", list(want), list(got));
  result_.error_expected = !expectation_.error.empty() && error.find(expectation_.error) != std::string::npos;
  if (!expectation_.error.empty() && !result_.error_expected)
    mismatch("end of the run", fmt::format("an error with \"{}\"", expectation_.error),
             error.empty() ? "no error" : error);
  return result_;
}

}  // namespace isochio::scenario
