// isochio list: the scenarios there are, and the profiles of host controllers.
#include <algorithm>
#include <cctype>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "controller/profile.h"
#include "scenario/catalogue.h"
#include "scenario/scenario.h"

namespace isochio::cli {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::vector<std::string> words, tags;
  std::string speed, profile, source;
  bool paths = false, json = false, profiles = false;
};

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

bool contains(const std::string& text, const std::string& part) {
  return lower(text).find(lower(part)) != std::string::npos;
}

bool wanted(const scenario::Scenario& s, const Options& options) {
  const auto has_tag = [&](const std::string& tag) { return std::ranges::find(s.tags, tag) != s.tags.end(); };
  const auto all_text =
      fmt::format("{} {} {} {}", s.name, s.description, fmt::join(s.tags, " "), fmt::join(s.source, " "));
  return std::ranges::all_of(options.tags, has_tag) &&
         std::ranges::all_of(options.words, [&](const auto& word) { return contains(all_text, word); }) &&
         (options.speed.empty() || options.speed == usb::to_string(s.speed)) &&
         (options.profile.empty() || options.profile == s.profile) &&
         (options.source.empty() ||
          std::ranges::any_of(s.source, [&](const auto& source) { return contains(source, options.source); }));
}

Json to_json(const scenario::Scenario& s, const std::string& topic) {
  return {
      {"name", s.name},         {"topic", topic}, {"description", s.description}, {"speed", usb::to_string(s.speed)},
      {"profile", s.profile},   {"tags", s.tags}, {"source", s.source},           {"expectation", s.expect.has_value()},
      {"file", s.file.string()}};
}

int list_scenarios(const Options& options) {
  int code = passed;
  std::map<std::string, std::vector<scenario::Scenario>> topics;
  std::size_t width = 0;
  for (const auto& file : scenario::list(scenario::Shelf::scenarios)) {
    auto loaded = scenario::load_scenario(file);
    if (!loaded) {
      code = complain(loaded.error().to_string());
      continue;
    }
    if (!wanted(*loaded, options)) continue;
    width = std::max(width, loaded->name.size());
    const auto folder = file.parent_path().filename().string();
    topics[folder == "scenarios" ? "" : folder].push_back(std::move(*loaded));
  }
  if (options.json) {
    auto all = Json::array();
    for (const auto& [topic, scenarios] : topics)
      for (const auto& s : scenarios) all.push_back(to_json(s, topic));
    fmt::print("{}\n", all.dump(2, ' ', false, Json::error_handler_t::replace));
    return code;
  }
  for (const auto& [topic, scenarios] : topics) {
    if (!topic.empty() && !options.paths) fmt::print("\n{}\n", topic);
    for (const auto& s : scenarios)
      fmt::print("{:<{}} {}  {}\n", s.name, width, usb::to_string(s.speed),
                 options.paths ? s.file.string() : s.description);
  }
  if (topics.empty() && code == passed) return complain("no scenario is so; isochio list shows all");
  return code;
}

int list_profiles(bool json) {
  if (!json) {
    for (const auto& profile : controller::profiles()) {
      fmt::print("{}: {}\n", profile.name, profile.title);
      for (const auto& fact : profile.facts)
        fmt::print("  {:<20} {}\n  {:<20}   [{}]\n", fact.parameter, fact.value, "", fact.source);
      fmt::print("  {:<20} {:<24} {:<16} {:<12} {}\n", "on the bus", "controller", "macOS", "Linux", "libusb");
      for (const auto& view : profile.statuses)
        fmt::print("  {:<20} {:<24} {:<16} {:<12} {}\n", controller::to_string(view.status), view.controller,
                   view.macos, view.linux_code, view.libusb);
      fmt::print("\n");
    }
    return passed;
  }
  auto all = Json::array();
  for (const auto& profile : controller::profiles()) {
    Json one{{"name", profile.name}, {"title", profile.title}, {"facts", Json::array()}, {"statuses", Json::array()}};
    for (const auto& fact : profile.facts)
      one["facts"].push_back({{"parameter", fact.parameter}, {"value", fact.value}, {"source", fact.source}});
    for (const auto& view : profile.statuses)
      one["statuses"].push_back({{"bus", controller::to_string(view.status)},
                                 {"controller", view.controller},
                                 {"macos", view.macos},
                                 {"linux", view.linux_code},
                                 {"libusb", view.libusb}});
    all.push_back(one);
  }
  fmt::print("{}\n", all.dump(2));
  return passed;
}

}  // namespace

void add_list(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("list", "List the scenarios by topic, one line each: name, speed, what it is");
  const auto options = std::make_shared<Options>();
  command->add_option("TEXT", options->words, "Only those with this text in name, description, tags or source");
  command->add_option("--tag", options->tags, "Only those with this tag");
  command->add_option("--speed", options->speed, "Only those at full speed (fs) or high speed (hs)")
      ->check(CLI::IsMember({"fs", "hs"}));
  command->add_option("--profile", options->profile, "Only those for this host controller")
      ->check(CLI::IsMember(controller::profile_names()));
  command->add_option("--source", options->source, "Only those from here, e.g. \"driverkit-facts 6.4\" or 5.9.2");
  command->add_flag("--paths", options->paths, "Print where each file is instead of its description");
  command->add_flag("--json", options->json, "Print JSON");
  command->add_flag("--profiles", options->profiles, "List the host controllers instead: parameters and their sources");
  command->footer(
      "Scenarios are the .toml files of $ISOCHIO_DATA/scenarios if ISOCHIO_DATA is set, else those that came\n"
      "with isochio. A scenario of your own need not be listed: isochio run PATH.\n"
      "\n"
      "Examples:\n"
      "  isochio list\n"
      "  isochio list late --speed hs\n"
      "  isochio list --source \"driverkit-facts 6.4\" --json\n"
      "  isochio list --profiles\n"
      "  cp \"$(isochio list --paths | awk '$1 == \"loopback\" {print $3}')\" mine.toml");
  command->callback([&action, options] {
    action = [options] { return options->profiles ? list_profiles(options->json) : list_scenarios(*options); };
  });
}

}  // namespace isochio::cli
