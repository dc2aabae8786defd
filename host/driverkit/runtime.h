// isochio: the Runtime binds the DriverKit layer to a Host: virtual time, queues, the device and its interfaces, and
// the named options for what the facts leave open. One Runtime is current at a time (from its constructor to its
// destructor): calls without an object, such as IOSleep or mach_absolute_time, go to that one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <USBDriverKit/USBDriverKit.h>

#include "bus/bus_time.h"
#include "controller/driver_observer.h"
#include "controller/host.h"
#include "driverkit/isoch_observer.h"

namespace isochio::driverkit {

/// Status of an entry whose IN packet was shorter than its requestCount.
enum class ShortIn : std::uint8_t { success, underrun };

/// Status of an entry whose service interval passed before it could be sent.
enum class MissedEntry : std::uint8_t { not_sent, overrun, not_sent_2 };

/// First frame 0.
enum class ZeroStart : std::uint8_t {
  next_frame,  ///< the next available one
  too_old,     ///< a frame long past, as any other number: documented as xHCI only [driverkit-facts 2.5]
};

/// Overall status of a request of which every entry was missed.
enum class LateRequest : std::uint8_t { accumulated, iso_too_old };

/// Status of entries with a wrong CRC, PID, sequence or bit stuffing.
enum class WireErrors : std::uint8_t {
  not_responding,   ///< all are transaction errors, as an xHCI controller reports them
  detailed,         ///< kIOUSBCRCErr, kIOUSBBitstufErr, kIOUSBPIDCheckErr, kIOUSBWrongPIDErr, as OHCI did
  bit_stuff_apart,  ///< kIOUSBBitstufErr; UHCI has one bit for all others and for no answer
};

enum class OverallStatus : std::uint8_t {
  accumulated,       ///< the last entry error other than Underrun; Underrun only if there is nothing else
  overrun_on_short,  ///< and Overrun when every entry is Success but an IN entry got less than it asked for
  always_overrun,    ///< and Overrun for every IN request whose entries are all Success
};

/// An explicit first frame on a pipe whose queued requests were started with 0.
enum class ExplicitOnContinuous : std::uint8_t { accepted, bad_argument };

/// A synchronous IsochIO to an OUT endpoint, called on a queue of the driver.
enum class SyncOutOnQueue : std::uint8_t { completes, hangs };

struct RuntimeOptions {
  ShortIn short_in = ShortIn::success;
  MissedEntry missed_entry = MissedEntry::not_sent;
  WireErrors wire_errors = WireErrors::not_responding;
  ZeroStart zero_start = ZeroStart::next_frame;
  LateRequest late_request = LateRequest::accumulated;
  OverallStatus overall_status = OverallStatus::accumulated;
  ExplicitOnContinuous explicit_on_continuous = ExplicitOnContinuous::accepted;
  SyncOutOnQueue sync_out_on_queue = SyncOutOnQueue::completes;

  /// Least distance of an explicit first frame from the running one, in frames; at least 1.
  std::uint32_t keep_away_frames = 1;
  /// Explicit first frames further ahead than this are kIOReturnIsoTooNew.
  std::uint32_t horizon_frames = 1024;
  /// Frames up to 1024 in the past are accepted and reported as not sent (old kernel extensions). The Host must
  /// accept them too (SimHostOptions::accept_past_frames).
  bool accept_past_frames = false;
  /// Entries in one request: 1 … this.
  std::uint32_t max_entries = 1000;
  /// DeviceRequest, SetConfiguration and Reset of a device want an open session of the caller.
  bool device_requests_need_open = true;
  /// For this long after SetConfiguration an interface's Open gives kIOReturnNotOpen.
  bus::Duration interface_open_delay{};
  /// timeStamps are rounded up to a multiple of this, as coalesced interrupts do. 0: exact.
  bus::Duration timestamp_granularity{};
  /// From a completion to its turn on the target's queue.
  bus::Duration dispatch_latency{};

  /// mach ticks: nanoseconds = ticks * numer / denom. The default is Apple silicon's 24 MHz.
  std::uint32_t timebase_numer = 125, timebase_denom = 3;

  /// Where os_log and IOLog go: whole lines without an end of line. Empty: standard error.
  std::function<void(std::string_view line)> log;
  /// Told of requests that this layer refuses (on_refused) before the Host sees them. Not owned; may be null.
  controller::RequestObserver* observer = nullptr;
  /// Told of what drivers' code does: completions as they run, aborts, tasks that hold a queue up. Not owned; may be
  /// null.
  controller::DriverObserver* driver_observer = nullptr;
  /// Told of IsochIO as its callers see it. Not owned; may be null; must outlive the Runtime.
  IsochObserver* isoch_observer = nullptr;
};

class Core;

class Runtime {
 public:
  /// `host` must have enumerated its device, and outlive the Runtime.
  explicit Runtime(controller::Host& host, RuntimeOptions options = {});
  /// Stops what start() started, aborts what is in flight and waits for it; actions of client() are not
  /// called any more. Objects that driver code still holds stay
  /// valid; their calls give kIOReturnNoDevice.
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  static Runtime* current();

  controller::Host& host();
  const RuntimeOptions& options() const;

  /// The device; not retained for the caller, valid as long as the Runtime. After IOUSBHostDevice::Reset it is a new
  /// object.
  IOUSBHostDevice* device();
  /// Sets the device's (first) configuration, as the system does when no driver matches the device itself. No session
  /// is needed.
  kern_return_t configure();
  /// An interface of the current configuration, null if there is none; not retained for the caller,
  /// valid as long as the Runtime.
  IOUSBHostInterface* interface(std::uint8_t number);
  /// A service of the runtime's own, for code that is not a driver: it can be `forClient` and has the queue "Default".
  IOService* client();
  /// Keeps the queue "Default" of client() busy for this long from now on (or from the end of what it is doing), as
  /// slow work of somebody else does: completions wait, and come in a burst after it.
  void block_queue(bus::Duration duration);
  /// An action of TYPE(IOUSBHostPipe::CompleteAsyncIsochIO) on client(), that calls `on_complete`.
  kern_return_t create_isoch_action(std::function<void(OSAction*, IOReturn)> on_complete, std::size_t reference_size,
                                    OSAction** action);
  /// The same for TYPE(IOUSBHostPipe::CompleteAsyncIO).
  kern_return_t create_io_action(
      std::function<void(OSAction*, IOReturn, std::uint32_t actual, std::uint64_t timestamp)> on_complete,
      std::size_t reference_size, OSAction** action);

  /// init() if needed, then Start(provider) on the driver's "Default" queue; returns when Start has. The runtime keeps
  /// a reference until stop(). kIOReturnTimeout: Start hung or did not return within `limit`.
  kern_return_t start(IOService* driver, IOService* provider, bus::Duration limit = 10 * bus::second);
  /// The same for a new instance of a class. `driver` (may be null) gets it, not retained.
  kern_return_t start(const OSMetaClass* driver_class, IOService* provider, IOService** driver = nullptr,
                      bus::Duration limit = 10 * bus::second);
  /// Stop(provider) on the driver's queue, and gives the reference back when Stop has returned.
  kern_return_t stop(IOService* driver, bus::Duration limit = 10 * bus::second);
  /// The class that IOService::Create makes for a properties key.
  void set_service_class(std::string properties_key, const OSMetaClass* service_class);
  /// The device is gone: calls give kIOReturnNoDevice from now on, drivers are stopped.
  void device_removed();
  /// The host has enumerated a device again after that: device() is a new object, and calls work again.
  void device_arrived();

  /// Lets the bus, and with it the drivers, run.
  void run_for(bus::Duration duration);
  /// Until `done()`; false if `limit` came first.
  bool run_until(const std::function<bool()>& done, bus::Duration limit);

  /// Why a queue of a driver will never run again (deadlock, hanging call); empty if none is.
  const std::string& hung() const;

  /// Virtual time in mach ticks.
  std::uint64_t absolute_time() const;
  std::uint64_t to_absolute(bus::BusTime time) const;
  bus::BusTime from_absolute(std::uint64_t ticks) const;

 private:
  friend class Core;
  std::shared_ptr<Core> core_;
  Runtime* previous_;
};

}  // namespace isochio::driverkit
