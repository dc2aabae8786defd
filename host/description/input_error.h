// isochio: what is wrong with an input file, so that the user can mend it.
#pragma once

#include <string>

namespace isochio {

struct InputError {
  std::string file;
  int line = 0;         ///< 1-based, 0 = unknown or not a text file
  std::string key;      ///< dotted path, e.g. "endpoint[2].interval"
  std::string message;  ///< what is wrong and what to do

  /// "file:line: key: message", leaving out what is unknown.
  std::string to_string() const {
    std::string text = file;
    if (line > 0) text += ":" + std::to_string(line);
    if (!key.empty()) text += ": " + key;
    return text + ": " + message;
  }
};

}  // namespace isochio
