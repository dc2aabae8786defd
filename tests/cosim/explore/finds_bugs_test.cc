// isochio: explore finds what is planted: engines that tell another status or keep another rule than is promised, a
// device that now and then does not answer; and makes a scenario of it that is small and fails alone. The promises come
// from the profile and the keys of the file, so that an engine whose options were changed behind the file's back is an
// engine with a bug.
#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>

#include "explore/campaign.h"
#include "explore/judge.h"
#include "simulated_device.h"

using namespace isochio;
using namespace isochio::explore;

namespace {

std::unique_ptr<bus::Link> simulator(const scenario::LinkRequest& request) {
  return verilated::make_simulated_device({.image = request.image, .fs_only = request.fs_only, .wave_path = {}});
}

struct Campaigned {
  Totals totals;
  std::vector<Failure> failures;
};

Campaigned campaign(const RunScenario& run, std::uint64_t runs, std::vector<Aim> aims = {}) {
  CampaignOptions options;
  options.seed = 1;
  options.runs = runs;
  options.jobs = 2;
  options.most_failures = 1;
  options.aims = std::move(aims);
  Campaigned all;
  Observed observed;
  observed.ended = [](std::uint64_t, const Finding&) {};
  observed.failed = [&](const Failure& failure) { all.failures.push_back(failure); };
  observed.progress = [](double) {};
  observed.stop = [] { return false; };
  all.totals = explore::explore(options, run, observed);
  return all;
}

std::size_t lines(const std::string& text) { return static_cast<std::size_t>(std::ranges::count(text, '\n')); }

/// A bug is found within so many runs, and the scenario that shows it is small, and passes without the bug.
void finds(Change bug, std::uint64_t runs, const char* rule, const std::vector<Aim>& aims = {}) {
  const auto found = campaign([bug](const std::string& toml) { return judge(toml, simulator, bug); }, runs, aims);
  REQUIRE(found.failures.size() == 1);
  const auto& failure = found.failures.front();
  const auto text = failure.smallest.to_toml();
  CAPTURE(text);
  CAPTURE(failure.finding.sentence);
  CHECK(failure.finding.what == rule);
  CHECK(lines(text) <= 20);
  CHECK(text.find("[[event]]") == std::string::npos);
  CHECK(judge(text, simulator, bug).what == rule);
  CHECK(judge(text, simulator).kind == Finding::Kind::passed);
}

}  // namespace

TEST_SUITE("explore finds bugs") {
  TEST_CASE("explore finds an engine that calls a short packet Underrun") {
    finds([](scenario::Scenario& s) { s.driverkit.short_in = driverkit::ShortIn::underrun; }, 60, "promise");
  }

  TEST_CASE("explore finds an engine that gives a missed entry another code") {
    finds([](scenario::Scenario& s) { s.driverkit.missed_entry = driverkit::MissedEntry::not_sent_2; }, 100, "promise",
          {{{"status", "missed"}}});
  }

  TEST_CASE("explore finds an engine whose horizon is one frame short") {
    finds(
        [](scenario::Scenario& s) {
          --s.driverkit.horizon_frames;
          --s.controller.horizon_frames;
        },
        600, "promise");
  }

  TEST_CASE("explore finds an engine that wants a frame more of lead") {
    finds(
        [](scenario::Scenario& s) {
          ++s.driverkit.keep_away_frames;
          ++s.controller.keep_away_frames;
        },
        200, "promise");
  }

  TEST_CASE("explore finds an engine whose overall status is not that of its entries") {
    finds([](scenario::Scenario& s) { s.driverkit.overall_status = driverkit::OverallStatus::always_overrun; }, 60,
          "promise");
  }

  TEST_CASE("a crash and a hang are failures, and the campaign goes on to make them small") {
    const auto crash = campaign(
        [](const std::string& toml) -> Finding {
          if (toml.find("depth") != std::string::npos) std::raise(SIGKILL);  // no handler of doctest in between
          return {};
        },
        30);
    REQUIRE(crash.failures.size() == 1);
    CHECK(crash.failures.front().finding.kind == Finding::Kind::crashed);
    CHECK(crash.failures.front().smallest.to_toml().find("depth") != std::string::npos);
  }

  TEST_CASE("without a bug nothing is found") {
    const auto found = campaign([](const std::string& toml) { return judge(toml, simulator); }, 60);
    CHECK(found.totals.runs == 60);
    CHECK(found.totals.failures == 0);
  }
}
