// isochio: reading TOML tables key by key. What is asked for counts as known; finish() reports every other key with the
// nearest known one. The first error counts and is kept in the Source; after it, reads give defaults.
#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <toml++/toml.h>
#include <tl/expected.hpp>

#include "description/input_error.h"

namespace isochio::config {

/// The file's text as tables; an error names the line of what is not TOML.
tl::expected<toml::table, InputError> parse_toml(std::string_view text, const std::string& file);

class Source {
 public:
  Source(std::string file, const toml::table& root) : file_(std::move(file)) { note_lines("", root); }

  void fail(const std::string& key, std::string message) {
    if (!error_) error_ = InputError{file_, line_of(key), key, std::move(message)};
  }
  /// A key of `table` that is not known. It goes before another error of the same table, which it is likely to be the
  /// reason of: a misspelt key is a missing one too.
  void fail_unknown(const std::string& table, const std::string& key, std::string message);
  const std::optional<InputError>& error() const { return error_; }
  /// Line of a key, or of the nearest key around it that is in the file.
  int line_of(std::string key) const;

 private:
  void note_lines(const std::string& key, const toml::node& node);

  std::string file_;
  std::map<std::string, int> lines_;
  std::optional<InputError> error_;
  bool error_is_unknown_ = false;
};

class Table {
 public:
  /// `table` may be null: then every key is absent.
  Table(Source& source, const toml::table* table, std::string key)
      : source_(&source), table_(table), key_(std::move(key)) {}

  bool empty() const { return table_ == nullptr || table_->empty(); }
  const toml::table* raw() const { return table_; }
  std::string key(std::string_view name) const {
    return key_.empty() ? std::string(name) : key_ + "." + std::string(name);
  }
  const std::string& key() const { return key_; }
  Source& source() const { return *source_; }
  void fail(std::string_view name, std::string message) const { source_->fail(key(name), std::move(message)); }

  /// The node, or null; the key counts as known from now on.
  const toml::node* find(std::string_view name);
  bool has(std::string_view name) { return find(name) != nullptr; }

  std::optional<std::int64_t> integer(std::string_view name, std::int64_t least, std::int64_t most);
  template <std::unsigned_integral T>
  void read(std::string_view name, T& value, std::int64_t most = std::numeric_limits<T>::max(),
            std::int64_t least = 0) {
    if (const auto given = integer(name, least, most)) value = static_cast<T>(*given);
  }
  void read(std::string_view name, bool& value);
  void read(std::string_view name, std::string& value);
  /// A number, or one of `words` with its position as value.
  template <typename Enum, std::size_t N>
  void read(std::string_view name, Enum& value, const char* const (&words)[N]) {
    if (const auto given = word(name, {words, words + N})) value = static_cast<Enum>(*given);
  }
  std::optional<std::size_t> word(std::string_view name, const std::vector<std::string>& words);

  Table table(std::string_view name);
  /// [[name]]; also a single table.
  std::vector<Table> tables(std::string_view name);

  void finish();

 private:
  Source* source_;
  const toml::table* table_;
  std::string key_;
  std::set<std::string, std::less<>> known_;
};

/// The word of `words` nearest to `word`, if it is near at all.
std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& words);
std::string quoted_list(const std::vector<std::string>& words);

}  // namespace isochio::config
