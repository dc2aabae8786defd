// isochio: the inside of the USB classes.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "driverkit/core.h"
#include "driverkit/isoch_rules.h"

namespace isochio::driverkit {
class PipeJob;
}

struct IOUSBHostDevice_IVars {
  std::shared_ptr<isochio::driverkit::Core> core;
  bool alive = true;
  IOService* opener = nullptr;  ///< compared only
  std::uint8_t configuration = 0;
  isochio::bus::BusTime configured_at{};
  std::vector<OSSharedPtr<IOUSBHostInterface>> interfaces;
  std::map<std::uintptr_t, std::size_t> iterators;
  std::uintptr_t next_iterator = 1;

  struct AsyncRequest {
    isochio::controller::ControlSetup setup;
    OSSharedPtr<IOMemoryDescriptor> data;
    OSSharedPtr<OSAction> completion;
    std::uint32_t timeout_ms;
  };
  std::deque<AsyncRequest> requests;  ///< that have not begun
  bool request_running = false;
  void run_requests();
};

struct IOUSBHostInterface_IVars {
  std::shared_ptr<isochio::driverkit::Core> core;
  IOUSBHostDevice* device = nullptr;  ///< valid while alive
  bool alive = true;
  std::uint8_t number = 0;
  IOService* opener = nullptr;  ///< compared only
  std::map<std::uint8_t, OSSharedPtr<IOUSBHostPipe>> pipes;
  std::uint32_t idle_policy = 0;
};

struct IOUSBHostPipe_IVars {
  std::shared_ptr<isochio::driverkit::Core> core;
  IOUSBHostInterface_IVars* interface = nullptr;  ///< valid while not stale
  isochio::usb::EndpointConfig config;            ///< as adjusted
  IOUSBStandardEndpointDescriptors original{}, current{};
  bool stale = false;      ///< the alternate setting or configuration has changed
  bool no_device = false;  ///< the device object is gone
  std::uint32_t idle_policy = 0;

  std::vector<std::shared_ptr<isochio::driverkit::PipeJob>> jobs;  ///< in flight, in order
  std::uint64_t available = 0;                                     ///< StartState
  bool continuous = false;
  const void* aborting = nullptr;  ///< a synchronous abort is going on

  /// Whether a call may go ahead: NoDevice, NotReady, NotOpen or Success.
  IOReturn state() const;
  /// state(), and no synchronous abort is refusing new I/O.
  IOReturn may_submit() const;
  void abort(IOReturn error);
  /// `job` has left the Host.
  void retire(isochio::driverkit::PipeJob& job);
};

struct IOUSBHostDevice_Access {
  static IOUSBHostDevice* create(const std::shared_ptr<isochio::driverkit::Core>& core);
  static IOUSBHostDevice_IVars& ivars(IOUSBHostDevice& device) { return *device.ivars; }
  /// Without a session; used by Runtime::configure and SetConfiguration.
  static IOReturn configure(IOUSBHostDevice& device, std::uint8_t value);
  /// The device object and everything below it die.
  static void kill(IOUSBHostDevice& device);
  /// Control transfers that the caller doesn't wait for, one after the other.
  static IOReturn async_request(IOUSBHostDevice& device, const isochio::controller::ControlSetup& setup,
                                IOMemoryDescriptor* data, OSAction* completion, std::uint32_t timeout_ms);
  /// Those of them that have not begun end with `error`.
  static IOReturn abort_requests(IOUSBHostDevice& device, IOReturn error);
  /// The configuration descriptor of the Host, null if it has none or it is cut short.
  static const IOUSBConfigurationDescriptor* configuration(const isochio::driverkit::Core& core);
};

struct IOUSBHostInterface_Access {
  static IOUSBHostInterface* create(IOUSBHostDevice& device, std::uint8_t number);
  static IOUSBHostInterface_IVars& ivars(IOUSBHostInterface& interface) { return *interface.ivars; }
  /// Aborts and invalidates all pipes. `no_device`: they answer NoDevice instead of NotReady.
  static void drop_pipes(IOUSBHostInterface_IVars& interface, bool no_device);
};

struct IOUSBHostPipe_Access {
  static IOUSBHostPipe* create(IOUSBHostInterface_IVars& interface, const isochio::usb::EndpointConfig& config,
                               const IOUSBEndpointDescriptor& descriptor, std::uint16_t bcd_usb);
  static IOUSBHostPipe_IVars& ivars(IOUSBHostPipe& pipe) { return *pipe.ivars; }
};

namespace isochio::driverkit {

/// tIOUSBHostConnectionSpeed.
std::uint8_t connection_speed(const Core& core);
/// One control transfer with the bytes of a memory descriptor. `data` may be null if `length` is 0.
IOReturn control_request(Core& core, const controller::ControlSetup& setup, IOMemoryDescriptor* data,
                         std::uint32_t timeout_ms, std::uint32_t& transferred);
/// A descriptor read by GET_DESCRIPTOR, in memory of IOMalloc; null if the device has none.
std::uint8_t* copy_descriptor(Core& core, std::uint8_t type, std::uint8_t index, std::uint16_t language,
                              std::uint16_t length);
/// The device is gone: everything dies, Stop is called on the drivers' queues.
void remove_device(Core& core);
/// Takes note of a status that means that.
void note_status(Core& core, controller::Status status);

}  // namespace isochio::driverkit
