// isochio: see runtime.h.
#include "driverkit/runtime.h"

#include <algorithm>

#include "driverkit/pipe_jobs.h"
#include "driverkit/usb_objects.h"

namespace isochio::driverkit {

namespace {

Runtime* current_runtime = nullptr;

}  // namespace

std::shared_ptr<Core> Core::current() { return current_runtime != nullptr ? current_runtime->core_ : nullptr; }
Runtime* Runtime::current() { return current_runtime; }

Runtime::Runtime(controller::Host& host, RuntimeOptions options)
    : core_(std::make_shared<Core>(host, std::move(options))), previous_(current_runtime) {
  current_runtime = this;
  core_->device.reset(IOUSBHostDevice_Access::create(core_), OSNoRetain);
  core_->client.reset(new IOService(), OSNoRetain);
  core_->client->init();
}

Runtime::~Runtime() {
  // Whoever made actions on client() is being torn down too: nothing is delivered there any more.
  IOService_Access::queue(*core_->client, "Default")->Cancel(nullptr);
  while (!core_->started.empty()) {
    const OSSharedPtr<IOService> last = core_->started.back();
    stop(last.get());
  }
  if (core_->device) IOUSBHostDevice_Access::kill(*core_->device);
  // Requests are ours until the Host has completed them; then their deliveries let go of what they hold.
  core_->host->run_until(core_->host->now() + bus::second, [&] { return core_->jobs_in_flight == 0; });
  run_for(core_->options.dispatch_latency + bus::microsecond);
  core_->host = nullptr;
  core_->dead.clear();
  core_->device.reset();
  core_->client.reset();
  current_runtime = previous_;
}

controller::Host& Runtime::host() { return *core_->host; }
const RuntimeOptions& Runtime::options() const { return core_->options; }
IOUSBHostDevice* Runtime::device() { return core_->device.get(); }
IOService* Runtime::client() { return core_->client.get(); }

kern_return_t Runtime::configure() {
  if (!core_->usable()) return kIOReturnNoDevice;
  const auto* descriptor = IOUSBHostDevice_Access::configuration(*core_);
  if (descriptor == nullptr) return kIOReturnNotFound;
  return IOUSBHostDevice_Access::configure(*core_->device, descriptor->bConfigurationValue);
}

IOUSBHostInterface* Runtime::interface(std::uint8_t number) {
  for (const auto& interface : IOUSBHostDevice_Access::ivars(*core_->device).interfaces)
    if (IOUSBHostInterface_Access::ivars(*interface).number == number) return interface.get();
  return nullptr;
}

kern_return_t Runtime::create_isoch_action(std::function<void(OSAction*, IOReturn)> on_complete,
                                           std::size_t reference_size, OSAction** action) {
  using Type = IOUSBHostPipe::CompleteAsyncIsochIO_Type;
  auto invoke = [on_complete = std::move(on_complete)](OSObject*, OSAction* self, const void* arguments) {
    on_complete(self, std::get<0>(*static_cast<const Type::Arguments*>(arguments)));
  };
  return OSAction::CreateWithInvoke(client(), Type::id, reference_size, invoke, action);
}

kern_return_t Runtime::create_io_action(
    std::function<void(OSAction*, IOReturn, std::uint32_t actual, std::uint64_t timestamp)> on_complete,
    std::size_t reference_size, OSAction** action) {
  using Type = IOUSBHostPipe::CompleteAsyncIO_Type;
  auto invoke = [on_complete = std::move(on_complete)](OSObject*, OSAction* self, const void* arguments) {
    const auto& [status, actual, timestamp] = *static_cast<const Type::Arguments*>(arguments);
    on_complete(self, status, actual, timestamp);
  };
  return OSAction::CreateWithInvoke(client(), Type::id, reference_size, invoke, action);
}

kern_return_t Runtime::start(IOService* driver, IOService* provider, bus::Duration limit) {
  return start_service(*core_, driver, provider, limit);
}

kern_return_t Runtime::start(const OSMetaClass* driver_class, IOService* provider, IOService** driver,
                             bus::Duration limit) {
  const OSSharedPtr<IOService> made(dynamic_cast<IOService*>(driver_class->create()), OSNoRetain);
  if (!made) return kIOReturnBadArgument;
  if (driver != nullptr) *driver = nullptr;
  const kern_return_t started = start(made.get(), provider, limit);
  if (started == kIOReturnSuccess && driver != nullptr) *driver = made.get();
  return started;
}

kern_return_t Runtime::stop(IOService* driver, bus::Duration limit) { return stop_service(*core_, driver, limit); }

void Runtime::set_service_class(std::string properties_key, const OSMetaClass* service_class) {
  core_->service_classes[std::move(properties_key)] = service_class;
}

void Runtime::device_removed() { remove_device(*core_); }

void Runtime::device_arrived() {
  if (!core_->device_gone) return;
  core_->dead.push_back(core_->device);
  core_->device.reset(IOUSBHostDevice_Access::create(core_), OSNoRetain);
  core_->device_gone = false;
}

void Runtime::block_queue(bus::Duration duration) {
  IOService_Access::queue(*core_->client, "Default")->DispatchAsync([core = core_.get(), duration] {
    core->sleep(duration);
  });
}

void Runtime::run_for(bus::Duration duration) { core_->host->run_until(core_->host->now() + duration); }
bool Runtime::run_until(const std::function<bool()>& done, bus::Duration limit) {
  return core_->host->run_until(core_->host->now() + limit, done);
}
const std::string& Runtime::hung() const { return core_->hung; }
std::uint64_t Runtime::absolute_time() const { return core_->to_absolute(core_->host->now()); }
std::uint64_t Runtime::to_absolute(bus::BusTime time) const { return core_->to_absolute(time); }
bus::BusTime Runtime::from_absolute(std::uint64_t ticks) const { return core_->from_absolute(ticks); }

}  // namespace isochio::driverkit
