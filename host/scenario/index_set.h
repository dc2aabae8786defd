// isochio: a set of indices as scenario files write it: "3", "12..15" (both ends belong to it), "0..", "7../8" (every
// eighth from 7 on), and several of them: "1, 5, 9..12".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace isochio::scenario {

class IndexSet {
 public:
  /// Empty: the text is not such a set.
  static std::optional<IndexSet> parse(std::string_view text);
  static IndexSet all() { return IndexSet({{0, open, 1}}); }
  static IndexSet one(std::uint64_t index) { return IndexSet({{index, index, 1}}); }

  bool contains(std::uint64_t index) const;
  /// How many members come before `index`.
  std::uint64_t rank(std::uint64_t index) const;
  /// The greatest member that has to exist for all parts to mean something: of a part without end, its first.
  std::uint64_t least_end() const;
  std::string to_string() const;

  friend bool operator==(const IndexSet&, const IndexSet&) = default;

 private:
  static constexpr std::uint64_t open = ~std::uint64_t{0};
  struct Part {
    std::uint64_t first, last, step;
    friend bool operator==(const Part&, const Part&) = default;
  };
  explicit IndexSet(std::vector<Part> parts) : parts_(std::move(parts)) {}
  static std::optional<Part> parse_part(std::string_view text);

  std::vector<Part> parts_;  ///< ascending, apart from one another
};

}  // namespace isochio::scenario
