// isochio: the summary for people.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "report/report.h"

namespace isochio::report {
namespace {

/// Rows of cells; the first row is the heading. Numbers stand right, the first column left.
class Table {
 public:
  void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  std::string text() const {
    std::vector<std::size_t> widths;
    for (const auto& row : rows_) {
      widths.resize(std::max(widths.size(), row.size()));
      for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    }
    std::string out;
    for (const auto& row : rows_) {
      std::string line = " ";
      for (std::size_t i = 0; i < row.size(); ++i)
        line += i == 0 ? fmt::format(" {:<{}}", row[i], widths[i]) : fmt::format("  {:>{}}", row[i], widths[i]);
      line.erase(line.find_last_not_of(' ') + 1);
      out += line + "\n";
    }
    return out;
  }

 private:
  std::vector<std::vector<std::string>> rows_;
};

std::string paint(const std::string& text, const char* code, bool colour) {
  return colour ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : text;
}

std::string verdict_text(Verdict verdict, bool colour) {
  return paint(to_string(verdict), verdict == Verdict::passed ? "32" : "1;31", colour);
}

std::string number(std::uint64_t n) { return fmt::format("{}", n); }
std::string microseconds(bus::Duration d) { return fmt::format("{:.3f}", static_cast<double>(d.bits) / 480.0); }

std::string streams(const RunResult& r) {
  Table t;
  t.row({"endpoint", "requests", "entries", "bytes", "packets", "lost", "corrupt", "dup", "reord", "late", "early",
         "missed", "latency us p50", "max"});
  for (const auto& s : r.streams)
    t.row({fmt::format("0x{:02x} {}", s.endpoint.value, s.endpoint.is_in() ? "IN" : "OUT"), number(s.requests),
           number(s.entries), number(s.bytes), number(s.payload.packets), number(s.payload.lost),
           number(s.payload.corrupt), number(s.payload.duplicate), number(s.payload.reordered), number(s.late),
           number(s.early), number(s.missed), s.latency.count() == 0 ? "-" : microseconds(s.latency.percentile(50)),
           s.latency.count() == 0 ? "-" : microseconds(s.latency.max())});
  return t.text();
}

std::string expectation(const RunResult& r, bool colour) {
  const auto& e = r.expectation;
  if (e.mismatches == 0) return "  everything as expected\n";
  std::string out = paint(fmt::format("  {} outcome{} not as expected:\n", e.mismatches, e.mismatches == 1 ? "" : "s"),
                          "1;31", colour);
  for (const auto& m : e.listed) out += fmt::format("    {}: expected {}, got {}\n", m.where, m.expected, m.got);
  if (e.mismatches > e.listed.size()) out += fmt::format("    … and {} more\n", e.mismatches - e.listed.size());
  return out;
}

/// Which part of a stream was looked at.
std::string buffered(const RunResult& r) {
  std::string out;
  for (const auto& s : r.streams)
    if (s.endpoint.is_in() && s.payload.packets != 0)
      out += fmt::format(
          "  0x{:02x} through a buffer: {} of {} packets brought data; these are judged by the device's own record\n",
          s.endpoint.value, s.payload.packets - s.payload.zero_length, s.payload.packets);
  return out;
}

std::string faults(const FaultSummary& f) {
  std::string out = fmt::format("  {} fault{} made on purpose:", f.made, f.made == 1 ? "" : "s");
  for (const auto& p : f.planned) out += fmt::format(" {} {}{}", p.made, p.name, &p == &f.planned.back() ? "" : ",");
  return out + "\n";
}

std::string violations(const RunResult& r, const std::vector<check::Violation>& first, bool colour) {
  const bool as_expected = r.expectation.given && r.expectation.mismatches == 0;
  std::string out = paint(fmt::format("  {} violation{}:", r.violation_total(), r.violation_total() == 1 ? "" : "s"),
                          as_expected ? "0" : "1;31", colour);
  for (std::size_t i = 0; i < r.violations.size(); ++i)
    if (r.violations[i] > 0)
      out += fmt::format(" {} {}", r.violations[i], check::to_string(static_cast<check::Rule>(i)));
  out += "\n";
  if (as_expected) return out;
  for (const auto& v : first) out += "    " + check::to_string(v) + "\n";
  if (r.violation_total() > first.size()) out += fmt::format("    … and {} more\n", r.violation_total() - first.size());
  return out;
}

}  // namespace

bool use_colour(std::FILE* stream) {
  const char* no_color = std::getenv("NO_COLOR");
  if (no_color != nullptr && *no_color != '\0') return false;
  const char* term = std::getenv("TERM");
  if (term == nullptr || std::strcmp(term, "dumb") == 0) return false;
  return ::isatty(::fileno(stream)) != 0;
}

std::string console_summary(const RunResult& r, const std::vector<check::Violation>& first, bool colour) {
  std::string out =
      fmt::format("{}  {} at {}, seed {}\n", verdict_text(r.verdict, colour), paint(r.scenario, "1", colour),
                  r.speed == usb::Speed::full ? "full speed" : "high speed", r.seed);
  if (!r.error.empty()) out += fmt::format("  {}\n", r.error);
  if (!r.streams.empty()) out += streams(r);
  if (r.sof.intervals > 0)
    out += fmt::format("  SOF interval {} to {} us, jitter {} us, in {} intervals\n", microseconds(r.sof.min),
                       microseconds(r.sof.max), microseconds(r.sof.jitter), r.sof.intervals);
  if (r.bytes_compared > 0) out += fmt::format("  {} bytes compared with what was sent\n", r.bytes_compared);
  if (const auto hidden = r.hidden_groups(); !hidden.empty())
    out += fmt::format("  not observable on this target: {}\n", fmt::join(hidden, ", "));
  if (r.buffered) out += buffered(r);
  if (r.expectation.given) out += expectation(r, colour);
  if (!r.faults.planned.empty()) out += faults(r.faults);
  if (r.violation_total() > 0) out += violations(r, first, colour);
  out +=
      fmt::format("  {:.3f} s of bus time in {:.3f} s: {:.3g} times real time, {:.3g} M clocks/s\n", r.perf.bus_seconds,
                  r.perf.wall_seconds, r.perf.realtime_ratio(), r.perf.clocks_per_second() / 1e6);
  if (r.verdict != Verdict::passed && !r.repeat_command.empty()) out += fmt::format("  repeat: {}\n", r.repeat_command);
  return out;
}

std::string console_table(const std::vector<RunResult>& results, bool colour) {
  Table t;
  t.row({"scenario", "speed", "verdict", "requests", "entries", "bytes", "violations", "bus s", "x real time"});
  for (const auto& r : results) {
    check::StreamStatistics sum;
    for (const auto& s : r.streams) {
      sum.requests += s.requests;
      sum.entries += s.entries;
      sum.bytes += s.bytes;
    }
    t.row({r.scenario, usb::to_string(r.speed), to_string(r.verdict), number(sum.requests), number(sum.entries),
           number(sum.bytes), number(r.violation_total()), fmt::format("{:.3f}", r.perf.bus_seconds),
           fmt::format("{:.3g}", r.perf.realtime_ratio())});
  }
  std::string text = t.text();
  if (!colour) return text;
  // Colour after the columns have been measured: escape sequences have no width.
  for (const Verdict v : {Verdict::passed, Verdict::failed, Verdict::error}) {
    const std::string plain = fmt::format("  {} ", to_string(v));
    const std::string painted = fmt::format("  {} ", verdict_text(v, true));
    for (std::size_t at = text.find(plain); at != std::string::npos; at = text.find(plain, at + painted.size()))
      text.replace(at, plain.size(), painted);
  }
  return text;
}

}  // namespace isochio::report
