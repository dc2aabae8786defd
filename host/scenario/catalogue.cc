#include "scenario/catalogue.h"

#include <algorithm>
#include <cstdlib>
#include <system_error>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "description/toml_table.h"

namespace isochio::scenario {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> folders(Shelf shelf) {
  const char* name = shelf == Shelf::scenarios ? "scenarios" : "devices";
  std::vector<fs::path> result;
  if (const char* data = std::getenv("ISOCHIO_DATA"); data != nullptr && *data != '\0') {
    result.push_back(fs::path(data) / name);
    return result;  // whoever sets it wants nothing else
  }
  std::error_code error;
  const auto command = fs::read_symlink("/proc/self/exe", error);
  if (!error) result.push_back(command.parent_path().parent_path() / "share/isochio" / name);
  result.push_back(fs::path(ISOCHIO_INSTALLED_DATA) / name);
  result.push_back(fs::path(ISOCHIO_SOURCE_TREE) / (shelf == Shelf::scenarios ? "tests/scenarios" : "rtl/devices"));
  return result;
}

}  // namespace

std::vector<fs::path> list(Shelf shelf) {
  std::vector<fs::path> result;
  for (const auto& folder : folders(shelf)) {
    std::error_code error;
    for (const auto& item : fs::recursive_directory_iterator(folder, error)) {
      const auto& path = item.path();
      const auto same = [&](const fs::path& other) { return other.stem() == path.stem(); };
      if (path.extension() == ".toml" && std::none_of(result.begin(), result.end(), same)) result.push_back(path);
    }
  }
  std::sort(result.begin(), result.end(), [](const auto& a, const auto& b) { return a.stem() < b.stem(); });
  return result;
}

tl::expected<fs::path, InputError> find(Shelf shelf, const std::string& name, const fs::path& base) {
  const fs::path path(name);
  if (name.find('/') != std::string::npos || path.extension() == ".toml") {
    const auto near_base = base / path;
    if (!base.empty() && fs::exists(near_base)) return near_base;
    if (fs::exists(path)) return path;
    return tl::unexpected(InputError{name, 0, "", "no such file"});
  }
  std::vector<std::string> names;
  for (auto& item : list(shelf)) {
    if (item.stem() == name) return item;
    names.push_back(item.stem().string());
  }
  const char* kind = shelf == Shelf::scenarios ? "scenario" : "device";
  const auto near = config::nearest(name, names);
  constexpr std::size_t few = 20;
  const auto hint = near                  ? fmt::format("did you mean \"{}\"?", *near)
                    : names.size() <= few ? fmt::format("there are: {}", fmt::join(names, ", "))
                                          : fmt::format("isochio list shows the {} that there are", names.size());
  return tl::unexpected(InputError{name, 0, "", fmt::format("no {} of that name; {}", kind, hint)});
}

}  // namespace isochio::scenario
