// isochio: a wave file (FST) that appears whole or not at all. The FST writer reports no errors, so the file is written
// beside its place, its blocks are counted when it is closed, and it is renamed if none is missing.
#pragma once

#include <string>

#include <tl/expected.hpp>

namespace isochio::report {

class WaveFile {
 public:
  /// The error names the path and what the system said. What is no ordinary file is refused: the FST writer would
  /// remove it.
  static tl::expected<WaveFile, std::string> create(const std::string& path);
  WaveFile(WaveFile&& other) noexcept;
  WaveFile& operator=(WaveFile&&) = delete;
  /// Without finish() nothing is left behind.
  ~WaveFile();

  /// Where the writer has to write.
  const std::string& part() const { return part_; }
  /// After the writer has closed: moves into place; nothing is left if the file is not whole.
  tl::expected<void, std::string> finish();

 private:
  explicit WaveFile(std::string path);

  std::string path_;
  std::string part_;  ///< empty: moved from, or finished
};

/// Whether all blocks of an FST file are there: it begins with a header that counts the value blocks, and has the
/// hierarchy.
bool is_whole_fst(const std::string& path);

}  // namespace isochio::report
