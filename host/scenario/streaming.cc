#include "scenario/streaming.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

namespace isochio::scenario {
namespace {

/// A stream without any completion for this long, beside the time of one request, is stuck. A real machine may be busy.
constexpr bus::Duration stuck_time = 2 * bus::second, stuck_time_real = 10 * bus::second;

}  // namespace

Streaming::Streaming(StreamingContext context)
    : context_(context),
      shared_{context.runtime,
              context.ids,
              context.suite.reporter(),
              context.scenario.speed,
              context.scenario.frames,
              context.real_host,
              context.diagnosis,
              context.scenario.may_vanish(),
              context.scenario.expect.has_value(),
              context.buffered,
              context.scenario.promised()} {
  std::vector<Loop*> isoch_loops(context_.plan.streams.size()), bulk_loops(context_.plan.bulk.size());
  make_loops(isoch_loops, bulk_loops);
  make_isochronous(isoch_loops);
  make_bulk(bulk_loops);
  follow_feedback();
}

void Streaming::make_loops(std::vector<Loop*>& isoch_loops, std::vector<Loop*>& bulk_loops) {
  const auto join = [&](const std::vector<StreamTarget>& targets, std::vector<Loop*>& loops, auto bytes_in_flight,
                        std::FILE* received) {
    for (std::size_t i = 0; i < targets.size(); ++i) {
      if (!targets[i].source) continue;
      // What is in the requests in flight, in the device, and a margin for what comes late.
      const auto capacity = 2 * bytes_in_flight(*targets[i].source) + (std::size_t{1} << 17U);
      loops_.push_back(std::make_unique<Loop>(context_.suite.reporter(), capacity, received));
      loops[i] = loops[*targets[i].source] = loops_.back().get();
      returns_.emplace_back(targets[i].endpoint.address, loops_.back().get());
    }
  };
  const auto& scenario = context_.scenario;
  const auto& plan = context_.plan;
  join(
      plan.streams, isoch_loops,
      [&](std::size_t i) {
        const std::size_t intervals =
            std::size_t{scenario.speed == usb::Speed::high ? 8U : 1U} * scenario.streams[i].frames_per_request;
        return intervals / plan.streams[i].endpoint.interval * plan.streams[i].endpoint.capacity() *
               scenario.streams[i].depth;
      },
      context_.received);
  join(
      plan.bulk, bulk_loops,
      [&](std::size_t i) { return std::size_t{scenario.bulk[i].bytes} * scenario.bulk[i].depth; }, nullptr);
}

void Streaming::make_isochronous(const std::vector<Loop*>& loops) {
  const auto& plans = context_.scenario.streams;
  for (std::size_t i = 0; i < plans.size(); ++i) {
    const auto& target = context_.plan.streams[i];
    context_.suite.watch({target.endpoint.address, target.pattern, target.seed, context_.scenario.promised()});
    if (context_.timeline != nullptr && plans[i].payload == Payload::feedback) show_feedback(i);
    streams_.push_back(std::make_unique<IsochStream>(shared_, plans[i], target, loops[i]));
  }
}

void Streaming::make_bulk(const std::vector<Loop*>& loops) {
  for (std::size_t i = 0; i < context_.plan.bulk.size(); ++i) {
    const auto& target = context_.plan.bulk[i];
    context_.suite.watch({target.endpoint.address, target.pattern, target.seed});
    bulk_.push_back(std::make_unique<BulkStream>(shared_, context_.scenario.bulk[i], target, loops[i]));
  }
}

void Streaming::show_feedback(std::size_t stream) {
  const auto samples = [](FeedbackValue value) { return static_cast<double>(value.q16) / 65536.0; };
  const auto speed = context_.scenario.speed;
  context_.timeline->add_feedback(
      {context_.plan.streams[stream].endpoint.address,
       samples(FeedbackValue::of_rate(context_.scenario.streams[stream].size.sample_rate, speed)),
       [samples, speed](std::span<const std::uint8_t> bytes) -> std::optional<double> {
         const auto value = FeedbackValue::read(bytes, speed);
         if (!value) return std::nullopt;
         return samples(*value);
       }});
}

/// Streams whose sizes follow a feedback stream get its values.
void Streaming::follow_feedback() {
  const auto& plans = context_.scenario.streams;
  for (std::size_t i = 0; i < streams_.size(); ++i)
    for (std::size_t j = 0; j < streams_.size(); ++j)
      if (plans[j].size.kind == SizePlan::Kind::feedback && plans[j].size.source == plans[i].name)
        streams_[i]->on_feedback(
            [follower = streams_[j].get()](FeedbackValue value) { follower->set_feedback(value); });
}

void Streaming::start() {
  auto& host = context_.host;
  start_frame_ = host.frame_number();
  start_time_ = host.now();
  if (streams_.empty()) {
    context_.faults.begin_now(host);
  } else {
    context_.faults.begin(host);
  }
  start_streams();
  block_queue();
}

std::uint64_t Streaming::first_frame() const {
  std::uint64_t first = UINT64_MAX;
  for (const auto& stream : streams_) first = std::min(first, stream->first_frame());
  return streams_.empty() ? start_frame_ + 1 : first;
}

/// Where no first frame can be placed, whoever takes things back must be there before they are sent.
void Streaming::start_streams() {
  const auto interface_of = [this](const auto& plan) { return context_.runtime.interface(plan.interface); };
  const auto early = [this](std::size_t i) { return shared_.unplaced && context_.plan.streams[i].source.has_value(); };
  for (const bool now : {true, false})
    for (std::size_t i = 0; i < streams_.size(); ++i)
      if (early(i) == now) streams_[i]->start(interface_of(context_.scenario.streams[i]));
  for (std::size_t i = 0; i < bulk_.size(); ++i) bulk_[i]->start(interface_of(context_.scenario.bulk[i]));
}

/// Now and then, until the run is over.
void Streaming::block_queue() {
  const auto& software = context_.scenario.software;
  if (software.queue_block.bits == 0) return;
  context_.host.call_at(context_.host.now() + software.queue_block_every, [this] {
    if (abandoned_ || finished()) return;
    context_.runtime.block_queue(context_.scenario.software.queue_block);
    block_queue();
  });
}

bool Streaming::finished() const {
  if (!error().empty()) return true;
  if (streams_.empty()) return elapsed_frames() >= context_.scenario.frames;
  return std::all_of(streams_.begin(), streams_.end(), [](const auto& stream) { return stream->finished(); });
}

std::string Streaming::error() const {
  for (const auto& stream : streams_)
    if (!stream->error().empty()) return stream->error();
  for (const auto& stream : bulk_)
    if (!stream->error().empty()) return stream->error();
  if (life_ != nullptr && !life_->error().empty()) return life_->error();
  return context_.runtime.hung();
}

std::string Streaming::stuck() {
  const LastSign now{0, context_.host.frame_number(), context_.host.now()};
  last_signs_.resize(streams_.size(), now);
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    auto& last = last_signs_[i];
    const auto& plan = streams_[i]->plan();
    const auto limit = (context_.real_host ? stuck_time_real : stuck_time) + plan.frames_per_request * bus::frame;
    const bool quiet = !streams_[i]->waits_for_completion() || (life_ != nullptr && life_->pending());
    if (quiet || streams_[i]->completions() != last.completions) {
      last = now;
      last.completions = streams_[i]->completions();
    } else if (now.at - last.at > limit) {
      return fmt::format("stream {}: no request has completed since frame {}", plan.name, last.frame);
    }
  }
  return {};
}

void Streaming::end() {
  for (const auto& stream : streams_) stream->stop();
  for (const auto& stream : bulk_) stream->drain();
  const auto quiet = [this] {
    return std::all_of(streams_.begin(), streams_.end(), [](const auto& stream) { return stream->finished(); }) &&
           std::all_of(bulk_.begin(), bulk_.end(), [](const auto& stream) { return stream->drained(); });
  };
  context_.runtime.run_until(quiet, 500 * bus::frame);
  for (const auto& stream : bulk_)
    if (stream->in_flight()) stream->abort();
  const auto none_in_flight = [this] {
    return std::none_of(bulk_.begin(), bulk_.end(), [](const auto& stream) { return stream->in_flight(); });
  };
  context_.runtime.run_until(none_in_flight, 100 * bus::frame);
}

void Streaming::abandon() {
  abandoned_ = true;
  for (const auto& stream : streams_) stream->stop();
}

std::uint64_t Streaming::frames_done() const {
  std::uint64_t least = UINT64_MAX;
  for (const auto& stream : streams_) least = std::min(least, stream->frames_done());
  return streams_.empty() ? 0 : least;
}

}  // namespace isochio::scenario
