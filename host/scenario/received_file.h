// isochio: where --payload keeps what came back: a file that appears whole or not at all, or a temporary one.
#pragma once

#include <cstdio>
#include <memory>
#include <string>

#include <tl/expected.hpp>

namespace isochio::scenario {

class ReceivedFile {
 public:
  /// Empty `path`: a temporary file. What is no ordinary file is refused, because it is read again. The error names
  /// the path and what the system said.
  static tl::expected<ReceivedFile, std::string> create(const std::string& path);
  ReceivedFile(ReceivedFile&& other) noexcept;
  ReceivedFile& operator=(ReceivedFile&&) = delete;
  /// Without keep() nothing is left behind.
  ~ReceivedFile();

  /// Errors of writing to it are told by flush().
  std::FILE* stream() const { return file_.get(); }
  /// Whether all that was written is in the file.
  tl::expected<void, std::string> flush();
  /// Where it can be read while it is open.
  std::string readable_path() const;
  /// Moves it into place.
  tl::expected<void, std::string> keep();

 private:
  using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;
  ReceivedFile(File file, std::string path, std::string part);
  std::string problem(const char* what) const;

  File file_;
  std::string path_;
  std::string part_;  ///< where it is written; empty: nothing to remove
};

}  // namespace isochio::scenario
