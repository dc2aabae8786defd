// isochio: see report_reader.h.
#include "report/report_reader.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include <fmt/format.h>

#include "report/frame_list.h"

namespace isochio::report {
namespace {

using Json = nlohmann::ordered_json;

/// FrameList writes no such rows; a file that was changed may ask for any amount of memory and time.
void check_bounds(const FrameRow& row) {
  constexpr std::uint64_t span = 8 * FrameList::longest_row;  // of a row
  constexpr std::uint64_t longest_interval = 8 * 32768;
  constexpr std::uint64_t most_intervals = 1U << 24U;  // a thousand times what a row has
  const auto check = [](bool good, const char* what) {
    if (!good) throw std::runtime_error(std::string("frame_list: ") + what);
  };
  check(row.interval >= 1 && row.interval <= longest_interval, "interval is out of range");
  check(row.repeat >= 1 && row.repeat <= span, "repeat is out of range");
  check(row.step < span && (row.repeat == 1 || (row.step >= 1 && (row.repeat - 1) * row.step < span)),
        "step is out of range");
  std::uint64_t intervals = 0;
  for (const auto& run : row.entries) {
    check(run.count >= 1 && run.count <= most_intervals, "the count of entries is out of range");
    intervals += row.repeat * run.count;
    check(intervals <= most_intervals, "there are too many entries");
  }
}

/// What the comparison relies on. Throws if it is otherwise.
void check_results(const Json& report) {
  const auto check = [](bool good, const std::string& what) {
    if (!good) throw std::runtime_error(what);
  };
  const auto is = [](const Json& object, const char* key, auto good) {
    return !object.contains(key) || good(object.at(key));
  };
  const auto list_of_objects = [&](const char* key) {
    check(is(report, key, [](const Json& j) { return j.is_array(); }), std::string(key) + " is no list");
    if (report.contains(key))
      for (const auto& one : report.at(key)) check(one.is_object(), std::string(key) + " has what is no object");
    return report.contains(key) ? report.at(key) : Json::array();
  };
  const auto text = [](const Json& j) { return j.is_string(); };
  const auto number = [](const Json& j) { return j.is_number(); };
  check(is(report, "speed", text), "speed is no text");
  for (const auto& stream : list_of_objects("streams"))
    check(stream.contains("endpoint") && text(stream.at("endpoint")), "a stream has no endpoint");
  for (const auto& violation : list_of_objects("violations"))
    check(is(violation, "frame", number) && is(violation, "microframe", number), "a violation has no frame");
}

/// Without the number that nlohmann puts before its messages.
std::string reason(const std::exception& problem) {
  const std::string text = problem.what();
  const auto end = text.starts_with("[json.") ? text.find("] ") : std::string::npos;
  return end == std::string::npos ? text : text.substr(end + 2);
}

/// Throws if the row is not as the schema says.
FrameRow row_of(const Json& j) {
  FrameRow row;
  row.endpoint = j.at("endpoint").get<std::string>();
  const auto frame = j.at("frame").get<std::uint64_t>(), microframe = j.at("microframe").get<std::uint64_t>();
  if (frame >= std::uint64_t{1} << 50U || microframe >= 8) throw std::runtime_error("frame_list: no such frame");
  row.begin = frame * 8 + microframe;
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
  check_bounds(row);
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
    if (section == "frame_list" && depth <= 2 && event == Json::parse_event_t::value)
      throw std::runtime_error("frame_list is no list of objects");
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
      if (error.empty()) check_results(rest);
    } catch (const std::exception& problem) {
      error = fmt::format("{}: is not a report of isochio run --json: {}", path_, reason(problem));
    }
  }
  const std::lock_guard lock(mutex_);
  error_ = std::move(error);
  rest_ = std::move(rest);
  ended_ = true;
  changed_.notify_all();
}

}  // namespace isochio::report
