// isochio: IOService, the base of drivers and of what they drive. A service is served by the Runtime that was current
// when it was made; Start, Stop and completions run on its queue "Default".
#pragma once

#include <DriverKit/IODispatchQueue.h>
#include <DriverKit/OSAction.h>
#include <DriverKit/OSCollections.h>

class IOUserClient;

inline constexpr std::uint32_t kIOServicePowerCapabilityOff = 0x0;
inline constexpr std::uint32_t kIOServicePowerCapabilityOn = 0x2;
inline constexpr std::uint32_t kIOServicePowerCapabilityLow = 0x10000;

using IOServiceName = char[128];
using IOPropertyName = char[128];

struct IOService_IVars;

#define IOService_Start_Args IOService* provider
#define IOService_Stop_Args IOService* provider
#define IOService_SetPowerState_Args std::uint32_t powerFlags
#define IOService_NewUserClient_Args std::uint32_t type, IOUserClient **userClient

class IOService : public OSObject {
 public:
  IOService();
  ~IOService() override;

  static kern_return_t _Dispatch(OSMetaClassBase* self, IORPC rpc);

  bool init() override;
  void free() override;

  kern_return_t Start(IOService* provider, OSDispatchMethod supermethod = nullptr);
  kern_return_t Stop(IOService* provider, OSDispatchMethod supermethod = nullptr);
  kern_return_t SetPowerState(std::uint32_t powerFlags, OSDispatchMethod supermethod = nullptr);
  kern_return_t NewUserClient(std::uint32_t type, IOUserClient** userClient, OSDispatchMethod supermethod = nullptr);

  kern_return_t RegisterService(OSDispatchMethod supermethod = nullptr);
  kern_return_t SetName(const char* name, OSDispatchMethod supermethod = nullptr);
  /// Result retained. kIOReturnNotFound for a name that was never set.
  kern_return_t CopyDispatchQueue(const char* name, IODispatchQueue** queue, OSDispatchMethod supermethod = nullptr);
  /// Only "Default" and names that a method declared with QUEUENAME (kIOReturnBadArgument otherwise).
  kern_return_t SetDispatchQueue(const char* name, IODispatchQueue* queue, OSDispatchMethod supermethod = nullptr);
  /// Makes the service that Runtime::set_service_class() named for `propertiesKey`, and starts it on `provider`.
  kern_return_t Create(IOService* provider, const char* propertiesKey, IOService** result,
                       OSDispatchMethod supermethod = nullptr);
  kern_return_t Terminate(std::uint64_t options, OSDispatchMethod supermethod = nullptr);
  kern_return_t CopyProperties(OSDictionary** properties, OSDispatchMethod supermethod = nullptr);
  kern_return_t SetProperties(OSDictionary* properties, OSDispatchMethod supermethod = nullptr);
  IOService* GetProvider() const;
  const char* GetServiceName() const;  ///< SetName; empty before
  bool IsRegistered() const;

 protected:
  virtual kern_return_t Start_Impl(IOService_Start_Args);
  virtual kern_return_t Stop_Impl(IOService_Stop_Args);
  virtual kern_return_t SetPowerState_Impl(IOService_SetPowerState_Args);
  virtual kern_return_t NewUserClient_Impl(IOService_NewUserClient_Args);
  /// Generated classes know the queue names of their methods.
  virtual bool HasQueueName(const char* name) const;

 private:
  friend struct IOService_Access;
  IOService_IVars* ivars;
};
