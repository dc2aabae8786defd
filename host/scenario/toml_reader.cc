#include "scenario/toml_reader.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace isochio::scenario {
namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitute = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitute});
    }
  }
  return row.back();
}

}  // namespace

std::optional<std::string> nearest(std::string_view word, std::span<const std::string> known) {
  std::optional<std::string> best;
  std::size_t best_distance =
      std::max<std::size_t>(word.size() / 2, 1) + 1;  // more different than that is no typing error
  for (const auto& candidate : known) {
    const auto distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

TomlReader::TomlReader(const toml::table& table, std::string file, std::string path, std::optional<InputError>& error)
    : table_(table), file_(std::move(file)), path_(std::move(path)), error_(error) {}

std::string TomlReader::path_of(std::string_view key) const {
  if (key.empty()) return path_;
  return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

void TomlReader::fail_at(std::string_view key, const toml::node& where, std::string message) {
  if (error_) return;
  error_ = InputError{file_, static_cast<int>(where.source().begin.line), path_of(key), std::move(message)};
}

void TomlReader::fail(const char* key, std::string message) {
  const toml::node* value = table_.get(key);
  fail_at(key, value != nullptr ? *value : static_cast<const toml::node&>(table_), std::move(message));
}

const toml::node* TomlReader::node(const char* key) {
  known_.emplace(key);
  return error_ ? nullptr : table_.get(key);
}

std::string TomlReader::text(const char* key, std::string_view fallback) {
  const auto* value = node(key);
  if (value == nullptr) return std::string(fallback);
  if (const auto* string = value->as_string()) return string->get();
  fail_at(key, *value, "must be a string in quotes");
  return std::string(fallback);
}

bool TomlReader::flag(const char* key, bool fallback) {
  const auto* value = node(key);
  if (value == nullptr) return fallback;
  if (const auto* flag = value->as_boolean()) return flag->get();
  fail_at(key, *value, "must be true or false");
  return fallback;
}

std::int64_t TomlReader::integer(const char* key, std::int64_t fallback, std::int64_t least, std::int64_t most) {
  const auto* value = node(key);
  if (value == nullptr) return fallback;
  const auto* integer = value->as_integer();
  if (integer != nullptr && integer->get() >= least && integer->get() <= most) return integer->get();
  fail_at(key, *value, fmt::format("must be a whole number from {} to {}", least, most));
  return fallback;
}

double TomlReader::number(const char* key, double fallback, double least, double most) {
  const auto* value = node(key);
  if (value == nullptr) return fallback;
  const auto number = value->value<double>();
  if (value->is_number() && *number >= least && *number <= most) return *number;
  fail_at(key, *value, fmt::format("must be a number from {} to {}", least, most));
  return fallback;
}

std::vector<std::int64_t> TomlReader::integers(const char* key, std::int64_t least, std::int64_t most,
                                               std::size_t longest) {
  std::vector<std::int64_t> result;
  const auto* value = node(key);
  if (value == nullptr) return result;
  const auto* array = value->as_array();
  const auto valid = [&](const toml::node& item) {
    const auto* integer = item.as_integer();
    return integer != nullptr && integer->get() >= least && integer->get() <= most;
  };
  if (array == nullptr || array->empty() || array->size() > longest ||
      !std::all_of(array->begin(), array->end(), valid)) {
    fail_at(key, *value, fmt::format("must be a list of 1 to {} whole numbers from {} to {}", longest, least, most));
    return result;
  }
  for (const auto& item : *array) result.push_back(item.as_integer()->get());
  return result;
}

std::size_t TomlReader::choice(const char* key, std::size_t fallback, std::span<const char* const> words) {
  const auto* value = node(key);
  if (value == nullptr) return fallback;
  if (const auto* string = value->as_string()) {
    const auto at = std::find(words.begin(), words.end(), string->get());
    if (at != words.end()) return static_cast<std::size_t>(at - words.begin());
  }
  fail_at(key, *value, fmt::format("must be one of \"{}\"", fmt::join(words, "\", \"")));
  return fallback;
}

const toml::table* TomlReader::table(const char* key) {
  const auto* value = node(key);
  if (value == nullptr) return nullptr;
  if (const auto* table = value->as_table()) return table;
  fail_at(key, *value, fmt::format("must be a table, written [{}]", path_of(key)));
  return nullptr;
}

std::vector<const toml::table*> TomlReader::tables(const char* key) {
  std::vector<const toml::table*> result;
  const auto* value = node(key);
  if (value == nullptr) return result;
  const auto* array = value->as_array();
  if (array == nullptr || !array->is_homogeneous<toml::table>()) {
    fail_at(key, *value, fmt::format("must be an array of tables, each written [[{}]]", path_of(key)));
    return result;
  }
  for (const auto& item : *array) result.push_back(item.as_table());
  return result;
}

const toml::table& TomlReader::all() {
  for (const auto& [key, value] : table_) known_.emplace(key.str());
  return table_;
}

void TomlReader::finish() {
  if (error_) return;
  for (const auto& [key, value] : table_) {
    if (known_.contains(key.str())) continue;
    const std::vector<std::string> known(known_.begin(), known_.end());
    const auto near = nearest(key.str(), known);
    fail_at(key.str(), value,
            near ? fmt::format("unknown key; did you mean \"{}\"?", *near)
                 : fmt::format("unknown key; known here: {}", fmt::join(known, ", ")));
    return;
  }
}

}  // namespace isochio::scenario
