// isochio: the JSON report (docs/report.schema.json). Violations are written as they come, results behind them.
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "report/json_parts.h"
#include "report/report.h"

namespace isochio::report {
namespace {

using Json = nlohmann::ordered_json;

/// Nanoseconds; a bit time is 25/12 ns, so three decimals keep it apart from its neighbours. Whole numbers as integers.
Json ns(double bits) {
  const double thousandths = std::round(bits * 25000.0 / 12.0);
  if (std::fmod(thousandths, 1000.0) == 0.0) return static_cast<std::int64_t>(thousandths / 1000.0);
  return thousandths / 1000.0;
}
Json ns(bus::Duration d) { return ns(static_cast<double>(d.bits)); }

Json latency(const check::Histogram& h, bool classes) {
  Json j;
  j["count"] = h.count();
  j["min_ns"] = ns(h.min());
  j["mean_ns"] = ns(h.mean_bits());
  j["p50_ns"] = ns(h.percentile(50));
  j["p90_ns"] = ns(h.percentile(90));
  j["p99_ns"] = ns(h.percentile(99));
  j["p999_ns"] = ns(h.percentile(99.9));
  j["max_ns"] = ns(h.max());
  if (!classes) return j;
  j["histogram"] = Json::array();
  for (std::size_t i = 0; i < check::Histogram::classes; ++i)
    if (h.class_count(i) > 0)
      j["histogram"].push_back({{"up_to_ns", ns(check::Histogram::upper_bound(i))}, {"count", h.class_count(i)}});
  return j;
}

std::string endpoint_name(usb::EndpointAddress endpoint) { return fmt::format("0x{:02x}", endpoint.value); }

Json stream(const check::StreamStatistics& s) {
  return {{"endpoint", endpoint_name(s.endpoint)},
          {"requests", s.requests},
          {"refused", s.refused},
          {"completed", s.completed},
          {"entries", s.entries},
          {"bytes", s.bytes},
          {"late", s.late},
          {"early", s.early},
          {"missed", s.missed},
          {"twice", s.duplicate_entries},
          {"aborted", s.aborted},
          {"errors", s.errors},
          {"packets", s.payload.packets},
          {"zero_length", s.payload.zero_length},
          {"packet_bytes", s.payload.bytes},
          {"lost", s.payload.lost},
          {"corrupt", s.payload.corrupt},
          {"duplicate", s.payload.duplicate},
          {"reordered", s.payload.reordered},
          {"truncated", s.payload.truncated},
          {"mistimed", s.payload.mistimed},
          {"latency", latency(s.latency, false)}};
}

Json faults(const FaultSummary& f) {
  Json j;
  j["made"] = f.made;
  j["planned"] = Json::array();
  for (const auto& p : f.planned) j["planned"].push_back({{"name", p.name}, {"kind", p.kind}, {"made", p.made}});
  j["listed"] = Json::array();
  for (const auto& m : f.first) {
    const auto& planned = f.planned.at(m.planned);
    j["listed"].push_back({{"id", m.id},
                           {"name", planned.name},
                           {"kind", planned.kind},
                           {"frame", m.at.frame()},
                           {"microframe", m.at.microframe()},
                           {"time_ns", bus::to_ns(m.time)},
                           {"from", m.from_host ? "host" : "device"},
                           {"packet", m.packet.empty() ? Json(nullptr) : Json(m.packet)},
                           {"endpoint", m.has_endpoint ? Json(endpoint_name(m.endpoint)) : Json(nullptr)},
                           {"what", m.what}});
  }
  return j;
}

void sums(Json& j, const RunResult& r) {
  check::StreamStatistics sum;
  for (const auto& s : r.streams) {
    sum.requests += s.requests;
    sum.refused += s.refused;
    sum.entries += s.entries;
    sum.bytes += s.bytes;
    sum.late += s.late;
    sum.early += s.early;
    sum.missed += s.missed;
    sum.payload.lost += s.payload.lost;
    sum.payload.corrupt += s.payload.corrupt;
    sum.payload.duplicate += s.payload.duplicate;
    sum.payload.reordered += s.payload.reordered;
    sum.payload.truncated += s.payload.truncated;
    sum.payload.mistimed += s.payload.mistimed;
  }
  j["requests"] = sum.requests;
  j["refused"] = sum.refused;
  j["entries"] = sum.entries;
  j["bytes"] = sum.bytes;
  j["lost"] = sum.payload.lost;
  j["corrupt"] = sum.payload.corrupt;
  j["duplicate"] = sum.payload.duplicate;
  j["reordered"] = sum.payload.reordered;
  j["truncated"] = sum.payload.truncated;
  j["mistimed"] = sum.payload.mistimed;
  j["late"] = sum.late;
  j["early"] = sum.early;
  j["missed"] = sum.missed;
}

Json counts(const RunResult& r) {
  Json j = Json::object();
  for (std::size_t i = 0; i < r.violations.size(); ++i)
    if (r.violations[i] > 0)
      j[check::to_string(static_cast<check::Rule>(i))] = {{"count", r.violations[i]},
                                                          {"listed", r.violations_reported[i]}};
  return j;
}

Json expectation(const ExpectationResult& e) {
  if (!e.given) return nullptr;
  Json j{{"met", e.mismatches == 0}, {"error_expected", e.error_expected}, {"mismatches", e.mismatches}};
  j["listed"] = Json::array();
  for (const auto& m : e.listed) j["listed"].push_back({{"where", m.where}, {"expected", m.expected}, {"got", m.got}});
  return j;
}

Json outcome(const StreamOutcome& o) {
  Json j{{"stream", o.name},           {"requests", o.requests},
         {"entries", o.entry_count},   {"first_lead", o.first_lead},
         {"refused", Json(o.refused)}, {"overall", Json(o.overall)},
         {"ring_empty", o.ring_empty}, {"entries_left_out", o.entries_left_out}};
  j["ranges"] = Json::array();
  for (const auto& range : o.entries)
    j["ranges"].push_back({{"first", range.first},
                           {"last", range.last},
                           {"status", range.status},
                           {"bus", controller::to_string(range.neutral)},
                           {"bytes", range.bytes}});
  return j;
}

std::string dump(const Json& j, int indent) { return j.dump(indent, ' ', false, Json::error_handler_t::replace); }

}  // namespace

Json json_parts::violation(const check::Violation& v) {
  Json j;
  j["rule"] = check::to_string(v.rule);
  j["group"] = check::to_string(check::group_of(v.rule));
  j["request"] = v.request == 0 ? Json(nullptr) : Json(v.request);
  j["entry"] = v.entry < 0 ? Json(nullptr) : Json(v.entry);
  j["endpoint"] = v.endpoint.number() == 0 ? Json(nullptr) : Json(endpoint_name(v.endpoint));
  j["frame"] = v.at.frame();
  j["microframe"] = v.at.microframe();
  j["time_ns"] = bus::to_ns(v.time);
  j["expected"] = v.expected;
  j["seen"] = v.seen;
  j["fault"] = v.fault == 0 ? Json(nullptr) : Json(v.fault);
  return j;
}

Json json_parts::results(const RunResult& r) {
  Json j;
  j["violation_counts"] = counts(r);
  j["faults"] = faults(r.faults);
  j["scenario"] = r.scenario;
  j["seed"] = r.seed;
  j["speed"] = usb::to_string(r.speed);
  j["frames"] = r.frames;
  j["verdict"] = to_string(r.verdict);
  j["error"] = r.error.empty() ? Json(nullptr) : Json(r.error);
  j["profile"] = r.profile.empty() ? Json(nullptr) : Json(r.profile);
  j["buffered"] = r.buffered;
  j["outcome"] = Json::array();
  for (const auto& o : r.outcome) j["outcome"].push_back(outcome(o));
  j["expectation"] = expectation(r.expectation);
  sums(j, r);
  j["not_observable"] = r.hidden_groups();
  j["bytes_compared"] = r.bytes_compared;
  j["latency"] = latency(r.latency, true);
  j["sof"] = {{"count", r.sof.count},
              {"intervals", r.sof.intervals},
              {"min", ns(r.sof.min)},
              {"max", ns(r.sof.max)},
              {"jitter", ns(r.sof.jitter)}};
  j["streams"] = Json::array();
  for (const auto& s : r.streams) j["streams"].push_back(stream(s));
  j["perf"] = {{"clocks", r.perf.clocks},
               {"clocks_evaluated", r.perf.clocks_evaluated},
               {"bus_seconds", r.perf.bus_seconds},
               {"wall_seconds", r.perf.wall_seconds},
               {"realtime_ratio", r.perf.realtime_ratio()}};
  return j;
}

tl::expected<std::unique_ptr<JsonReport>, std::string> JsonReport::create(const std::string& path) {
  auto file = OutputFile::create(path);
  if (!file) return tl::unexpected(file.error());
  std::unique_ptr<JsonReport> report(new JsonReport(std::move(*file)));
  report->file_.write("{\n  \"format\": \"isochio-report-1\",\n  \"violations\": [");
  return report;
}

JsonReport::~JsonReport() {
  if (!file_.is_open()) return;
  RunResult result;
  result.error = "the run ended before its results were known";
  (void)finish(result);
}

void JsonReport::report(const check::Violation& v) {
  file_.write((first_ ? "\n    " : ",\n    ") + dump(json_parts::violation(v), -1));
  first_ = false;
}

tl::expected<void, std::string> JsonReport::finish(const RunResult& result) {
  file_.write(first_ ? "],\n  \"frame_list\": [" : "\n  ],\n  \"frame_list\": [");
  frames_.finish([this](std::string_view rows) { file_.write(rows); });
  if (!frames_.whole()) return tl::unexpected(std::string("the frame list: the temporary file can't be written"));
  // The results' text without its opening brace goes on behind the lists.
  file_.write("\n  ]," + dump(json_parts::results(result), 2).substr(1) + "\n");
  return file_.finish();
}

}  // namespace isochio::report
