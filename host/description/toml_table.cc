// isochio: reading TOML tables key by key.
#include "description/toml_table.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

namespace isochio::config {

tl::expected<toml::table, InputError> parse_toml(std::string_view text, const std::string& file) {
  try {
    return toml::parse(text, file);
  } catch (const toml::parse_error& problem) {
    return tl::unexpected(InputError{file, static_cast<int>(problem.source().begin.line), "",
                                     "not valid TOML: " + std::string(problem.description())});
  }
}

void Source::note_lines(const std::string& key, const toml::node& node) {
  lines_.try_emplace(key, static_cast<int>(node.source().begin.line));
  if (const toml::table* table = node.as_table()) {
    for (const auto& [name, child] : *table) {
      const std::string here = key.empty() ? std::string(name.str()) : key + "." + std::string(name.str());
      note_lines(here, child);
    }
  } else if (const toml::array* array = node.as_array()) {
    for (std::size_t i = 0; i < array->size(); ++i) note_lines(fmt::format("{}[{}]", key, i), (*array)[i]);
  }
}

void Source::fail_unknown(const std::string& table, const std::string& key, std::string message) {
  const std::string prefix = table.empty() ? "" : table + ".";
  const bool same_table =
      error_ && error_->key.starts_with(prefix) && error_->key.find_first_of(".[", prefix.size()) == std::string::npos;
  if (error_ && (error_is_unknown_ || !same_table)) return;
  error_ = InputError{file_, line_of(key), key, std::move(message)};
  error_is_unknown_ = true;
}

int Source::line_of(std::string key) const {
  for (;;) {
    if (const auto found = lines_.find(key); found != lines_.end()) return found->second;
    const std::size_t cut = key.find_last_of(".[");
    if (cut == std::string::npos) return 0;
    key.resize(cut);
  }
}

const toml::node* Table::find(std::string_view name) {
  known_.emplace(name);
  return table_ == nullptr ? nullptr : table_->get(name);
}

std::optional<std::int64_t> Table::integer(std::string_view name, std::int64_t least, std::int64_t most) {
  const toml::node* node = find(name);
  if (node == nullptr) return std::nullopt;
  const auto value = node->value_exact<std::int64_t>();
  if (!value || *value < least || *value > most) {
    fail(name, fmt::format("this has to be a number from {} to {}", least, most));
    return std::nullopt;
  }
  return value;
}

void Table::read(std::string_view name, bool& value) {
  const toml::node* node = find(name);
  if (node == nullptr) return;
  if (const auto given = node->value_exact<bool>()) {
    value = *given;
  } else {
    fail(name, "this has to be true or false");
  }
}

void Table::read(std::string_view name, std::string& value) {
  const toml::node* node = find(name);
  if (node == nullptr) return;
  if (const auto given = node->value_exact<std::string>()) {
    value = *given;
  } else {
    fail(name, "this has to be a text in quotes");
  }
}

std::optional<std::size_t> Table::word(std::string_view name, const std::vector<std::string>& words) {
  std::string given;
  read(name, given);
  if (given.empty()) {
    if (has(name)) fail(name, "one of " + quoted_list(words));
    return std::nullopt;
  }
  const auto found = std::find(words.begin(), words.end(), given);
  if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
  const auto near = nearest(given, words);
  fail(name, fmt::format("\"{}\" is not known; {}", given,
                         near ? "do you mean \"" + *near + "\"?" : "one of " + quoted_list(words)));
  return std::nullopt;
}

Table Table::table(std::string_view name) {
  const toml::node* node = find(name);
  if (node != nullptr && !node->is_table()) fail(name, fmt::format("this has to be a table: [{}]", key(name)));
  return {*source_, node == nullptr ? nullptr : node->as_table(), key(name)};
}

std::vector<Table> Table::tables(std::string_view name) {
  std::vector<Table> all;
  const toml::node* node = find(name);
  if (node == nullptr) return all;
  const toml::array* array = node->as_array();
  if (array == nullptr) {
    fail(name, fmt::format("this has to be a list of tables: [[{}]]", name));
    return all;
  }
  for (std::size_t i = 0; i < array->size(); ++i) {
    const std::string here = fmt::format("{}[{}]", key(name), i);
    const toml::table* table = (*array)[i].as_table();
    if (table == nullptr) source_->fail(here, "this has to be a table: { key = value, … }");
    all.emplace_back(*source_, table, here);
  }
  return all;
}

void Table::finish() {
  if (table_ == nullptr) return;
  for (const auto& [name, node] : *table_) {
    if (known_.contains(name.str())) continue;
    const std::vector<std::string> words(known_.begin(), known_.end());
    const auto near = nearest(name.str(), words);
    source_->fail_unknown(key_, key(name.str()),
                          near ? fmt::format("there is no such key; do you mean \"{}\"?", *near)
                               : "there is no such key; here are " + quoted_list(words));
  }
}

std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& words) {
  std::optional<std::string> best;
  // A word that needs more than about a third of its letters changed is another word.
  std::size_t best_distance = std::max<std::size_t>(word.size() / 3, 1) + 1;
  for (const std::string& candidate : words) {
    std::vector<std::size_t> row(candidate.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= word.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i;
      for (std::size_t j = 1; j <= candidate.size(); ++j) {
        const std::size_t changed = diagonal + (word[i - 1] == candidate[j - 1] ? 0 : 1);
        diagonal = row[j];
        row[j] = std::min({changed, row[j] + 1, row[j - 1] + 1});
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

std::string quoted_list(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "\"" : ", \"") + word + "\"";
  return text;
}

}  // namespace isochio::config
