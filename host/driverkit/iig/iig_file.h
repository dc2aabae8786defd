// isochio: what an .iig file says: one class with its methods, and the text around it. The subset of the language that
// public drivers use; no C++ parsing beyond balanced brackets.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

namespace isochio::iig {

struct Error {
  std::string file;
  int line = 0;
  std::string message;
  std::string to_string() const { return file + ":" + std::to_string(line) + ": " + message; }
};

enum class Kind {
  plain,       ///< goes into the header as it is, attributes apart: LOCALONLY, init, free, anything that is no method
  completion,  ///< has TYPE(...): an implementation, and a function that creates its action
  definition,  ///< pure virtual with a TARGET parameter: defines a completion type
  override_,   ///< overrides a method of the base class that can be called with SUPERDISPATCH
  method,      ///< a new method that can be called with SUPERDISPATCH
};

struct Member {
  Kind kind = Kind::plain;
  std::string access;     ///< "public:", "protected:" or "private:"
  std::string text;       ///< plain: without attributes, with its `;` or body
  std::string result;     ///< "kern_return_t"
  std::string name;       ///< "Start"
  std::string arguments;  ///< "IOService * provider", each named
  std::vector<std::string> argument_names;
  bool is_const = false;
  std::string type;   ///< completion: "IOUSBHostPipe::CompleteAsyncIsochIO"
  std::string queue;  ///< QUEUENAME, empty if none
};

struct ClassFile {
  std::string before, after;  ///< text around the class, with .iig includes turned into .h
  std::string original;       ///< the class itself
  std::string name, base;
  bool local_only = false;
  bool is_abstract = false;  ///< a plain pure virtual method
  std::vector<Member> members;
};

tl::expected<ClassFile, Error> parse(const std::string& file, const std::string& text);

/// The header and the implementation file that belongs to it. `header` is how the latter includes the former.
std::string write_header(const ClassFile& file);
std::string write_implementation(const ClassFile& file, const std::string& header);

}  // namespace isochio::iig
