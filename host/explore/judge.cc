#include "explore/judge.h"

#include <algorithm>

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

std::string cause_of(const std::string& error) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  constexpr std::size_t code_length = 10;  // 0xe00002ed
  std::string text;
  for (std::size_t at = 0; at < error.size();) {
    if (error.compare(at, 3, "0xe") == 0) {
      text += error.substr(at, code_length);
      at += std::min(code_length, error.size() - at);
      continue;
    }
    if (!is_digit(error[at])) {
      text += error[at++];
      continue;
    }
    text += '#';
    while (at < error.size() && (is_digit(error[at]) || error[at] == '.')) ++at;
  }
  return text;
}

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
  if (result.verdict == report::Verdict::error) return {Kind::error, cause_of(result.error), result.error, covered};
  if (result.verdict == report::Verdict::failed) return {Kind::violated, "expectation", "not as expected", covered};
  return {Kind::passed, {}, {}, covered};
}

}  // namespace isochio::explore
