// isochio: holds what happens against what [expect] says, as it happens; memory does not grow with the run.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "check/reporter.h"
#include "driverkit/isoch_observer.h"
#include "driverkit/runtime.h"
#include "driverkit/status.h"
#include "report/report.h"
#include "scenario/expectation.h"
#include "scenario/plan.h"

namespace isochio::scenario {

class ExpectationCheck final : public driverkit::IsochObserver {
 public:
  /// All outlive this.
  ExpectationCheck(const Expectation& expectation, const Scenario& scenario, const Plan& plan);

  void on_accepted(const controller::IsochRequest& request, std::uint64_t running) override;
  void on_refused(usb::EndpointAddress endpoint, std::uint64_t first_frame, IOReturn code,
                  std::uint64_t running) override;
  void on_entry(const controller::IsochRequest& request, std::size_t index, IOReturn status) override;
  void on_complete(const controller::IsochRequest& request, IOReturn overall) override;

  /// What each endpoint has moved; before finish().
  void bulk_moved(const std::vector<check::StreamStatistics>& all);
  /// The run is over; what comes later is not looked at. `error`: why it could not go on, or empty.
  report::ExpectationResult finish(const std::string& error, const check::Reporter& reporter,
                                   const report::FaultSummary& faults = {});

 private:
  struct Flight {
    std::uint64_t number, first_entry;  ///< of the request and of its entry 0 in the stream
    driverkit::AccumulatedStatus overall;
  };
  struct Stream {
    std::string name;
    std::uint64_t calls = 0, requests = 0, planned_entries = 0, entries = 0, bytes = 0, end = 0;
    std::uint32_t interval = 1;
    std::optional<std::uint32_t> in_size;   ///< IN: what the device sends in each interval, if that is always the same
    std::optional<std::uint64_t> expected;  ///< entries, if the length of the stream fixes them
    std::map<std::uint64_t, Flight> in_flight;  ///< by id
  };
  struct Wanted {
    IOReturn status = kIOReturnSuccess;
    std::optional<std::uint32_t> bytes;
  };
  /// Mismatches that follow one another and say the same are one line.
  struct Run {
    std::string head, tail, expected, got;
    std::uint64_t first = 0, last = 0;
    bool open = false;
  };

  Stream* stream(usb::EndpointAddress endpoint);
  Wanted wanted(const Stream& stream, const Flight& flight, const controller::IsochRequest& request,
                std::size_t index) const;
  IOReturn wanted_call(const Stream& stream) const;
  bool is_counted(const Stream& stream, IOReturn status, std::uint32_t bytes);
  void call_ended(Stream& stream, IOReturn code, std::uint64_t first_frame, std::uint64_t running);
  void placed(const Stream& stream, const controller::IsochRequest& request, std::uint64_t running);
  void compare_sums(const Stream& stream, const std::string& error);
  void compare_reach();
  void compare_faults(const report::FaultSummary& faults);
  void compare_violations(const check::Reporter& reporter);
  void mismatch(std::string where, std::string expected, std::string got);
  void mismatch_in_run(Run run);
  void close_run();

  const Expectation& expectation_;
  const Scenario& scenario_;
  std::map<std::uint8_t, Stream> streams_;                         ///< by endpoint address
  std::map<std::string, usb::EndpointAddress> bulk_;               ///< by name
  std::vector<std::uint64_t> counted_entries_, counted_refusals_;  ///< by rule
  std::vector<std::uint64_t> request_size_;  ///< by rule for entries: how many the request that it names has
  Run run_;
  bool over_ = false;
  report::ExpectationResult result_;
};

}  // namespace isochio::scenario
