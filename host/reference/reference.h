// isochio: the reference at work: it sees the calls of IsochIO with their arguments, the faults that are made and what
// takes a device or a pipe away, works out what each call, entry and completion is promised, and tells where it was
// told otherwise. It looks at causes only: no packet, no status of the controller. docs/reference.md says what it
// promises and what it leaves open.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/host.h"
#include "driverkit/isoch_observer.h"
#include "fault/fault_link.h"
#include "reference/call.h"
#include "reference/entry.h"
#include "reference/grid.h"

namespace isochio::reference {

/// A promise that was not kept.
struct Broken {
  std::uint64_t request = 0;  ///< 0: a call that was refused
  std::int64_t entry = -1;
  usb::EndpointAddress endpoint;
  usb::FrameTime at;
  std::string promised, told;
};

/// Something that ends, holds up or spoils what is in flight, for a while.
struct Interruption {
  bool aborts = false;                    ///< entries that were left are not sent, their requests aborted
  bool misses = false;                    ///< service intervals pass unused
  bool spoils = false;                    ///< a transaction may be cut off
  bool refuses = false;                   ///< the pipe or the device is not there: calls may be refused for it
  std::vector<usb::EndpointAddress> who;  ///< empty: all
  bus::BusTime begin{};
  std::optional<bus::BusTime> end{};
};

class Reference final : public driverkit::IsochObserver,
                        public controller::RequestObserver,
                        public fault::FaultListener {
 public:
  using Now = std::function<bus::BusTime()>;
  using Tell = std::function<void(const Broken&)>;
  Reference(const Terms& terms, Now now, Tell tell);

  /// A stream's endpoint. IN: what the device sends in an interval; empty: not known. `open`: the device is told to
  /// misbehave, and nothing is promised of an entry's outcome.
  void add(const usb::EndpointConfig& endpoint, DeviceSizes sizes, bool open);
  std::size_t begin(Interruption interruption);
  void end(std::size_t interruption);
  /// The run is over: nothing may be in flight.
  void finish();

  void on_call(const driverkit::IsochCall& call) override;
  void on_abort(usb::EndpointAddress endpoint) override;
  void on_accepted(const controller::IsochRequest& request, std::uint64_t running) override;
  void on_refused(usb::EndpointAddress endpoint, std::uint64_t first_frame, Code code, std::uint64_t running) override;
  void on_entry(const controller::IsochRequest& request, std::size_t index, Code status) override;
  void on_complete(const controller::IsochRequest& request, Code overall) override;
  void on_endpoints(std::span<const usb::EndpointConfig> endpoints, usb::Speed speed, bus::BusTime at) override;
  void on_frame_number(std::uint64_t frame, bus::BusTime at) override;
  void on_fault(const fault::InjectedFault& fault) override;

 private:
  struct Flight {
    std::uint64_t id = 0, start = 0;
    std::size_t entries = 0, next = 0;  ///< `next`: the entry that is to end next
    usb::FrameTime called;              ///< the running (micro)frame of the call
    bool aborted = false;
    Code last_error = kIOReturnSuccess;
    bool underrun = false, any_short = false, all_missed = true;
  };
  struct Pipe {
    usb::EndpointConfig endpoint;
    DeviceSizes sizes;
    bool open = false;
    std::optional<std::uint32_t> phase;
    PipeState state;
    std::deque<Flight> flights;
    CallPromise promise;  ///< of the call that is going on
  };
  /// The (micro)frames in which an entry may move, and its whole service interval; ends are not part of them.
  struct Window {
    std::uint64_t begin, end, move_begin, move_end;
  };

  Pipe* pipe(usb::EndpointAddress address);
  std::uint64_t unit() const { return terms_.speed == usb::Speed::full ? 8 : 1; }
  usb::FrameTime running(bus::BusTime time) const;
  Window window(const Pipe& pipe, const Flight& flight, std::size_t index) const;
  EntryPromise promised(const Pipe& pipe, const Flight& flight, std::size_t index, std::uint32_t asked,
                        bus::BusTime time) const;
  bool disturbed(const Pipe& pipe, const Window& window) const;
  void judge_time(const Pipe& pipe, const Flight& flight, std::size_t index, const controller::IsochEntry& entry);
  Code accumulated(const Pipe& pipe, const Flight& flight) const;
  bool interrupted(const Pipe& pipe, bus::BusTime time, bool Interruption::*how) const;
  bool aborting(const Pipe& pipe) const;
  void tell(const Pipe& pipe, std::uint64_t request, std::int64_t entry, usb::FrameTime at, std::string promised,
            std::string told) const;

  Terms terms_;
  Now now_;
  Tell tell_;
  Grid grid_;
  std::map<std::uint8_t, Pipe> pipes_;  ///< by endpoint address
  std::deque<fault::InjectedFault> faults_;
  std::vector<Interruption> interruptions_;
};

}  // namespace isochio::reference
