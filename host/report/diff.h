// isochio: what changed between two runs, from their JSON reports (docs/report.schema.json): results, violations, and
// the frame list interval by interval. The frame lists are read side by side, a second or so of each at a time,
// however long the reports are.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>
#include <tl/expected.hpp>

namespace isochio::report {

/// A value that both reports have, or one of them only (the other is null).
struct FieldDifference {
  std::string path;  ///< e.g. "streams.0x81.late"
  nlohmann::ordered_json a, b;
};

/// Service intervals of one endpoint, one after another, that differ in the same way.
struct FrameDifference {
  std::string endpoint;
  std::uint64_t first = 0, last = 0;  ///< (micro)frames, as usb::FrameTime
  std::uint64_t count = 0, interval = 1;
  std::string a, b;  ///< "ok, 1024 of 1024 bytes"; "not there"
};

struct Diff {
  std::vector<FieldDifference> fields;
  std::vector<nlohmann::ordered_json> violations_a, violations_b;  ///< only in this one
  std::vector<FrameDifference> frames;                             ///< the first `limit`
  std::uint64_t frame_differences = 0, places = 0;                 ///< all intervals; all rows that there would be
  bool high_speed = true;
  bool frames_compared = true;  ///< false: a report has no frame list (older than it)
  bool one_frame_list = false;  ///< … and the other one has

  bool same() const {
    return fields.empty() && violations_a.empty() && violations_b.empty() && frame_differences == 0 && !one_frame_list;
  }
};

/// The error names the file and what is wrong with it.
tl::expected<Diff, std::string> diff_reports(const std::string& a, const std::string& b, std::size_t limit);

std::string to_text(const Diff& diff, const std::string& a, const std::string& b, std::size_t limit);
nlohmann::ordered_json to_json(const Diff& diff);

}  // namespace isochio::report
