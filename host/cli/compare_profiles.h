// isochio: the same scenario under several host controllers: where what happens, or what is made of it, differs.
#pragma once

#include <string>
#include <vector>

#include "cli/tasks.h"

namespace isochio::cli {

struct ProfileComparison {
  struct Row {
    std::string aspect;
    std::vector<std::string> cells;  ///< by profile; empty: it can't drive the scenario's speed
    bool differs = false;
  };
  std::string scenario;
  std::vector<std::string> profiles;
  std::vector<Row> rows;
};

/// `all`: runs of --profile all, in order; the runs of one scenario follow one another.
std::vector<ProfileComparison> compare_profiles(const std::vector<Finished>& all);
/// A table for each scenario, of the rows that differ.
std::string comparison_text(const std::vector<ProfileComparison>& comparisons);
std::string comparison_json(const std::vector<ProfileComparison>& comparisons);

}  // namespace isochio::cli
