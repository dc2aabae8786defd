// isochio: what the device itself recorded of a run, read back for the checkers: its event log and its engines'
// counters. The log is looked at in two windows, at the start and at the end: it holds a few thousand events, and
// reading it all the time would be traffic of its own.
#pragma once

#include <cstdint>
#include <string>

#include <tl/expected.hpp>

#include "check/suite.h"
#include "scenario/device_setup.h"
#include "scenario/life.h"

namespace isochio::scenario {

class DeviceRecord {
 public:
  /// All outlive this. `length_known`: false if a file decides how long the run is: when the last window should begin
  /// can't be said.
  DeviceRecord(const Scenario& scenario, const Plan& plan, DeviceSetup& setup, check::Suite& suite, bool length_known)
      : scenario_(scenario), plan_(plan), setup_(setup), suite_(suite), length_known_(length_known) {}

  /// The scenario has events: the device may be away or asleep when it is asked, and a window of the log could fall
  /// into such a time, so that there is one only.
  void goes_through(const Life& life, controller::SimHost& host) {
    life_ = &life;
    host_ = &host;
  }

  // All of these block in bus time, and do nothing where there is nothing to read.

  /// Reads the first window when it is over, and begins the last one shortly before the end. Call it now and then.
  tl::expected<void, std::string> look(std::uint64_t elapsed_frames);
  /// The log begins anew: what came before can't be held against the wire.
  tl::expected<void, std::string> restart_log();
  /// Stops the log and takes all that is in it.
  tl::expected<void, std::string> read_log();
  tl::expected<void, std::string> read_counters();

 private:
  bool device_answers();

  const Scenario& scenario_;
  const Plan& plan_;
  DeviceSetup& setup_;
  check::Suite& suite_;
  bool length_known_;
  const Life* life_ = nullptr;
  controller::SimHost* host_ = nullptr;
  enum class Window : std::uint8_t { first, between, last } window_ = Window::first;
  bool log_cut_ = false;
};

}  // namespace isochio::scenario
