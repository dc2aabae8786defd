// isochio: the faults of a run: puts a FaultLink onto the Link, lets it begin with the streams, keeps account of what
// was made for report and capture, and says of each violation which fault it follows.
#pragma once

#include <array>
#include <memory>
#include <string>

#include <tl/expected.hpp>

#include "capture/pcapng.h"
#include "check/violation.h"
#include "controller/host.h"
#include "fault/fault_link.h"
#include "report/report.h"

namespace isochio::scenario {

class FaultRecord final : public fault::FaultListener, public check::ViolationSink, public controller::RequestObserver {
 public:
  /// `next` gets the violations, with the fault that they follow.
  FaultRecord(fault::FaultPlan plan, check::ViolationSink& next);

  bool empty() const { return plan_.empty(); }
  const fault::FaultPlan& plan() const { return plan_; }
  /// The Link to use instead of `link`, which must outlive this: `link` itself if there are no faults to make. The
  /// error says what the link can't do.
  tl::expected<bus::Link*, std::string> attach(bus::Link& link);
  /// Each fault stands as a comment at its packet.
  void show_in(capture::PcapngWriter* capture) { capture_ = capture; }

  /// Is told of each fault, too.
  void also_tell(fault::FaultListener* listener) { also_ = listener; }

  /// Faults count from the first frame of the next isochronous request submitted to `host`, whose observer this is, …
  void begin(controller::Host& host);
  /// … or from the next frame, where there are no isochronous streams …
  void begin_now(controller::Host& host);
  /// … to here.
  void end();

  const report::FaultSummary& summary() const { return summary_; }

  void on_fault(const fault::InjectedFault& fault) override;
  void report(const check::Violation& violation) override;
  void on_submit(const controller::IsochRequest& request, bus::BusTime at) override;

 private:
  /// What blaming needs of a fault.
  struct Made {
    std::uint64_t id = 0;
    usb::FrameTime at;
    usb::EndpointAddress endpoint;
    bool any_endpoint = true, lasting = false;
  };
  static constexpr std::size_t remembered = 1024, listed = 1000;

  const Made* blamed(const check::Violation& violation) const;

  fault::FaultPlan plan_;
  check::ViolationSink& next_;
  capture::PcapngWriter* capture_ = nullptr;
  fault::FaultListener* also_ = nullptr;
  std::unique_ptr<fault::FaultLink> link_;
  controller::Host* host_ = nullptr;  ///< until its first request has come
  std::array<Made, remembered> made_{};
  report::FaultSummary summary_;
};

}  // namespace isochio::scenario
