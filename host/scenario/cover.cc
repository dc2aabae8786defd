#include "scenario/cover.h"

#include <algorithm>
#include <array>
#include <bit>

#include "controller/profile.h"

namespace isochio::scenario {
namespace {

using controller::Status;

/// bInterval, from the interval that it stands for.
std::string interval_of(const usb::EndpointConfig& endpoint) {
  const auto b = static_cast<unsigned>(std::bit_width(endpoint.interval));
  return b < 5 ? std::to_string(b) : "5+";
}

std::string size_of(const IsochStreamPlan& plan, const StreamTarget& target) {
  const auto& size = plan.size;
  const bool own = plan.payload == Payload::pattern || plan.payload == Payload::zeros || plan.payload == Payload::mod63;
  if (!own || size.kind == SizePlan::Kind::rate || size.kind == SizePlan::Kind::feedback) return "varying";
  std::uint32_t bytes = size.bytes != 0 ? size.bytes : target.endpoint.capacity();
  if (size.kind == SizePlan::Kind::list) {
    bytes = size.list.front();
    if (std::ranges::any_of(size.list, [&](auto one) { return one != bytes; })) return "varying";
  }
  return bytes == 0 ? "empty" : bytes < target.endpoint.capacity() ? "part" : "full";
}

std::string start_of(const IsochStreamPlan& plan) {
  if (plan.synchronous) return "sync";
  if (!plan.explicit_start) return "zero";
  return plan.gap != 0 ? "gaps" : "explicit";
}

std::string depth_of(const IsochStreamPlan& plan) {
  return plan.depth < 3 ? std::to_string(plan.depth) : plan.depth < 8 ? "3-7" : "8+";
}

std::vector<std::string> faults_of(const Scenario& scenario, const IsochStreamPlan& plan, usb::EndpointAddress address,
                                   const report::RunResult& result) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < scenario.faults.faults.size(); ++i) {
    const auto& fault = scenario.faults.faults[i];
    const bool mine = !fault.endpoint || *fault.endpoint == address;
    const bool struck = i < result.faults.planned.size() && result.faults.planned[i].made > 0;
    if (mine && (struck || fault.kind == fault::Kind::bus_clock)) names.emplace_back(fault::to_string(fault.kind));
  }
  const auto& interrupts = scenario.controller.interrupts;
  const auto* profile = controller::find_profile(scenario.profile);
  const bool own = profile != nullptr && interrupts.coalesce == bus::microsecond * profile->completion_grain_us;
  if (interrupts.shape != controller::InterruptOptions::Shape::fixed) names.emplace_back("late_interrupts");
  if (interrupts.coalesce.bits > 0 && !own) names.emplace_back("coalesced_interrupts");
  if (interrupts.stall.bits > 0) names.emplace_back("stalled_interrupts");
  if (scenario.software.queue_block.bits > 0) names.emplace_back("blocked_queue");
  using Kind = Event::Kind;
  for (const Event& event : scenario.events) {
    const bool undoes = event.kind == Kind::resume || event.kind == Kind::plug || event.kind == Kind::wake;
    const bool other = event.kind == Kind::abort && event.stream != plan.name;
    if (!undoes && !other) names.emplace_back(to_string(event.kind));
  }
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  if (names.empty()) names.emplace_back("none");
  return names;
}

/// What an entry said, or what became of its interval where codes differ between controllers.
std::string status_of(const std::string& word, Status neutral) {
  if (neutral == Status::missed) return "missed";
  if (neutral == Status::aborted || neutral == Status::no_device) return "aborted";
  return word;
}

std::vector<std::string> statuses_of(const report::StreamOutcome& outcome) {
  std::vector<std::string> names;
  for (const auto& [word, neutral] : outcome.seen) names.push_back(status_of(word, neutral));
  constexpr std::array<std::pair<const char*, const char*>, 4> refusals{{{"iso_too_old", "refused_too_old"},
                                                                         {"iso_too_new", "refused_too_new"},
                                                                         {"bad_argument", "refused_bad_argument"},
                                                                         {"no_resources", "refused_no_resources"}}};
  for (const auto& [word, name] : refusals)
    if (outcome.refused.contains(word)) names.emplace_back(name);
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

}  // namespace

coverage::Hits cover(const Scenario& scenario, const Plan& plan, const report::RunResult& result) {
  coverage::Hits hits;
  for (std::size_t i = 0; i < scenario.streams.size(); ++i) {
    const auto& stream = scenario.streams[i];
    const auto& endpoint = plan.streams[i].endpoint;
    const auto outcome = std::ranges::find(result.outcome, stream.name, &report::StreamOutcome::name);
    if (outcome == result.outcome.end() || result.profile.empty()) continue;
    coverage::Sample sample;
    sample.values = {{"speed", usb::to_string(scenario.speed)},
                     {"direction", endpoint.address.is_in() ? "in" : "out"},
                     {"transactions", std::to_string(endpoint.transactions)},
                     {"interval", interval_of(endpoint)},
                     {"size", size_of(stream, plan.streams[i])},
                     {"start", start_of(stream)},
                     {"depth", depth_of(stream)},
                     {"profile", result.profile}};
    sample.faults = faults_of(scenario, stream, endpoint.address, result);
    sample.statuses = statuses_of(*outcome);
    hits.add(sample);
  }
  hits.count_run();
  return hits;
}

}  // namespace isochio::scenario
