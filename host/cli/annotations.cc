#include "cli/annotations.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace isochio::cli {
namespace {

namespace fs = std::filesystem;

/// As the runner wants it: in a message % and line ends are escaped, in a property also : and ,.
std::string escape(std::string_view text, bool property) {
  std::string out;
  for (const char c : text) {
    if (c == '%' || c == '\r' || c == '\n' || (property && (c == ':' || c == ','))) {
      out += fmt::format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      out += c;
    }
  }
  return out;
}

std::string in_checkout(const fs::path& file) {
  const char* root = std::getenv("GITHUB_WORKSPACE");
  std::error_code error;
  const auto relative = fs::proximate(file, root != nullptr ? fs::path(root) : fs::current_path(error), error);
  return error ? file.string() : relative.string();
}

std::string command(const fs::path& file, int line, std::string_view title, std::string_view message) {
  return fmt::format("::error file={},line={},title={}::{}\n", escape(in_checkout(file), true), std::max(line, 1),
                     escape(title, true), escape(message, false));
}

/// Line of the stream that uses an endpoint; 1 if none does.
int line_of(const scenario::Scenario& scenario, usb::EndpointAddress endpoint) {
  const auto uses = [&](const scenario::EndpointChoice& choice) {
    return choice.first ? choice.is_in() == endpoint.is_in() : choice.address == endpoint;
  };
  for (const auto& stream : scenario.streams)
    if (endpoint.number() != 0 && uses(stream.endpoint)) return stream.line;
  for (const auto& stream : scenario.bulk)
    if (endpoint.number() != 0 && uses(stream.endpoint)) return stream.line;
  return 1;
}

}  // namespace

bool in_github_workflow() {
  const char* set = std::getenv("GITHUB_ACTIONS");
  return set != nullptr && std::string_view(set) == "true";
}

std::string annotation(const InputError& error) {
  const std::string key = error.key.empty() ? "" : error.key + ": ";
  return command(error.file, error.line, "isochio can't run this", key + error.message);
}

std::string annotations(const scenario::Scenario& scenario, const scenario::RunOutcome& outcome) {
  const report::RunResult& result = outcome.result;
  if (result.verdict == report::Verdict::passed) return {};
  const std::string repeat = result.repeat_command.empty() ? "" : "\nRepeat: " + result.repeat_command;
  std::string text;
  if (!result.error.empty()) text += command(scenario.file, 1, result.scenario, result.error + repeat);
  if (result.expectation.mismatches > 0 && !result.expectation.listed.empty()) {
    const auto& first = result.expectation.listed.front();
    text += command(scenario.file, 1, fmt::format("{}: not as expected", result.scenario),
                    fmt::format("{}: expected {}, got {} ({} in all){}", first.where, first.expected, first.got,
                                result.expectation.mismatches, repeat));
  }
  if (result.expectation.given) return text;
  std::array<bool, check::group_count> told{};
  for (const auto& violation : outcome.first) {
    const auto group = check::group_of(violation.rule);
    if (std::exchange(told[static_cast<std::size_t>(group)], true)) continue;
    text +=
        command(scenario.file, line_of(scenario, violation.endpoint),
                fmt::format("{}: {}", result.scenario, check::to_string(group)),
                fmt::format("{} ({} in all){}", check::to_string(violation), result.violation_count(group), repeat));
  }
  return text;
}

}  // namespace isochio::cli
