// isochio: a scenario file as tables of keys and values, in order: what explore makes up, makes smaller and writes.
// It knows TOML's form, not the keys' meaning.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace isochio::explore {

/// A table; values are TOML text.
struct Section {
  std::string name;    ///< "" is the file's head
  bool array = false;  ///< [[name]]
  std::vector<std::pair<std::string, std::string>> keys;

  void set(std::string_view key, std::string value);
  void set(std::string_view key, std::uint64_t value) { set(key, std::to_string(value)); }
  void word(std::string_view key, std::string_view value);
  /// Empty: no such key.
  const std::string* find(std::string_view key) const;
};

struct Document {
  std::vector<Section> sections{{}};  ///< the head comes first

  Section& head() { return sections.front(); }
  Section& add(std::string name) { return sections.emplace_back(Section{std::move(name), true, {}}); }
  /// The one table of that name, made if it is not there.
  Section& table(std::string_view name);
  std::string to_toml() const;
};

}  // namespace isochio::explore
