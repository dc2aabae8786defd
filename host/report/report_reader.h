// isochio: reads a JSON report in a thread of its own and hands out the rows of its frame list as they come; the rest
// of the report is there when the rows are at their end.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

namespace isochio::report {

/// Requests that say the same and follow one another (report/frame_list.h).
struct FrameRow {
  struct Run {  ///< entries that are alike
    std::uint64_t count = 0;
    std::string what;  ///< "ok, 1024 of 1024 bytes"
  };
  std::string endpoint;
  std::uint64_t begin = 0, step = 0, repeat = 1, interval = 1;  ///< in steps of usb::FrameTime
  std::string end;                                              ///< of the request: status and latency
  std::vector<Run> entries;
};

class ReportReader {
 public:
  explicit ReportReader(std::string path);
  ~ReportReader();
  ReportReader(const ReportReader&) = delete;
  ReportReader& operator=(const ReportReader&) = delete;

  /// Waits for the next row; none at the end, and after an error.
  std::optional<FrameRow> next();
  /// After the last row. Empty: all is well.
  const std::string& error() const { return error_; }
  const nlohmann::ordered_json& rest() const { return rest_; }
  bool has_frame_list() const { return has_frame_list_; }

 private:
  void read();
  /// False if nobody wants more.
  bool put(FrameRow row);

  static constexpr std::size_t most_waiting = 1024;
  std::string path_, error_;
  nlohmann::ordered_json rest_;
  bool has_frame_list_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<FrameRow> rows_;
  bool ended_ = false, stopped_ = false;
  std::thread thread_;
};

}  // namespace isochio::report
