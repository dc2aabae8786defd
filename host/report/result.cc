// isochio: what belongs to the result itself.

#include <fmt/format.h>

#include "report/report.h"

namespace isochio::report {

const char* to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::passed:
      return "passed";
    case Verdict::failed:
      return "failed";
    case Verdict::error:
      return "error";
  }
  return "?";
}

std::uint64_t RunResult::violation_total() const {
  std::uint64_t sum = 0;
  for (const auto n : violations) sum += n;
  return sum;
}

std::uint64_t RunResult::violation_count(check::Group group) const {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < violations.size(); ++i)
    if (check::group_of(static_cast<check::Rule>(i)) == group) sum += violations[i];
  return sum;
}

std::vector<std::string> RunResult::hidden_groups() const {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < not_observable.size(); ++i)
    if (not_observable[i] && !skipped[i]) names.emplace_back(check::to_string(static_cast<check::Group>(i)));
  return names;
}

void RunResult::conclude(const check::Reporter& reporter) {
  for (std::size_t i = 0; i < violations.size(); ++i) {
    violations[i] = reporter.count(static_cast<check::Rule>(i));
    violations_reported[i] = reporter.reported(static_cast<check::Rule>(i));
  }
  const bool wrong = expectation.given ? expectation.mismatches > 0 : violation_total() > 0;
  const bool broken = !error.empty() && !expectation.error_expected;
  verdict = broken ? Verdict::error : wrong ? Verdict::failed : Verdict::passed;
}

void ViolationTee::report(const check::Violation& violation) {
  std::size_t& count = kept_counts_[static_cast<std::size_t>(check::group_of(violation.rule))];
  if (count < keep_) {
    ++count;
    kept_.push_back(violation);
  }
  for (auto* sink : sinks_) sink->report(violation);
}

tl::expected<void, std::string> write_file(const std::string& path, const std::string& text) {
  auto file = OutputFile::create(path);
  if (!file) return tl::unexpected(file.error());
  file->write(text);
  return file->finish();
}

}  // namespace isochio::report
