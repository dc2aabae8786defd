// isochio: what came of each stream, in short: how its calls ended, which entries came to what. For reports and for
// comparing runs; memory does not grow with the run.
#pragma once

#include <map>
#include <vector>

#include "driverkit/isoch_observer.h"
#include "report/report.h"

namespace isochio::scenario {

class OutcomeLog final : public driverkit::IsochObserver, public controller::RequestObserver {
 public:
  /// The streams that count, by endpoint address.
  explicit OutcomeLog(const std::map<std::uint8_t, std::string>& names);

  void on_accepted(const controller::IsochRequest& request, std::uint64_t running) override;
  void on_refused(usb::EndpointAddress endpoint, std::uint64_t first_frame, IOReturn code,
                  std::uint64_t running) override;
  void on_entry(const controller::IsochRequest& request, std::size_t index, IOReturn status) override;
  void on_complete(const controller::IsochRequest& request, IOReturn overall) override;
  void on_ring_empty(usb::EndpointAddress endpoint, bus::BusTime at) override;

  /// So far; nothing is looked at behind that.
  std::vector<report::StreamOutcome> finish();

 private:
  struct Stream {
    report::StreamOutcome outcome;
    std::uint64_t planned_entries = 0;
    std::map<std::uint64_t, std::uint64_t> first_entry;  ///< of the requests in flight, by id
  };
  Stream* stream(usb::EndpointAddress endpoint);

  std::map<std::uint8_t, Stream> streams_;
  bool over_ = false;
};

}  // namespace isochio::scenario
