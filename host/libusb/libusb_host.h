// isochio: controller::Host over libusb-1.0: a real host controller, its kernel, and a device that is plugged in.
//
// Bus time is the machine's monotonic clock; frame numbers are an estimate (frame_estimate.h). What only the wire
// shows, no caller learns here: an entry's time is when the kernel gave its request back. libusb can't place a first
// frame: a request with one is taken as "next available", behind those that are in flight on the pipe. docs/libusb.md.
//
// A device that is unplugged (libusb says so, a call fails with it, or the kernel answers so when a request failed)
// ends all its requests with no_device, and everything afterwards answers that. No wait of this class is without a
// bound but run_until() and a control transfer that its caller gave no timeout, and that one ends when the device is
// unplugged.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "controller/event_queue.h"
#include "controller/host.h"
#include "libusb/frame_estimate.h"
#include "libusb/selection.h"

struct libusb_context;
struct libusb_device;
struct libusb_device_handle;
struct libusb_transfer;

namespace isochio::libusb {

/// All attached devices but hubs, ordered by place. The error says why libusb could not be started. To learn `product`
/// and `permitted` a device is opened for a moment; no device is touched for which `ask` says no.
tl::expected<std::vector<Attached>, std::string> list_attached(const std::function<bool(const Attached&)>& ask =
                                                                   [](const Attached&) { return true; });

struct LibusbHostOptions {
  std::uint64_t first_frame = 1000;           ///< number of the frame at the start
  std::optional<std::uint8_t> test_requests;  ///< bRequest of REGISTERS, if the device has them: anchors frame numbers
  std::uint32_t pipe_depth = 1024;            ///< requests in flight on one pipe
  /// What was cancelled, or of a device that is gone, comes back within this time; else the device is given up.
  bus::Duration give_back = 5 * bus::second;
};

class LibusbHost final : public controller::Host {
 public:
  /// Opens the device; kernel drivers stay on it until enumerate(). Errors are sentences for the user.
  static tl::expected<std::unique_ptr<LibusbHost>, std::string> open(const Selection& wanted,
                                                                     const LibusbHostOptions& options);
  /// Cancels what is in flight, without callbacks to clients, and gives the interfaces back to the kernel's drivers.
  ~LibusbHost() override;
  LibusbHost(const LibusbHost&) = delete;
  LibusbHost& operator=(const LibusbHost&) = delete;

  bus::BusTime now() const override;
  std::uint64_t frame_number() const override { return frame_time().frame(); }
  usb::FrameTime frame_time() const override { return frames_.at(now(), speed_); }
  void call_at(bus::BusTime at, std::function<void()> task) override { events_.add(at, std::move(task)); }
  bool run_until(bus::BusTime deadline, const std::function<bool()>& done = {}) override;

  /// Takes the device from kernel drivers and reads its descriptors; the second time, resets it.
  tl::expected<void, std::string> enumerate() override;
  usb::Speed speed() const override { return speed_; }
  std::uint8_t address() const override { return attached_.address; }
  bool connected() const override { return connected_; }
  std::span<const std::uint8_t> device_descriptor() const override { return device_; }
  std::span<const std::uint8_t> configuration_descriptor() const override { return configuration_; }

  tl::expected<void, controller::Status> set_configuration(std::uint8_t value) override;
  tl::expected<void, controller::Status> set_interface(std::uint8_t interface, std::uint8_t alternate) override;
  std::uint8_t alternate(std::uint8_t interface) const override { return alternates_[interface]; }
  std::span<const usb::EndpointConfig> endpoints() const override { return endpoints_; }

  tl::expected<std::size_t, controller::Status> control(const controller::ControlSetup& setup,
                                                        std::span<std::uint8_t> data, bus::Duration timeout) override;
  tl::expected<void, controller::Status> submit(controller::IsochRequest& request) override;
  tl::expected<void, controller::Status> submit(controller::BulkRequest& request) override;
  void abort(usb::EndpointAddress endpoint) override;
  tl::expected<void, controller::Status> clear_halt(usb::EndpointAddress endpoint, bool with_request) override;
  tl::expected<void, std::string> reset_device() override;
  void add_observer(controller::RequestObserver* observer) override { observers_.push_back(observer); }

 private:
  struct Flight;
  struct Pipe {
    usb::EndpointConfig config;
    std::uint8_t interface = 0;
    bool open = false, halted = false, in_aborted_callback = false;
    unsigned aborting = 0;        ///< aborted requests whose completion has not been
    std::uint64_t available = 0;  ///< the frame behind the last request, by the estimate
    std::deque<std::unique_ptr<Flight>> flights;
  };

  LibusbHost(libusb_context* context, libusb_device_handle* handle, Attached attached,
             const LibusbHostOptions& options);

  static constexpr std::size_t index(usb::EndpointAddress e) { return e.number() + (e.is_in() ? 16U : 0U); }
  Pipe& pipe(usb::EndpointAddress e) { return pipes_[index(e)]; }
  tl::expected<void, controller::Status> launch(Pipe& pipe, std::unique_ptr<Flight> flight);
  controller::Status check(const controller::IsochRequest& request);
  std::uint64_t next_frame(const Pipe& pipe) const;
  void handle_events(bus::Duration most);
  void deliver();
  void end_isochronous(Pipe& pipe, Flight& flight);
  void end_bulk(Pipe& pipe, Flight& flight);
  void cancel(Pipe& pipe);
  bool drain(const std::function<bool(const Pipe&)>& which);
  std::unique_ptr<Flight> wait_for(std::unique_ptr<Flight> flight, bus::BusTime deadline);
  void ask_whether_lost();
  void watch_for_removal();
  void disconnected();
  void give_up();

  tl::expected<std::vector<std::uint8_t>, std::string> read_descriptor(std::uint8_t type, std::size_t length);
  tl::expected<void, std::string> read_descriptors();
  std::vector<std::uint8_t> interfaces() const;
  tl::expected<void, std::string> claim();
  void release();
  tl::expected<void, controller::Status> open_setting(std::uint8_t interface, std::uint8_t alternate);
  bool close_pipes();
  void endpoints_changed();
  void anchor_frames();

  libusb_context* context_;
  libusb_device_handle* handle_;
  Attached attached_;
  LibusbHostOptions options_;
  std::int64_t began_ns_;
  FrameEstimate frames_;
  controller::EventQueue events_;
  usb::Speed speed_ = usb::Speed::full;
  bool connected_ = false, enumerated_ = false;
  bool lost_ = false;  ///< unplugged or given up; connected_ follows in deliver()
  bool given_up_ = false;
  bus::BusTime give_up_at_ = controller::EventQueue::never;  ///< what is in flight then does not come back
  std::pair<libusb_device*, bool*> watched_{};               ///< for the callback: this device, lost_
  int removal_watch_ = 0;                                    ///< libusb's handle of the callback; 0 = none
  std::vector<std::uint8_t> device_, configuration_;
  std::uint8_t configuration_value_ = 0;
  std::array<std::uint8_t, 256> alternates_{};
  std::vector<std::uint8_t> claimed_, detached_;  ///< interfaces; detached: from a kernel driver
  std::vector<usb::EndpointConfig> endpoints_;
  std::array<Pipe, 32> pipes_;
  std::vector<std::unique_ptr<Flight>> abandoned_;  ///< never given back; until the device is closed
  std::vector<controller::RequestObserver*> observers_;
  std::uint64_t isoch_id_ = 0, bulk_id_ = 0;
};

}  // namespace isochio::libusb
