#include "cli/wave_on_violation.h"

#include <algorithm>
#include <filesystem>
#include <vector>

#include <fmt/format.h>

#include "report/report.h"
#include "report/wave_file.h"

namespace isochio::cli {
namespace {

namespace fs = std::filesystem;

/// Where the run went wrong, and what to call it.
struct Place {
  bus::BusTime at;
  std::string what;
};

Place first_place(const scenario::RunOutcome& outcome) {
  const auto earliest = std::min_element(outcome.first.begin(), outcome.first.end(),
                                         [](const auto& a, const auto& b) { return a.time < b.time; });
  if (earliest != outcome.first.end()) return {earliest->time, check::to_string(earliest->rule)};
  // Nothing is violated, but something is not as expected: the end is all that is known.
  const auto end = bus::from_ns(static_cast<std::int64_t>(outcome.result.perf.bus_seconds * 1e9));
  return {bus::BusTime{end.bits}, "end"};
}

std::int64_t picoseconds(bus::BusTime t) { return t.bits * 6250 / 3; }

std::string milliseconds(bus::BusTime t) { return fmt::format("{:.3f}", static_cast<double>(t.bits) / 480'000.0); }

}  // namespace

std::string gtkwave_save_file(const std::string& wave, const scenario::Scenario& scenario, bus::BusTime at,
                              const std::string& what) {
  constexpr std::int64_t most_markers = 26, before = 12;
  const bool high = scenario.speed == usb::Speed::high;
  const bus::Duration period = high ? bus::microframe : bus::frame;
  std::string times;
  std::string names = fmt::format("[markername] A{}\n", what);
  const std::int64_t running = at.bits / period.bits;
  for (std::int64_t i = 1; i < most_markers; ++i) {
    const std::int64_t number = running - before + i;
    const bus::BusTime begin{number * period.bits};
    times += fmt::format(" {}", number < 0 ? -1 : picoseconds(begin));
    if (number < 0) continue;
    const auto frame = scenario.controller.first_frame + static_cast<std::uint64_t>(high ? number / 8 : number);
    names += fmt::format("[markername] {}{}", static_cast<char>('A' + i), frame);
    names += high ? fmt::format(".{}\n", number % 8) : "\n";
  }
  const auto file = fs::absolute(wave);
  fs::path save = file;
  save.replace_extension(".gtkw");
  std::string text = fmt::format(
      "[*] isochio: {} seed {}, {} at {} ms of bus time\n[dumpfile] \"{}\"\n[savefile] \"{}\"\n[timestart] {}\n"
      "[size] 1600 900\n[pos] -1 -1\n*-29.000000 {} {}{}\n{}",
      scenario.name, scenario.seed, what, milliseconds(at), file.string(), save.string(),
      std::max<std::int64_t>(0, picoseconds(at - bus::Duration{period.bits / 2})), picoseconds(at), picoseconds(at),
      times, names);
  // @28: binary, @22: hexadecimal, @200: a heading.
  text += "[treeopen] TOP.\n@200\n-UTMI, host to device\n@28\n";
  for (const char* name : {"utmi_rx_active_i", "utmi_rx_valid_i", "utmi_rx_error_i", "utmi_line_state_i[1:0]"})
    text += fmt::format("TOP.{}\n", name);
  text +=
      "@22\nTOP.utmi_data_i[7:0]\n@200\n-UTMI, device to host\n@28\nTOP.utmi_tx_valid_o\nTOP.utmi_tx_ready_i\n"
      "@22\nTOP.utmi_data_o[7:0]\n@200\n-State\n@22\nTOP.status_frame_o[13:0]\n@28\n";
  for (const char* name : {"status_high_speed_o", "status_configured_o", "status_suspended_o", "quiet_o"})
    text += fmt::format("TOP.{}\n", name);
  return text;
}

tl::expected<std::string, std::string> write_waves(const scenario::Scenario& scenario, scenario::RunOptions options,
                                                   const scenario::RunOutcome& first, const WaveRequest& request) {
  const Place place = first_place(first);
  options.json = options.html = options.capture = options.received = "";
  options.progress = {};
  auto file = report::WaveFile::create(request.path);
  if (!file) return tl::unexpected(file.error());
  options.wave = file->part();
  options.wave_window = {std::max(bus::BusTime{}, place.at - request.margin), place.at + request.margin};
  const auto again = scenario::run(scenario, options);
  if (!again) return tl::unexpected(again.error().message);
  const Place found = first_place(*again);
  if (!first.first.empty() && (found.at != place.at || found.what != place.what))
    return tl::unexpected(
        fmt::format("{}: the second run does not fail as the first one did ({} at {} ms): something "
                    "outside the scenario has changed",
                    request.path, place.what, milliseconds(place.at)));
  if (const auto whole = file->finish(); !whole) return tl::unexpected(whole.error());
  fs::path save = request.path;
  save.replace_extension(".gtkw");
  const auto written =
      report::write_file(save.string(), gtkwave_save_file(request.path, scenario, place.at, place.what));
  if (!written) return tl::unexpected(written.error());
  return fmt::format("  waves of {} ms to {} ms, around {} at {} ms: gtkwave {}",
                     milliseconds(options.wave_window.from), milliseconds(options.wave_window.until), place.what,
                     milliseconds(place.at), save.string());
}

}  // namespace isochio::cli
