// isochio: OSObject, the base of all objects with init() and free().
#pragma once

#include <DriverKit/OSMetaClass.h>

class OSObject : public OSMetaClassBase {
 public:
  static kern_return_t _Dispatch(OSMetaClassBase* self, IORPC rpc);

  virtual bool init() { return true; }
  void free() override;
};

using OSObjectPtr = OSObject*;
