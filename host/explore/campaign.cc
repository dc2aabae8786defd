#include "explore/campaign.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "explore/shrink.h"
#include "explore/sweep.h"

namespace isochio::explore {
namespace {

class Campaign {
 public:
  Campaign(const CampaignOptions& options, const RunScenario& run, const Observed& observed,
           std::vector<Setting> settings)
      : options_(options),
        observed_(observed),
        settings_(std::move(settings)),
        isolated_(run, options.limit),
        alone_(run, options.limit) {}

  Totals run() {
    std::uint64_t next = 0;
    while (totals_.runs < options_.runs && !over()) {
      while (isolated_.running() < options_.jobs && next < options_.runs) {
        const std::uint64_t number = options_.first + next++;
        isolated_.start(number, scenario_of(options_, settings_, number).to_toml());
      }
      for (auto& ended : isolated_.wait()) ended_[ended.number] = std::move(ended.finding);
      take_in_order();
    }
    return totals_;
  }

 private:
  bool over() const {
    return observed_.stop() || totals_.failures >= options_.most_failures || !totals_.problem.empty();
  }

  void take_in_order() {
    for (auto next = options_.first + totals_.runs; !over() && ended_.contains(next); ++next) {
      const Finding finding = std::move(ended_[next]);
      ended_.erase(next);
      ++totals_.runs;
      if (finding.kind == Finding::Kind::no_target) totals_.problem = finding.sentence;
      observed_.ended(next, finding);
      if (finding.failed() || finding.kind == Finding::Kind::invalid) take_failure(next, finding);
      observed_.progress(static_cast<double>(totals_.runs) / static_cast<double>(options_.runs));
    }
  }

  /// A scenario that the parser does not take is a mistake of the generator; it is told as it is.
  void take_failure(std::uint64_t number, const Finding& finding) {
    ++totals_.failures;
    Failure failure{number, finding, scenario_of(options_, settings_, number), 0};
    if (finding.failed()) {
      const auto fails = [&](const Document& candidate) {
        const Finding again = alone_.run(candidate.to_toml());
        if (again.same_as(finding)) failure.finding = again;
        return again.same_as(finding);
      };
      auto shrunk = shrink(failure.smallest, options_.shrink_tries, fails, observed_.stop);
      failure.smallest = std::move(shrunk.document);
      failure.tries = shrunk.tries;
    }
    observed_.failed(failure);
  }

  const CampaignOptions& options_;
  const Observed& observed_;
  std::vector<Setting> settings_;
  Isolated isolated_, alone_;               ///< `alone_`: for making smaller
  std::map<std::uint64_t, Finding> ended_;  ///< not yet taken
  Totals totals_;
};

}  // namespace

Document scenario_of(const CampaignOptions& options, const std::vector<Setting>& settings, std::uint64_t number) {
  Random random(options.seed, number);
  if (!options.aims.empty()) return generate(random, settings, options.aims[number % options.aims.size()]);
  // Two of three runs sweep the values, one leaves it to chance.
  return generate(random, settings, number % 3 == 2 ? Aim{} : sweep(number / 3 * 2 + number % 3));
}

std::string file_of(const Failure& failure, const CampaignOptions& options, const std::string& path) {
  std::string head = fmt::format("# isochio explore --seed {}: run {} {} ({}).\n", options.seed, failure.run,
                                 to_string(failure.finding.kind), failure.finding.what);
  for (std::size_t at = 0; at < failure.finding.sentence.size();) {
    const auto end = std::min(failure.finding.sentence.find('\n', at), failure.finding.sentence.size());
    head += "#   " + failure.finding.sentence.substr(at, end - at) + "\n";
    at = end + 1;
  }
  head += fmt::format("# Made smaller in {} tries. Repeat it: isochio run {}\n", failure.tries, path);
  return head + failure.smallest.to_toml();
}

Totals explore(const CampaignOptions& options, const RunScenario& run, const Observed& observed) {
  auto settings = settings_of(options.devices);
  if (!settings) return {0, 0, settings.error()};
  if (settings->empty()) return {0, 0, fmt::format("{}: no isochronous endpoint", fmt::join(options.devices, ", "))};
  return Campaign(options, run, observed, std::move(*settings)).run();
}

}  // namespace isochio::explore
