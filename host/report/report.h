// isochio: what a run found, and the forms in which it is told: console, JSON (docs/report.schema.json), JUnit.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "check/reporter.h"
#include "check/statistics.h"
#include "controller/host.h"
#include "coverage/hits.h"
#include "report/frame_list.h"
#include "report/output_file.h"

namespace isochio::report {

enum class Verdict : std::uint8_t { passed, failed, error };
const char* to_string(Verdict verdict);

/// Wall-clock figures: apart from the results, because they differ from run to run.
struct Perf {
  std::uint64_t clocks = 0;            ///< device clocks that passed
  std::uint64_t clocks_evaluated = 0;  ///< … that were not skipped
  double bus_seconds = 0, wall_seconds = 0;

  double realtime_ratio() const { return wall_seconds > 0 ? bus_seconds / wall_seconds : 0; }
  double clocks_per_second() const { return wall_seconds > 0 ? static_cast<double>(clocks) / wall_seconds : 0; }
};

/// What came of one stream, as its driver saw it.
struct StreamOutcome {
  struct Range {  ///< entries that follow one another and came to the same
    std::uint64_t first = 0, last = 0;
    std::string status;  ///< in the frame list: driverkit/return_words.h
    controller::Status neutral{};
    std::uint64_t bytes = 0;  ///< their sum
  };
  std::string name;
  std::uint64_t requests = 0, entry_count = 0;
  std::int64_t first_lead = 0;                   ///< frames from the first accepted call to its first frame
  std::map<std::string, std::uint64_t> refused;  ///< calls, by what they returned
  std::map<std::string, std::uint64_t> overall;  ///< completions, by overall status
  std::uint64_t ring_empty = 0;                  ///< times that the controller said that the stream had run dry
  std::vector<Range> entries;                    ///< the first hundred
  std::uint64_t entries_left_out = 0;            ///< entries behind those
  std::set<std::pair<std::string, controller::Status>> seen;  ///< what any entry said
};

/// What [expect] of a scenario came to.
struct ExpectationResult {
  struct Mismatch {
    std::string where, expected, got;
  };
  bool given = false;
  bool error_expected = false;   ///< RunResult::error is what the scenario expects
  std::uint64_t mismatches = 0;  ///< 0: all is exactly as expected
  std::vector<Mismatch> listed;  ///< the first ones
};

/// The faults that a run made on purpose.
struct FaultSummary {
  struct Planned {
    std::string name, kind;
    std::uint64_t made = 0;
  };
  struct Made {
    std::uint64_t id = 0;
    std::size_t planned = 0;  ///< which of `planned`
    usb::FrameTime at;
    bus::BusTime time;
    bool from_host = true;
    std::string packet;  ///< its PID; empty: no packet's fault
    usb::EndpointAddress endpoint;
    bool has_endpoint = false;
    std::string what;
  };
  std::vector<Planned> planned;  ///< in the order of the scenario
  std::uint64_t made = 0;
  std::vector<Made> first;  ///< the first thousand
};

/// One scenario's result. The scenario runner fills it.
struct RunResult {
  std::string scenario;
  std::uint64_t seed = 0;
  usb::Speed speed{};
  std::uint64_t frames = 0;  ///< 1 ms frames asked for
  Verdict verdict = Verdict::error;
  std::string error;           ///< why it could not run or go on; empty otherwise
  std::string repeat_command;  ///< what to type to repeat it
  std::vector<check::StreamStatistics> streams;
  check::Histogram latency;  ///< completion latency over all streams
  check::SofStatistics sof;
  std::string profile;    ///< of the host controller; empty: a real one
  bool buffered = false;  ///< a real one, through a buffer: empty IN packets (zero_length) were not looked at
  std::vector<StreamOutcome> outcome;
  ExpectationResult expectation;
  std::uint64_t bytes_compared = 0;                           ///< of loopback and --payload comparison
  std::array<bool, check::group_count> skipped{};             ///< groups of checks that the scenario turned off
  std::array<bool, check::group_count> not_observable{};      ///< groups of which the target shows too little to judge
  std::array<std::uint64_t, check::rule_count> violations{};  ///< by rule
  std::array<std::uint64_t, check::rule_count> violations_reported{};  ///< of them, those listed
  FaultSummary faults;
  coverage::Hits coverage;  ///< docs/coverage.md
  Perf perf;

  std::uint64_t violation_total() const;
  std::uint64_t violation_count(check::Group group) const;
  /// Names of the groups that are not observable, and neither turned off.
  std::vector<std::string> hidden_groups() const;
  /// Copies counts from the reporter; verdict: error if `error` is set, else failed if there is a violation. With
  /// an expectation: failed if anything is not as expected; an expected error or violation is good.
  void conclude(const check::Reporter& reporter);
};

/// Writes JSON as the run goes: violations as they come, the rest at the end; memory does not grow. Hang frame_list()
/// on the Host. The file appears under its name only when finish() has written it whole (written beside it as NAME.part
/// first).
class JsonReport final : public check::ViolationSink {
 public:
  /// The error names the file and the reason.
  static tl::expected<std::unique_ptr<JsonReport>, std::string> create(const std::string& path);
  ~JsonReport() override;  ///< without finish(): completes the file with verdict "error"
  JsonReport(const JsonReport&) = delete;
  JsonReport& operator=(const JsonReport&) = delete;

  void report(const check::Violation& violation) override;
  FrameList& frame_list() { return frames_; }
  tl::expected<void, std::string> finish(const RunResult& result);

 private:
  explicit JsonReport(OutputFile file) : file_(std::move(file)) {}

  OutputFile file_;
  FrameList frames_;
  bool first_ = true;
};

/// Keeps the first few violations for the console and JUnit, and hands all on to other sinks.
class ViolationTee final : public check::ViolationSink {
 public:
  explicit ViolationTee(std::size_t keep = 10) : keep_(keep) {}
  void add(check::ViolationSink* sink) { sinks_.push_back(sink); }
  void report(const check::Violation& violation) override;
  /// At most `keep` of each group.
  const std::vector<check::Violation>& kept() const { return kept_; }

 private:
  std::size_t keep_;
  std::array<std::size_t, check::group_count> kept_counts_{};
  std::vector<check::Violation> kept_;
  std::vector<check::ViolationSink*> sinks_;
};

/// A terminal that wants colour: isatty, TERM not "dumb", NO_COLOR unset or empty.
bool use_colour(std::FILE* stream);

/// Summary of one run: verdict, table of streams, counts of violations by rule, the first ones in full.
std::string console_summary(const RunResult& result, const std::vector<check::Violation>& first, bool colour);
/// One line a scenario, with verdicts: for `script/demo` and runs of several scenarios.
std::string console_table(const std::vector<RunResult>& results, bool colour);

/// A finished scenario as JUnit sees it.
struct JUnitRun {
  RunResult result;
  std::vector<check::Violation> first;
};
/// One test suite a scenario: a test case for the run itself and one for each group of checks.
std::string junit_xml(const std::vector<JUnitRun>& runs);
/// Whole or not at all (output_file.h). The error names the file and the reason.
tl::expected<void, std::string> write_file(const std::string& path, const std::string& text);

}  // namespace isochio::report
