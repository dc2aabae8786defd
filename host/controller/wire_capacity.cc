// How many isochronous transactions the wire takes: the measurement beside the arithmetic of tables 5-4 and 5-5.
#include <algorithm>

#include "controller/sim_controller.h"
#include "controller/timing.h"
#include "usb/bandwidth.h"

namespace isochio::controller {

using bus::BusTime;
using bus::Duration;

namespace {

/// Bytes whose data packet needs no stuffing: zeros but for the last bytes, which turn the CRC until it has no six
/// ones.
std::vector<std::uint8_t> unstuffed(std::uint32_t size) {
  std::vector<std::uint8_t> payload(size), packet(size + usb::data_overhead);
  for (unsigned tail = 0; tail < 65536; ++tail) {
    payload[size - 1] = static_cast<std::uint8_t>(tail & 0xffU);
    if (size > 1) payload[size - 2] = static_cast<std::uint8_t>(tail >> 8U);
    usb::make_data(usb::Pid::data0, payload, packet);
    if (usb::stuffed_bits(packet) == 0) break;
  }
  return payload;
}

}  // namespace

/// Transactions back to back from now on; returns how many were over by `end`.
std::uint32_t SimController::fill(usb::EndpointAddress endpoint, std::span<const std::uint8_t> payload, BusTime end) {
  const auto size = static_cast<std::int64_t>(payload.size());
  Duration longest =
      endpoint.is_in() ? timing::longest_isochronous_in(speed_, size) : timing::longest_isochronous_out(speed_, size);
  for (std::uint32_t count = 0;; ++count) {
    const BusTime begin = std::max(link_.now(), engine_.earliest());
    // What one took, the next one takes; only before the first we have to think of the worst.
    if (begin + longest > end) return count;
    ++counters_.isochronous;
    if (endpoint.is_in()) {
      const Answer answer = engine_.in(address_, endpoint.number());
      if (!answer.is_data() || answer.payload.size() != payload.size()) return count;
    } else {
      engine_.out(usb::Pid::out, address_, endpoint.number(), usb::Pid::data0, payload, false);
    }
    if (link_.now() > end) return count;
    longest = link_.now() - begin;
  }
}

tl::expected<WireCapacity, Status> SimController::measure_capacity(usb::EndpointAddress endpoint,
                                                                   std::uint32_t payload) {
  if (!options_.lift_periodic_limit) return tl::unexpected(Status::not_permitted);
  if (!connected_) return tl::unexpected(Status::no_device);
  if (!running_) return tl::unexpected(Status::not_ready);
  if (payload == 0 || payload > (speed_ == usb::Speed::high ? 1024U : 1023U)) {
    return tl::unexpected(Status::bad_argument);
  }
  const auto bytes = unstuffed(payload);
  WireCapacity capacity;
  const std::uint64_t sofs = counters_.sof;
  run_until(EventQueue::never, [&] { return counters_.sof > sofs; });
  capacity.in_frame = fill(endpoint, bytes, next_sof_ - timing::end_of_frame_guard(speed_));
  link_.advance(next_sof_);
  const BusTime begin = std::max(link_.now(), engine_.earliest());
  link_.advance(begin);
  capacity.in_interval = fill(endpoint, bytes, begin + timing::frame_interval(speed_));
  start(speed_);
  return capacity;
}

}  // namespace isochio::controller
