#include "explore/document.h"

#include <algorithm>

namespace isochio::explore {

void Section::set(std::string_view key, std::string value) {
  const auto found = std::ranges::find(keys, key, &std::pair<std::string, std::string>::first);
  if (found != keys.end()) {
    found->second = std::move(value);
  } else {
    keys.emplace_back(key, std::move(value));
  }
}

void Section::word(std::string_view key, std::string_view value) { set(key, '"' + std::string(value) + '"'); }

const std::string* Section::find(std::string_view key) const {
  const auto found = std::ranges::find(keys, key, &std::pair<std::string, std::string>::first);
  return found == keys.end() ? nullptr : &found->second;
}

Section& Document::table(std::string_view name) {
  const auto found = std::ranges::find_if(sections, [&](const Section& one) { return one.name == name && !one.array; });
  if (found != sections.end()) return *found;
  return sections.emplace_back(Section{std::string(name), false, {}});
}

std::string Document::to_toml() const {
  std::string text;
  for (const auto& section : sections) {
    if (section.keys.empty()) continue;
    if (!text.empty()) text += '\n';
    if (!section.name.empty()) text += section.array ? "[[" + section.name + "]]\n" : "[" + section.name + "]\n";
    for (const auto& [key, value] : section.keys) text.append(key).append(" = ").append(value).append("\n");
  }
  return text;
}

}  // namespace isochio::explore
