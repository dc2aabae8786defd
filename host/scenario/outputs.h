// isochio: the files that a run writes while it goes on: report, page, capture, and what came back of --payload. Valid
// whatever becomes of the run.
#pragma once

#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include <tl/expected.hpp>

#include "capture/pcapng.h"
#include "check/byte_stream.h"
#include "check/suite.h"
#include "report/html.h"
#include "report/report.h"
#include "scenario/fault_record.h"
#include "scenario/received_file.h"
#include "scenario/run.h"

namespace isochio::scenario {

class Outputs {
 public:
  /// Opens what the options ask for and puts it where it learns of violations, packets and faults. `scenario` outlives
  /// this. The error is a sentence for the user, naming the file.
  tl::expected<void, std::string> open(const Scenario& scenario, const RunOptions& options, report::ViolationTee& tee,
                                       check::Suite& suite, FaultRecord& faults);
  /// Shows them the host's requests.
  void watch(controller::Host& host);

  /// null: no page is written.
  report::Timeline* timeline() { return html_ ? &html_->timeline() : nullptr; }
  /// Gets what comes back of --payload; null without it.
  std::FILE* received() const { return received_ ? received_->stream() : nullptr; }

  /// With --payload: what came back, all of it, against the file that was sent: read from disk again, apart from the
  /// streams' own check. It is kept then. None where that can't be told; a failure is the run's error, unless it has
  /// one.
  std::optional<check::FileDifference> compare_received(const std::string& sent, report::RunResult& result);
  /// No packet comes any more. A failure is the run's error, unless it has one.
  void close_capture(report::RunResult& result);
  /// Last of all. A failure is the run's error and verdict.
  void write_reports(report::RunResult& result);
  /// A file could not be written.
  bool failed() const { return failed_; }

 private:
  std::unique_ptr<report::JsonReport> json_;
  std::unique_ptr<report::HtmlReport> html_;
  std::unique_ptr<capture::PcapngWriter> capture_;
  std::optional<ReceivedFile> received_;
  bool failed_ = false;
};

}  // namespace isochio::scenario
