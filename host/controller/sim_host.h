// isochio: the modelled host controller and host software over a Link: root port, frame clock, periodic schedule,
// transactions, control, bulk, interrupt and isochronous pipes. Every run is a pure function of the Link and the calls.
// Source: USB 2.0 chapters 5, 7.1.7, 8, 9.
#pragma once

#include <memory>
#include <optional>

#include "bus/link.h"
#include "controller/host.h"
#include "controller/sim_host_options.h"

namespace isochio::controller {

/// What the controller counted since it was made.
struct HostCounters {
  std::uint64_t sof = 0;           ///< SOF packets sent
  std::uint64_t transactions = 0;  ///< of all kinds, failed ones too
  std::uint64_t isochronous = 0;   ///< of these, isochronous
  std::uint64_t nak = 0;           ///< NAK and NYET received
  std::uint64_t retries = 0;       ///< transactions repeated after an error [8.7]
  std::uint64_t late_sof = 0;      ///< the bus was still busy when an SOF was due: it went out late or not at all
};

/// Isochronous transactions that were completed on the wire.
struct WireCapacity {
  std::uint32_t in_frame = 0;  ///< behind an SOF and before the end-of-frame guard
  std::uint32_t in_interval =
      0;  ///< in the time of a whole (micro)frame without SOF and guard, as tables 5-4 and 5-5 count
};

/// A control transfer that does not block. Owned by the caller from submit to on_complete.
struct ControlRequest {
  std::uint64_t id = 0;  ///< set by submit
  ControlSetup setup;
  std::span<std::uint8_t> data;  ///< holds setup.length bytes
  std::size_t complete = 0;      ///< bytes of the data stage
  Status status = Status::pending;
  bus::Duration timeout{};  ///< 0 = never
  std::function<void(ControlRequest&)> on_complete{};
};

class SimHost final : public Host {
 public:
  /// The link must outlive the host. Nothing is attached until enumerate().
  explicit SimHost(bus::Link& link, const SimHostOptions& options = {});
  ~SimHost() override;
  SimHost(const SimHost&) = delete;
  SimHost& operator=(const SimHost&) = delete;

  bus::BusTime now() const override;
  std::uint64_t frame_number() const override;
  usb::FrameTime frame_time() const override;
  void call_at(bus::BusTime at, std::function<void()> task) override;
  bool run_until(bus::BusTime deadline, const std::function<bool()>& done = {}) override;

  tl::expected<void, std::string> enumerate() override;
  usb::Speed speed() const override;
  std::uint8_t address() const override;
  bool connected() const override;
  std::span<const std::uint8_t> device_descriptor() const override;
  std::span<const std::uint8_t> configuration_descriptor() const override;

  tl::expected<void, Status> set_configuration(std::uint8_t value) override;
  tl::expected<void, Status> set_interface(std::uint8_t interface, std::uint8_t alternate) override;
  std::uint8_t alternate(std::uint8_t interface) const override;
  std::span<const usb::EndpointConfig> endpoints() const override;

  tl::expected<std::size_t, Status> control(const ControlSetup& setup, std::span<std::uint8_t> data,
                                            bus::Duration timeout) override;
  tl::expected<void, Status> submit(IsochRequest& request) override;
  tl::expected<void, Status> submit(BulkRequest& request) override;
  void abort(usb::EndpointAddress endpoint) override;
  tl::expected<void, Status> clear_halt(usb::EndpointAddress endpoint, bool with_request) override;
  tl::expected<void, std::string> reset_device() override;
  void add_observer(RequestObserver* observer) override;

  // Beyond Host: what only a simulated controller offers.

  /// Behind the packets of an interval that has begun: stops SOFs and lets the bus go idle. The device suspends 3 ms
  /// later [7.1.7.6]; at high speed this waits for it: device and port then go back to full-speed idle. Requests in
  /// flight wait; isochronous entries whose time passes are missed. A control transfer that is under way ends with
  /// not_ready.
  void suspend();
  /// Signals resume for 20 ms, then runs SOFs again and waits 10 ms of recovery [7.1.7.7]. Blocks in bus time.
  void resume();
  bool suspended() const;
  /// The device has signalled remote wake-up since the last suspend(). The caller then has to resume() [7.1.7.7].
  bool wake_requested() const;

  /// The running frame gets this number, and the following ones go on from it, as after a sleep in which the controller
  /// lost its counter. All isochronous requests in flight are aborted. Numbers above 2^32 are not for use.
  void set_frame_number(std::uint64_t frame);
  /// When a (micro)frame begins; not before the running one.
  bus::BusTime begin_of(usb::FrameTime frame) const;

  /// As control(), without blocking: the completion follows, in order of submission.
  tl::expected<void, Status> submit(ControlRequest& request);
  /// Aborts one request, wherever in its pipe's queue it stands; the others keep their places and service intervals.
  /// The completion (Status::aborted) follows. false: it is not in flight, or its completion is already on its way.
  bool abort_request(IsochRequest& request);
  bool abort_request(BulkRequest& request);
  bool abort_request(ControlRequest& request);
  /// The (micro)frame in which the first service interval behind all that was submitted on an isochronous pipe begins;
  /// empty: nothing was, or all was aborted. Bus time may stand still up to there without a hole in the stream.
  std::optional<usb::FrameTime> available(usb::EndpointAddress endpoint) const;

  const HostCounters& counters() const;

  /// How many isochronous transactions of `payload` bytes, none of them stuffed if that can be, the wire takes when
  /// nothing else runs: sends them one after the other to `endpoint`, ignoring admission and schedule. OUT needs no
  /// endpoint to be there. IN counts what the endpoint answers with exactly `payload` bytes. Needs an enumerated device
  /// and options.lift_periodic_limit (not_permitted); payload 1 … 1024, 1023 at full speed (bad_argument). One SOF is
  /// left out meanwhile. tests: tables 5-4 and 5-5.
  tl::expected<WireCapacity, Status> measure_capacity(usb::EndpointAddress endpoint, std::uint32_t payload);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace isochio::controller
