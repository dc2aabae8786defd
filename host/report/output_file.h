// isochio: a file that appears whole or not at all. It is written beside its place and renamed when it is finished;
// what is no ordinary file (a pipe, /dev/stdout, /dev/full) is written in place, because a rename would replace it.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

namespace isochio::report {

class OutputFile {
 public:
  /// The error names the path and what the system said.
  static tl::expected<OutputFile, std::string> create(const std::string& path);
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  /// Without finish() nothing is left behind.
  ~OutputFile();

  /// Whether create() would succeed, for what is written only after a long run. Leaves nothing behind; does not open
  /// what is no ordinary file.
  static tl::expected<void, std::string> check(const std::string& path);

  /// The first error is kept for finish().
  void write(std::string_view text);
  bool is_open() const { return file_ != nullptr; }
  /// Closes and moves into place; nothing is left if any write failed.
  tl::expected<void, std::string> finish();

 private:
  OutputFile(std::FILE* file, std::string path, std::string part);
  void fail(std::string_view what);

  std::FILE* file_;
  std::string path_;
  std::string part_;  ///< where it is written; empty: in place
  std::string error_;
};

}  // namespace isochio::report
