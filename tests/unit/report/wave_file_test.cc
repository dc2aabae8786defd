// isochio: wave files are found whole or not by their blocks.
#include "report/wave_file.h"

#include <doctest/doctest.h>

#include <cstdio>
#include <filesystem>
#include <string>

#include "report/report.h"

using namespace isochio::report;

namespace {

/// A block of FST: type, length with itself, content.
std::string block(char type, const std::string& content) {
  std::string text(1, type);
  const std::uint64_t length = content.size() + 8;
  for (int shift = 56; shift >= 0; shift -= 8)
    text += static_cast<char>(length >> static_cast<unsigned>(shift) & 0xffU);
  return text + content;
}

/// A header that promises `values` value blocks.
std::string header(char values) {
  std::string content(320, '\0');
  content[63] = values;
  return block(0, content);
}

const std::string values = block(8, std::string(100, 'v'));
const std::string geometry = block(3, "g");
const std::string hierarchy = block(6, "h");

struct Folder {
  Folder() { std::filesystem::create_directories(path); }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  bool whole(const std::string& text) const {
    CHECK(write_file(file(), text));
    return is_whole_fst(file());
  }
  std::string file() const { return (path / "x.fst").string(); }
  std::filesystem::path path = std::filesystem::temp_directory_path() / "isochio-wave-file-test";
};

}  // namespace

TEST_CASE("a wave file is whole if it has the blocks that its header counts, and the hierarchy") {
  const Folder folder;
  CHECK(folder.whole(header(2) + values + values + geometry + hierarchy));
  CHECK(folder.whole(header(0) + geometry + hierarchy));
  CHECK_FALSE(folder.whole(header(2) + values + geometry + hierarchy));
  CHECK_FALSE(folder.whole(header(1) + values + geometry));
  CHECK_FALSE(folder.whole(values + geometry + hierarchy));
  CHECK_FALSE(folder.whole(""));
  CHECK_FALSE(is_whole_fst(folder.file() + ".other"));
}

TEST_CASE("a wave file that is cut anywhere is not whole") {
  const Folder folder;
  const std::string good = header(1) + values + geometry + hierarchy;
  for (std::size_t size = 0; size < good.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(folder.whole(good.substr(0, size)));
  }
}

TEST_CASE("a wave file that is not finished leaves nothing behind, and what was there before stays") {
  const Folder folder;
  CHECK(write_file(folder.file(), "before"));
  {
    auto wave = WaveFile::create(folder.file());
    REQUIRE(wave);
    CHECK(std::filesystem::exists(wave->part()));
    CHECK_FALSE(wave->finish());
  }
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path), {}) == 1);
  CHECK(std::filesystem::file_size(folder.file()) == 6);
}
