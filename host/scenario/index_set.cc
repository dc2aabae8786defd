#include "scenario/index_set.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace isochio::scenario {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(' ');
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

std::optional<std::uint64_t> number(std::string_view text) {
  constexpr std::uint64_t most = 1'000'000'000'000;
  std::uint64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size() || value > most) return std::nullopt;
  return value;
}

}  // namespace

std::optional<IndexSet::Part> IndexSet::parse_part(std::string_view text) {
  Part part{0, open, 1};
  if (const auto slash = text.find('/'); slash != std::string_view::npos) {
    const auto step = number(trimmed(text.substr(slash + 1)));
    if (!step || *step == 0) return std::nullopt;
    part.step = *step;
    text = trimmed(text.substr(0, slash));
  }
  const auto dots = text.find("..");
  const auto first = number(trimmed(text.substr(0, dots)));
  if (!first) return std::nullopt;
  part.first = part.last = *first;
  if (dots == std::string_view::npos) return part.step == 1 ? std::optional(part) : std::nullopt;
  const auto end = trimmed(text.substr(dots + 2));
  if (end.empty()) {
    part.last = open;
    return part;
  }
  const auto last = number(end);
  if (!last || *last < part.first) return std::nullopt;
  part.last = *last - (*last - part.first) % part.step;
  return part;
}

std::optional<IndexSet> IndexSet::parse(std::string_view text) {
  std::vector<Part> parts;
  for (;;) {
    const auto comma = text.find(',');
    const auto part = parse_part(trimmed(text.substr(0, comma)));
    // Ascending, so that the rank of a member is plain to see.
    if (!part || (!parts.empty() && part->first <= parts.back().last)) return std::nullopt;
    parts.push_back(*part);
    if (comma == std::string_view::npos) return IndexSet(std::move(parts));
    text = text.substr(comma + 1);
  }
}

bool IndexSet::contains(std::uint64_t index) const {
  return std::any_of(parts_.begin(), parts_.end(), [&](const Part& part) {
    return index >= part.first && index <= part.last && (index - part.first) % part.step == 0;
  });
}

std::uint64_t IndexSet::rank(std::uint64_t index) const {
  std::uint64_t before = 0;
  for (const Part& part : parts_) {
    if (index <= part.first) break;
    before += (std::min(index - 1, part.last) - part.first) / part.step + 1;
  }
  return before;
}

std::uint64_t IndexSet::least_end() const {
  return parts_.back().last == open ? parts_.back().first : parts_.back().last;
}

std::string IndexSet::to_string() const {
  std::string text;
  for (const Part& part : parts_) {
    if (!text.empty()) text += ", ";
    text += std::to_string(part.first);
    if (part.last != part.first) text += part.last == open ? ".." : fmt::format("..{}", part.last);
    if (part.step != 1) text += fmt::format("/{}", part.step);
  }
  return text;
}

}  // namespace isochio::scenario
