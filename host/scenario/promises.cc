#include "scenario/promises.h"

#include <algorithm>

#include "scenario/register_names.h"

namespace isochio::scenario {
namespace {

using reference::Terms;

/// Keys of [controller] and [driverkit] that are given (docs/scenarios.md).
void overrule(Terms& terms, const Scenario& s) {
  const auto given = [&](const char* key) { return s.given.contains(key); };
  const auto& c = s.controller;
  const auto& d = s.driverkit;
  if (given("controller.keep_away_frames")) terms.keep_away_frames = std::max(1U, c.keep_away_frames);
  if (given("controller.threshold_microframes")) terms.threshold_microframes = c.threshold_microframes;
  if (given("controller.horizon_frames")) terms.horizon_frames = c.horizon_frames;
  if (given("controller.accept_past_frames")) terms.takes_past_frames = c.accept_past_frames;
  if (given("controller.pipe_depth")) terms.most_requests = c.pipe_depth;
  if (given("driverkit.max_entries")) terms.most_entries = d.max_entries;
  if (given("driverkit.short_in")) terms.short_is_underrun = d.short_in == driverkit::ShortIn::underrun;
  if (given("driverkit.wire_errors")) {
    terms.tells_errors_apart = d.wire_errors == driverkit::WireErrors::detailed;
    terms.tells_stuffing_apart = d.wire_errors == driverkit::WireErrors::bit_stuff_apart;
  }
  if (given("driverkit.zero_start")) terms.takes_zero = d.zero_start == driverkit::ZeroStart::next_frame;
  if (given("driverkit.late_request"))
    terms.late_request_is_too_old = d.late_request == driverkit::LateRequest::iso_too_old;
  if (given("driverkit.explicit_on_continuous"))
    terms.refuses_explicit_on_zero = d.explicit_on_continuous == driverkit::ExplicitOnContinuous::bad_argument;
  using Missed = driverkit::MissedEntry;
  if (given("driverkit.missed_entry"))
    terms.missed = d.missed_entry == Missed::overrun      ? kIOReturnOverrun
                   : d.missed_entry == Missed::not_sent_2 ? kIOUSBNotSent2Err
                                                          : kIOUSBNotSent1Err;
  using Given = driverkit::OverallStatus;
  using Overall = Terms::Overall;
  if (given("driverkit.overall_status"))
    terms.overall = d.overall_status == Given::always_overrun     ? Overall::always_overrun
                    : d.overall_status == Given::overrun_on_short ? Overall::overrun_on_short
                                                                  : Overall::accumulated;
}

/// What the device is told to send; empty: that depends on what it gets, or on time.
reference::DeviceSizes device_sizes(const IsochStreamPlan& plan, const usb::EndpointConfig& endpoint, bool registers) {
  const bool own = plan.payload == Payload::pattern || plan.payload == Payload::zeros || plan.payload == Payload::mod63;
  if (!endpoint.address.is_in() || !own || !registers) return {};
  const auto& size = plan.size;
  if (size.kind == SizePlan::Kind::fixed) return {size.bytes != 0 ? size.bytes : endpoint.capacity()};
  if (size.kind == SizePlan::Kind::list) return size.list;
  return {};
}

/// Registers of its own choice make the device do what the stream's keys don't say.
bool told_to_misbehave(const Scenario& scenario) { return !scenario.registers.empty(); }

}  // namespace

Terms terms_of(const Scenario& scenario) {
  Terms terms = reference::terms_of(scenario.profile).value_or(Terms{});
  overrule(terms, scenario);
  terms.speed = scenario.speed;
  terms.first_frame = scenario.controller.first_frame;
  terms.clock_ppm = scenario.faults.bus_clock_ppm();
  return terms;
}

Promises::Promises(const Scenario& scenario, const Plan& plan, check::Reporter& reporter,
                   const reference::Reference::Now& now)
    : scenario_(scenario),
      plan_(plan),
      reference_(terms_of(scenario), now, [&reporter, now](const reference::Broken& b) {
        reporter.report({check::Rule::promise, b.request, b.entry, b.endpoint, b.at, now(), b.promised, b.told});
      }) {
  for (std::size_t i = 0; i < plan.streams.size(); ++i) {
    const auto& endpoint = plan.streams[i].endpoint;
    reference_.add(endpoint, device_sizes(scenario.streams[i], endpoint, plan.device.test_requests.has_value()),
                   told_to_misbehave(scenario));
  }
}

reference::Interruption Promises::interruption(const Event& event, bus::BusTime at) const {
  using Kind = Event::Kind;
  reference::Interruption one;
  one.begin = at;
  one.aborts = event.kind != Kind::suspend;
  one.misses = event.kind == Kind::suspend || event.kind == Kind::unplug || event.kind == Kind::sleep;
  one.spoils = event.kind == Kind::unplug || event.kind == Kind::bus_reset;
  one.refuses = one.aborts;
  for (std::size_t i = 0; i < plan_.streams.size(); ++i) {
    const bool own = event.kind == Kind::abort       ? scenario_.streams[i].name == event.stream
                     : event.kind == Kind::alternate ? scenario_.streams[i].interface == event.interface
                                                     : true;
    if (own) one.who.push_back(plan_.streams[i].endpoint.address);
  }
  return one;
}

void Promises::cut_at(const Event& event, bus::BusTime at) {
  going_on_[event.kind] = reference_.begin(interruption(event, at));
}

void Promises::begins(const Event& event, bus::BusTime now) {
  using Kind = Event::Kind;
  const bool interrupts = event.kind == Kind::suspend || event.kind == Kind::alternate || event.kind == Kind::abort ||
                          event.kind == Kind::sleep;
  if (interrupts) going_on_[event.kind] = reference_.begin(interruption(event, now));
}

/// What an event began is over with it, or with the event that undoes it.
void Promises::ended(const Event& event) {
  using Kind = Event::Kind;
  const auto over = [&](Kind kind) {
    if (const auto found = going_on_.find(kind); found != going_on_.end()) reference_.end(found->second);
    going_on_.erase(kind);
  };
  if (event.kind == Kind::resume) over(Kind::suspend);
  if (event.kind == Kind::plug) over(Kind::unplug);
  if (event.kind == Kind::wake) over(Kind::sleep);
  if (event.kind == Kind::abort || event.kind == Kind::bus_reset) over(event.kind);
  const bool in_place = std::ranges::any_of(scenario_.streams, [&](const auto& stream) {
    return stream.interface == event.interface && stream.alternate == event.setting;
  });
  if (event.kind == Kind::alternate && in_place) over(Kind::alternate);
  // A reset, a new plug or waking puts an end to a suspended bus, too.
  if (event.kind == Kind::bus_reset || event.kind == Kind::plug || event.kind == Kind::wake) over(Kind::suspend);
}

}  // namespace isochio::scenario
