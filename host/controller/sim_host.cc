#include "controller/sim_host.h"

#include "controller/device_session.h"
#include "controller/root_port.h"
#include "controller/sim_controller.h"

namespace isochio::controller {

struct SimHost::Parts {
  Parts(bus::Link& link, const SimHostOptions& options)
      : controller(link, options), port(controller), device(controller, port) {}

  SimController controller;
  RootPort port;
  DeviceSession device;
};

SimHost::SimHost(bus::Link& link, const SimHostOptions& options) : parts_(std::make_unique<Parts>(link, options)) {}
SimHost::~SimHost() = default;

bus::BusTime SimHost::now() const { return parts_->controller.now(); }
std::uint64_t SimHost::frame_number() const { return parts_->controller.clock().frame(now()); }
usb::FrameTime SimHost::frame_time() const { return parts_->controller.frame_time(); }
void SimHost::call_at(bus::BusTime at, std::function<void()> task) { parts_->controller.call_at(at, std::move(task)); }
bool SimHost::run_until(bus::BusTime deadline, const std::function<bool()>& done) {
  return parts_->controller.run_until(deadline, done);
}

tl::expected<void, std::string> SimHost::enumerate() { return parts_->device.enumerate(); }
usb::Speed SimHost::speed() const { return parts_->device.speed(); }
std::uint8_t SimHost::address() const { return parts_->controller.address(); }
bool SimHost::connected() const { return parts_->controller.connected(); }
std::span<const std::uint8_t> SimHost::device_descriptor() const { return parts_->device.device_descriptor(); }
std::span<const std::uint8_t> SimHost::configuration_descriptor() const {
  return parts_->device.configuration_descriptor();
}

tl::expected<void, Status> SimHost::set_configuration(std::uint8_t value) {
  return parts_->device.set_configuration(value);
}
tl::expected<void, Status> SimHost::set_interface(std::uint8_t interface, std::uint8_t alternate) {
  return parts_->device.set_interface(interface, alternate);
}
std::uint8_t SimHost::alternate(std::uint8_t interface) const { return parts_->device.alternate(interface); }
std::span<const usb::EndpointConfig> SimHost::endpoints() const { return parts_->device.endpoints(); }

tl::expected<std::size_t, Status> SimHost::control(const ControlSetup& setup, std::span<std::uint8_t> data,
                                                   bus::Duration timeout) {
  return parts_->controller.control(setup, data, timeout);
}
tl::expected<void, Status> SimHost::submit(IsochRequest& request) { return parts_->controller.submit(request); }
tl::expected<void, Status> SimHost::submit(BulkRequest& request) { return parts_->controller.submit(request); }
tl::expected<void, Status> SimHost::submit(ControlRequest& request) { return parts_->controller.submit(request); }
void SimHost::abort(usb::EndpointAddress endpoint) { parts_->controller.abort(endpoint); }
tl::expected<void, Status> SimHost::clear_halt(usb::EndpointAddress endpoint, bool with_request) {
  return parts_->device.clear_halt(endpoint, with_request);
}
tl::expected<void, std::string> SimHost::reset_device() { return parts_->device.reset_device(); }
void SimHost::add_observer(RequestObserver* observer) { parts_->controller.add_observer(observer); }

void SimHost::suspend() { parts_->port.suspend(); }
void SimHost::resume() { parts_->port.resume(); }
bool SimHost::suspended() const { return parts_->port.suspended(); }
bool SimHost::wake_requested() const { return parts_->controller.wake_seen(); }

void SimHost::set_frame_number(std::uint64_t frame) { parts_->controller.set_frame_number(frame); }
bus::BusTime SimHost::begin_of(usb::FrameTime frame) const { return parts_->controller.clock().start(frame); }

bool SimHost::abort_request(IsochRequest& request) { return parts_->controller.abort(request); }
bool SimHost::abort_request(BulkRequest& request) { return parts_->controller.abort(request); }
bool SimHost::abort_request(ControlRequest& request) { return parts_->controller.abort(request); }
std::optional<usb::FrameTime> SimHost::available(usb::EndpointAddress endpoint) const {
  return parts_->controller.available(endpoint);
}

const HostCounters& SimHost::counters() const { return parts_->controller.counters(); }
tl::expected<WireCapacity, Status> SimHost::measure_capacity(usb::EndpointAddress endpoint, std::uint32_t payload) {
  return parts_->controller.measure_capacity(endpoint, payload);
}

}  // namespace isochio::controller
