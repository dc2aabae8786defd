// isochio: runs a scenario twice, and once more without idle skipping, and finds report (but for "perf") and capture
// the same, byte for byte. A short run is the same with waves, too: that build gets every edge of both clocks, so that
// leaving out edges of clk_work_i (docs/rtl.md) is shown to change nothing.
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

enum class Way { skipping, every_clock, waves };

Files run(const scenario::Scenario& scenario, const fs::path& folder, const std::string& tag, Way way) {
  const auto name = scenario.name + "." + tag;
  scenario::RunOptions options;
  options.make_link = [](const scenario::LinkRequest& request) {
    return verilated::make_simulated_device({request.image, request.fs_only, request.idle_skipping, request.wave_path});
  };
  options.idle_skipping = way != Way::every_clock;
  if (way == Way::waves) options.wave = (folder / (name + ".fst")).string();
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
  bool good = true;
  const auto hold = [&](const Files& one, const Files& other, const char* against) {
    good = same("the report", report_of(one), report_of(other), against) && good;
    good = same("the capture", read(one.capture), read(other.capture), against) && good;
  };
  const auto first = run(*scenario, folder, "first", Way::skipping);
  hold(first, run(*scenario, folder, "second", Way::skipping), "of a second run");
  hold(first, run(*scenario, folder, "no-skip", Way::every_clock), "without idle skipping");
  auto brief = *scenario;
  brief.frames = 8;
  hold(run(brief, folder, "short", Way::skipping), run(brief, folder, "waves", Way::waves),
       "with waves, every clock edge");
  fs::remove(folder / (scenario->name + ".waves.fst"));
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
