// isochio: from requests and refusals to the driver's mistake.
#include "check/diagnosis.h"

#include <algorithm>

#include <fmt/format.h>

#include "check/payload.h"

namespace isochio::check {
namespace {

using controller::IsochRequest;
using controller::Status;

/// A driver that asks for the same frame this often after being told that it is too old has not advanced its cursor;
/// once is what every driver does when it is late.
constexpr std::uint64_t same_frame_often = 3;
/// A buffer that stays idle while so many rounds of all others pass was forgotten.
constexpr std::uint64_t rounds_idle = 2;
constexpr std::uint64_t fewest_later = 8;
/// What a task waits for its own queue before it counts as waiting.
constexpr bus::Duration waiting = 10 * bus::millisecond;
constexpr bus::Duration late_resubmit = bus::millisecond;
/// The most entries that every known system accepts [driverkit-facts 2.2].
constexpr std::size_t most_entries = 1000;

bool over(const controller::Delivery& delivery) {
  return delivery.status == Status::aborted || delivery.status == Status::no_device;
}

double ms(bus::Duration d) { return static_cast<double>(bus::to_ns(d)) / 1e6; }
const char* plural(std::uint64_t n) { return n == 1 ? "" : "s"; }

}  // namespace

void Diagnosis::tell(Rule rule, usb::EndpointAddress endpoint, std::uint64_t request, bus::BusTime at,
                     std::string expected, std::string seen) {
  bool& told = stream(endpoint).told[static_cast<std::size_t>(rule)];
  if (std::exchange(told, true)) return;
  reporter_.report(
      {rule, request, -1, endpoint, usb::FrameTime::of(running_frame_()), at, std::move(expected), std::move(seen)});
}

std::uint64_t Diagnosis::frames_of(const Stream& s, std::size_t entries) const {
  return entries * s.config.interval / (speed_ == usb::Speed::high ? 8U : 1U);
}

std::string Diagnosis::per_entry(const Stream& s) const {
  const std::uint32_t units = speed_ == usb::Speed::high ? 8 : 1;
  if (s.config.interval == units) return "one entry spans a frame";
  if (s.config.interval > units) return fmt::format("one entry spans {} frames", s.config.interval / units);
  return fmt::format("{} entries span a frame", units / s.config.interval);
}

const Diagnosis::Running* Diagnosis::running_for(usb::EndpointAddress endpoint) const {
  return !running_.empty() && running_.back().delivery.endpoint == endpoint ? &running_.back() : nullptr;
}

void Diagnosis::on_endpoints(std::span<const usb::EndpointConfig> endpoints, usb::Speed speed, bus::BusTime) {
  speed_ = speed;
  for (Stream& s : streams_) s.configured = false;
  for (const auto& endpoint : endpoints) {
    Stream& s = stream(endpoint.address);
    s.config = endpoint;
    s.configured = true;
  }
}

void Diagnosis::on_frame_number(std::uint64_t, bus::BusTime) {
  for (Stream& s : streams_)
    if (s.last) s.jumped_from = s.last->end;
}

// --- submissions ----------------------------------------------------------------------------------------------------

void Diagnosis::on_submit(const IsochRequest& request, bus::BusTime at) {
  Stream& s = stream(request.endpoint);
  judge_rearm(s, request, at);
  if (!request.endpoint.is_in() && s.configured) judge_stride(s, request, at);
  s.buffers[request.data.data()] = {};
  s.requests[request.id] = request.data.data();
  judge_idle(s, request, at);
  ++s.in_flight;
  s.depth = std::max(s.depth, ++s.undelivered);
  const std::uint64_t first = request.first_frame;
  s.last = {first, first + std::max<std::uint64_t>(1, frames_of(s, request.entries.size())), request.entries.size()};
  s.continuous = !request.explicit_start;
  s.refused_again = s.stale = 0;
  s.jumped_from.reset();
}

void Diagnosis::judge_rearm(Stream& s, const IsochRequest& request, bus::BusTime at) {
  const Running* callback = running_for(request.endpoint);
  if (callback == nullptr) return;
  if (over(callback->delivery)) {
    // From the last of the aborted completions a driver may well begin anew; from one before it, it does not know.
    if (++s.rearmed > 1 || s.undelivered > 0)
      tell(Rule::rearmed_on_abort, request.endpoint, request.id, at, "no request after a completion that says Aborted",
           fmt::format("submits again from a completion with 0x{:08x}, with {} more of them to come",
                       static_cast<std::uint32_t>(callback->delivery.code), s.undelivered));
    return;
  }
  if (request.explicit_start || !s.last || s.depth > 1 || request.first_frame <= s.last->end) return;
  s.lost_frames += request.first_frame - s.last->end;
  if (++s.zero_gaps < 2) return;
  tell(Rule::rearmed_with_zero, request.endpoint, request.id, at, "several transfers in flight, with explicit frames",
       fmt::format("one transfer re-armed with first frame 0 from its completion: {} frame{} without data so far, the "
                   "last in frames {} to {}",
                   s.lost_frames, plural(s.lost_frames), s.last->end, request.first_frame - 1));
}

/// Data of an entry begin where those of the entry before end [driverkit-facts 2.3]. The pattern shows where they are.
void Diagnosis::judge_stride(const Stream& s, const IsochRequest& request, bus::BusTime at) {
  constexpr std::size_t telling = 16;  // shorter packets of the pattern have no CRC
  std::size_t sum = 0, moved = 0;
  for (std::size_t i = 0; i < request.entries.size(); ++i) {
    const std::size_t size = request.entries[i].request, stride = i * s.config.max_packet;
    if (stride + size > request.data.size()) break;
    if (size >= telling && size <= s.config.max_packet && stride != sum) {
      if (prbs_intact(request.data.subspan(sum, size)) || !prbs_intact(request.data.subspan(stride, size))) return;
      ++moved;
    }
    sum += size;
  }
  if (moved == 0) return;
  tell(Rule::wrong_stride, request.endpoint, request.id, at, "each entry's data right behind those of the entry before",
       fmt::format("data written at a stride of wMaxPacketSize ({} bytes) although the entries are smaller: {} entries "
                   "of the request send bytes that are not theirs",
                   s.config.max_packet, moved));
}

void Diagnosis::judge_idle(Stream& s, const IsochRequest& request, bus::BusTime at) {
  const auto enough = std::max<std::uint64_t>(fewest_later, rounds_idle * s.buffers.size());
  for (auto& [data, buffer] : s.buffers) {
    if (!buffer.idle || buffer.ended || data == request.data.data() || ++buffer.later < enough) continue;
    const auto idle = static_cast<std::uint64_t>(
        std::count_if(s.buffers.begin(), s.buffers.end(), [](const auto& entry) { return entry.second.idle; }));
    tell(Rule::not_resubmitted, request.endpoint, request.id, at, "each completed request submitted again",
         fmt::format("a request that completed in frame {} was not submitted again: {} of {} are left in flight",
                     buffer.delivered_frame, s.buffers.size() - idle, s.buffers.size()));
  }
}

// --- refusals -------------------------------------------------------------------------------------------------------

void Diagnosis::on_refused(const IsochRequest& request, Status why, bus::BusTime at) {
  Stream& s = stream(request.endpoint);
  if (const auto found = s.buffers.find(request.data.data()); found != s.buffers.end()) found->second.later = 0;
  switch (why) {
    case Status::too_old:
      return too_old(s, request, at);
    case Status::too_new:
      return too_new(s, request, at);
    case Status::bad_argument:
      return bad_list(s, request, at);
    case Status::not_ready:
      // What completed before the change and ran after it may try once.
      if (++s.stale > std::max<std::uint64_t>(1, s.depth))
        tell(Rule::stale_pipe, request.endpoint, 0, at, "CopyPipe after SelectAlternateSetting",
             fmt::format("{} requests to a pipe of before the alternate setting changed: NotReady", s.stale));
      return;
    case Status::no_device:
    case Status::not_permitted:
      if (s.over && ++s.rearmed > 1)
        tell(Rule::rearmed_on_abort, request.endpoint, 0, at, "no request after a completion that says Aborted",
             fmt::format("{} more requests after the stream's end, all refused ({})", s.rearmed, to_string(why)));
      return;
    default:
      return;
  }
}

void Diagnosis::too_old(Stream& s, const IsochRequest& request, bus::BusTime at) {
  const std::uint64_t frame = request.first_frame, now = running_frame_();
  if (frame != std::exchange(s.refused_frame, frame)) s.refused_again = 0;
  // Several buffers at one moment are one attempt.
  if (s.refused_again == 0 || now != s.refused_in) ++s.refused_again;
  s.refused_in = now;
  if (s.refused_again >= same_frame_often)
    tell(Rule::cursor_not_advanced, request.endpoint, 0, at, "a new start at a safe distance from the running frame",
         fmt::format("cursor not advanced after a refused submit: frame {} asked for {} times, now {} frames ago: "
                     "IsoTooOld for ever",
                     frame, s.refused_again, now - std::min(now, frame)));
  if (s.in_flight > 0 && s.last && frame > now && frame < s.last->end) return overlapping(s, request, at);
  if (frame <= now) too_late(s, request, at);
}

void Diagnosis::overlapping(const Stream& s, const IsochRequest& request, bus::BusTime at) {
  const std::uint64_t by = request.first_frame - std::min(request.first_frame, s.last->first);
  const std::uint64_t span = s.last->end - s.last->first, eighth = s.last->entries / 8;
  if (speed_ == usb::Speed::high && by == eighth && eighth != span) {
    tell(Rule::wrong_span, request.endpoint, 0, at, fmt::format("the cursor {} frames on: {}", span, per_entry(s)),
         fmt::format("cursor advanced by entries/8 = {} although {}", eighth, per_entry(s)));
  } else {
    tell(Rule::overlapping, request.endpoint, 0, at,
         fmt::format("a first frame behind what is queued, {} or later", s.last->end),
         fmt::format("a request for frame {}, in frames {} to {} of the one before", request.first_frame, s.last->first,
                     s.last->end - 1));
  }
}

void Diagnosis::too_late(Stream& s, const IsochRequest& request, bus::BusTime at) {
  const std::uint64_t frame = request.first_frame, now = running_frame_();
  if (s.jumped_from && frame == *s.jumped_from) {
    tell(Rule::not_replanned, request.endpoint, 0, at, fmt::format("a new plan from frame {} on", now),
         fmt::format("goes on at frame {} although the frame counter has jumped: IsoTooOld", frame));
    return;
  }
  const auto found = s.buffers.find(request.data.data());
  const bool known = found != s.buffers.end() && found->second.idle;
  if (known && running_for(request.endpoint) == nullptr && at - found->second.delivered >= late_resubmit &&
      frame > found->second.delivered_frame) {
    tell(Rule::late_resubmit, request.endpoint, 0, at, fmt::format("the next request before frame {}", frame),
         fmt::format("submitted {:.1f} ms after its completion, by when the queue had run dry: IsoTooOld",
                     ms(at - found->second.delivered)));
    return;
  }
  if (s.depth == 1 && s.last && frame == s.last->end)
    tell(Rule::no_lead, request.endpoint, 0, at, "more than one transfer in flight",
         fmt::format("single outstanding transfer: no lead; the one that follows frame {} is submitted in frame {}",
                     s.last->end - 1, now));
}

void Diagnosis::too_new(const Stream& s, const IsochRequest& request, bus::BusTime at) {
  const std::uint64_t frame = request.first_frame, now = running_frame_();
  if (s.jumped_from) {
    tell(Rule::not_replanned, request.endpoint, 0, at, fmt::format("a new plan from frame {} on", now),
         fmt::format("goes on at frame {} although the frame counter has gone back to {}: IsoTooNew", frame, now));
  } else {
    tell(Rule::too_early, request.endpoint, 0, at, "a first frame within the controller's horizon",
         fmt::format("a request for frame {}, {} frames ahead: IsoTooNew", frame, frame - std::min(frame, now)));
  }
}

void Diagnosis::bad_list(const Stream& s, const IsochRequest& request, bus::BusTime at) {
  const std::size_t n = request.entries.size();
  if (!s.configured || n == 0) return;
  const std::uint32_t units = speed_ == usb::Speed::high ? 8 : 1;
  const auto too_large = std::find_if(request.entries.begin(), request.entries.end(),
                                      [&](const auto& entry) { return entry.request > s.config.capacity(); });
  const std::uint64_t alignment = std::max<std::uint32_t>(1, s.config.interval / units);
  std::string seen;
  if (n > most_entries) {
    seen = fmt::format("a list of {} entries", n);
  } else if (n * s.config.interval % units != 0) {
    seen = fmt::format("a list of {} entries, which is no whole number of frames: {}", n, per_entry(s));
  } else if (too_large != request.entries.end()) {
    seen = fmt::format("an entry of {} bytes on an endpoint that carries {}", too_large->request, s.config.capacity());
  } else if (request.first_frame % alignment != 0) {
    seen = fmt::format("a start in frame {}, which is no multiple of {}: {}", request.first_frame, alignment,
                       per_entry(s));
  } else {
    if (s.continuous && request.explicit_start && s.in_flight > 0)
      tell(Rule::explicit_on_continuous, request.endpoint, 0, at, "first frame 0 again until the pipe has drained",
           fmt::format("frame {} asked for on a stream that was started with first frame 0: BadArgument",
                       request.first_frame));
    return;
  }
  tell(Rule::bad_list, request.endpoint, 0, at, "a list that the endpoint can do", seen + ": BadArgument");
}

// --- completions ----------------------------------------------------------------------------------------------------

void Diagnosis::on_complete(const IsochRequest& request, Status, bus::BusTime, bus::BusTime) {
  Stream& s = stream(request.endpoint);
  if (s.in_flight > 0) --s.in_flight;
}

void Diagnosis::on_callback(const controller::Delivery& delivery, bus::BusTime begin) {
  Stream& s = stream(delivery.endpoint);
  if (s.undelivered > 0) --s.undelivered;
  s.over = over(delivery);
  if (!s.over) s.rearmed = 0;
  if (const auto request = s.requests.find(delivery.request); request != s.requests.end()) {
    s.buffers[request->second] = {true, over(delivery), begin, running_frame_(), 0};
    s.requests.erase(request);
  }
  if (s.freed)
    tell(Rule::freed_too_early, delivery.endpoint, delivery.request, begin,
         "memory freed when the last completion has run",
         fmt::format("a completion runs {:.1f} ms after the driver freed what it works on", ms(begin - *s.freed)));
  running_.push_back({delivery, begin, s.last ? s.last->end : 0});
}

void Diagnosis::on_callback_end(const controller::Delivery& delivery, bus::BusTime end) {
  if (running_.empty()) return;
  const Running ran = running_.back();
  running_.pop_back();
  const bus::Duration took = end - ran.begin;
  const std::uint64_t now = running_frame_();
  if (over(delivery) || took < bus::millisecond || now < ran.queued_end) return;
  tell(Rule::slow_completion, delivery.endpoint, delivery.request, end,
       "a completion that returns before what is queued has run out",
       fmt::format("it took {:.1f} ms; the last request in flight had ended with frame {}, and now is {}", ms(took),
                   ran.queued_end - 1, now));
}

void Diagnosis::on_dropped(const controller::Delivery& delivery, Dropped why, bus::BusTime at) {
  ++stream(delivery.endpoint).dropped;
  if (why == Dropped::not_served)
    tell(Rule::completion_unserved, delivery.endpoint, delivery.request, at,
         "an OSAction whose target is a served IOService",
         "the action's target is no IOService: IsochIO succeeded, and its completion never runs");
}

void Diagnosis::on_abort(usb::EndpointAddress endpoint, bool, bus::BusTime at) { stream(endpoint).aborted = at; }

void Diagnosis::on_clear_stall(usb::EndpointAddress endpoint, bus::BusTime at) {
  tell(Rule::clears_stall, endpoint, 0, at, "errors taken as those of single packets",
       "ClearStall on an isochronous pipe: it can't stall, and nothing is cleared");
}

void Diagnosis::on_task(bus::BusTime begin, bus::BusTime end) {
  if (end - begin < waiting) return;
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    const Stream& s = streams_[i];
    if (!s.aborted || *s.aborted < begin || s.undelivered <= s.dropped || s.in_flight > 0) continue;
    tell(Rule::waits_on_own_queue, usb::endpoint(i % 16, i < 16 ? usb::Direction::out : usb::Direction::in), 0, end,
         "an end of the task that aborts, so that the completions can run",
         fmt::format("waited {:.0f} ms for {} completion{} on the queue that has to deliver them", ms(end - begin),
                     s.undelivered - s.dropped, plural(s.undelivered - s.dropped)));
  }
}

// --- what the driver says -------------------------------------------------------------------------------------------

void Diagnosis::consumed(usb::EndpointAddress endpoint, std::uint64_t request, std::int32_t overall, std::size_t good,
                         std::size_t used, bus::BusTime at) {
  if (good == 0 || used != 0) return;
  tell(Rule::transfer_thrown_away, endpoint, request, at, "the entries looked at, one by one",
       fmt::format("whole transfer thrown away for its overall status 0x{:08x} although {} of its frames {} good",
                   static_cast<std::uint32_t>(overall), good, good == 1 ? "is" : "are"));
}

/// Formats may keep fewer digits; what is off by a part in a hundred is another number.
void Diagnosis::feedback_used(usb::EndpointAddress endpoint, std::uint64_t request, std::uint32_t sent,
                              std::uint32_t used, bus::BusTime at) {
  constexpr std::uint32_t part = 100;
  const std::uint32_t off = sent > used ? sent - used : used - sent;
  if (off <= sent / part) return;
  const auto samples = [](std::uint32_t q16) { return static_cast<double>(q16) / 65536.0; };
  tell(Rule::feedback_misread, endpoint, request, at, fmt::format("{:.4f} samples an interval", samples(sent)),
       fmt::format("feedback taken for {:.4f} samples: bytes or fixed point misread", samples(used)));
}

void Diagnosis::freed(usb::EndpointAddress endpoint, bus::BusTime at) { stream(endpoint).freed = at; }

void Diagnosis::waited_in_vain(usb::EndpointAddress endpoint, std::uint64_t outstanding, bus::BusTime at) {
  const Stream& s = stream(endpoint);
  if (s.dropped == 0 || outstanding == 0) return;
  tell(Rule::completion_dropped, endpoint, 0, at, "a count that does not need completions of cancelled actions",
       fmt::format("waits for {} request{} in flight; {} completion{} dropped by OSAction::Cancel", outstanding,
                   plural(outstanding), s.dropped, s.dropped == 1 ? " was" : "s were"));
}

}  // namespace isochio::check
