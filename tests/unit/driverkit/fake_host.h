// isochio: a Host in exact virtual time without a bus, to test the DriverKit layer alone. Every isochronous entry takes
// place in its service interval and ends at that interval's end; what it meets there is a function the test gives.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <vector>

#include "controller/host.h"
#include "support/descriptor_bytes.h"

namespace isochio::test {

class FakeHost final : public controller::Host {
 public:
  using Status = controller::Status;

  explicit FakeHost(std::vector<Interface> interfaces, usb::Speed device_speed = usb::Speed::high);

  /// What an entry meets: fills entry.complete, entry data (IN), returns the status. Default: all of it, ok.
  std::function<Status(controller::IsochRequest&, std::size_t index, std::span<std::uint8_t> data)> on_isoch;
  std::function<Status(controller::BulkRequest&)> on_bulk;  ///< default: ok, all of it
  std::function<tl::expected<std::size_t, Status>(const controller::ControlSetup&, std::span<std::uint8_t>)> on_control;
  std::function<tl::expected<void, Status>(std::uint8_t interface, std::uint8_t alternate)> on_set_interface;
  bus::Duration latency = 5 * bus::microsecond;
  bool plugged = true;
  std::vector<std::string> calls;  ///< clear_halt, set_configuration … in order

  void at_frame(std::uint64_t frame);  ///< runs to the middle of microframe 0 of that frame
  std::size_t in_flight() const { return flights_.size(); }

  bus::BusTime now() const override { return now_; }
  std::uint64_t frame_number() const override { return frame_time().frame(); }
  usb::FrameTime frame_time() const override;
  void call_at(bus::BusTime at, std::function<void()> task) override;
  bool run_until(bus::BusTime deadline, const std::function<bool()>& done = {}) override;
  tl::expected<void, std::string> enumerate() override { return {}; }
  usb::Speed speed() const override { return speed_; }
  std::uint8_t address() const override { return 5; }
  bool connected() const override { return plugged; }
  std::span<const std::uint8_t> device_descriptor() const override { return device_; }
  std::span<const std::uint8_t> configuration_descriptor() const override { return configuration_; }
  tl::expected<void, Status> set_configuration(std::uint8_t value) override;
  tl::expected<void, Status> set_interface(std::uint8_t interface, std::uint8_t alternate) override;
  std::uint8_t alternate(std::uint8_t interface) const override { return alternates_.at(interface); }
  std::span<const usb::EndpointConfig> endpoints() const override { return endpoints_; }
  tl::expected<std::size_t, Status> control(const controller::ControlSetup& setup, std::span<std::uint8_t> data,
                                            bus::Duration timeout) override;
  tl::expected<void, Status> submit(controller::IsochRequest& request) override;
  tl::expected<void, Status> submit(controller::BulkRequest& request) override;
  void abort(usb::EndpointAddress endpoint) override;
  tl::expected<void, Status> clear_halt(usb::EndpointAddress endpoint, bool with_request) override;
  tl::expected<void, std::string> reset_device() override;
  void add_observer(controller::RequestObserver*) override {}
  /// Everything in flight ends with no_device.
  void unplug();

 private:
  struct Flight {
    controller::IsochRequest* isoch = nullptr;
    controller::BulkRequest* bulk = nullptr;
    usb::EndpointAddress endpoint;
    bool over = false;
  };
  using FlightPtr = std::shared_ptr<Flight>;

  const usb::EndpointConfig& config(usb::EndpointAddress endpoint) const;
  bus::Duration interval(const usb::EndpointConfig& endpoint) const;
  void end_all(usb::EndpointAddress endpoint, bool everything, Status status);
  void end(const FlightPtr& flight, Status status);
  void pass(bus::Duration duration) { run_until(now_ + duration); }
  void collect_endpoints();

  struct Task {
    bus::BusTime at;
    std::uint64_t order;
    std::function<void()> run;
    bool operator<(const Task& other) const { return at != other.at ? at > other.at : order > other.order; }
  };

  usb::Speed speed_;
  std::vector<Interface> interfaces_;
  Bytes device_ = device_bytes(), configuration_;
  bus::BusTime now_{};
  std::uint64_t order_ = 0, next_id_ = 1;
  std::priority_queue<Task> tasks_;
  std::uint8_t configured_ = 0;
  std::map<std::uint8_t, std::uint8_t> alternates_;
  std::vector<usb::EndpointConfig> endpoints_;
  std::deque<FlightPtr> flights_;
  std::map<std::uint8_t, std::uint64_t> available_;  ///< per endpoint: first frame after what is queued
};

}  // namespace isochio::test
