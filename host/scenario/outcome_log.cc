#include "scenario/outcome_log.h"

#include "driverkit/return_words.h"

namespace isochio::scenario {
namespace {

constexpr std::size_t most_ranges = 100;

}  // namespace

OutcomeLog::OutcomeLog(const std::map<std::uint8_t, std::string>& names) {
  for (const auto& [address, name] : names) streams_[address].outcome.name = name;
}

OutcomeLog::Stream* OutcomeLog::stream(usb::EndpointAddress endpoint) {
  const auto found = streams_.find(endpoint.value);
  return found == streams_.end() || over_ ? nullptr : &found->second;
}

void OutcomeLog::on_accepted(const controller::IsochRequest& request, std::uint64_t running) {
  Stream* s = stream(request.endpoint);
  if (s == nullptr) return;
  if (s->outcome.requests++ == 0)
    s->outcome.first_lead = static_cast<std::int64_t>(request.first_frame) - static_cast<std::int64_t>(running);
  s->first_entry[request.id] = s->planned_entries;
  s->planned_entries += request.entries.size();
}

void OutcomeLog::on_refused(usb::EndpointAddress endpoint, std::uint64_t, IOReturn code, std::uint64_t) {
  if (Stream* s = stream(endpoint)) ++s->outcome.refused[driverkit::return_word(code)];
}

void OutcomeLog::on_entry(const controller::IsochRequest& request, std::size_t index, IOReturn status) {
  Stream* s = stream(request.endpoint);
  if (s == nullptr) return;
  const auto& entry = request.entries[index];
  auto& ranges = s->outcome.entries;
  const std::uint64_t place = s->first_entry[request.id] + index;
  const auto word = driverkit::return_word(status);
  ++s->outcome.entry_count;
  if (!ranges.empty() && ranges.back().status == word && ranges.back().neutral == entry.status &&
      ranges.back().last + 1 == place) {
    ++ranges.back().last;
    ranges.back().bytes += entry.complete;
    return;
  }
  s->outcome.seen.emplace(word, entry.status);
  if (ranges.size() < most_ranges) {
    ranges.push_back({place, place, word, entry.status, entry.complete});
  } else {
    ++s->outcome.entries_left_out;
  }
}

void OutcomeLog::on_complete(const controller::IsochRequest& request, IOReturn overall) {
  Stream* s = stream(request.endpoint);
  if (s == nullptr) return;
  s->first_entry.erase(request.id);
  ++s->outcome.overall[driverkit::return_word(overall)];
}

void OutcomeLog::on_ring_empty(usb::EndpointAddress endpoint, bus::BusTime) {
  if (Stream* s = stream(endpoint)) ++s->outcome.ring_empty;
}

std::vector<report::StreamOutcome> OutcomeLog::finish() {
  over_ = true;
  std::vector<report::StreamOutcome> all;
  for (const auto& [address, stream] : streams_) all.push_back(stream.outcome);
  return all;
}

}  // namespace isochio::scenario
