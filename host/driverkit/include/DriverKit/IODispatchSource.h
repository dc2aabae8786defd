// isochio: IODispatchSource, the base of event sources.
#pragma once

#include <DriverKit/IODispatchQueue.h>
#include <DriverKit/OSAction.h>

using IODispatchSourceCancelHandler = OSBlock;

class IODispatchSource : public OSObject {
 public:
  static kern_return_t _Dispatch(OSMetaClassBase* self, IORPC rpc);

  virtual kern_return_t Cancel(IODispatchSourceCancelHandler handler) = 0;
  virtual kern_return_t SetEnableWithCompletion(bool enable, IODispatchSourceCancelHandler handler) = 0;
  kern_return_t SetEnable(bool enable) { return SetEnableWithCompletion(enable, nullptr); }
};
