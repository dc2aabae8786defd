// isochio: what all objects of one Runtime share: the Host, the options, the queue that is running, the log. Objects
// hold it by shared_ptr, so that what driver code keeps longer than the Runtime stays harmless (`host` is null then).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <DriverKit/OSSharedPtr.h>

#include "driverkit/runtime.h"

namespace isochio::driverkit {

/// Unwinds driver code that would never continue on a real system. Caught by the queue it ran on, which then is dead.
struct Hang : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Core : public std::enable_shared_from_this<Core> {
 public:
  Core(controller::Host& bound_host, RuntimeOptions bound_options)
      : host(&bound_host), options(std::move(bound_options)) {}

  /// The core of the current Runtime; null without one.
  static std::shared_ptr<Core> current();

  bool usable() const { return host != nullptr && !device_gone; }
  std::uint64_t to_absolute(bus::BusTime time) const;
  bus::BusTime from_absolute(std::uint64_t ticks) const;

  /// Runs `task` at `at`, unless the Runtime has ended by then.
  void call_at(bus::BusTime at, std::function<void()> task);
  /// Blocks the caller in virtual time until `done()`. Hangs when the call limit (Runtime::start) comes first.
  void wait(const std::function<bool()>& done);
  void sleep(bus::Duration duration);
  /// Blocks the calling queue for ever. Outside of a queue the exception reaches the caller of the layer.
  [[noreturn]] void hang(const std::string& reason) const { throw Hang(reason); }
  void log(const std::string& line) const;

  controller::Host* host;
  RuntimeOptions options;
  bool device_gone = false;
  bus::BusTime call_limit{INT64_MAX};

  IODispatchQueue* running_queue = nullptr;  ///< innermost
  const void* running_scope = nullptr;       ///< what the running delivery belongs to (OSAction::DeliverErased)
  std::string hung;
  std::uint64_t deliveries = 0;    ///< completions that have begun to run
  std::size_t jobs_in_flight = 0;  ///< requests that the Host has

  OSSharedPtr<IOUSBHostDevice> device;
  OSSharedPtr<IOService> client;
  std::vector<OSSharedPtr<IOService>> dead;  ///< devices and interfaces that were handed out without a reference
  std::vector<OSSharedPtr<IOService>> started;
  std::map<std::string, const OSMetaClass*> service_classes;
};

/// Tells the observer of drivers of a completion that will not run.
void report_dropped(const Core& core, const controller::Delivery& delivery, controller::DriverObserver::Dropped why);

/// Starts and stops services on their own queue; used by Runtime, IOService::Create and Terminate.
kern_return_t start_service(Core& core, IOService* service, IOService* provider, bus::Duration limit);
kern_return_t stop_service(Core& core, IOService* service, bus::Duration limit);

}  // namespace isochio::driverkit

/// The runtime's way into IOService.
struct IOService_Access {
  static IOService_IVars& ivars(const IOService& service) { return *service.ivars; }
  static bool has_queue_name(const IOService& service, const char* name) { return service.HasQueueName(name); }
  /// The queue a method runs on; made on first use.
  static IODispatchQueue* queue(IOService& service, const char* name);
};

struct IOService_IVars {
  std::shared_ptr<isochio::driverkit::Core> core;
  OSSharedPtr<IOService> provider;
  std::map<std::string, OSSharedPtr<IODispatchQueue>> queues;
  OSSharedPtr<OSDictionary> properties;
  std::string name;
  bool initialised = false, registered = false, stopping = false;
};
