#include "explore/isolated.h"

#include <stdexcept>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace isochio::explore {
namespace {

using Json = nlohmann::json;

std::string encode(const Finding& finding) {
  return Json::array({static_cast<int>(finding.kind), finding.what, finding.sentence, finding.coverage})
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

Finding crashed(const std::string& what) {
  return {Finding::Kind::crashed, what, "the run ended without a result: " + what, {}};
}

}  // namespace

const char* to_string(Finding::Kind kind) {
  constexpr const char* words[] = {"passed", "violated", "error", "crashed", "hung", "invalid", "no_target"};
  return words[static_cast<std::size_t>(kind)];
}

void Isolated::start(std::size_t number, const std::string& toml) {
  const auto started = children_.start(number, [&] {
    try {
      return encode(run_(toml));
    } catch (const std::exception& problem) {
      return encode(crashed(problem.what()));
    }
  });
  if (!started) throw std::runtime_error(started.error());
}

Finding Isolated::finding_of(const process::Ended& child) const {
  if (child.hung)
    return {
        Finding::Kind::hung, "limit", fmt::format("no end after {} s", static_cast<double>(limit_.count()) / 1000), {}};
  if (child.signal != 0) return crashed(fmt::format("signal {}", child.signal));
  const auto j = Json::parse(child.text, nullptr, false);
  if (!j.is_array() || j.size() != 4) return crashed("no result");
  return {static_cast<Finding::Kind>(j[0].get<int>()), j[1], j[2], j[3]};
}

std::vector<Isolated::Ended> Isolated::wait() {
  std::vector<Ended> ended;
  for (const auto& child : children_.wait(std::chrono::milliseconds(100)))
    ended.push_back({child.number, finding_of(child)});
  return ended;
}

Finding Isolated::run(const std::string& toml) {
  start(0, toml);
  for (;;)
    if (auto ended = wait(); !ended.empty()) return std::move(ended.front().finding);
}

}  // namespace isochio::explore
