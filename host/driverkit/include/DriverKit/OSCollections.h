// isochio: OSString, OSNumber, OSBoolean, OSData, OSArray, OSDictionary: what drivers use of them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <DriverKit/OSObject.h>
#include <DriverKit/OSSharedPtr.h>

class OSString : public OSObject {
 public:
  static OSString* withCString(const char* text);
  static OSSharedPtr<OSString> sharedWithCString(const char* text) { return {withCString(text), OSNoRetain}; }
  const char* getCStringNoCopy() const { return text_.c_str(); }
  std::size_t getLength() const { return text_.size(); }
  bool isEqualTo(const char* text) const { return text_ == text; }
  bool isEqualTo(const OSString* other) const { return other != nullptr && text_ == other->text_; }

 private:
  std::string text_;
};

class OSNumber : public OSObject {
 public:
  static OSNumber* withNumber(std::uint64_t value, std::size_t bits);
  std::uint8_t unsigned8BitValue() const { return static_cast<std::uint8_t>(value_); }
  std::uint16_t unsigned16BitValue() const { return static_cast<std::uint16_t>(value_); }
  std::uint32_t unsigned32BitValue() const { return static_cast<std::uint32_t>(value_); }
  std::uint64_t unsigned64BitValue() const { return value_; }

 private:
  std::uint64_t value_ = 0;
};

class OSBoolean : public OSObject {
 public:
  static OSBoolean* withBoolean(bool value);
  bool getValue() const { return value_; }
  bool isTrue() const { return value_; }

 private:
  bool value_ = false;
};

class OSData : public OSObject {
 public:
  static OSData* withBytes(const void* bytes, std::size_t length);
  const void* getBytesNoCopy() const { return bytes_.data(); }
  std::size_t getLength() const { return bytes_.size(); }

 private:
  std::vector<std::uint8_t> bytes_;
};

class OSArray : public OSObject {
 public:
  static OSArray* withCapacity(std::uint32_t capacity);
  bool setObject(OSObject* object);
  OSObject* getObject(std::uint32_t index) const { return index < objects_.size() ? objects_[index].get() : nullptr; }
  std::uint32_t getCount() const { return static_cast<std::uint32_t>(objects_.size()); }

 private:
  std::vector<OSSharedPtr<OSObject>> objects_;
};

class OSDictionary : public OSObject {
 public:
  static OSDictionary* withCapacity(std::uint32_t capacity);
  bool setObject(const char* key, OSObject* object);
  bool setObject(const OSString* key, OSObject* object) { return setObject(key->getCStringNoCopy(), object); }
  OSObject* getObject(const char* key) const;
  OSObject* getObject(const OSString* key) const { return getObject(key->getCStringNoCopy()); }
  void removeObject(const char* key) { objects_.erase(key); }
  std::uint32_t getCount() const { return static_cast<std::uint32_t>(objects_.size()); }

 private:
  std::map<std::string, OSSharedPtr<OSObject>> objects_;
};
