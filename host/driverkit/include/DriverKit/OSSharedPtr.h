// isochio: OSSharedPtr, a reference that retains and releases by itself.
#pragma once

#include <cstddef>
#include <utility>

struct OSNoRetainTag {};
struct OSRetainTag {};
inline constexpr OSNoRetainTag OSNoRetain{};
inline constexpr OSRetainTag OSRetain{};

template <class T>
class OSSharedPtr {
 public:
  using element_type = T;

  OSSharedPtr() = default;
  OSSharedPtr(std::nullptr_t) {}
  OSSharedPtr(T* object, OSNoRetainTag) : object_(object) {}
  OSSharedPtr(T* object, OSRetainTag) : object_(object) {
    if (object_ != nullptr) object_->retain();
  }
  OSSharedPtr(const OSSharedPtr& other) : OSSharedPtr(other.object_, OSRetain) {}
  OSSharedPtr(OSSharedPtr&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  template <class U>
  OSSharedPtr(const OSSharedPtr<U>& other) : OSSharedPtr(other.get(), OSRetain) {}
  template <class U>
  OSSharedPtr(OSSharedPtr<U>&& other) : object_(other.detach()) {}
  ~OSSharedPtr() { reset(); }

  OSSharedPtr& operator=(OSSharedPtr other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }

  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }

  void reset() {
    if (T* old = std::exchange(object_, nullptr)) old->release();
  }
  void reset(T* object, OSNoRetainTag tag) { *this = OSSharedPtr(object, tag); }
  void reset(T* object, OSRetainTag tag) { *this = OSSharedPtr(object, tag); }
  T* detach() { return std::exchange(object_, nullptr); }
  void swap(OSSharedPtr& other) { std::swap(object_, other.object_); }

  friend bool operator==(const OSSharedPtr& a, const OSSharedPtr& b) { return a.object_ == b.object_; }
  friend bool operator==(const OSSharedPtr& a, const T* b) { return a.object_ == b; }
  friend bool operator==(const OSSharedPtr& a, std::nullptr_t) { return a.object_ == nullptr; }

 private:
  T* object_ = nullptr;
};

template <class T>
OSSharedPtr<T> OSMakeShared() {
  return OSSharedPtr<T>(new T(), OSNoRetain);
}
template <class T, class U>
OSSharedPtr<T> OSDynamicPtrCast(const OSSharedPtr<U>& from) {
  return OSSharedPtr<T>(dynamic_cast<T*>(from.get()), OSRetain);
}
