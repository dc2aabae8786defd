// isochio: JUnit XML, as continuous integration servers read it.
#include <fmt/format.h>

#include "report/report.h"

namespace isochio::report {
namespace {

/// Escapes text for attributes and content; characters that XML 1.0 can't hold become '?'.
std::string escape(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&apos;";
        break;
      case '\n':
        out += "&#10;";
        break;
      case '\t':
        out += "&#9;";
        break;
      default:
        out += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
    }
  }
  return out;
}

std::string repeat(const RunResult& r) {
  return r.repeat_command.empty() ? std::string() : "Repeat: " + escape(r.repeat_command) + "\n";
}

std::string run_case(const RunResult& r) {
  const std::string head = fmt::format("    <testcase classname=\"isochio.{}\" name=\"run\" time=\"{:.3f}\"",
                                       escape(r.scenario), r.perf.wall_seconds);
  if (r.verdict != Verdict::error || r.error.empty()) return head + "/>\n";
  return fmt::format("{}>\n      <error message=\"{}\">{}</error>\n    </testcase>\n", head, escape(r.error),
                     repeat(r));
}

std::string group_case(const JUnitRun& run, check::Group group) {
  const RunResult& r = run.result;
  const std::string head = fmt::format("    <testcase classname=\"isochio.{}\" name=\"{}\" time=\"0\"",
                                       escape(r.scenario), check::to_string(group));
  const std::uint64_t count = r.violation_count(group);
  // With an expectation violations are part of what is expected, and judged there.
  if (count == 0 || r.expectation.given) {
    const bool not_run = r.skipped[static_cast<std::size_t>(group)] || r.verdict == Verdict::error;
    if (r.not_observable[static_cast<std::size_t>(group)] && !not_run)
      return head + "><skipped message=\"not observable on this target\"/></testcase>\n";
    return head + (not_run ? "><skipped/></testcase>\n" : "/>\n");
  }
  std::string reasons;
  std::string first;
  std::uint64_t told = 0;
  for (const auto& v : run.first) {
    if (check::group_of(v.rule) != group) continue;
    const std::string reason = escape(check::to_string(v));
    if (told == 0) first = ", first " + reason;
    reasons += reason + "\n";
    ++told;
  }
  if (count > told) reasons += fmt::format("and {} more\n", count - told);
  return fmt::format("{}>\n      <failure message=\"{} violation{}{}\">{}{}</failure>\n    </testcase>\n", head, count,
                     count == 1 ? "" : "s", first, reasons, repeat(r));
}

/// Whether the outcome was exactly that of [expect].
std::string expectation_case(const RunResult& r) {
  const auto& e = r.expectation;
  const std::string head =
      fmt::format("    <testcase classname=\"isochio.{}\" name=\"expectation\" time=\"0\"", escape(r.scenario));
  if (e.mismatches == 0) return head + "/>\n";
  std::string reasons, first;
  for (const auto& m : e.listed) {
    const std::string reason = escape(fmt::format("{}: expected {}, got {}", m.where, m.expected, m.got));
    if (first.empty()) first = ", first " + reason;
    reasons += reason + "\n";
  }
  if (e.mismatches > e.listed.size()) reasons += fmt::format("and {} more\n", e.mismatches - e.listed.size());
  return fmt::format("{}>\n      <failure message=\"{} outcome{} not as expected{}\">{}{}</failure>\n    </testcase>\n",
                     head, e.mismatches, e.mismatches == 1 ? "" : "s", first, reasons, repeat(r));
}

}  // namespace

std::string junit_xml(const std::vector<JUnitRun>& runs) {
  std::string suites;
  std::size_t tests = 0;
  std::size_t failures = 0;
  std::size_t errors = 0;
  for (const auto& run : runs) {
    const RunResult& r = run.result;
    std::size_t failed = 0;
    std::string cases = run_case(r);
    for (std::size_t i = 0; i < check::group_count; ++i) {
      const auto group = static_cast<check::Group>(i);
      cases += group_case(run, group);
      if (r.violation_count(group) > 0 && !r.expectation.given) ++failed;
    }
    std::size_t count = check::group_count + 1;
    if (r.expectation.given) {
      cases += expectation_case(r);
      ++count;
      if (r.expectation.mismatches > 0) ++failed;
    }
    const std::size_t error = r.verdict == Verdict::error ? 1 : 0;
    suites += fmt::format("  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{:.3f}\">\n",
                          escape(r.scenario), count, failed, error, r.perf.wall_seconds);
    suites += fmt::format(
        "    <properties>\n      <property name=\"seed\" value=\"{}\"/>\n      <property name=\"speed\" "
        "value=\"{}\"/>\n    </properties>\n",
        r.seed, usb::to_string(r.speed));
    suites += cases + "  </testsuite>\n";
    tests += count;
    failures += failed;
    errors += error;
  }
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"isochio\" tests=\"{}\" failures=\"{}\" "
      "errors=\"{}\">\n{}</testsuites>\n",
      tests, failures, errors, suites);
}

}  // namespace isochio::report
