#include "cli/tasks.h"

#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "process/children.h"

namespace isochio::cli {
namespace {

using Json = nlohmann::json;

Json encode(const check::Violation& v) {
  return Json::array(
      {static_cast<int>(v.rule), v.request, v.entry, v.endpoint.value, v.at.value, v.time.bits, v.expected, v.seen});
}

check::Violation decode_violation(const Json& j) {
  check::Violation v;
  v.rule = static_cast<check::Rule>(j.at(0).get<int>());
  v.request = j.at(1);
  v.entry = j.at(2);
  v.endpoint.value = j.at(3).get<std::uint8_t>();
  v.at.value = j.at(4);
  v.time.bits = j.at(5);
  v.expected = j.at(6);
  v.seen = j.at(7);
  return v;
}

Json encode(const check::StreamStatistics& s) {
  const auto& p = s.payload;
  return Json::array({s.endpoint.value, s.requests, s.entries, s.bytes, s.late, s.early, s.missed, p.packets, p.lost,
                      p.corrupt, p.duplicate, p.reordered, s.latency.percentile(50).bits, s.latency.max().bits});
}

check::StreamStatistics decode_stream(const Json& j) {
  check::StreamStatistics s;
  s.endpoint.value = j.at(0).get<std::uint8_t>();
  std::uint64_t* const fields[] = {&s.requests,
                                   &s.entries,
                                   &s.bytes,
                                   &s.late,
                                   &s.early,
                                   &s.missed,
                                   &s.payload.packets,
                                   &s.payload.lost,
                                   &s.payload.corrupt,
                                   &s.payload.duplicate,
                                   &s.payload.reordered};
  std::size_t at = 1;
  for (auto* field : fields) *field = j.at(at++);
  // Median and maximum are all that is shown of it.
  s.latency.add(bus::Duration{j.at(at).get<std::int64_t>()});
  s.latency.add(bus::Duration{j.at(at + 1).get<std::int64_t>()});
  return s;
}

Json encode(const report::StreamOutcome& o) {
  Json j{{"name", o.name},       {"requests", o.requests}, {"count", o.entry_count}, {"lead", o.first_lead},
         {"refused", o.refused}, {"overall", o.overall},   {"ring", o.ring_empty},   {"out", o.entries_left_out}};
  j["ranges"] = Json::array();
  for (const auto& r : o.entries)
    j["ranges"].push_back({r.first, r.last, r.status, static_cast<int>(r.neutral), r.bytes});
  return j;
}

report::StreamOutcome decode_outcome(const Json& j) {
  report::StreamOutcome o{j.at("name"),    j.at("requests"),
                          j.at("count"),   j.at("lead"),
                          j.at("refused"), j.at("overall"),
                          j.at("ring"),    {},
                          j.at("out"),     {}};
  for (const auto& r : j.at("ranges"))
    o.entries.push_back({r.at(0), r.at(1), r.at(2), static_cast<controller::Status>(r.at(3).get<int>()), r.at(4)});
  return o;
}

Json encode(const report::ExpectationResult& e) {
  Json j{{"given", e.given}, {"error", e.error_expected}, {"mismatches", e.mismatches}, {"listed", Json::array()}};
  for (const auto& m : e.listed) j["listed"].push_back({m.where, m.expected, m.got});
  return j;
}

report::ExpectationResult decode_expectation(const Json& j) {
  report::ExpectationResult e{j.at("given"), j.at("error"), j.at("mismatches"), {}};
  for (const auto& m : j.at("listed")) e.listed.push_back({m.at(0), m.at(1), m.at(2)});
  return e;
}

Json encode(const report::RunResult& r) {
  Json j{{"scenario", r.scenario},
         {"seed", r.seed},
         {"speed", static_cast<int>(r.speed)},
         {"frames", r.frames},
         {"verdict", static_cast<int>(r.verdict)},
         {"error", r.error},
         {"repeat", r.repeat_command},
         {"profile", r.profile},
         {"buffered", r.buffered},
         {"sof", {r.sof.count, r.sof.intervals, r.sof.min.bits, r.sof.max.bits, r.sof.jitter.bits}},
         {"compared", r.bytes_compared},
         {"skipped", r.skipped},
         {"hidden", r.not_observable},
         {"violations", r.violations},
         {"reported", r.violations_reported},
         {"perf", {r.perf.clocks, r.perf.clocks_evaluated, r.perf.bus_seconds, r.perf.wall_seconds}},
         {"expectation", encode(r.expectation)}};
  j["coverage"] = r.coverage.to_json();
  j["streams"] = j["outcome"] = Json::array();
  for (const auto& s : r.streams) j["streams"].push_back(encode(s));
  for (const auto& o : r.outcome) j["outcome"].push_back(encode(o));
  return j;
}

report::RunResult decode_result(const Json& j) {
  report::RunResult r;
  r.scenario = j.at("scenario");
  r.seed = j.at("seed");
  r.speed = static_cast<usb::Speed>(j.at("speed").get<int>());
  r.frames = j.at("frames");
  r.verdict = static_cast<report::Verdict>(j.at("verdict").get<int>());
  r.error = j.at("error");
  r.repeat_command = j.at("repeat");
  r.profile = j.at("profile");
  r.buffered = j.at("buffered");
  const auto& sof = j.at("sof");
  r.sof.count = sof.at(0);
  r.sof.intervals = sof.at(1);
  r.sof.min.bits = sof.at(2);
  r.sof.max.bits = sof.at(3);
  r.sof.jitter.bits = sof.at(4);
  r.bytes_compared = j.at("compared");
  r.skipped = j.at("skipped");
  r.not_observable = j.at("hidden");
  r.violations = j.at("violations");
  r.violations_reported = j.at("reported");
  const auto& perf = j.at("perf");
  r.perf = {perf.at(0), perf.at(1), perf.at(2), perf.at(3)};
  r.expectation = decode_expectation(j.at("expectation"));
  if (auto covered = coverage::Hits::parse(j.at("coverage"))) r.coverage = std::move(*covered);
  for (const auto& s : j.at("streams")) r.streams.push_back(decode_stream(s));
  for (const auto& o : j.at("outcome")) r.outcome.push_back(decode_outcome(o));
  return r;
}

Finished lost(const std::string& why) {
  Finished finished;
  finished.trouble = target_not_available;
  finished.message = why;
  return finished;
}

using RunTask = std::function<Finished(const Task&, const std::function<void(double)>&)>;

class Pool {
 public:
  Pool(const std::vector<Task>& tasks, unsigned jobs, const RunTask& run) : tasks_(tasks), jobs_(jobs), run_(run) {}

  void work(const std::function<void(const Finished&)>& tell, const std::function<void(double)>& progress,
            const std::atomic<bool>& interrupted) {
    std::size_t next = 0;
    std::size_t told = 0;
    while (told < tasks_.size()) {
      while (children_.running() < jobs_ && next < tasks_.size() && !interrupted) start(next++);
      if (children_.running() == 0 && !finished_.contains(told)) return;  // interrupted
      for (const auto& child : children_.wait(std::chrono::seconds(1))) finish(child.number, result_of(child));
      for (; finished_.contains(told); ++told) {
        tell(finished_[told]);
        finished_.erase(told);
      }
      progress(static_cast<double>(done_) / static_cast<double>(tasks_.size()));
    }
  }

 private:
  void start(std::size_t number) {
    const auto started = children_.start(number, [this, &task = tasks_[number]] {
      try {
        return encode(run_(task, {}));
      } catch (const std::exception& problem) {
        return encode(lost(problem.what()));
      }
    });
    if (!started) finish(number, lost(fmt::format("{}: {}", tasks_[number].scenario, started.error())));
  }

  Finished result_of(const process::Ended& child) const {
    if (child.signal == 0) return decode(child.text);
    return lost(fmt::format("{}: ended by signal {}", tasks_[child.number].scenario, child.signal));
  }

  void finish(std::size_t number, Finished finished) {
    finished_[number] = std::move(finished);
    ++done_;
  }

  const std::vector<Task>& tasks_;
  unsigned jobs_;
  const RunTask& run_;
  process::Children children_;
  std::map<std::size_t, Finished> finished_;  ///< not yet told
  std::size_t done_ = 0;
};

}  // namespace

std::string encode(const Finished& finished) {
  Json j{{"trouble", finished.trouble},
         {"message", finished.message},
         {"not_driven", finished.not_driven},
         {"notes", finished.notes},
         {"output_failed", finished.output_failed}};
  j["result"] = encode(finished.result);
  j["first"] = Json::array();
  for (const auto& violation : finished.first) j["first"].push_back(encode(violation));
  return j.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Finished decode(const std::string& text) {
  try {
    const auto j = Json::parse(text);
    Finished finished;
    finished.trouble = j.at("trouble");
    finished.message = j.at("message");
    finished.not_driven = j.at("not_driven");
    finished.notes = j.at("notes");
    finished.output_failed = j.at("output_failed");
    finished.result = decode_result(j.at("result"));
    for (const auto& violation : j.at("first")) finished.first.push_back(decode_violation(violation));
    return finished;
  } catch (const Json::exception& problem) {
    return lost(std::string("a run ended without a result: ") + problem.what());
  }
}

void run_tasks(const std::vector<Task>& tasks, unsigned jobs, const RunTask& run,
               const std::function<void(const Finished&)>& tell, const std::function<void(double)>& progress,
               const std::atomic<bool>& interrupted) {
  if (jobs > 1 && tasks.size() > 1) return Pool(tasks, jobs, run).work(tell, progress, interrupted);
  for (std::size_t i = 0; i < tasks.size() && !interrupted; ++i) {
    const auto whole = static_cast<double>(tasks.size());
    tell(run(tasks[i], [&](double share) { progress((static_cast<double>(i) + share) / whole); }));
  }
}

}  // namespace isochio::cli
