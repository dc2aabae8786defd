// isochio: see report_reader.h.
#include "report/report_reader.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include <fmt/format.h>

namespace isochio::report {
namespace {

using Json = nlohmann::ordered_json;

/// Throws nlohmann's exceptions if the row is not as the schema says.
FrameRow row_of(const Json& j) {
  FrameRow row;
  row.endpoint = j.at("endpoint").get<std::string>();
  row.begin = j.at("frame").get<std::uint64_t>() * 8 + j.at("microframe").get<std::uint64_t>();
  row.step = j.at("step").get<std::uint64_t>();
  row.repeat = j.at("repeat").get<std::uint64_t>();
  row.interval = j.at("interval").get<std::uint64_t>();
  const auto& latency = j.at("latency_us");
  if (latency.is_null()) row.endpoint += " refused";  // these stand apart: they come at once, not in turn
  row.end = latency.is_null() ? "request refused, " + j.at("status").get<std::string>()
                              : fmt::format("request ended {}, completed {} us after its last (micro)frame",
                                            j.at("status").get<std::string>(), latency.get<std::int64_t>());
  for (const auto& run : j.at("entries"))
    row.entries.push_back(
        {run.at(0).get<std::uint64_t>(), fmt::format("{}, {} of {} bytes", run.at(3).get<std::string>(),
                                                     run.at(2).get<std::uint64_t>(), run.at(1).get<std::uint64_t>())});
  return row;
}

}  // namespace

ReportReader::ReportReader(std::string path) : path_(std::move(path)), thread_([this] { read(); }) {}

ReportReader::~ReportReader() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

bool ReportReader::put(FrameRow row) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return stopped_ || rows_.size() < most_waiting; });
  rows_.push_back(std::move(row));
  changed_.notify_all();
  return !stopped_;
}

std::optional<FrameRow> ReportReader::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return ended_ || !rows_.empty(); });
  if (rows_.empty()) return std::nullopt;
  FrameRow row = std::move(rows_.front());
  rows_.pop_front();
  changed_.notify_all();
  return row;
}

void ReportReader::read() {
  std::string error;
  Json rest;
  std::string section;  // the report's key whose value is being read
  const auto take_rows = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::key && depth == 1) section = parsed.get<std::string>();
    if (section == "frame_list" && depth == 1 && event == Json::parse_event_t::array_start) has_frame_list_ = true;
    if (section != "frame_list" || depth != 2 || event != Json::parse_event_t::object_end) return true;
    if (!put(row_of(parsed))) throw std::runtime_error("stopped");
    return false;  // it is not kept
  };
  std::ifstream stream(path_, std::ios::binary);
  if (!stream) {
    error = fmt::format("{}: can't be read: {}", path_, std::strerror(errno));
  } else {
    try {
      rest = Json::parse(stream, take_rows);
      if (!rest.is_object() || rest.value("format", "") != "isochio-report-1")
        error = path_ + ": is JSON, but not a report of isochio run --json";
    } catch (const std::exception& problem) {
      error = fmt::format("{}: is not a report of isochio run --json: {}", path_, problem.what());
    }
  }
  const std::lock_guard lock(mutex_);
  error_ = std::move(error);
  rest_ = std::move(rest);
  ended_ = true;
  changed_.notify_all();
}

}  // namespace isochio::report
