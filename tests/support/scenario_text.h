// isochio: runs a scenario that a test has as text, on the Verilated device.
#pragma once

#include <doctest/doctest.h>

#include <string>

#include "scenario/run.h"
#include "simulated_device.h"

namespace isochio::test {

inline scenario::RunOutcome run_text(const std::string& text, bool idle_skipping = true) {
  const auto parsed = scenario::parse_scenario(text, "test.toml");
  if (!parsed) FAIL(parsed.error().to_string());
  scenario::RunOptions options;
  options.idle_skipping = idle_skipping;
  options.make_link = [](const scenario::LinkRequest& request) {
    return verilated::make_simulated_device({.image = request.image,
                                             .fs_only = request.fs_only,
                                             .idle_skipping = request.idle_skipping,
                                             .wave_path = request.wave_path});
  };
  auto outcome = scenario::run(*parsed, options);
  if (!outcome) FAIL(outcome.error().message);
  return std::move(*outcome);
}

inline std::uint64_t count(const scenario::RunOutcome& outcome, check::Rule rule) {
  return outcome.result.violations[static_cast<std::size_t>(rule)];
}

/// "rule: what was seen" of each violation of a group that was kept.
inline std::string findings(const scenario::RunOutcome& outcome, check::Group group) {
  std::string text;
  for (const auto& violation : outcome.first)
    if (check::group_of(violation.rule) == group)
      text += std::string(check::to_string(violation.rule)) + ": " + violation.seen + "\n";
  return text;
}

}  // namespace isochio::test
