// isochio: reads one table of a TOML file strictly: a wrong type, a value out of range or a key that nobody asked for
// becomes an InputError with file, line and key. The first error wins; after it every getter returns its default, so
// that the code which reads a table need not test after each key.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <toml++/toml.h>

#include "description/input_error.h"

namespace isochio::scenario {

/// The word of `known` that is nearest to `word`, or nothing if none is similar.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> known);

class TomlReader {
 public:
  /// `path` is the dotted path of the table, empty for the document. All references outlive the reader.
  TomlReader(const toml::table& table, std::string file, std::string path, std::optional<InputError>& error);

  std::string text(const char* key, std::string_view fallback);
  bool flag(const char* key, bool fallback);
  std::int64_t integer(const char* key, std::int64_t fallback, std::int64_t least, std::int64_t most);
  double number(const char* key, double fallback, double least, double most);
  std::vector<std::int64_t> integers(const char* key, std::int64_t least, std::int64_t most, std::size_t longest);
  /// One of `words`, as its index.
  std::size_t choice(const char* key, std::size_t fallback, std::span<const char* const> words);

  bool has(const char* key) const { return table_.contains(key); }
  const toml::node* node(const char* key);
  /// A sub-table, or null.
  const toml::table* table(const char* key);
  /// The tables of an array of tables; empty if the key is absent.
  std::vector<const toml::table*> tables(const char* key);
  /// All keys of the table count as read (a table whose keys are data).
  const toml::table& all();

  /// Reports `key` (with the line of its value, or of the table) as wrong.
  void fail(const char* key, std::string message);
  /// To be called last: reports a key that nobody asked for.
  void finish();

  const std::string& file() const { return file_; }
  std::string path_of(std::string_view key) const;

 private:
  void fail_at(std::string_view key, const toml::node& where, std::string message);

  const toml::table& table_;
  std::string file_, path_;
  std::optional<InputError>& error_;
  std::set<std::string, std::less<>> known_;
};

}  // namespace isochio::scenario
