#include "controller/bulk_pipe.h"

#include <algorithm>

#include "controller/timing.h"

namespace isochio::controller {

bool BulkPipe::polls_in(usb::FrameTime t) const {
  const std::uint64_t number = speed_ == usb::Speed::full ? t.frame() : t.value;
  return number % config_.interval == phase_;
}

bus::Duration BulkPipe::longest() const { return timing::longest_acknowledged(speed_, config_.max_packet); }

Outcome BulkPipe::attempt(TransactionEngine& engine, std::uint8_t address, BulkRequest& request, bool& complete) {
  const std::uint8_t number = config_.address.number();
  const std::size_t left = request.data.size() - request.complete;
  std::size_t moved = std::min<std::size_t>(left, config_.max_packet);
  Outcome outcome;
  if (config_.address.is_in()) {
    outcome =
        attempt_in(engine, flow_, address, number, config_.max_packet, request.data.subspan(request.complete), moved);
  } else {
    const bool pinged = speed_ == usb::Speed::high && !interrupt();
    outcome = attempt_out(engine, flow_, usb::Pid::out, address, number, request.data.subspan(request.complete, moved),
                          pinged);
  }
  if (outcome == Outcome::moved) {
    request.complete += moved;
    complete = request.complete == request.data.size() || (config_.address.is_in() && moved < config_.max_packet);
  }
  return outcome;
}

BulkPipe::Ended BulkPipe::transact(TransactionEngine& engine, std::uint8_t address, bus::BusTime now,
                                   bus::Duration nak_pause, std::uint64_t& naks, std::uint64_t& retries) {
  bool complete = false;
  const unsigned errors = flow_.errors;
  switch (attempt(engine, address, *queue_.front().request, complete)) {
    case Outcome::moved:
      return complete ? end_head(Status::ok) : Ended{};
    case Outcome::nothing:
      if (flow_.errors > errors) ++retries;
      return {};
    case Outcome::nak:
      ++naks;
      not_before_ = now + nak_pause;
      return {};
    case Outcome::stall:
      halted_ = true;
      return end_head(Status::stall);
    case Outcome::failed:
      break;
  }
  halted_ = true;
  return end_head(flow_.error);
}

BulkPipe::Ended BulkPipe::end_head(Status status) {
  const Slot slot = queue_.front();
  queue_.pop_front();
  slot.request->status = status;
  return {slot.request, slot.begin};
}

BulkPipe::Ended BulkPipe::end(std::uint64_t id, Status status) {
  const auto found = std::find_if(queue_.begin(), queue_.end(), [&](const Slot& s) { return s.request->id == id; });
  if (found == queue_.end()) return {};
  const Slot slot = *found;
  queue_.erase(found);
  slot.request->status = status;
  return {slot.request, slot.begin};
}

void BulkPipe::clear_halt() {
  halted_ = false;
  flow_ = {};
  not_before_ = {};
}

}  // namespace isochio::controller
