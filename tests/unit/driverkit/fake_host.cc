// isochio: see fake_host.h.
#include "unit/driverkit/fake_host.h"

#include <algorithm>

namespace isochio::test {

namespace {
constexpr std::uint64_t first_frame = 1000;
}

FakeHost::FakeHost(std::vector<Interface> interfaces, usb::Speed device_speed)
    : speed_(device_speed), interfaces_(std::move(interfaces)), configuration_(configuration_bytes(interfaces_)) {}

usb::FrameTime FakeHost::frame_time() const {
  const auto microframes = static_cast<std::uint64_t>(now_.bits / bus::microframe.bits);
  return {first_frame * 8 + microframes};
}

void FakeHost::at_frame(std::uint64_t frame) {
  run_until(bus::BusTime{} + bus::frame * static_cast<std::int64_t>(frame - first_frame) + bus::microsecond * 60);
}

void FakeHost::call_at(bus::BusTime at, std::function<void()> task) {
  tasks_.push({std::max(at, now_), order_++, std::move(task)});
}

bool FakeHost::run_until(bus::BusTime deadline, const std::function<bool()>& done) {
  while (!(done && done())) {
    if (tasks_.empty() || tasks_.top().at > deadline) {
      if (tasks_.empty() && done && deadline.bits == INT64_MAX) return false;  // nothing can come any more
      now_ = std::max(now_, deadline);
      return done ? done() : false;
    }
    Task task = tasks_.top();
    tasks_.pop();
    now_ = std::max(now_, task.at);
    task.run();
  }
  return true;
}

tl::expected<void, FakeHost::Status> FakeHost::set_configuration(std::uint8_t value) {
  calls.push_back("set_configuration " + std::to_string(value));
  if (!plugged) return tl::unexpected(Status::no_device);
  end_all({}, true, Status::aborted);
  pass(bus::microsecond * 100);
  configured_ = value;
  alternates_.clear();
  for (std::size_t i = 0; i < interfaces_.size(); ++i) alternates_[static_cast<std::uint8_t>(i)] = 0;
  collect_endpoints();
  return {};
}

tl::expected<void, FakeHost::Status> FakeHost::set_interface(std::uint8_t interface, std::uint8_t alternate) {
  calls.push_back("set_interface " + std::to_string(interface) + " " + std::to_string(alternate));
  if (!plugged) return tl::unexpected(Status::no_device);
  if (on_set_interface) {
    if (auto answer = on_set_interface(interface, alternate); !answer) return answer;
  }
  for (const EndpointSpec& endpoint : interfaces_.at(interface).at(alternates_[interface]))
    end_all({endpoint.address}, false, Status::aborted);
  pass(bus::microsecond * 100);
  alternates_[interface] = alternate;
  collect_endpoints();
  return {};
}

void FakeHost::collect_endpoints() {
  endpoints_.clear();
  available_.clear();
  if (configured_ == 0) return;
  for (const auto& [number, alternate] : alternates_) {
    for (const EndpointSpec& spec : interfaces_[number][alternate])
      endpoints_.push_back({{spec.address},
                            spec.type,
                            static_cast<std::uint16_t>(spec.max_packet_field & 0x7ffU),
                            static_cast<std::uint8_t>(((spec.max_packet_field >> 11U) & 3U) + 1U),
                            spec.interval > 0 ? 1U << (spec.interval - 1U) : 1U});
  }
}

const usb::EndpointConfig& FakeHost::config(usb::EndpointAddress endpoint) const {
  return *std::find_if(endpoints_.begin(), endpoints_.end(), [&](const auto& c) { return c.address == endpoint; });
}

bus::Duration FakeHost::interval(const usb::EndpointConfig& endpoint) const {
  return (speed_ == usb::Speed::high ? bus::microframe : bus::frame) * endpoint.interval;
}

tl::expected<std::size_t, FakeHost::Status> FakeHost::control(const controller::ControlSetup& setup,
                                                              std::span<std::uint8_t> data, bus::Duration) {
  pass(bus::microsecond * 50);
  if (!plugged) return tl::unexpected(Status::no_device);
  return on_control ? on_control(setup, data) : tl::unexpected(Status::stall);
}

tl::expected<void, FakeHost::Status> FakeHost::submit(controller::IsochRequest& request) {
  if (!plugged) return tl::unexpected(Status::no_device);
  const usb::EndpointConfig& endpoint = config(request.endpoint);
  std::uint64_t& available = available_[request.endpoint.value];
  const bool idle = std::none_of(flights_.begin(), flights_.end(),
                                 [&](const FlightPtr& flight) { return flight->endpoint == request.endpoint; });
  request.id = next_id_++;
  request.explicit_start = request.first_frame != 0;
  if (!request.explicit_start) request.first_frame = idle ? frame_number() + 1 : available;
  const auto start = bus::BusTime{} + bus::frame * static_cast<std::int64_t>(request.first_frame - first_frame);
  const auto length = interval(endpoint) * static_cast<std::int64_t>(request.entries.size());
  available = request.first_frame + static_cast<std::uint64_t>(length / bus::frame);
  const auto flight = std::make_shared<Flight>(Flight{&request, nullptr, request.endpoint});
  flights_.push_back(flight);
  std::size_t offset = 0;
  for (std::size_t i = 0; i < request.entries.size(); ++i) {
    const std::size_t at = offset;
    offset += request.entries[i].request;
    call_at(start + interval(endpoint) * static_cast<std::int64_t>(i + 1), [this, flight, i, at] {
      if (flight->over) return;
      controller::IsochRequest& running = *flight->isoch;
      controller::IsochEntry& entry = running.entries[i];
      entry.complete = entry.request;
      entry.status = on_isoch ? on_isoch(running, i, running.data.subspan(at, entry.request)) : Status::ok;
      entry.time = now_;
      running.client->on_entry(running, i);
      if (i + 1 == running.entries.size()) end(flight, Status::ok);
    });
  }
  return {};
}

tl::expected<void, FakeHost::Status> FakeHost::submit(controller::BulkRequest& request) {
  if (!plugged) return tl::unexpected(Status::no_device);
  request.id = next_id_++;
  const auto flight = std::make_shared<Flight>(Flight{nullptr, &request, request.endpoint});
  flights_.push_back(flight);
  call_at(now_ + bus::microsecond * 100, [this, flight] {
    if (flight->over) return;
    flight->bulk->complete = flight->bulk->data.size();
    end(flight, on_bulk ? on_bulk(*flight->bulk) : Status::ok);
  });
  return {};
}

void FakeHost::end(const FlightPtr& flight, Status status) {
  flight->over = true;
  call_at(now_ + latency, [this, flight, status] {
    std::erase(flights_, flight);
    if (flight->isoch != nullptr) {
      flight->isoch->client->on_complete(*flight->isoch, status);
    } else {
      flight->bulk->status = status;
      flight->bulk->on_complete(*flight->bulk);
    }
  });
}

void FakeHost::end_all(usb::EndpointAddress endpoint, bool everything, Status status) {
  for (const FlightPtr& flight : flights_)
    if (!flight->over && (everything || flight->endpoint == endpoint)) end(flight, status);
}

void FakeHost::abort(usb::EndpointAddress endpoint) { end_all(endpoint, false, Status::aborted); }

void FakeHost::unplug() {
  plugged = false;
  end_all({}, true, Status::no_device);
}

tl::expected<void, FakeHost::Status> FakeHost::clear_halt(usb::EndpointAddress endpoint, bool with_request) {
  calls.push_back("clear_halt " + std::to_string(endpoint.value) + (with_request ? " with request" : ""));
  return {};
}

tl::expected<void, std::string> FakeHost::reset_device() {
  calls.emplace_back("reset");
  end_all({}, true, Status::aborted);
  pass(bus::millisecond * 20);
  endpoints_.clear();
  alternates_.clear();
  return {};
}

}  // namespace isochio::test
