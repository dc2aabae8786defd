#include "controller/isoch_pipe.h"

#include <algorithm>
#include <cstring>

#include "controller/timing.h"

namespace isochio::controller {

using usb::Pid;
using usb::Speed;

IsochPipe::IsochPipe(const usb::EndpointConfig& config, Speed speed, std::uint32_t phase, const SimHostOptions& options)
    : config_(config), speed_(speed), phase_(phase), options_(options) {}

Status IsochPipe::check(const IsochRequest& request) const {
  const std::size_t n = request.entries.size();
  if (n == 0 || n > (request.by_interval ? most_intervals : most_entries)) return Status::bad_argument;
  if (!request.by_interval && !fills_whole_frames(n, config_.interval, speed_)) return Status::bad_argument;
  std::uint64_t bytes = 0;
  for (const IsochEntry& entry : request.entries) {
    if (entry.request > config_.capacity()) return Status::bad_argument;
    bytes += entry.request;
  }
  if (bytes > request.data.size()) return Status::bad_argument;
  if (request.first_frame % frame_alignment(config_.interval, speed_) != 0) return Status::bad_argument;
  return Status::ok;
}

tl::expected<usb::FrameTime, Status> IsochPipe::place(const IsochRequest& request, usb::FrameTime now) const {
  if (queue_.size() >= options_.pipe_depth) return tl::unexpected(Status::no_resources);
  const std::uint64_t frame = now.frame();
  const std::uint64_t beyond_threshold = (now.value + options_.threshold_microframes + 1 + 7) / 8;
  const std::uint64_t earliest = options_.threshold_microframes == 0
                                     ? frame + options_.keep_away_frames
                                     : std::max(frame + options_.keep_away_frames, beyond_threshold);
  const std::uint64_t alignment = frame_alignment(config_.interval, speed_);
  const auto align = [alignment](std::uint64_t f) { return (f + alignment - 1) / alignment * alignment; };
  if (request.first_frame == 0) {
    if (request.by_interval && available_ > now) return available_;
    if (!queue_.empty()) return usb::FrameTime::of(align((available_.value + 7) / 8));
    return usb::FrameTime::of(align(std::max(frame + 1, earliest)));
  }
  if (!queue_.empty()) {
    if (continuous_) return tl::unexpected(Status::bad_argument);
    if (usb::FrameTime::of(request.first_frame) < available_) return tl::unexpected(Status::too_old);
  }
  const bool past = request.first_frame < earliest;
  const bool forgiven = options_.accept_past_frames && request.first_frame + options_.horizon_frames >= frame;
  if (past && !forgiven) return tl::unexpected(Status::too_old);
  if (request.first_frame > frame + options_.horizon_frames) return tl::unexpected(Status::too_new);
  return usb::FrameTime::of(request.first_frame);
}

void IsochPipe::push(IsochRequest& request, usb::FrameTime start) {
  if (queue_.empty()) continuous_ = false;
  continuous_ |= request.first_frame == 0;
  request.explicit_start = request.first_frame != 0;
  request.first_frame = start.frame();
  request.first_microframe = static_cast<std::uint8_t>(start.microframe());
  available_ = {start.value + request.entries.size() * config_.interval * unit()};
  queue_.push_back({&request, 0, 0, Status::ok, start});
  if (queue_.size() == 1) next_service_ = service_of(queue_.front());
}

usb::FrameTime IsochPipe::service_of(const Slot& slot) const {
  return {slot.start.value + (slot.entry * config_.interval + phase_) * unit()};
}

bus::Duration IsochPipe::longest() const {
  if (config_.address.is_in()) return timing::longest_isochronous_in(speed_, config_.max_packet);
  const Slot& slot = queue_.front();
  const std::uint32_t left = slot.request->entries[slot.entry].request - moved_;
  return timing::longest_isochronous_out(speed_, std::min<std::uint32_t>(left, config_.max_packet));
}

Status IsochPipe::transact(TransactionEngine& engine, std::uint8_t address) {
  return config_.address.is_in() ? transact_in(engine, address) : transact_out(engine, address);
}

// MDATA for all but the last, which says how many there were: DATA0, DATA1, DATA2 [5.9.2]. Full speed: DATA0.
Status IsochPipe::transact_out(TransactionEngine& engine, std::uint8_t address) {
  constexpr Pid last_pids[] = {Pid::data0, Pid::data1, Pid::data2};
  const Slot& slot = queue_.front();
  const std::uint32_t bytes = slot.request->entries[slot.entry].request;
  const std::uint32_t count = transactions_of(bytes, config_.max_packet);
  const std::uint32_t size = std::min<std::uint32_t>(bytes - moved_, config_.max_packet);
  const bool last = transaction_ + 1 == count;
  engine.out(Pid::out, address, config_.address.number(), last ? last_pids[count - 1] : Pid::mdata,
             slot.request->data.subspan(slot.offset + moved_, size), false);
  ++transaction_;
  moved_ += size;
  return last ? Status::ok : Status::pending;
}

Status IsochPipe::transact_in(TransactionEngine& engine, std::uint8_t address) {
  const Answer answer = engine.in(address, config_.address.number());
  if (answer.status != Status::ok) return answer.status;
  // An isochronous endpoint has no handshake to give [8.5.5].
  if (!answer.is_data()) return Status::pid_error;
  if (!pid_allowed(answer.pid)) return Status::sequence_error;
  return take(answer.pid, answer.payload);
}

// The first PID says how many follow: DATA2 two, DATA1 one, DATA0 none; then they count down [5.9.2]. At full speed a
// host accepts DATA0 and DATA1 alike. MDATA is for OUT [8.5.5].
bool IsochPipe::pid_allowed(Pid pid) const {
  if (pid == Pid::mdata) return false;
  if (speed_ == Speed::full) return pid != Pid::data2;
  if (transaction_ != 0) return last_pid_ == Pid::data2 ? pid == Pid::data1 : pid == Pid::data0;
  const unsigned follow = pid == Pid::data2 ? 2 : pid == Pid::data1 ? 1 : 0;
  return follow < config_.transactions;
}

Status IsochPipe::take(Pid pid, std::span<const std::uint8_t> payload) {
  const Slot& slot = queue_.front();
  const std::uint32_t asked = slot.request->entries[slot.entry].request;
  const std::size_t fits = std::min<std::size_t>(payload.size(), asked - moved_);
  if (fits != 0) std::memcpy(slot.request->data.data() + slot.offset + moved_, payload.data(), fits);
  moved_ += static_cast<std::uint32_t>(fits);
  if (fits < payload.size() || payload.size() > config_.max_packet) return Status::overrun;
  ++transaction_;
  last_pid_ = pid;
  if (speed_ == Speed::high && pid != Pid::data0) return Status::pending;
  return moved_ < asked ? Status::short_packet : Status::ok;
}

IsochPipe::Ended IsochPipe::finish(Status status, bus::BusTime now, bool served) {
  Slot& slot = queue_.front();
  IsochEntry& entry = slot.request->entries[slot.entry];
  // What was not sent counts 0 bytes, whatever the first of several transactions moved [driverkit-facts 2.4].
  const bool not_sent = status == Status::missed || status == Status::aborted || status == Status::no_device;
  entry.complete = not_sent ? 0 : moved_;
  entry.status = status;
  entry.time = now;
  slot.overall = accumulate(slot.overall, status);
  const usb::FrameTime service = service_of(slot);
  if (served) last_service_ = service;
  moved_ = transaction_ = 0;
  Ended ended{slot.request, slot.entry, false, slot.overall, service};
  slot.offset += entry.request;
  if (++slot.entry == slot.request->entries.size()) {
    ended.last = true;
    queue_.pop_front();
  }
  next_service_ = queue_.empty() ? never : service_of(queue_.front());
  return ended;
}

void IsochPipe::restart() {
  available_ = {};
  continuous_ = false;
}

}  // namespace isochio::controller
