// isochio: runs a scenario twice, and once more without idle skipping, and finds report (but for "perf") and capture
// the same, byte for byte.
//   isochio_repeat_test SCENARIO.toml FOLDER
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "scenario/run.h"
#include "simulated_device.h"

namespace {

namespace fs = std::filesystem;
using namespace isochio;

struct Files {
  std::string json, capture;
};

Files run(const scenario::Scenario& scenario, const fs::path& folder, const std::string& tag, bool skip) {
  const auto name = scenario.name + "." + tag;
  scenario::RunOptions options;
  options.make_link = [](const scenario::LinkRequest& request) {
    return verilated::make_simulated_device({request.image, request.fs_only, request.idle_skipping, request.wave_path});
  };
  options.idle_skipping = skip;
  options.json = (folder / (name + ".json")).string();
  options.capture = (folder / (name + ".pcapng")).string();
  const auto outcome = scenario::run(scenario, options);
  if (!outcome) throw std::runtime_error(outcome.error().message);
  if (outcome->result.verdict != report::Verdict::passed)
    throw std::runtime_error(fmt::format("{}: {} {}", name, to_string(outcome->result.verdict), outcome->result.error));
  return {options.json, options.capture};
}

std::string read(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// The report's text, but for what may differ.
std::string report_of(const Files& files) {
  auto report = nlohmann::ordered_json::parse(read(files.json));
  if (report.erase("perf") != 1) throw std::runtime_error("the report has no perf");
  return report.dump(1);
}

bool same(const char* what, const std::string& a, const std::string& b, const char* against) {
  if (a == b && !a.empty()) return true;
  const auto at =
      std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(std::min(a.size(), b.size())), b.begin());
  fmt::print("{} differs from that {}: {} and {} bytes, first difference at byte {}\n", what, against, a.size(),
             b.size(), at.first - a.begin());
  return false;
}

int compare(const fs::path& file, const fs::path& folder) {
  const auto scenario = scenario::load_scenario(file);
  if (!scenario) throw std::runtime_error(scenario.error().to_string());
  const auto first = run(*scenario, folder, "first", true);
  const auto report = report_of(first), capture = read(first.capture);
  bool good = true;
  for (const bool skip : {true, false}) {
    const char* against = skip ? "of a second run" : "without idle skipping";
    const auto again = run(*scenario, folder, skip ? "second" : "no-skip", skip);
    good = same("the report", report, report_of(again), against) && good;
    good = same("the capture", capture, read(again.capture), against) && good;
  }
  return good ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: isochio_repeat_test SCENARIO.toml FOLDER\n");
    return 2;
  }
  try {
    return compare(argv[1], argv[2]);
  } catch (const std::exception& problem) {
    fmt::print(stderr, "{}\n", problem.what());
    return 1;
  }
}
