// isochio: see output_file.h.
#include "report/output_file.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fmt/format.h>

namespace isochio::report {

OutputFile::OutputFile(std::FILE* file, std::string path, std::string part)
    : file_(file), path_(std::move(path)), part_(std::move(part)) {}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : file_(std::exchange(other.file_, nullptr)),
      path_(std::move(other.path_)),
      part_(std::move(other.part_)),
      error_(std::move(other.error_)) {}

OutputFile::~OutputFile() {
  if (file_ == nullptr) return;
  std::fclose(file_);
  if (!part_.empty()) std::remove(part_.c_str());
}

tl::expected<OutputFile, std::string> OutputFile::create(const std::string& path) {
  std::error_code ignored;
  const auto status = std::filesystem::status(path, ignored);
  const bool ordinary = !std::filesystem::exists(status) || std::filesystem::is_regular_file(status);
  std::string part = ordinary ? path + ".part" : std::string();
  std::FILE* file = std::fopen(ordinary ? part.c_str() : path.c_str(), "wb");
  if (file == nullptr)
    return tl::unexpected(fmt::format("{}: the report can't be opened: {}", path, std::strerror(errno)));
  return OutputFile(file, path, std::move(part));
}

tl::expected<void, std::string> OutputFile::check(const std::string& path) {
  std::error_code ignored;
  const auto status = std::filesystem::status(path, ignored);
  const bool special = std::filesystem::exists(status) && !std::filesystem::is_regular_file(status);
  if (special && !std::filesystem::is_directory(status)) return {};
  if (auto file = create(path); !file) return tl::unexpected(file.error());
  return {};
}

void OutputFile::fail(std::string_view what) {
  if (error_.empty()) error_ = fmt::format("{}: the report can't be {}: {}", path_, what, std::strerror(errno));
}

void OutputFile::write(std::string_view text) {
  if (file_ == nullptr || !error_.empty()) return;
  if (std::fwrite(text.data(), 1, text.size(), file_) != text.size()) fail("written");
}

tl::expected<void, std::string> OutputFile::finish() {
  if (file_ == nullptr) return tl::unexpected(path_ + ": is finished already");
  if (std::fclose(std::exchange(file_, nullptr)) != 0) fail("written");
  if (error_.empty() && !part_.empty() && std::rename(part_.c_str(), path_.c_str()) != 0) fail("renamed into place");
  if (error_.empty()) return {};
  if (!part_.empty()) std::remove(part_.c_str());
  return tl::unexpected(error_);
}

}  // namespace isochio::report
