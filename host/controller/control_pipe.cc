#include "controller/control_pipe.h"

#include <algorithm>
#include <array>

#include "controller/timing.h"

namespace isochio::controller {

using usb::Pid;

namespace {
constexpr bool is_in(const ControlSetup& setup) { return (setup.request_type & 0x80U) != 0; }
}  // namespace

void ControlPipe::reset(usb::Speed speed) {
  speed_ = speed;
  max_packet_ = high() ? 64 : 8;
  not_before_ = {};
}

void ControlPipe::push(ControlTransfer& transfer) {
  queue_.push_back(&transfer);
  if (queue_.size() == 1) begin_stage(Stage::setup);
}

bus::Duration ControlPipe::longest() const {
  return timing::longest_acknowledged(speed_, std::max<std::uint16_t>(8, max_packet_));
}

void ControlPipe::begin_stage(Stage stage) {
  stage_ = stage;
  // SETUP is DATA0, the first data packet and the status stage are DATA1 [8.5.3].
  flow_ = {.toggle = stage != Stage::setup};
}

Outcome ControlPipe::attempt_setup(TransactionEngine& engine, std::uint8_t address, const ControlSetup& setup) {
  const auto low = [](std::uint16_t word) { return static_cast<std::uint8_t>(word & 0xffU); };
  const auto upper = [](std::uint16_t word) { return static_cast<std::uint8_t>(word >> 8U); };
  const std::array<std::uint8_t, 8> bytes{setup.request_type, setup.request,      low(setup.value),
                                          upper(setup.value), low(setup.index),   upper(setup.index),
                                          low(setup.length),  upper(setup.length)};
  const Outcome outcome = attempt_out(engine, flow_, Pid::setup, address, 0, bytes, false);
  if (outcome == Outcome::moved) begin_stage(setup.length != 0 ? Stage::data : Stage::status);
  return outcome;
}

Outcome ControlPipe::attempt_data(TransactionEngine& engine, std::uint8_t address, ControlTransfer& transfer) {
  const std::size_t left = transfer.setup.length - transfer.complete;
  std::size_t moved = std::min<std::size_t>(left, max_packet_);
  Outcome outcome;
  if (is_in(transfer.setup)) {
    outcome = attempt_in(engine, flow_, address, 0, max_packet_, transfer.data.subspan(transfer.complete, left), moved);
  } else {
    outcome = attempt_out(engine, flow_, Pid::out, address, 0, transfer.data.subspan(transfer.complete, moved), high());
  }
  if (outcome != Outcome::moved) return outcome;
  transfer.complete += moved;
  if (transfer.complete == transfer.setup.length || moved < max_packet_) begin_stage(Stage::status);
  return outcome;
}

Outcome ControlPipe::attempt_status(TransactionEngine& engine, std::uint8_t address, ControlTransfer& transfer) {
  const bool in_data = is_in(transfer.setup) && transfer.setup.length != 0;
  if (in_data) return attempt_out(engine, flow_, Pid::out, address, 0, {}, high());
  std::size_t moved = 0;
  return attempt_in(engine, flow_, address, 0, max_packet_, {}, moved);
}

Outcome ControlPipe::attempt(TransactionEngine& engine, std::uint8_t address) {
  ControlTransfer& transfer = *queue_.front();
  switch (stage_) {
    case Stage::setup:
      return attempt_setup(engine, address, transfer.setup);
    case Stage::data:
      return attempt_data(engine, address, transfer);
    case Stage::status:
      break;
  }
  const Outcome outcome = attempt_status(engine, address, transfer);
  if (outcome == Outcome::moved) end_head(Status::ok);
  return outcome;
}

void ControlPipe::transact(TransactionEngine& engine, std::uint8_t address, bus::BusTime now, bus::Duration nak_pause,
                           std::uint64_t& naks, std::uint64_t& retries) {
  const unsigned errors = flow_.errors;
  switch (attempt(engine, address)) {
    case Outcome::moved:
      return;
    case Outcome::nothing:
      if (flow_.errors > errors) ++retries;
      return;
    case Outcome::nak:
      ++naks;
      not_before_ = now + nak_pause;
      return;
    case Outcome::stall:
      return end_head(Status::stall);
    case Outcome::failed:
      return end_head(flow_.error);
  }
}

void ControlPipe::end_head(Status status) {
  ControlTransfer& transfer = *queue_.front();
  queue_.pop_front();
  not_before_ = {};
  begin_stage(Stage::setup);
  finish(transfer, status);
}

void ControlPipe::finish(ControlTransfer& transfer, Status status) {
  transfer.status = status;
  if (transfer.on_end) transfer.on_end();
}

void ControlPipe::end(std::uint64_t id, Status status) {
  if (!queue_.empty() && queue_.front()->id == id) return end_head(status);
  std::erase_if(queue_, [&](ControlTransfer* transfer) {
    if (transfer->id != id) return false;
    finish(*transfer, status);
    return true;
  });
}

void ControlPipe::end_all(Status status) {
  while (!queue_.empty()) end_head(status);
}

}  // namespace isochio::controller
