#include "explore/judge.h"

#include "check/reporter.h"

namespace isochio::explore {
namespace {

/// All rules that were violated: a smaller scenario that violates another one, too, fails by something else.
std::string rules(const report::RunResult& result) {
  std::string names;
  for (std::size_t i = 0; i < check::rule_count; ++i)
    if (result.violations[i] > 0)
      names.append(names.empty() ? "" : ", ").append(check::to_string(static_cast<check::Rule>(i)));
  return names;
}

}  // namespace

Finding judge(const std::string& toml, const scenario::LinkFactory& make_link, Change change) {
  using Kind = Finding::Kind;
  auto parsed = scenario::parse_scenario(toml, "explore.toml");
  if (!parsed) return {Kind::invalid, "input", parsed.error().to_string(), {}};
  if (change != nullptr) change(*parsed);
  scenario::RunOptions options;
  options.make_link = make_link;
  const auto outcome = scenario::run(*parsed, options);
  if (!outcome) {
    const bool input = outcome.error().kind == scenario::RunError::Kind::input;
    return {input ? Kind::invalid : Kind::no_target, input ? "input" : "target", outcome.error().message, {}};
  }
  const auto& result = outcome->result;
  const auto covered = result.coverage.to_json();
  if (!outcome->first.empty())
    return {Kind::violated, rules(result), check::to_string(outcome->first.front()), covered};
  if (result.verdict == report::Verdict::error) return {Kind::error, "error", result.error, covered};
  if (result.verdict == report::Verdict::failed) return {Kind::violated, "expectation", "not as expected", covered};
  return {Kind::passed, {}, {}, covered};
}

}  // namespace isochio::explore
