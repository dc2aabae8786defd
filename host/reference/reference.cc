#include "reference/reference.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "driverkit/return_words.h"

namespace isochio::reference {

using driverkit::return_word;

namespace {

constexpr std::size_t remembered_faults = 4096;
/// What was interrupted is told a little later: at the next SOF behind a resume, when a pulled plug is noticed.
constexpr bus::Duration aftermath = 3 * bus::frame;

std::string words(const std::vector<Code>& codes) {
  std::vector<std::string> all;
  for (const auto code : codes)
    if (auto word = return_word(code); std::ranges::find(all, word) == all.end()) all.push_back(std::move(word));
  return fmt::format("{}", fmt::join(all, " or "));
}

}  // namespace

Reference::Reference(const Terms& terms, Now now, Tell tell)
    : terms_(terms), now_(std::move(now)), tell_(std::move(tell)), grid_(terms) {}

void Reference::add(const usb::EndpointConfig& endpoint, DeviceSizes sizes, bool open) {
  Pipe& added = pipes_[endpoint.address.value];
  added.endpoint = endpoint;
  added.sizes = std::move(sizes);
  added.open = open;
}

Reference::Pipe* Reference::pipe(usb::EndpointAddress address) {
  const auto found = pipes_.find(address.value);
  return found == pipes_.end() ? nullptr : &found->second;
}

void Reference::tell(const Pipe& pipe, std::uint64_t request, std::int64_t entry, usb::FrameTime at,
                     std::string promised, std::string told) const {
  tell_({request, entry, pipe.endpoint.address, at, std::move(promised), std::move(told)});
}

/// The (micro)frame that runs, as the speed counts them.
usb::FrameTime Reference::running(bus::BusTime time) const { return {grid_.at(time).value / unit() * unit()}; }

// --- what happens meanwhile -----------------------------------------------------------------------------------------

std::size_t Reference::begin(Interruption interruption) {
  interruptions_.push_back(std::move(interruption));
  return interruptions_.size() - 1;
}

void Reference::end(std::size_t interruption) { interruptions_[interruption].end = now_(); }

bool Reference::interrupted(const Pipe& pipe, bus::BusTime time, bool Interruption::*how) const {
  return std::ranges::any_of(interruptions_, [&](const Interruption& one) {
    const bool concerned = one.who.empty() || std::ranges::find(one.who, pipe.endpoint.address) != one.who.end();
    return concerned && one.*how && time >= one.begin && (!one.end || time <= *one.end + aftermath);
  });
}

bool Reference::aborting(const Pipe& pipe) const {
  return std::ranges::any_of(pipe.flights, [](const Flight& flight) { return flight.aborted; });
}

void Reference::on_abort(usb::EndpointAddress endpoint) {
  Pipe* p = pipe(endpoint);
  if (p == nullptr) return;
  for (auto& flight : p->flights) flight.aborted = flight.aborted || flight.next < flight.entries;
  p->state.available = 0;
  p->state.continuous = false;
}

void Reference::on_endpoints(std::span<const usb::EndpointConfig> endpoints, usb::Speed, bus::BusTime) {
  for (const auto& endpoint : endpoints)
    if (Pipe* p = pipe(endpoint.address)) p->phase = endpoint.phase;
}

void Reference::on_frame_number(std::uint64_t frame, bus::BusTime at) {
  grid_.renumber(frame, at);
  faults_.clear();
}

void Reference::on_fault(const fault::InjectedFault& fault) {
  faults_.push_back(fault);
  if (faults_.size() > remembered_faults) faults_.pop_front();
}

// --- calls ----------------------------------------------------------------------------------------------------------

void Reference::on_call(const driverkit::IsochCall& call) {
  Pipe* p = pipe(call.endpoint);
  if (p == nullptr) return;
  const auto now = now_();
  auto& state = p->state;
  state.in_flight = p->flights.size();
  const bool over = std::ranges::all_of(p->flights, [](const Flight& f) { return f.next == f.entries; });
  state.drained = over || aborting(*p) || interrupted(*p, now, &Interruption::aborts);
  if (p->flights.empty()) state.available = 0, state.continuous = false;
  const Call asked{call.first_frame, call.counts, call.data_bytes};
  p->promise = promise(terms_, p->endpoint, state, asked, grid_.at(now));
  if (grid_.is_edge(now)) {
    p->promise.add(promise(terms_, p->endpoint, state, asked, grid_.at({now.bits - 2})));
    p->promise.add(promise(terms_, p->endpoint, state, asked, grid_.at({now.bits + 2})));
  }
  auto& codes = p->promise.codes;
  if (aborting(*p)) codes.insert(codes.end(), {kIOReturnNotPermitted, kIOReturnAborted});
  if (interrupted(*p, now, &Interruption::refuses))
    codes.insert(codes.end(), {kIOReturnNotPermitted, kIOReturnNotReady, kIOReturnNotOpen, kIOReturnNoDevice});
}

void Reference::on_refused(usb::EndpointAddress endpoint, std::uint64_t first_frame, Code code, std::uint64_t) {
  const Pipe* p = pipe(endpoint);
  if (p == nullptr || p->promise.allows(code)) return;
  tell(*p, 0, -1, usb::FrameTime::of(first_frame), words(p->promise.codes),
       fmt::format("{} for frame {} in frame {}", return_word(code), first_frame, grid_.at(now_()).frame()));
}

void Reference::on_accepted(const controller::IsochRequest& request, std::uint64_t frame) {
  Pipe* p = pipe(request.endpoint);
  if (p == nullptr) return;
  const auto now = now_();
  const auto at = usb::FrameTime::of(request.first_frame);
  if (!p->promise.allows(kIOReturnSuccess))
    tell(*p, request.id, -1, at, words(p->promise.codes), fmt::format("success in frame {}", frame));
  else if (!p->promise.allows_start(request.first_frame))
    tell(*p, request.id, -1, at, fmt::format("a start in frame {}", fmt::join(p->promise.starts, " or ")),
         fmt::format("a start in frame {}", request.first_frame));
  if (frame != grid_.at(now).frame() && !grid_.is_edge(now))
    tell(*p, request.id, -1, at, fmt::format("frame {} running", grid_.at(now).frame()), fmt::format("{}", frame));
  Flight flight{.id = request.id, .start = request.first_frame, .entries = request.entries.size()};
  flight.called = running(now);
  p->flights.push_back(flight);
  const std::uint64_t span = request.entries.size() * interval_microframes(terms_.speed, p->endpoint);
  p->state.available = request.first_frame + span / 8;
  p->state.continuous = !request.explicit_start;
}

// --- entries --------------------------------------------------------------------------------------------------------

Reference::Window Reference::window(const Pipe& pipe, const Flight& flight, std::size_t index) const {
  const std::uint64_t interval = interval_microframes(terms_.speed, pipe.endpoint);
  const std::uint64_t begin = flight.start * 8 + index * interval;
  if (!pipe.phase) return {begin, begin + interval, begin, begin + interval};
  const std::uint64_t move = begin + *pipe.phase * unit();
  return {begin, begin + interval, move, move + unit()};
}

EntryPromise Reference::promised(const Pipe& pipe, const Flight& flight, std::size_t index, std::uint32_t asked,
                                 bus::BusTime time) const {
  const Window w = window(pipe, flight, index);
  bool spares = true, any_size = false;
  std::vector<End> ends;
  for (auto fault = faults_.rbegin(); fault != faults_.rend() && fault->at.value + 2 * unit() >= w.begin; ++fault) {
    const bool here = fault->at.value >= w.move_begin && fault->at.value < w.move_end;
    const bool mine = fault->has_endpoint && fault->endpoint == pipe.endpoint.address;
    const Effect effect = effect_of(*fault, pipe.endpoint, terms_.speed, mine);
    const bool near = fault->at.value + unit() >= w.move_begin && fault->at.value < w.move_end + unit();
    if (effect.holds_bus && near) ends.push_back(End::missed);
    if (!here && (mine || !near)) continue;
    spares = spares && effect.spares;
    any_size = any_size || effect.any_size;
    ends.insert(ends.end(), effect.ends.begin(), effect.ends.end());
  }
  // In frames that are past nothing moves; of the one that runs, what is left of it.
  const bool past = w.move_end <= flight.called.value;
  const bool present = !past && w.move_begin <= flight.called.value;
  if (past || present) ends.push_back(End::missed);
  if (interrupted(pipe, time, &Interruption::misses)) ends.push_back(End::missed);
  if (flight.aborted || interrupted(pipe, time, &Interruption::aborts)) ends.push_back(End::aborted);
  if (interrupted(pipe, time, &Interruption::spoils))
    ends.insert(ends.end(), {End::no_answer, End::crc, End::stuffing, End::pid, End::sequence});
  EntryPromise all;
  // Of two faults of one packet, the one may make it longer than was asked for, whatever the other does.
  if (any_size && !spares && pipe.endpoint.address.is_in()) all.outcomes.push_back({kIOReturnOverrun, 0, asked});
  if (spares && !past) all = undisturbed(terms_, pipe.endpoint, asked, pipe.sizes, any_size);
  for (const auto end : ends) all.outcomes.push_back(outcome_of(end, terms_, pipe.endpoint, asked));
  return all;
}

/// A fault of time or one that holds the bus may move an entry.
bool Reference::disturbed(const Pipe& pipe, const Window& w) const {
  return std::ranges::any_of(faults_, [&](const auto& fault) {
    const bool near = fault.at.value + 2 * unit() >= w.begin && fault.at.value < w.end + unit();
    return near && effect_of(fault, pipe.endpoint, terms_.speed, false).holds_bus;
  });
}

/// What moved did so in its (micro)frame.
void Reference::judge_time(const Pipe& pipe, const Flight& flight, std::size_t index,
                           const controller::IsochEntry& entry) {
  const Window w = window(pipe, flight, index);
  const auto at = running(entry.time);
  if ((at.value >= w.move_begin && at.value < w.move_end) || grid_.is_edge(entry.time) || disturbed(pipe, w)) return;
  tell(pipe, flight.id, static_cast<std::int64_t>(index), {w.move_begin},
       fmt::format("an end in frame {}.{}", w.move_begin / 8, w.move_begin % 8),
       fmt::format("one in {}.{}", at.frame(), at.microframe()));
}

void Reference::on_entry(const controller::IsochRequest& request, std::size_t index, Code status) {
  Pipe* p = pipe(request.endpoint);
  if (p == nullptr) return;
  const auto found = std::ranges::find(p->flights, request.id, &Flight::id);
  if (found == p->flights.end()) return;
  Flight& flight = *found;
  const auto& entry = request.entries[index];
  const usb::FrameTime at{window(*p, flight, index).begin};
  const auto place = static_cast<std::int64_t>(index);
  if (index != flight.next)
    tell(*p, flight.id, place, at, fmt::format("entry {} next", flight.next), fmt::format("entry {}", index));
  flight.next = index + 1;
  const EntryPromise promise = promised(*p, flight, index, entry.request, entry.time);
  if (!p->open && !promise.allows(status, entry.complete))
    tell(*p, flight.id, place, at, promise.to_string(),
         fmt::format("{}, {} bytes", return_word(status), entry.complete));
  const bool good = status == kIOReturnSuccess || status == kIOReturnUnderrun;
  const bool not_sent = status == terms_.missed || status == kIOUSBNotSent1Err;
  if (good) judge_time(*p, flight, index, entry);
  if (!good) flight.last_error = status;
  flight.underrun = flight.underrun || status == kIOReturnUnderrun;
  flight.any_short = flight.any_short || entry.complete < entry.request;
  flight.all_missed = flight.all_missed && not_sent && entry.complete == 0;
}

// --- completions ----------------------------------------------------------------------------------------------------

/// The last error that is not Underrun; Underrun if there is nothing else [driverkit-facts 2.4].
Code Reference::accumulated(const Pipe& pipe, const Flight& flight) const {
  using Overall = Terms::Overall;
  if (flight.all_missed && terms_.late_request_is_too_old) return kIOReturnIsoTooOld;
  if (flight.last_error != kIOReturnSuccess) return flight.last_error;
  if (flight.underrun) return kIOReturnUnderrun;
  const bool odd =
      terms_.overall == Overall::always_overrun || (terms_.overall == Overall::overrun_on_short && flight.any_short);
  return odd && pipe.endpoint.address.is_in() ? kIOReturnOverrun : kIOReturnSuccess;
}

void Reference::on_complete(const controller::IsochRequest& request, Code overall) {
  Pipe* p = pipe(request.endpoint);
  if (p == nullptr) return;
  const auto found = std::ranges::find(p->flights, request.id, &Flight::id);
  if (found == p->flights.end()) return;
  const Flight flight = *found;
  const auto at = usb::FrameTime::of(flight.start);
  if (found != p->flights.begin())
    tell(*p, flight.id, -1, at, fmt::format("request {} to complete before", p->flights.front().id), "this one first");
  p->flights.erase(found);
  if (p->flights.empty()) p->state = {};
  const auto now = now_();
  const bool may_abort = flight.aborted || interrupted(*p, now, &Interruption::aborts);
  if (flight.next != flight.entries)
    tell(*p, flight.id, -1, at, fmt::format("{} entries ended", flight.entries), fmt::format("{}", flight.next));
  if (overall == kIOReturnAborted && may_abort) return;
  const Code want = flight.aborted ? kIOReturnAborted : accumulated(*p, flight);
  if (overall != want) tell(*p, flight.id, -1, at, "overall " + return_word(want), return_word(overall));
  const Window last = window(*p, flight, flight.entries - 1);
  if (running(now).value < last.move_end && !grid_.is_edge(now) && !disturbed(*p, last))
    tell(*p, flight.id, -1, at, fmt::format("no completion before frame {}.{}", last.move_end / 8, last.move_end % 8),
         fmt::format("one in {}.{}", running(now).frame(), running(now).microframe()));
}

void Reference::finish() {
  for (const auto& [address, p] : pipes_)
    for (const auto& flight : p.flights)
      tell(p, flight.id, -1, usb::FrameTime::of(flight.start), "a completion", "none");
}

}  // namespace isochio::reference
