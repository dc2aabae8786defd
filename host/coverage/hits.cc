#include "coverage/hits.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <nlohmann/json.hpp>

namespace isochio::coverage {

using Json = nlohmann::ordered_json;

namespace {
/// A file of another model does not count for this one.
constexpr int format = 1;
}  // namespace

void Hits::add(const Sample& sample) {
  for (const auto& cross : crosses()) {
    const bool fault = std::ranges::find(cross, "fault") != cross.end();
    const bool status = std::ranges::find(cross, "status") != cross.end();
    // Of several faults it is not known which one a status comes from.
    if (fault && status && sample.faults.size() > 1) continue;
    const std::vector<std::string> one{""};
    for (const auto& f : fault ? sample.faults : one)
      for (const auto& s : status ? sample.statuses : one) {
        Bin bin;
        for (const auto& name : cross) bin[name] = name == "fault" ? f : name == "status" ? s : sample.values.at(name);
        ++bins_[name_of(bin)];
      }
  }
}

void Hits::merge(const Hits& other) {
  runs_ += other.runs_;
  for (const auto& [name, count] : other.bins_) bins_[name] += count;
}

std::uint64_t Hits::of(const Bin& bin) const {
  const auto found = bins_.find(name_of(bin));
  return found == bins_.end() ? 0 : found->second;
}

bool Hits::has(const std::string& dimension, const std::string& value) const {
  const auto one = "," + dimension + "=" + value + ",";
  return std::ranges::any_of(bins_,
                             [&](const auto& bin) { return ("," + bin.first + ",").find(one) != std::string::npos; });
}

std::string Hits::to_json() const { return Json{{"format", format}, {"runs", runs_}, {"bins", bins_}}.dump(1) + "\n"; }

tl::expected<Hits, std::string> Hits::parse(const std::string& json) {
  const auto j = Json::parse(json, nullptr, false);
  const auto number = [](const Json& value) { return value.is_number_unsigned(); };
  if (!j.is_object() || !j.contains("format") || !j.contains("runs") || !number(j["runs"]) || !j.contains("bins") ||
      !j["bins"].is_object())
    return tl::unexpected<std::string>("is no coverage of isochio");
  if (j["format"] != format) return tl::unexpected<std::string>("is coverage of another version of isochio");
  Hits hits;
  hits.runs_ = j["runs"];
  for (const auto& [name, count] : j["bins"].items()) {
    if (!number(count)) return tl::unexpected("bin " + name + " has no count");
    hits.bins_[name] = count;
  }
  return hits;
}

tl::expected<Hits, std::string> Hits::load(const std::string& file) {
  std::error_code ignored;
  if (std::filesystem::is_character_file(file, ignored))  // it might never end
    return tl::unexpected(file + ": is a device, no coverage of isochio");
  std::ifstream stream(file, std::ios::binary);
  if (!stream) return Hits{};
  std::stringstream text;
  text << stream.rdbuf();
  auto hits = parse(text.str());
  if (!hits) return tl::unexpected(file + ": " + hits.error());
  return hits;
}

Summary summarize(const Hits& hits) {
  Summary summary;
  for (const auto& cross : crosses()) summary.crosses.emplace_back(cross, Share{});
  for_each_bin([&](const Cross& cross, const Bin& bin) {
    auto& share = std::ranges::find(summary.crosses, cross, &std::pair<Cross, Share>::first)->second;
    const bool hit = hits.of(bin) > 0;
    ++share.bins;
    ++summary.all.bins;
    share.hit += hit ? 1 : 0;
    summary.all.hit += hit ? 1 : 0;
    if (!hit) summary.holes.push_back(bin);
  });
  return summary;
}

}  // namespace isochio::coverage
