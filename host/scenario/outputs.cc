#include "scenario/outputs.h"

#include <fmt/format.h>

#include "driverkit/status.h"

namespace isochio::scenario {

tl::expected<void, std::string> Outputs::open(const Scenario& scenario, const RunOptions& options,
                                              report::ViolationTee& tee, check::Suite& suite, FaultRecord& faults) {
  if (!options.json.empty()) {
    auto json = report::JsonReport::create(options.json);
    if (!json) return tl::unexpected(json.error());
    json_ = std::move(*json);
    tee.add(json_.get());
  }
  if (!options.html.empty()) {
    auto html = report::HtmlReport::create(options.html, scenario.controller.first_frame);
    if (!html) return tl::unexpected(html.error());
    html_ = std::move(*html);
    tee.add(html_.get());
    suite.also_show(&html_->timeline());
  }
  if (!options.capture.empty()) {
    const auto io_return = [&scenario](controller::Status status) {
      return static_cast<std::uint32_t>(driverkit::entry_return(status, scenario.driverkit));
    };
    auto capture = capture::PcapngWriter::create(
        options.capture, {fmt::format("isochio {} seed {}", scenario.name, scenario.seed), io_return});
    if (!capture) return tl::unexpected(capture.error());
    capture_ = std::move(*capture);
    suite.also_show(capture_.get());
    faults.show_in(capture_.get());
  }
  if (!options.payload.empty()) {
    auto received = ReceivedFile::create(options.received);
    if (!received) return tl::unexpected(received.error());
    received_.emplace(std::move(*received));
  }
  return {};
}

void Outputs::watch(controller::Host& host) {
  if (capture_) host.add_observer(capture_.get());
  if (json_) host.add_observer(&json_->frame_list());
  if (html_) host.add_observer(&html_->timeline());
}

std::optional<check::FileDifference> Outputs::compare_received(const std::string& sent, report::RunResult& result) {
  const auto note = [&result](const std::string& error) {
    if (result.error.empty()) result.error = error;
  };
  // A file that can't be written says nothing about the device.
  if (const auto written = received_->flush(); !written) {
    failed_ = true;
    note(written.error());
    return std::nullopt;
  }
  const auto compared = check::compare_files(sent, received_->readable_path());
  if (const auto kept = received_->keep(); !kept) {
    failed_ = true;
    note(kept.error());
  }
  if (compared) return *compared;
  note(compared.error());
  return std::nullopt;
}

void Outputs::close_capture(report::RunResult& result) {
  if (!capture_) return;
  const auto closed = capture_->finish();
  if (closed) return;
  failed_ = true;
  if (result.error.empty()) result.error = closed.error();
}

void Outputs::write_reports(report::RunResult& result) {
  const auto note = [&](const tl::expected<void, std::string>& written) {
    if (written) return;
    failed_ = true;
    result.error = written.error();
    result.verdict = report::Verdict::error;
  };
  if (json_) note(json_->finish(result));
  if (html_) note(html_->finish(result));
}

}  // namespace isochio::scenario
