// isochio: IOService.
#include <DriverKit/IOUserClient.h>

#include <algorithm>
#include <cstring>

#include "driverkit/core.h"

using isochio::driverkit::Core;
namespace bus = isochio::bus;

IOService::IOService() : ivars(new IOService_IVars) { ivars->core = Core::current(); }
IOService::~IOService() { delete ivars; }

kern_return_t IOService::_Dispatch(OSMetaClassBase*, IORPC) { return kIOReturnUnsupported; }
kern_return_t IOUserClient::_Dispatch(OSMetaClassBase*, IORPC) { return kIOReturnUnsupported; }

bool IOService::init() {
  ivars->initialised = true;
  return OSObject::init();
}
void IOService::free() { OSObject::free(); }

// A call with SUPERDISPATCH wants the implementation of exactly that class; without, the object's own.
kern_return_t IOService::Start(IOService* provider, OSDispatchMethod supermethod) {
  return supermethod == &IOService::_Dispatch ? IOService::Start_Impl(provider) : Start_Impl(provider);
}
kern_return_t IOService::Stop(IOService* provider, OSDispatchMethod supermethod) {
  return supermethod == &IOService::_Dispatch ? IOService::Stop_Impl(provider) : Stop_Impl(provider);
}
kern_return_t IOService::SetPowerState(std::uint32_t powerFlags, OSDispatchMethod supermethod) {
  return supermethod == &IOService::_Dispatch ? IOService::SetPowerState_Impl(powerFlags)
                                              : SetPowerState_Impl(powerFlags);
}
kern_return_t IOService::NewUserClient(std::uint32_t type, IOUserClient** userClient, OSDispatchMethod supermethod) {
  return supermethod == &IOService::_Dispatch ? IOService::NewUserClient_Impl(type, userClient)
                                              : NewUserClient_Impl(type, userClient);
}

kern_return_t IOService::Start_Impl(IOService_Start_Args) {
  ivars->provider.reset(provider, OSRetain);
  return kIOReturnSuccess;
}
kern_return_t IOService::Stop_Impl(IOService_Stop_Args) {
  (void)provider;
  ivars->provider.reset();
  return kIOReturnSuccess;
}
kern_return_t IOService::SetPowerState_Impl(IOService_SetPowerState_Args) {
  (void)powerFlags;
  return kIOReturnSuccess;
}
kern_return_t IOService::NewUserClient_Impl(IOService_NewUserClient_Args) {
  (void)type;
  (void)userClient;
  return kIOReturnUnsupported;
}

bool IOService::HasQueueName(const char* name) const { return std::strcmp(name, "Default") == 0; }

kern_return_t IOService::RegisterService(OSDispatchMethod) {
  ivars->registered = true;
  return kIOReturnSuccess;
}
bool IOService::IsRegistered() const { return ivars->registered; }

kern_return_t IOService::SetName(const char* name, OSDispatchMethod) {
  if (name == nullptr) return kIOReturnBadArgument;
  ivars->name = name;
  return kIOReturnSuccess;
}
const char* IOService::GetServiceName() const { return ivars->name.c_str(); }
IOService* IOService::GetProvider() const { return ivars->provider.get(); }

IODispatchQueue* IOService_Access::queue(IOService& service, const char* name) {
  auto& queues = service.ivars->queues;
  const auto found = queues.find(name);
  if (found != queues.end()) return found->second.get();
  if (std::strcmp(name, "Default") != 0) return queue(service, "Default");  // declared but never set
  IODispatchQueue* made = nullptr;
  if (IODispatchQueue::Create(name, 0, 0, &made) != kIOReturnSuccess) return nullptr;
  queues[name] = OSSharedPtr<IODispatchQueue>(made, OSNoRetain);
  return made;
}

kern_return_t IOService::CopyDispatchQueue(const char* name, IODispatchQueue** queue, OSDispatchMethod) {
  if (name == nullptr || queue == nullptr) return kIOReturnBadArgument;
  if (std::strcmp(name, "Default") != 0 && !ivars->queues.contains(name)) return kIOReturnNotFound;
  *queue = IOService_Access::queue(*this, name);
  if (*queue == nullptr) return kIOReturnNotReady;
  (*queue)->retain();
  return kIOReturnSuccess;
}

kern_return_t IOService::SetDispatchQueue(const char* name, IODispatchQueue* queue, OSDispatchMethod) {
  if (name == nullptr || queue == nullptr || !HasQueueName(name)) return kIOReturnBadArgument;
  ivars->queues[name] = OSSharedPtr<IODispatchQueue>(queue, OSRetain);
  return kIOReturnSuccess;
}

kern_return_t IOService::Create(IOService* provider, const char* propertiesKey, IOService** result, OSDispatchMethod) {
  if (propertiesKey == nullptr || result == nullptr || !ivars->core) return kIOReturnBadArgument;
  const auto found = ivars->core->service_classes.find(propertiesKey);
  if (found == ivars->core->service_classes.end()) return kIOReturnNotFound;
  const OSSharedPtr<IOService> made(dynamic_cast<IOService*>(found->second->create()), OSNoRetain);
  if (!made) return kIOReturnBadArgument;
  const kern_return_t started = isochio::driverkit::start_service(*ivars->core, made.get(), provider, 10 * bus::second);
  if (started != kIOReturnSuccess) return started;
  made->retain();
  *result = made.get();
  return kIOReturnSuccess;
}

kern_return_t IOService::Terminate(std::uint64_t, OSDispatchMethod) {
  if (!ivars->core || ivars->core->host == nullptr) return kIOReturnNoDevice;
  const auto& core = ivars->core;
  core->call_at(core->host->now(), [core, held = OSSharedPtr<IOService>(this, OSRetain)] {
    isochio::driverkit::stop_service(*core, held.get(), 10 * bus::second);
  });
  return kIOReturnSuccess;
}

kern_return_t IOService::CopyProperties(OSDictionary** properties, OSDispatchMethod) {
  if (properties == nullptr) return kIOReturnBadArgument;
  if (!ivars->properties) ivars->properties.reset(OSDictionary::withCapacity(0), OSNoRetain);
  ivars->properties->retain();
  *properties = ivars->properties.get();
  return kIOReturnSuccess;
}

kern_return_t IOService::SetProperties(OSDictionary* properties, OSDispatchMethod) {
  ivars->properties.reset(properties, OSRetain);
  return kIOReturnSuccess;
}

namespace isochio::driverkit {

namespace {

/// Runs `task` on the service's queue and waits for it; false if it hung or `limit` came first.
bool run_on_queue(Core& core, IOService& service, bus::Duration limit, std::function<void()> task) {
  IODispatchQueue* queue = IOService_Access::queue(service, "Default");
  if (queue == nullptr || queue->IsDead()) return false;
  auto finished = std::make_shared<bool>(false);
  const OSSharedPtr<IODispatchQueue> held(queue, OSRetain);
  const bus::BusTime outer_limit = core.call_limit;
  const bus::BusTime deadline = std::min(outer_limit, core.host->now() + limit);
  core.call_limit = deadline;
  queue->DispatchAsync([finished, task = std::move(task)] {
    task();
    *finished = true;
  });
  const std::string hung_before = std::exchange(core.hung, {});
  core.host->run_until(deadline, [&] { return *finished || !core.hung.empty(); });
  if (core.hung.empty()) core.hung = hung_before;
  core.call_limit = outer_limit;
  return *finished;
}

}  // namespace

kern_return_t start_service(Core& core, IOService* service, IOService* provider, bus::Duration limit) {
  if (service == nullptr || core.host == nullptr) return kIOReturnBadArgument;
  if (!IOService_Access::ivars(*service).initialised && !service->init()) return kIOReturnNoMemory;
  auto result = std::make_shared<kern_return_t>(kIOReturnTimeout);
  core.started.emplace_back(service, OSRetain);
  const OSSharedPtr<IOService> held(service, OSRetain);
  run_on_queue(core, *service, limit, [result, held, provider = OSSharedPtr<IOService>(provider, OSRetain)] {
    *result = held->Start(provider.get());
  });
  if (*result != kIOReturnSuccess) std::erase_if(core.started, [&](const auto& s) { return s.get() == service; });
  return *result;
}

kern_return_t stop_service(Core& core, IOService* service, bus::Duration limit) {
  const OSSharedPtr<IOService> held(service, OSRetain);
  if (std::erase_if(core.started, [&](const auto& s) { return s.get() == service; }) == 0) return kIOReturnNotFound;
  auto result = std::make_shared<kern_return_t>(kIOReturnTimeout);
  run_on_queue(core, *service, limit, [result, held] { *result = held->Stop(held->GetProvider()); });
  return *result;
}

}  // namespace isochio::driverkit
