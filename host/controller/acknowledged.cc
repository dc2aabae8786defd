#include "controller/acknowledged.h"

#include <algorithm>

#include "controller/timing.h"

namespace isochio::controller {

using usb::Pid;

namespace {

Outcome count_error(Flow& flow, Status error) {
  flow.error = error;
  return ++flow.errors < timing::attempts ? Outcome::nothing : Outcome::failed;
}

constexpr Pid data_pid(const Flow& flow) { return flow.toggle ? Pid::data1 : Pid::data0; }

Outcome attempt_ping(TransactionEngine& engine, Flow& flow, std::uint8_t address, std::uint8_t endpoint) {
  const Answer answer = engine.ping(address, endpoint);
  if (answer.status != Status::ok) return count_error(flow, answer.status);
  if (answer.pid == Pid::nyet) return count_error(flow, Status::pid_error);
  flow.errors = 0;
  if (answer.pid == Pid::stall) return Outcome::stall;
  if (answer.pid == Pid::nak) return Outcome::nak;
  flow.ping = false;
  return Outcome::nothing;
}

}  // namespace

Outcome attempt_out(TransactionEngine& engine, Flow& flow, Pid token, std::uint8_t address, std::uint8_t endpoint,
                    std::span<const std::uint8_t> payload, bool pinged) {
  if (pinged && flow.ping) return attempt_ping(engine, flow, address, endpoint);
  const Answer answer = engine.out(token, address, endpoint, data_pid(flow), payload, true);
  const bool nyet = answer.is(Pid::nyet);
  if (answer.status != Status::ok || (nyet && !pinged) || (token == Pid::setup && answer.pid != Pid::ack)) {
    flow.ping = pinged;  // after a timeout the host asks first, too [8.5.1]
    return count_error(flow, answer.status != Status::ok ? answer.status : Status::pid_error);
  }
  flow.errors = 0;
  if (answer.pid == Pid::stall) return Outcome::stall;
  flow.ping = pinged && answer.pid != Pid::ack;
  if (answer.pid == Pid::nak) return Outcome::nak;
  flow.toggle = !flow.toggle;
  return Outcome::moved;
}

Outcome attempt_in(TransactionEngine& engine, Flow& flow, std::uint8_t address, std::uint8_t endpoint,
                   std::size_t max_packet, std::span<std::uint8_t> room, std::size_t& moved) {
  const Answer answer = engine.in(address, endpoint);
  if (answer.status != Status::ok) return count_error(flow, answer.status);
  if (answer.pid == Pid::stall || answer.pid == Pid::nak) {
    flow.errors = 0;
    return answer.pid == Pid::stall ? Outcome::stall : Outcome::nak;
  }
  if (answer.pid != Pid::data0 && answer.pid != Pid::data1) return count_error(flow, Status::pid_error);
  if (answer.pid != data_pid(flow)) {
    // The device did not hear our last ACK and repeats: acknowledge and drop [8.6.4].
    engine.acknowledge();
    return Outcome::nothing;
  }
  moved = answer.payload.size();
  if (moved > room.size() || moved > max_packet) {
    flow.error = Status::overrun;
    return Outcome::failed;
  }
  std::copy(answer.payload.begin(), answer.payload.end(), room.begin());  // it is gone with the next packet
  engine.acknowledge();
  flow.errors = 0;
  flow.toggle = !flow.toggle;
  return Outcome::moved;
}

}  // namespace isochio::controller
