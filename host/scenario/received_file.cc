// isochio: see received_file.h.
#include "scenario/received_file.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fmt/format.h>

namespace isochio::scenario {

ReceivedFile::ReceivedFile(File file, std::string path, std::string part)
    : file_(std::move(file)), path_(std::move(path)), part_(std::move(part)) {}

ReceivedFile::ReceivedFile(ReceivedFile&& other) noexcept
    : file_(std::move(other.file_)), path_(std::move(other.path_)), part_(std::exchange(other.part_, std::string())) {}

ReceivedFile::~ReceivedFile() {
  if (!part_.empty()) std::remove(part_.c_str());
}

std::string ReceivedFile::problem(const char* what) const {
  return fmt::format("{}: what came back can't be {}: {}", path_.empty() ? "a temporary file" : path_, what,
                     std::strerror(errno));
}

tl::expected<ReceivedFile, std::string> ReceivedFile::create(const std::string& path) {
  std::error_code ignored;
  const auto status = std::filesystem::status(path, ignored);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status))
    return tl::unexpected(path + ": what came back can't be kept there: is no ordinary file");
  ReceivedFile received(File(nullptr, std::fclose), path, "");
  const std::string part = path + ".part";
  received.file_.reset(path.empty() ? std::tmpfile() : std::fopen(part.c_str(), "wb+"));
  if (!received.file_) return tl::unexpected(received.problem("written"));
  if (!path.empty()) received.part_ = part;
  return received;
}

tl::expected<void, std::string> ReceivedFile::flush() {
  errno = ENOSPC;  // if the reason is no longer known: the usual one
  const bool failed = std::ferror(file_.get()) != 0;
  if (std::fflush(file_.get()) != 0 || failed) return tl::unexpected(problem("written"));
  return {};
}

std::string ReceivedFile::readable_path() const { return fmt::format("/proc/self/fd/{}", fileno(file_.get())); }

tl::expected<void, std::string> ReceivedFile::keep() {
  if (part_.empty()) return {};
  if (std::rename(part_.c_str(), path_.c_str()) != 0) return tl::unexpected(problem("renamed into place"));
  part_.clear();
  return {};
}

}  // namespace isochio::scenario
