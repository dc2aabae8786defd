// isochio: a suite of checks on a hand-made bus, and a host that asks for one isochronous request.
#pragma once

#include <doctest/doctest.h>

#include "check/suite.h"
#include "support/bus_script.h"

namespace isochio::test {

using check::Rule;
using controller::Status;
using usb::Pid;
using Bytes = BusScript::Bytes;

struct CheckFixture {
  static constexpr std::uint64_t first_frame = 5000;

  explicit CheckFixture(usb::EndpointConfig config, usb::Speed speed = usb::Speed::high,
                        check::SuiteOptions options = {})
      : suite((options.first_frame = first_frame, options), sink), bus(suite, speed), endpoint(config) {
    suite.on_endpoints(std::span(&endpoint, 1), speed, {});
  }

  /// `n` entries of `bytes` from frame first_frame + 1 on.
  void submit(std::size_t n, std::uint32_t bytes) {
    request.id = 1;
    request.endpoint = endpoint.address;
    request.first_frame = first_frame + 1;
    request.entries.assign(n, {bytes, 0, Status::pending, {}});
    data.assign(n * bytes, 0);
    request.data = data;
    suite.on_submit(request, bus.now());
  }
  /// (Micro)frame in which entry `i` is due.
  usb::FrameTime due(std::size_t i) const {
    return check::service_window(request.first_frame, i, endpoint.interval, bus.speed()).begin;
  }
  void entry(std::size_t i, Status status, std::uint32_t complete) {
    request.entries[i].status = status;
    request.entries[i].complete = complete;
    suite.on_entry(request, i, bus.now());
  }
  void complete(Status overall = Status::ok) {
    suite.on_complete(request, overall, bus.now(), bus.now() + 5 * bus::microsecond);
    suite.finish(bus.now());
  }
  /// An IN transaction of the endpoint.
  void in(Pid pid, const Bytes& payload) {
    bus.token(Pid::in, endpoint.address.number());
    bus.device_data(pid, payload);
  }
  void out(Pid pid, const Bytes& payload) {
    bus.token(Pid::out, endpoint.address.number());
    bus.host_data(pid, payload);
  }
  /// The payload of packet `sequence` of the pattern.
  static Bytes pattern(std::uint32_t sequence, usb::FrameTime at, std::size_t size) {
    Bytes b(size);
    check::make_packet(check::Pattern::prbs, check::default_seed, sequence, at, b);
    return b;
  }
  /// Entry `i` gets `payload` into its place in the request's data.
  void give(std::size_t i, const Bytes& payload) {
    std::copy(payload.begin(), payload.end(),
              request.data.begin() + static_cast<std::ptrdiff_t>(i * request.entries[i].request));
  }

  KeptViolations sink;
  check::Suite suite;
  BusScript bus;
  usb::EndpointConfig endpoint;
  controller::IsochRequest request;
  Bytes data;
};

inline usb::EndpointConfig iso(std::uint8_t address, std::uint16_t max_packet, std::uint8_t transactions = 1,
                               std::uint32_t interval = 1) {
  return {{address}, usb::TransferType::isochronous, max_packet, transactions, interval};
}
inline usb::EndpointConfig bulk(std::uint8_t address) { return {{address}, usb::TransferType::bulk, 512, 1, 1}; }

}  // namespace isochio::test
