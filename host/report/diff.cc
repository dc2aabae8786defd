// isochio: see diff.h.
#include "report/diff.h"

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <set>

#include <fmt/format.h>

#include "report/frame_list.h"
#include "report/report_reader.h"

namespace isochio::report {
namespace {

using Json = nlohmann::ordered_json;

// --- results --------------------------------------------------------------------------------------------------------

/// All values by their path. Lists of streams are named by endpoint or name, other lists stay values.
void flatten(const Json& j, const std::string& path, std::map<std::string, Json>& out) {
  if (j.is_object()) {
    for (const auto& [key, value] : j.items())
      flatten(value, path.empty() ? key : fmt::format("{}.{}", path, key), out);
  } else if (j.is_array() && path == "streams") {
    for (const auto& stream : j) flatten(stream, path + "." + stream.value("endpoint", "?"), out);
  } else if (j.is_array() && path == "outcome") {
    for (const auto& stream : j)
      flatten(stream, path + "." + (stream.is_object() ? stream.value("stream", Json("?")).dump() : "?"), out);
  } else {
    out[path] = j;
  }
}

std::map<std::string, Json> results_of(Json report) {
  // Wall-clock figures are no results; violations and frames are compared on their own.
  for (const char* key : {"perf", "violations", "frame_list", "format"}) report.erase(key);
  std::map<std::string, Json> all;
  flatten(report, "", all);
  return all;
}

void compare_results(const Json& a, const Json& b, Diff& diff) {
  const auto in_a = results_of(a), in_b = results_of(b);
  for (const auto& [path, value] : in_a) {
    const auto other = in_b.find(path);
    if (other == in_b.end() || other->second != value)
      diff.fields.push_back({path, value, other == in_b.end() ? Json(nullptr) : other->second});
  }
  for (const auto& [path, value] : in_b)
    if (!in_a.contains(path)) diff.fields.push_back({path, nullptr, value});
}

void compare_violations(const Json& a, const Json& b, Diff& diff) {
  std::map<std::string, int> left;
  const auto list = [](const Json& report) { return report.value("violations", Json::array()); };
  for (const auto& v : list(b)) ++left[v.dump()];
  for (const auto& v : list(a))
    if (--left[v.dump()] < 0) diff.violations_a.push_back(v);
  for (const auto& v : list(b))
    if (auto& n = left[v.dump()]; n > 0) {
      --n;
      diff.violations_b.push_back(v);
    }
}

// --- frames ---------------------------------------------------------------------------------------------------------

/// One request out of a row.
struct Request {
  std::uint64_t begin = 0, interval = 1;
  std::string end;
  std::vector<FrameRow::Run> entries;

  std::uint64_t intervals() const {
    std::uint64_t sum = 0;
    for (const auto& run : entries) sum += run.count;
    return sum;
  }
};

constexpr const char* absent = "not there";

/// Joins differences of the same kind that follow one another.
class Differences {
 public:
  Differences(Diff& diff, std::size_t limit) : diff_(diff), limit_(limit) {}
  ~Differences() {
    for (const auto& [endpoint, open] : open_) keep(open);
  }
  Differences(const Differences&) = delete;
  Differences& operator=(const Differences&) = delete;

  void add(const std::string& endpoint, std::uint64_t at, std::uint64_t interval, const std::string& a,
           const std::string& b) {
    ++diff_.frame_differences;
    const auto found = open_.find(endpoint);
    if (found != open_.end()) {
      FrameDifference& open = found->second;
      if (open.a == a && open.b == b && at == open.last + interval) {
        open.last = at;
        ++open.count;
        return;
      }
      keep(open);
      open_.erase(found);
    }
    open_[endpoint] = {endpoint, at, at, 1, interval, a, b};
  }

 private:
  void keep(const FrameDifference& difference) {
    ++diff_.places;
    if (diff_.frames.size() < limit_) diff_.frames.push_back(difference);
  }

  Diff& diff_;
  std::size_t limit_;
  std::map<std::string, FrameDifference> open_;
};

/// Two frame lists side by side. Rows of the endpoints come in the order in which they ended, at most about a second
/// apart, so what waits for its counterpart is bounded by that.
class FrameComparison {
 public:
  FrameComparison(ReportReader& a, ReportReader& b, Diff& diff, std::size_t limit)
      : sides_{Side{a, {}, 0, false}, Side{b, {}, 0, false}}, differences_(diff, limit) {}

  void run() {
    while (!sides_[0].ended || !sides_[1].ended) {
      // The one that is behind.
      const bool second = sides_[0].ended || (!sides_[1].ended && sides_[1].seen < sides_[0].seen);
      pull(sides_[second ? 1 : 0]);
      for (const auto& endpoint : endpoints_) settle(endpoint);
    }
  }

 private:
  struct Side {
    ReportReader& reader;
    std::map<std::string, std::deque<Request>> waiting;
    std::uint64_t seen = 0;  ///< the latest (micro)frame so far
    bool ended = false;
  };

  void pull(Side& side) {
    const auto row = side.reader.next();
    if (!row) {
      side.ended = true;
      return;
    }
    endpoints_.insert(row->endpoint);
    for (std::uint64_t i = 0; i < row->repeat; ++i) {
      const std::uint64_t begin = row->begin + i * row->step;
      side.waiting[row->endpoint].push_back({begin, row->interval, row->end, row->entries});
      side.seen = std::max(side.seen, begin);
    }
  }

  /// Compares what both have, and gives up waiting for what can't come any more.
  void settle(const std::string& endpoint) {
    auto &a = sides_[0].waiting[endpoint], &b = sides_[1].waiting[endpoint];
    while (!a.empty() || !b.empty()) {
      if (!a.empty() && !b.empty() && a.front().begin == b.front().begin) {
        compare(endpoint, a.front(), b.front());
        a.pop_front();
        b.pop_front();
      } else if (!a.empty() && (b.empty() ? too_late(sides_[1], a.front()) : a.front().begin < b.front().begin)) {
        compare(endpoint, a.front(), {a.front().begin, a.front().interval, absent, {}});
        a.pop_front();
      } else if (!b.empty() && (a.empty() ? too_late(sides_[0], b.front()) : b.front().begin < a.front().begin)) {
        compare(endpoint, {b.front().begin, b.front().interval, absent, {}}, b.front());
        b.pop_front();
      } else {
        return;
      }
    }
  }

  static bool too_late(const Side& side, const Request& request) {
    return side.ended || side.seen > request.begin + std::uint64_t{32} * FrameList::longest_row;
  }

  void compare(const std::string& endpoint, const Request& a, const Request& b) {
    std::size_t run_a = 0, run_b = 0;
    std::uint64_t left_a = 0, left_b = 0;
    const std::uint64_t intervals = std::max(a.intervals(), b.intervals());
    const auto step = [](const Request& r, std::size_t& run, std::uint64_t& left) -> std::string {
      if (left == 0 && run < r.entries.size()) left = r.entries[run++].count;
      if (left == 0) return absent;
      --left;
      return r.entries[run - 1].what;
    };
    for (std::uint64_t i = 0; i < intervals; ++i) {
      const std::string in_a = step(a, run_a, left_a), in_b = step(b, run_b, left_b);
      const std::uint64_t interval = std::max(a.interval, b.interval);
      if (in_a != in_b) differences_.add(endpoint, a.begin + i * interval, interval, in_a, in_b);
    }
    // How the requests ended; of one that is there only once the intervals have told it, if it has any.
    if (a.end != b.end && (intervals == 0 || (a.end != absent && b.end != absent)))
      differences_.add(endpoint + " requests", a.begin, intervals * std::max(a.interval, b.interval), a.end, b.end);
  }

  std::array<Side, 2> sides_;
  std::set<std::string> endpoints_;
  Differences differences_;
};

std::string place(std::uint64_t at, bool high_speed) {
  return high_speed ? fmt::format("{}.{}", at / 8, at % 8) : fmt::format("{}", at / 8);
}

/// Cut: whole lists are for --json.
std::string value_text(const Json& value) {
  constexpr std::size_t longest = 160;
  std::string text = value.is_null() ? "-" : value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (text.size() <= longest) return text;
  std::size_t end = longest;
  while ((static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) --end;  // not within a character
  return text.substr(0, end) + "…";
}

std::string violation_text(const Json& v) {
  const auto word = [&](const char* key) {
    return v.contains(key) && v[key].is_string() ? v[key].get<std::string>() : std::string("-");
  };
  return fmt::format("{} {} frame {}.{}: expected {}, seen {}", word("rule"), word("endpoint"), v.value("frame", 0ULL),
                     v.value("microframe", 0), word("expected"), word("seen"));
}

void list_violations(std::string& text, const std::vector<Json>& list, const std::string& file, std::size_t limit) {
  if (list.empty()) return;
  text += fmt::format("violations only in {} ({}):\n", file, list.size());
  for (std::size_t i = 0; i < std::min(list.size(), limit); ++i) text += "  " + violation_text(list[i]) + "\n";
  if (list.size() > limit) text += fmt::format("  … and {} more\n", list.size() - limit);
}

}  // namespace

tl::expected<Diff, std::string> diff_reports(const std::string& a, const std::string& b, std::size_t limit) {
  ReportReader reader_a(a), reader_b(b);
  Diff diff;
  { FrameComparison(reader_a, reader_b, diff, limit).run(); }
  if (!reader_a.error().empty()) return tl::unexpected(reader_a.error());
  if (!reader_b.error().empty()) return tl::unexpected(reader_b.error());
  diff.high_speed = reader_a.rest().value("speed", "hs") == "hs" || reader_b.rest().value("speed", "hs") == "hs";
  diff.frames_compared = reader_a.has_frame_list() && reader_b.has_frame_list();
  diff.one_frame_list = reader_a.has_frame_list() != reader_b.has_frame_list();
  if (!diff.frames_compared) {
    diff.frames.clear();
    diff.frame_differences = diff.places = 0;
  }
  compare_results(reader_a.rest(), reader_b.rest(), diff);
  compare_violations(reader_a.rest(), reader_b.rest(), diff);
  std::sort(diff.frames.begin(), diff.frames.end(), [](const auto& x, const auto& y) { return x.first < y.first; });
  return diff;
}

std::string to_text(const Diff& diff, const std::string& a, const std::string& b, std::size_t limit) {
  if (diff.same()) return fmt::format("{} and {} say the same\n", a, b);
  std::string text = fmt::format("- {}\n+ {}\n", a, b);
  if (!diff.fields.empty()) text += fmt::format("results ({}):\n", diff.fields.size());
  for (const auto& field : diff.fields)
    text += fmt::format("  {}: {} -> {}\n", field.path, value_text(field.a), value_text(field.b));
  list_violations(text, diff.violations_a, a, limit);
  list_violations(text, diff.violations_b, b, limit);
  if (!diff.frames_compared) text += "frames: not compared; a report has no frame list\n";
  if (diff.frame_differences > 0)
    text += fmt::format("frames: {} differences in {} places:\n", diff.frame_differences, diff.places);
  for (const auto& f : diff.frames)
    text +=
        fmt::format("  {} {}{}: {} -> {}\n", f.endpoint, place(f.first, diff.high_speed),
                    f.count == 1 ? "" : fmt::format(" to {} ({})", place(f.last, diff.high_speed), f.count), f.a, f.b);
  if (diff.places > diff.frames.size()) text += fmt::format("  … and {} more\n", diff.places - diff.frames.size());
  return text;
}

Json to_json(const Diff& diff) {
  Json j;
  j["format"] = "isochio-diff-1";
  j["same"] = diff.same();
  j["results"] = Json::array();
  for (const auto& field : diff.fields) j["results"].push_back({{"path", field.path}, {"a", field.a}, {"b", field.b}});
  j["violations"] = {{"only_a", diff.violations_a}, {"only_b", diff.violations_b}};
  j["frames_compared"] = diff.frames_compared;
  j["frame_differences"] = diff.frame_differences;
  j["places"] = diff.places;
  j["frames"] = Json::array();
  for (const auto& f : diff.frames)
    j["frames"].push_back({{"endpoint", f.endpoint},
                           {"first", place(f.first, diff.high_speed)},
                           {"last", place(f.last, diff.high_speed)},
                           {"count", f.count},
                           {"a", f.a},
                           {"b", f.b}});
  return j;
}

}  // namespace isochio::report
