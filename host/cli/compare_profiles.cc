#include "cli/compare_profiles.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "controller/profile.h"

namespace isochio::cli {
namespace {

using controller::Status;

constexpr const char* not_driven = "-";

std::string list(const std::vector<std::string>& items) {
  constexpr std::size_t most = 3;
  if (items.empty()) return "none";
  if (items.size() <= most) return fmt::format("{}", fmt::join(items, ", "));
  return fmt::format("{}, {} more", fmt::join(items.begin(), items.begin() + most, ", "), items.size() - most);
}

std::string counts(const std::map<std::string, std::uint64_t>& counted, const char* leave_out) {
  std::vector<std::string> items;
  for (const auto& [word, count] : counted)
    if (word != leave_out) items.push_back(fmt::format("{} {}", count, word));
  return list(items);
}

/// Entries for which `word` gives something, as ranges.
template <typename Word>
std::string entries(const report::StreamOutcome& outcome, const Word& word) {
  std::vector<std::string> items;
  for (const auto& range : outcome.entries) {
    const std::string text = word(range);
    if (text.empty()) continue;
    items.push_back(range.first == range.last ? fmt::format("{} {}", range.first, text)
                                              : fmt::format("{}..{} {}", range.first, range.last, text));
  }
  return list(items);
}

/// Aspect and cell, in order.
std::vector<std::pair<std::string, std::string>> aspects(const report::RunResult& r) {
  std::vector<std::pair<std::string, std::string>> all{{"verdict", report::to_string(r.verdict)}};
  std::vector<std::string> violations;
  for (std::size_t i = 0; i < r.violations.size(); ++i)
    if (r.violations[i] > 0)
      violations.push_back(fmt::format("{} {}", r.violations[i], check::to_string(static_cast<check::Rule>(i))));
  all.emplace_back("violations", list(violations));
  if (!r.error.empty()) all.emplace_back("error", r.error);
  const auto* profile = controller::find_profile(r.profile);
  const auto seen = [&](auto member) {
    return [profile, member](const report::StreamOutcome::Range& range) {
      const auto* view = profile == nullptr ? nullptr : profile->view(range.neutral);
      const bool good = range.neutral == Status::ok || range.neutral == Status::short_packet;
      return view == nullptr || good ? std::string() : std::string(view->*member);
    };
  };
  for (const auto& o : r.outcome) {
    const auto add = [&](const char* what, std::string cell) {
      all.emplace_back(o.name + ": " + what, std::move(cell));
    };
    add("requests", fmt::format("{}", o.requests));
    add("refused calls", counts(o.refused, ""));
    add("first lead", fmt::format("{}", o.first_lead));
    add("entries not success",
        entries(o, [](const auto& range) { return range.status == "success" ? "" : range.status; }));
    add("overall not success", counts(o.overall, "success"));
    add("runs dry", fmt::format("{}", o.ring_empty));
    add("controller says", entries(o, seen(&controller::StatusView::controller)));
    add("Linux shows", entries(o, seen(&controller::StatusView::linux_code)));
    add("libusb shows", entries(o, seen(&controller::StatusView::libusb)));
  }
  return all;
}

ProfileComparison compare(std::span<const Finished> runs) {
  ProfileComparison comparison;
  comparison.scenario = runs.front().result.scenario;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    comparison.profiles.push_back(runs[i].result.profile);
    if (runs[i].not_driven) continue;
    for (const auto& told : aspects(runs[i].result)) {
      const std::string& aspect = told.first;
      auto row = std::ranges::find_if(comparison.rows, [&](const auto& known) { return known.aspect == aspect; });
      if (row == comparison.rows.end()) {
        comparison.rows.push_back({aspect, std::vector<std::string>(runs.size()), false});
        row = std::prev(comparison.rows.end());
      }
      row->cells[i] = told.second;
    }
  }
  for (auto& row : comparison.rows) {
    std::vector<std::string> seen;
    for (std::size_t i = 0; i < runs.size(); ++i)
      if (!runs[i].not_driven) seen.push_back(row.cells[i]);
    row.differs = std::ranges::adjacent_find(seen, std::not_equal_to()) != seen.end();
  }
  return comparison;
}

}  // namespace

std::vector<ProfileComparison> compare_profiles(const std::vector<Finished>& all) {
  std::vector<ProfileComparison> comparisons;
  std::vector<Finished> good;
  std::ranges::copy_if(all, std::back_inserter(good), [](const auto& run) { return run.trouble == 0; });
  for (std::size_t begin = 0; begin < good.size();) {
    std::size_t end = begin + 1;
    while (end < good.size() && good[end].result.scenario == good[begin].result.scenario) ++end;
    comparisons.push_back(compare(std::span(good).subspan(begin, end - begin)));
    begin = end;
  }
  return comparisons;
}

std::string comparison_text(const std::vector<ProfileComparison>& comparisons) {
  std::string text;
  for (const auto& comparison : comparisons) {
    std::vector<std::vector<std::string>> table{{""}};
    table[0].insert(table[0].end(), comparison.profiles.begin(), comparison.profiles.end());
    for (const auto& row : comparison.rows) {
      if (!row.differs) continue;
      table.push_back({row.aspect});
      for (const auto& cell : row.cells) table.back().push_back(cell.empty() ? not_driven : cell);
    }
    text += comparison.scenario;
    if (table.size() == 1) {
      text += ": the same under all profiles that can drive it\n";
      continue;
    }
    text += ": what differs (- can't drive this speed)\n";
    std::vector<std::size_t> widths(table[0].size());
    for (const auto& row : table)
      for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    for (const auto& row : table) {
      std::string line = " ";
      for (std::size_t i = 0; i < row.size(); ++i) line += fmt::format(" {:<{}} ", row[i], widths[i]);
      line.erase(line.find_last_not_of(' ') + 1);
      text += line + "\n";
    }
  }
  return text;
}

std::string comparison_json(const std::vector<ProfileComparison>& comparisons) {
  auto all = nlohmann::ordered_json::array();
  for (const auto& comparison : comparisons) {
    nlohmann::ordered_json one{{"scenario", comparison.scenario}, {"profiles", comparison.profiles}};
    one["rows"] = nlohmann::ordered_json::array();
    for (const auto& row : comparison.rows) {
      nlohmann::ordered_json cells;
      for (std::size_t i = 0; i < row.cells.size(); ++i)
        cells[comparison.profiles[i]] =
            row.cells[i].empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(row.cells[i]);
      one["rows"].push_back({{"aspect", row.aspect}, {"differs", row.differs}, {"values", cells}});
    }
    all.push_back(one);
  }
  return all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace isochio::cli
