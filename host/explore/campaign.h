// isochio: many random scenarios, some at once, each held against the executable reference and all checks; what fails
// is made smaller. Run i depends on seed and i alone, so that any of them can be repeated without the others.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "explore/generate.h"
#include "explore/isolated.h"

namespace isochio::explore {

struct CampaignOptions {
  std::uint64_t seed = 1;
  std::uint64_t first = 0, runs = 100;
  unsigned jobs = 1;
  std::chrono::milliseconds limit{60'000};  ///< of processor time, for one run
  std::size_t shrink_tries = 300;           ///< for one failure
  std::size_t most_failures = 10;           ///< then the campaign ends
  std::vector<std::string> devices{"corners", "test"};
  /// Run i aims at the i-th of these, in turn; empty: two of three runs sweep the dimensions, one leaves it to chance.
  std::vector<Aim> aims;
};

/// A scenario that fails, made as small as could be.
struct Failure {
  std::uint64_t run = 0;
  Finding finding;  ///< of the smallest
  Document smallest;
  std::size_t tries = 0;
};

struct Observed {
  std::function<void(std::uint64_t run, const Finding&)> ended;  ///< in the order of the runs
  std::function<void(const Failure&)> failed;
  std::function<void(double share)> progress;
  std::function<bool()> stop;
};

struct Totals {
  std::uint64_t runs = 0, failures = 0;
  std::string problem;  ///< why nothing could be run; empty: something was
};

Totals explore(const CampaignOptions& options, const RunScenario& run, const Observed& observed);

/// Run `number` of a campaign.
Document scenario_of(const CampaignOptions& options, const std::vector<Setting>& settings, std::uint64_t number);
/// The file that repeats a failure: what failed, by which seed, and how to repeat it, as comments; then the scenario.
std::string file_of(const Failure& failure, const CampaignOptions& options, const std::string& path);

}  // namespace isochio::explore
