// isochio bandwidth: how many isochronous transactions fit into a frame or microframe.
#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <optional>
#include <stdexcept>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/progress.h"
#include "controller/sim_host.h"
#include "description/description.h"
#include "report/report.h"
#include "scenario/catalogue.h"
#include "simulated_device.h"
#include "usb/bandwidth.h"

namespace isochio::cli {
namespace {

using usb::Speed;

struct Row {
  std::uint32_t payload = 0;       ///< bytes in a transaction
  std::uint32_t transactions = 0;  ///< that fit, by the specification's tables
  std::optional<controller::WireCapacity> measured;
};

std::vector<Row> table(Speed speed) {
  std::vector<Row> rows;
  for (std::uint32_t payload = 1; payload <= 512; payload *= 2) rows.push_back({payload, 0, {}});
  rows.push_back({speed == Speed::high ? 1024U : 1023U, 0, {}});
  for (auto& row : rows) row.transactions = usb::most_transactions(speed, row.payload);
  return rows;
}

/// Sends transactions of each size back to back to the simulated test device.
tl::expected<void, std::string> measure(Speed speed, std::vector<Row>& rows) {
  const auto file = scenario::find(scenario::Shelf::devices, "test");
  if (!file) return tl::unexpected(file.error().to_string());
  const auto device = description::load(*file);
  if (!device) return tl::unexpected(device.error().to_string());
  const auto image = description::compile_image(*device);
  if (!image) return tl::unexpected(image.error().to_string());
  verilated::DeviceOptions options;
  options.image = *image;
  options.fs_only = speed == Speed::full;
  const auto link = verilated::make_simulated_device(options);
  controller::SimHostOptions lifted;
  lifted.lift_periodic_limit = true;
  controller::SimHost host(*link, lifted);
  if (auto up = host.enumerate(); !up) return up;
  Progress progress(fmt::format("bandwidth {}", usb::to_string(speed)));
  for (auto& row : rows) {
    const auto capacity = host.measure_capacity(usb::endpoint(1, usb::Direction::out), row.payload);
    if (!capacity) return tl::unexpected(fmt::format("{} bytes: {}", row.payload, to_string(capacity.error())));
    row.measured = *capacity;
    progress.show(static_cast<double>(&row - rows.data() + 1) / static_cast<double>(rows.size()));
  }
  return {};
}

void print(Speed speed, const std::vector<Row>& rows) {
  const bool high = speed == Speed::high;
  const auto bytes = usb::bytes_in_frame(speed);
  fmt::print("{}: isochronous transactions in a {} of {} bytes (USB 2.0, table {})\n",
             high ? "High speed" : "Full speed", high ? "microframe" : "frame", bytes, high ? "5-5" : "5-4");
  fmt::print("  payload  transactions  payload bytes  left over  payload in MB/s{}\n",
             rows.front().measured ? "  measured" : "");
  for (const auto& row : rows) {
    const auto moved = row.payload * row.transactions;
    const auto left = bytes - row.transactions * (row.payload + usb::isochronous_overhead_bytes(speed));
    fmt::print("  {:>7}  {:>12}  {:>13}  {:>9}  {:>15.3f}{}\n", row.payload, row.transactions, moved, left,
               moved * (high ? 8000.0 : 1000.0) / 1e6,
               row.measured ? fmt::format("  {:>8}", row.measured->in_interval) : "");
  }
}

nlohmann::ordered_json to_json(Speed speed, const std::vector<Row>& rows) {
  nlohmann::ordered_json result;
  result["speed"] = usb::to_string(speed);
  result["bytes_in_frame"] = usb::bytes_in_frame(speed);
  result["overhead_bytes"] = usb::isochronous_overhead_bytes(speed);
  for (const auto& row : rows) result["rows"].push_back({{"payload", row.payload}, {"transactions", row.transactions}});
  return result;
}

int bandwidth(const std::string& only, const std::string& json, bool measured) {
  auto report = nlohmann::ordered_json::array();
  for (const auto speed : {Speed::full, Speed::high}) {
    if (!only.empty() && only != usb::to_string(speed)) continue;
    auto rows = table(speed);
    if (measured) {
      try {
        if (const auto done = measure(speed, rows); !done) return complain(done.error());
      } catch (const std::runtime_error& problem) {
        complain(problem.what());
        return target_not_available;
      }
    }
    if (json != "-") print(speed, rows);
    report.push_back(to_json(speed, rows));
  }
  const auto text = report.dump(2) + "\n";
  if (json == "-") {
    fmt::print("{}", text);
  } else if (!json.empty()) {
    if (const auto written = report::write_file(json, text); !written) return complain(written.error());
  }
  return passed;
}

}  // namespace

void add_bandwidth(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("bandwidth", "How many isochronous transactions fit into a (micro)frame");
  struct Options {
    std::string speed, json;
    bool measure = false;
  };
  const auto options = std::make_shared<Options>();
  command->add_option("--speed", options->speed, "fs or hs only")->check(CLI::IsMember({"fs", "hs"}));
  command->add_option("--json", options->json, "Write the tables here; - is standard output");
  command->add_flag("--measure", options->measure,
                    "Also count how many go over the simulated wire to the test device, back to back, unstuffed");
  command->footer(
      "The most transactions when nothing else runs and nothing is stuffed, host delay 0, as the specification's "
      "tables\n"
      "count them. What may be reserved for periodic traffic is less: 90 % of a frame, 80 % of a microframe.\n"
      "\n"
      "Examples:\n"
      "  isochio bandwidth\n"
      "  isochio bandwidth --measure\n"
      "  isochio bandwidth --speed hs --json -");
  command->callback([&action, options] {
    action = [options] { return bandwidth(options->speed, options->json, options->measure); };
  });
}

}  // namespace isochio::cli
