// isochio bandwidth: how many isochronous transactions fit into a frame or microframe.
#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "report/report.h"
#include "usb/bandwidth.h"

namespace isochio::cli {
namespace {

using usb::Speed;

struct Row {
  std::uint32_t payload = 0;       ///< bytes in a transaction
  std::uint32_t transactions = 0;  ///< that fit
};

std::vector<Row> table(Speed speed) {
  std::vector<Row> rows;
  for (std::uint32_t payload = 1; payload <= 512; payload *= 2) rows.push_back({payload, 0});
  rows.push_back({speed == Speed::high ? 1024U : 1023U, 0});
  for (auto& row : rows) row.transactions = usb::most_transactions(speed, row.payload);
  return rows;
}

void print(Speed speed, const std::vector<Row>& rows) {
  const bool high = speed == Speed::high;
  const auto bytes = usb::bytes_in_frame(speed);
  fmt::print("{}: isochronous transactions in a {} of {} bytes (USB 2.0, table {})\n",
             high ? "High speed" : "Full speed", high ? "microframe" : "frame", bytes, high ? "5-5" : "5-4");
  fmt::print("  payload  transactions  payload bytes  left over  payload in MB/s\n");
  for (const auto& row : rows) {
    const auto moved = row.payload * row.transactions;
    const auto left = bytes - row.transactions * (row.payload + usb::isochronous_overhead_bytes(speed));
    fmt::print("  {:>7}  {:>12}  {:>13}  {:>9}  {:>15.3f}\n", row.payload, row.transactions, moved, left,
               moved * (high ? 8000.0 : 1000.0) / 1e6);
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

int bandwidth(const std::string& only, const std::string& json) {
  auto report = nlohmann::ordered_json::array();
  for (const auto speed : {Speed::full, Speed::high}) {
    if (!only.empty() && only != usb::to_string(speed)) continue;
    const auto rows = table(speed);
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
  };
  const auto options = std::make_shared<Options>();
  command->add_option("--speed", options->speed, "fs or hs only")->check(CLI::IsMember({"fs", "hs"}));
  command->add_option("--json", options->json, "Write the tables here; - is standard output");
  command->footer(
      "The most transactions when nothing else runs and nothing is stuffed, host delay 0, as the specification's "
      "tables\n"
      "count them. What may be reserved for periodic traffic is less: 90 % of a frame, 80 % of a microframe.\n"
      "\n"
      "Examples:\n"
      "  isochio bandwidth\n"
      "  isochio bandwidth --speed hs --json -");
  command->callback([&action, options] { action = [options] { return bandwidth(options->speed, options->json); }; });
}

}  // namespace isochio::cli
