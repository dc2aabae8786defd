#include "coverage/model.h"

#include <algorithm>

namespace isochio::coverage {
namespace {

using Values = std::vector<std::string>;

const Values wire_faults{
    "bit_error",      "wrong_pid",         "wrong_data_pid", "truncated", "oversized",   "babble",
    "missing_eop",    "stuffing_error",    "lost",           "no_answer", "late_answer", "other_address",
    "repeated_token", "spurious_handshake"};
const Values time_faults{"sof_lost",   "sof_repeated", "sof_early",    "sof_late", "sof_jitter",
                         "sof_number", "frame_jump",   "device_clock", "bus_clock"};
const Values software{"late_interrupts", "coalesced_interrupts", "stalled_interrupts", "blocked_queue"};
const Values life{"abort", "alternate", "block_queue", "bus_reset", "suspend", "unplug", "sleep"};
const Values errors{"not_responding", "crc_error", "bit_stuff", "pid_check", "wrong_pid"};
const Values refusals{"refused_too_old", "refused_too_new", "refused_bad_argument", "refused_no_resources"};

Values joined(std::initializer_list<Values> parts) {
  Values all;
  for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

/// Statuses that a fault can be the cause of, beside success.
struct Causes {
  Values faults, statuses;
};
const std::vector<Causes>& causes() {
  static const std::vector<Causes> all{
      {{"bit_error"}, {"not_responding", "crc_error", "pid_check"}},
      {{"wrong_pid"}, {"not_responding", "pid_check", "wrong_pid"}},
      {{"wrong_data_pid"}, {"not_responding", "wrong_pid"}},
      {{"truncated"}, {"not_responding", "crc_error"}},
      {{"oversized", "babble"}, {"overrun"}},
      {{"missing_eop", "stuffing_error"}, {"not_responding", "bit_stuff"}},
      {{"lost", "no_answer", "late_answer", "other_address"}, {"not_responding"}},
      {{"spurious_handshake"}, {"not_responding", "pid_check"}},
      {{"late_interrupts", "stalled_interrupts", "blocked_queue", "block_queue"}, {"missed", "refused_too_old"}},
      {{"abort", "alternate", "bus_reset", "unplug", "sleep"}, {"aborted"}},
      {{"suspend"}, {"missed"}},
  };
  return all;
}

std::vector<Exclusion> make_exclusions() {
  std::vector<Exclusion> all{
      {{{"speed", {"fs"}}, {"transactions", {"2", "3"}}}, "full speed has one transaction in a frame [USB 2.0 5.9]"},
      {{{"speed", {"fs"}}, {"profile", {"ehci"}}}, "EHCI drives no full speed by itself"},
      {{{"speed", {"hs"}}, {"profile", {"ohci", "uhci"}}}, "OHCI and UHCI drive no high speed"},
      {{{"transactions", {"2", "3"}}, {"profile", {"ohci", "uhci"}}}, "OHCI and UHCI drive no high speed"},
      {{{"start", {"sync"}}, {"depth", {"2", "3-7", "8+"}}}, "a synchronous stream has one request in flight"},
      {{{"start", {"sync"}}, {"fault", life}}, "events are for asynchronous streams (docs/scenarios.md)"},
      {{{"start", {"sync"}}, {"status", {"aborted"}}}, "events are for asynchronous streams (docs/scenarios.md)"},
      {{{"start", {"sync"}}, {"status", {"refused_no_resources"}}}, "one request never fills a pipe"},
      {{{"depth", {"1"}}, {"status", {"refused_no_resources"}}}, "one request never fills a pipe"},
      {{{"start", {"zero"}}, {"status", {"refused_too_new"}}}, "first frame 0 names no frame that could be too far"},
      {{{"direction", {"out"}}, {"status", joined({errors, {"underrun", "overrun"}})}},
       "isochronous OUT has no handshake: what was sent is good [USB 2.0 5.6.5]"},
      {{{"direction", {"out"}}, {"fault", {"no_answer"}}},
       "a device answers nothing to isochronous OUT [USB 2.0 5.6.5]"},
      {{{"fault", {"none"}}, {"status", {"bit_stuff"}}}, "nothing else makes stuffing errors"},
      {{{"size", {"full"}}, {"status", {"underrun"}}}, "what fills the request is not short"},
      {{{"profile", {"ehci", "ohci", "uhci"}}, {"start", {"zero"}}, {"status", {"success"}}},
       "these controllers know no first frame 0"},
  };
  for (const auto& fault : joined({wire_faults, time_faults, software, life})) {
    Values others = joined({errors, refusals, {"underrun", "overrun", "missed", "aborted"}});
    for (const auto& row : causes())
      if (std::ranges::find(row.faults, fault) != row.faults.end())
        std::erase_if(others, [&](const auto& s) { return std::ranges::find(row.statuses, s) != row.statuses.end(); });
    all.push_back({{{"fault", {fault}}, {"status", std::move(others)}},
                   "the fault is not what causes that status; what does is crossed with it"});
  }
  return all;
}

}  // namespace

const std::vector<Dimension>& dimensions() {
  static const std::vector<Dimension> all{
      {"speed", {"fs", "hs"}},
      {"direction", {"in", "out"}},
      {"transactions", {"1", "2", "3"}},
      {"interval", {"1", "2", "3", "4", "5+"}},
      {"size", {"empty", "part", "full", "varying"}},
      {"start", {"explicit", "gaps", "zero", "sync"}},
      {"depth", {"1", "2", "3-7", "8+"}},
      {"fault", joined({{"none"}, wire_faults, time_faults, software, life})},
      {"status", joined({{"success", "underrun", "overrun"}, errors, {"missed", "aborted"}, refusals})},
      {"profile", {"neutral", "xhci", "ehci", "ohci", "uhci"}},
  };
  return all;
}

const std::vector<Cross>& crosses() {
  static const auto all = [] {
    std::vector<Cross> list{{"speed", "direction", "transactions", "interval"},
                            {"speed", "direction", "size"},
                            {"speed", "direction", "fault"},
                            {"speed", "direction", "status"}};
    const auto& d = dimensions();
    for (std::size_t i = 0; i < d.size(); ++i)
      for (std::size_t j = i + 1; j < d.size(); ++j) list.push_back({d[i].name, d[j].name});
    return list;
  }();
  return all;
}

const std::vector<Exclusion>& exclusions() {
  static const auto all = make_exclusions();
  return all;
}

const Exclusion* excluded(const Bin& bin) {
  const auto has = [&](const auto& condition) {
    const auto found = bin.find(condition.first);
    return found != bin.end() && std::ranges::find(condition.second, found->second) != condition.second.end();
  };
  const auto& all = exclusions();
  const auto found = std::ranges::find_if(all, [&](const auto& one) { return std::ranges::all_of(one.when, has); });
  return found == all.end() ? nullptr : &*found;
}

std::string name_of(const Bin& bin) {
  std::string text;
  for (const auto& dimension : dimensions())
    if (const auto found = bin.find(dimension.name); found != bin.end())
      text += (text.empty() ? "" : ",") + dimension.name + "=" + found->second;
  return text;
}

namespace {

void combine(const Cross& cross, std::size_t next, Bin& bin,
             const std::function<void(const Cross&, const Bin&)>& visit) {
  if (next == cross.size()) {
    if (excluded(bin) == nullptr) visit(cross, bin);
    return;
  }
  const auto& dimension = *std::ranges::find(dimensions(), cross[next], &Dimension::name);
  for (const auto& value : dimension.values) {
    bin[cross[next]] = value;
    combine(cross, next + 1, bin, visit);
  }
}

}  // namespace

void for_each_bin(const std::function<void(const Cross&, const Bin&)>& visit) {
  for (const auto& cross : crosses()) {
    Bin bin;
    combine(cross, 0, bin, visit);
  }
}

}  // namespace isochio::coverage
