// isochio: what happens to a device and its host while streams run: resets, suspend, unplugging, sleep, changes of
// setting, aborts, a blocked queue; each at a bit time of the scenario's choice. Events of host software wait for one
// another; a pulled plug waits for nobody.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "bus/cut_link.h"
#include "controller/sim_host.h"
#include "driverkit/runtime.h"
#include "scenario/bulk_stream.h"
#include "scenario/isoch_stream.h"
#include "scenario/promises.h"

namespace isochio::scenario {

/// What Life works on. All outlive it.
struct LifeContext {
  const Scenario& scenario;
  controller::SimHost& host;
  driverkit::Runtime& runtime;
  bus::CutLink& link;
  const std::vector<std::unique_ptr<IsochStream>>& streams;
  const std::vector<std::unique_ptr<BulkStream>>& bulk;
  Promises* promises;  ///< is told what happens; may be null
  /// Opens device and interfaces again, selects the settings and writes the registers.
  std::function<tl::expected<void, std::string>()> configure;
  /// Writes the registers again: a setting was selected anew.
  std::function<tl::expected<void, std::string>()> set_up_device;
  /// The device's log begins anew: over a time without SOFs it can't be held against the wire.
  std::function<tl::expected<void, std::string>()> restart_log;
};

class Life {
 public:
  explicit Life(LifeContext context);
  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;

  /// Plans all events; `base` is when the streams' first frame begins.
  void schedule(bus::BusTime base);
  /// The streams are over: what has not happened yet will not.
  void stop();
  /// Events are to come or going on.
  bool pending() const { return left_ > 0; }
  /// The device is configured as the scenario says and can be asked.
  bool device_usable() const { return usable_; }
  /// What should have worked and did not; empty otherwise.
  const std::string& error() const { return error_; }

 private:
  using Done = tl::expected<void, std::string>;

  void begin(const Event& event);
  void work();
  void finish(const Event& event);
  void perform(const Event& event);
  Done bus_reset(const Event& event);
  Done suspend();
  Done resume();
  Done unplug();
  Done plug();
  Done select(const Event& event);
  Done abort(const Event& event);
  Done sleep();
  Done wake(const Event& event);
  template <typename Which>
  void interrupt(Which&& which);
  template <typename Which>
  void go_on(Which&& which);
  void end_what_is_left();

  LifeContext context_;
  std::size_t left_ = 0;
  std::deque<const Event*> waiting_;  ///< for the one that is going on
  bool stopped_ = false, busy_ = false, usable_ = true, unplugged_ = false, asleep_ = false;
  std::string error_;
};

}  // namespace isochio::scenario
