// isochio: runs a scenario on a device behind a Link, or behind a real host: builds the device, enumerates it, issues
// real IsochIO calls, and hangs checkers, capture and reports on what happens. The result is a pure function of
// scenario, device and seed; only `perf` is not. Memory does not grow with the length of a run.
#pragma once

#include <atomic>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "bus/link.h"
#include "controller/host.h"
#include "report/report.h"
#include "scenario/scenario.h"

namespace isochio::scenario {

/// A stretch of bus time; at first all of it.
struct TimeWindow {
  bus::BusTime from{}, until{std::numeric_limits<std::int64_t>::max()};
};

/// What is asked of a target: a device with this image, at its connector.
struct LinkRequest {
  std::span<const std::uint8_t> image;  ///< docs/device-image.md
  bool fs_only = false;
  bool idle_skipping = true;
  std::string wave_path;  ///< FST; empty = none
  TimeWindow wave_window{};
};
/// Throws std::runtime_error with a sentence for the user if the target is not available.
using LinkFactory = std::function<std::unique_ptr<bus::Link>(const LinkRequest&)>;

/// What is asked of a real host: the scenario's device, as its description names it.
struct HostRequest {
  std::uint16_t vendor_id = 0, product_id = 0;
  std::optional<std::uint8_t> test_requests;  ///< bRequest of REGISTERS, if it has them
  std::uint64_t first_frame = 0;
};
/// Throws as LinkFactory does.
using HostFactory = std::function<std::unique_ptr<controller::Host>(const HostRequest&)>;

struct RunOptions {
  LinkFactory make_link;
  /// If set, the run goes over this host and not over a Link: no packet is seen, no first frame can be placed, and what
  /// can't be judged then is in the result's not_observable (docs/libusb.md). wave and capture must be empty.
  HostFactory make_host;
  bool buffered = false;  ///< with make_host: between host and device stands a buffer (check::SuiteOptions::buffered)
  bool idle_skipping = true;
  std::string json, html, wave, capture;  ///< files to write; empty = none
  TimeWindow wave_window;                 ///< what `wave` holds; the run ends soon after it
  std::string payload;         ///< a file that goes through OUT, loopback and IN instead of the scenario's payload
  std::string received;        ///< where what came back of it is kept; empty = nowhere
  std::string repeat_command;  ///< for the report
  /// Called now and then with the share of the run that is done, 0 … 1.
  std::function<void(double)> progress;
  const std::atomic<bool>* interrupted = nullptr;  ///< set by a signal handler: the run ends early, files are valid
};

struct RunOutcome {
  report::RunResult result;
  std::vector<check::Violation> first;  ///< the first violations of each kind
  bool output_failed = false;           ///< a file could not be written; result.error says which and why
};

/// Why nothing could be run.
struct RunError {
  enum class Kind : std::uint8_t { input, target } kind{};
  std::string message;
};

/// The device is found as the scenario says. A run that fails on the way is an outcome with verdict failed or error.
tl::expected<RunOutcome, RunError> run(const Scenario& scenario, const RunOptions& options);

}  // namespace isochio::scenario
