// isochio tests: a whole file as text; empty if it is not there.
#pragma once

#include <array>
#include <cstdio>
#include <string>

namespace isochio::test {

inline std::string read_file(const std::string& path) {
  std::string text;
  std::FILE* f = std::fopen(path.c_str(), "rb");
  if (f == nullptr) return text;
  std::array<char, 4096> buffer{};
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), f)) text.append(buffer.data(), n);
  std::fclose(f);
  return text;
}

}  // namespace isochio::test
