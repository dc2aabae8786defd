// isochio: the HTML report: one file that holds everything, for a person with a browser and no network. The page is
// host/report/html; its charts are drawn by dygraphs (MIT), embedded when isochio is built.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "report/report.h"
#include "report/timeline.h"

namespace isochio::report {

/// Hang it on the Link and on the Host (timeline()), and give it the violations.
class HtmlReport final : public check::ViolationSink {
 public:
  /// The error names the file and the reason, or says that isochio was built without dygraphs.
  static tl::expected<std::unique_ptr<HtmlReport>, std::string> create(const std::string& path,
                                                                       std::uint64_t first_frame);

  Timeline& timeline() { return timeline_; }
  void report(const check::Violation& violation) override { violations_.push_back(violation); }
  /// Writes the page. Without it nothing is left behind.
  tl::expected<void, std::string> finish(const RunResult& result);

 private:
  HtmlReport(OutputFile file, std::uint64_t first_frame) : file_(std::move(file)), timeline_(first_frame) {}
  std::string meta(const RunResult& result) const;

  OutputFile file_;
  Timeline timeline_;
  std::vector<check::Violation> violations_;  ///< those listed: at most 1000 of each rule
};

}  // namespace isochio::report
