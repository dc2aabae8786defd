// isochio: IOUserClient. There are no other processes, so it is only a type that NewUserClient can hand out.
#pragma once

#include <DriverKit/IOService.h>

class IOUserClient : public IOService {
 public:
  static kern_return_t _Dispatch(OSMetaClassBase* self, IORPC rpc);
};
