// isochio: see wave_file.h. FST is described by GTKWave's fstapi.c: blocks of a type byte and a length, 64 bits with
// the highest byte first, which counts itself and what follows it.
#include "report/wave_file.h"

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include <fmt/format.h>

namespace isochio::report {
namespace {

namespace fs = std::filesystem;

// Types of blocks.
constexpr int header = 0, values = 1, hierarchy = 4, values_alias = 5, hierarchy_lz4 = 6, hierarchy_lz4_twice = 7,
              values_alias_2 = 8;
constexpr std::size_t count_in_header = 56;  ///< where the header, behind its length, says how many value blocks follow

std::uint64_t number(std::ifstream& stream) {
  std::array<char, 8> bytes{};
  stream.read(bytes.data(), bytes.size());
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8U | static_cast<unsigned char>(byte);
  return value;
}

}  // namespace

bool is_whole_fst(const std::string& path) {
  std::error_code error;
  const std::uint64_t size = fs::file_size(path, error);
  std::ifstream stream(path, std::ios::binary);
  if (error || !stream) return false;
  std::uint64_t promised = 0, seen = 0;
  bool has_hierarchy = false;
  std::uint64_t at = 0;
  while (at < size) {
    stream.seekg(static_cast<std::streamoff>(at));
    const int type = stream.get();
    const std::uint64_t length = number(stream);
    if (!stream || length < sizeof(length) || length > size - at - 1 || (at == 0) != (type == header)) return false;
    if (type == header) {
      stream.seekg(static_cast<std::streamoff>(at + 1 + sizeof(length) + count_in_header));
      promised = number(stream);
    }
    if (type == values || type == values_alias || type == values_alias_2) ++seen;
    if (type == hierarchy || type == hierarchy_lz4 || type == hierarchy_lz4_twice) has_hierarchy = true;
    at += 1 + length;
  }
  return size > 0 && stream && has_hierarchy && seen == promised;
}

WaveFile::WaveFile(std::string path) : path_(std::move(path)), part_(path_ + ".part") {}

WaveFile::WaveFile(WaveFile&& other) noexcept
    : path_(std::move(other.path_)), part_(std::exchange(other.part_, std::string())) {}

WaveFile::~WaveFile() {
  if (part_.empty()) return;
  std::remove(part_.c_str());
  std::remove((part_ + ".hier").c_str());  // the writer's own temporary file
}

tl::expected<WaveFile, std::string> WaveFile::create(const std::string& path) {
  std::error_code ignored;
  const auto status = fs::status(path, ignored);
  if (fs::exists(status) && !fs::is_regular_file(status))
    return tl::unexpected(fmt::format("{}: the waves can't be written: is no ordinary file", path));
  // The writer maps temporary files into memory: on a full disk that would end the program.
  constexpr std::uintmax_t least_space = 4U << 20U;
  const auto temporary = fs::temp_directory_path(ignored);
  const auto space = fs::space(temporary, ignored);
  if (!ignored && space.available < least_space)
    return tl::unexpected(fmt::format("{}: the waves can't be written: {} is full", path, temporary.string()));
  WaveFile file(path);
  std::FILE* probe = std::fopen(file.part_.c_str(), "wb");
  if (probe == nullptr)
    return tl::unexpected(fmt::format("{}: the waves can't be written: {}", path, std::strerror(errno)));
  std::fclose(probe);
  return file;
}

tl::expected<void, std::string> WaveFile::finish() {
  if (!is_whole_fst(part_))
    return tl::unexpected(fmt::format("{}: the waves can't be written whole: the disk may be full", path_));
  if (std::rename(part_.c_str(), path_.c_str()) != 0)
    return tl::unexpected(fmt::format("{}: the waves can't be renamed into place: {}", path_, std::strerror(errno)));
  part_.clear();
  return {};
}

}  // namespace isochio::report
