// isochio: the root of DriverKit's object model: retain counts, casts, allocation, and the dispatch macros IMPL and
// SUPERDISPATCH. Everything runs in one thread, so counts are plain integers.
#pragma once

#include <cassert>
#include <cstdint>

#include <DriverKit/IOTypes.h>

class OSObject;

/// Names a class and makes instances of it (isochio-iig writes one per class, gMyDriverMetaClass).
struct OSMetaClass {
  const char* name;
  OSObject* (*create)();  ///< a new instance with one reference, init() not called
};

class OSMetaClassBase {
 public:
  OSMetaClassBase() = default;
  OSMetaClassBase(const OSMetaClassBase&) = delete;
  OSMetaClassBase& operator=(const OSMetaClassBase&) = delete;
  virtual ~OSMetaClassBase() = default;

  void retain() const { ++retain_count_; }
  void release() const;
  std::int32_t GetRetainCount() const { return retain_count_; }  ///< for tests

  /// Called when the last reference goes. Overrides end with super::free(), which ends the object.
  virtual void free() = 0;

 private:
  mutable std::int32_t retain_count_ = 1;
};

struct IORPC {};  ///< a message between processes; never built here
using OSDispatchMethod = kern_return_t (*)(OSMetaClassBase* self, IORPC rpc);

// The address of a class's _Dispatch names the class whose implementation a super call wants.
#define SUPERDISPATCH ((OSDispatchMethod)&super::_Dispatch)

// `kern_return_t IMPL(MyDriver, Start)` defines MyDriver::Start_Impl with the parameters that the .iig file gave.
#define IMPL(cls, method) cls::method##_Impl(cls##_##method##_Args)

#define OSDynamicCast(type, inst) (dynamic_cast<type*>(inst))
#define OSRequiredCast(type, inst) (OSRequiredCastFor<type>(inst))
#define OSTypeID(type) (g##type##MetaClass)
#define OSTypeAlloc(type) (new type())
#define OSSafeReleaseNULL(inst)               \
  do {                                        \
    if ((inst) != nullptr) (inst)->release(); \
    (inst) = nullptr;                         \
  } while (0)
#define OSSafeRelease(inst)                   \
  do {                                        \
    if ((inst) != nullptr) (inst)->release(); \
  } while (0)

template <class Type, class From>
Type* OSRequiredCastFor(From* from) {
  Type* to = dynamic_cast<Type*>(from);
  assert(to != nullptr && "OSRequiredCast: the object is of another class");
  return to;
}
