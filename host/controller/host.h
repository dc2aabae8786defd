// isochio: what host software sees of a host controller. Implemented by SimHost (controller/sim_host.h, over a Link)
// and by the libusb target. Everything runs in one thread; time passes only in run_until(). Callbacks come from inside
// run_until(), between transactions.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "bus/bus_time.h"
#include "usb/types.h"

namespace isochio::controller {

/// How one transaction, service interval or transfer ended; neutral between operating systems.
enum class Status : std::uint8_t {
  pending,  ///< not yet
  ok,
  short_packet,    ///< IN: less than asked for
  no_response,     ///< the device did not answer in time
  crc_error,       ///< CRC16 of received data wrong
  bit_stuff,       ///< RxError
  pid_error,       ///< PID check nibble wrong or a PID that may not come here
  sequence_error,  ///< high-bandwidth data PIDs out of order
  overrun,         ///< more data than asked for (babble)
  missed,          ///< the service interval passed before it could be sent
  aborted,
  stall,
  timeout,  ///< the completion timeout of a control or bulk transfer ran out
  no_device,
  // refusals of submit
  too_old,
  too_new,
  bad_argument,
  not_open,
  not_ready,
  not_permitted,
  no_bandwidth,
  no_resources,
};
const char* to_string(Status status);

struct IsochEntry {           ///< one service interval
  std::uint32_t request = 0;  ///< bytes asked for, 0 … capacity
  std::uint32_t complete = 0;
  Status status = Status::pending;
  bus::BusTime time{};  ///< when the entry ended
};

struct IsochRequest;

class IsochClient {
 public:
  virtual ~IsochClient() = default;
  /// Entry `index` has ended; at the end of its service, before any completion.
  virtual void on_entry(IsochRequest& request, std::size_t index) = 0;
  /// All entries have ended, and the (micro)frame of the last one too: the modelled interrupt latency after that, in
  /// order of submission on each pipe.
  virtual void on_complete(IsochRequest& request, Status overall) = 0;
};

/// Owned by the caller from submit to on_complete. `data` holds the entries' bytes back to back: entry i begins at the
/// sum of the requests before it.
struct IsochRequest {
  std::uint64_t id = 0;  ///< set by submit: 1, 2, … in the order of submission on this host
  usb::EndpointAddress endpoint;
  std::span<std::uint8_t> data;
  std::vector<IsochEntry> entries;
  std::uint64_t first_frame = 0;  ///< 1 ms frames; 0 = next available; submit sets it to the frame it will start in
  bool explicit_start = false;    ///< set by submit: first_frame was given
  /// Beyond DriverKit, as URBs of Linux are: the list need not fill whole frames, and with first_frame 0 it begins in
  /// the service interval right behind what this pipe took last, also when that has just ended, as long as that
  /// interval has not begun.
  bool by_interval = false;
  /// Set by submit: the microframe of first_frame in which the first interval begins; not 0 only with by_interval.
  std::uint8_t first_microframe = 0;
  IsochClient* client = nullptr;

  usb::FrameTime start() const { return usb::FrameTime::of(first_frame, first_microframe); }
};

/// Bulk and interrupt endpoints. A short packet ends the request with Status::ok and a smaller `complete`. After stall
/// or an error other than timeout the endpoint is halted: submit answers Status::stall until clear_halt. Owned by the
/// caller from submit to on_complete.
struct BulkRequest {
  std::uint64_t id = 0;  ///< set by submit: 1, 2, … counted apart from isochronous requests
  usb::EndpointAddress endpoint;
  std::span<std::uint8_t> data;
  std::size_t complete = 0;
  Status status = Status::pending;
  bus::Duration timeout{};  ///< 0 = never
  std::function<void(BulkRequest&)> on_complete{};
};

struct ControlSetup {  ///< the eight bytes of a SETUP packet [9.3]
  std::uint8_t request_type = 0, request = 0;
  std::uint16_t value = 0, index = 0, length = 0;
};

/// Sees what host software asks for and is told; checkers, captures and reports implement it.
class RequestObserver {
 public:
  virtual ~RequestObserver() = default;
  virtual void on_submit(const IsochRequest&, bus::BusTime) {}
  virtual void on_refused(const IsochRequest&, Status, bus::BusTime) {}
  virtual void on_entry(const IsochRequest&, std::size_t index, bus::BusTime) { (void)index; }
  /// `due`: when the (micro)frame of the last entry ended (an abort: when that was); now − due is the completion
  /// latency.
  virtual void on_complete(const IsochRequest&, Status overall, bus::BusTime due, bus::BusTime now) {
    (void)overall;
    (void)due;
    (void)now;
  }
  virtual void on_control(const ControlSetup&, std::span<const std::uint8_t> data, Status, bus::BusTime begin,
                          bus::BusTime end) {
    (void)data;
    (void)begin;
    (void)end;
  }
  virtual void on_bulk(const BulkRequest&, bus::BusTime begin, bus::BusTime end) {
    (void)begin;
    (void)end;
  }
  /// The current set of endpoints changed (configuration, alternate setting, reset).
  virtual void on_endpoints(std::span<const usb::EndpointConfig>, usb::Speed, bus::BusTime) {}
  /// A service interval began with nothing queued, for the first time since something was
  /// (SimHostOptions::ring_events).
  virtual void on_ring_empty(usb::EndpointAddress, bus::BusTime) {}
  /// The frame counter was set: the next frame is `frame`, whatever it would have been.
  virtual void on_frame_number(std::uint64_t frame, bus::BusTime) { (void)frame; }
};

class Host {
 public:
  virtual ~Host() = default;

  virtual bus::BusTime now() const = 0;
  virtual std::uint64_t frame_number() const = 0;  ///< 1 ms frames, 64 bits, never wraps
  virtual usb::FrameTime frame_time() const = 0;   ///< the (micro)frame that is running

  /// Runs `task` at `at` (at once if past, but never from inside this call), or as soon as the transaction that is on
  /// the bus then has ended. Equal times run in order of the calls.
  virtual void call_at(bus::BusTime at, std::function<void()> task) = 0;
  /// Lets the bus run until `done()` is true or `deadline`; re-entrant from callbacks. Returns done().
  virtual bool run_until(bus::BusTime deadline, const std::function<bool()>& done = {}) = 0;

  /// Attach, reset, speed detection, address, descriptors. Configuration 0 afterwards.
  virtual tl::expected<void, std::string> enumerate() = 0;
  virtual usb::Speed speed() const = 0;
  virtual std::uint8_t address() const = 0;
  virtual bool connected() const = 0;
  virtual std::span<const std::uint8_t> device_descriptor() const = 0;
  virtual std::span<const std::uint8_t> configuration_descriptor()
      const = 0;  ///< whole, as read from the device at the current speed

  virtual tl::expected<void, Status> set_configuration(std::uint8_t value) = 0;
  /// Reserves the bandwidth of the new setting first (no_bandwidth if it does not fit), aborts what is in flight on the
  /// old pipes.
  virtual tl::expected<void, Status> set_interface(std::uint8_t interface, std::uint8_t alternate) = 0;
  virtual std::uint8_t alternate(std::uint8_t interface) const = 0;
  /// Endpoints of the current configuration and alternate settings; with their phase, if the host knows its schedule.
  virtual std::span<const usb::EndpointConfig> endpoints() const = 0;

  /// Blocks in bus time; calls from callbacks wait for those already begun. Returns the bytes of the data stage (IN:
  /// may be fewer than asked for). timeout 0 = never. `data` must hold setup.length bytes (bad_argument).
  virtual tl::expected<std::size_t, Status> control(const ControlSetup& setup, std::span<std::uint8_t> data,
                                                    bus::Duration timeout) = 0;
  /// Accepts the request or says why not at once (then no callback will come).
  virtual tl::expected<void, Status> submit(IsochRequest& request) = 0;
  virtual tl::expected<void, Status> submit(BulkRequest& request) = 0;
  /// Aborts all that is in flight on a pipe; the completions (Status::aborted) follow as ordinary completions. Until
  /// the last of them submit answers not_permitted, except from inside one of them.
  virtual void abort(usb::EndpointAddress endpoint) = 0;
  virtual tl::expected<void, Status> clear_halt(usb::EndpointAddress endpoint, bool with_request) = 0;

  virtual tl::expected<void, std::string>
  reset_device() = 0;  ///< bus reset and enumeration anew; all in flight is aborted

  virtual void add_observer(RequestObserver* observer) = 0;
};

}  // namespace isochio::controller
