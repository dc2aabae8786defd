// isochio: names a driver's mistake from what it is seen to do: its requests and refusals, when its completions run and
// how long, its aborts. Each rule is one of the mistakes of driverkit-facts 6, and is reported once for each endpoint,
// when it is certain. docs/driver-patterns.md has the list.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "check/reporter.h"
#include "controller/driver_observer.h"
#include "controller/host.h"

namespace isochio::check {

class Diagnosis final : public controller::RequestObserver, public controller::DriverObserver {
 public:
  /// `running_frame`: what GetFrameNumber answers now. `reporter` must outlive this.
  Diagnosis(Reporter& reporter, std::function<std::uint64_t()> running_frame)
      : reporter_(reporter), running_frame_(std::move(running_frame)) {}

  // What no layer below can see, told by whoever runs the driver.

  /// The driver took `used` entries of a completed request; `good` had data or were short, without error.
  void consumed(usb::EndpointAddress endpoint, std::uint64_t request, std::int32_t overall, std::size_t good,
                std::size_t used, bus::BusTime at);
  /// The driver took a feedback value of `sent` samples for `used` (16.16 both).
  void feedback_used(usb::EndpointAddress endpoint, std::uint64_t request, std::uint32_t sent, std::uint32_t used,
                     bus::BusTime at);
  /// The driver freed what its completions work on.
  void freed(usb::EndpointAddress endpoint, bus::BusTime at);
  /// The driver has given up waiting; it still counts `outstanding` requests as in flight.
  void waited_in_vain(usb::EndpointAddress endpoint, std::uint64_t outstanding, bus::BusTime at);

  // controller::RequestObserver
  void on_submit(const controller::IsochRequest& request, bus::BusTime at) override;
  void on_refused(const controller::IsochRequest& request, controller::Status why, bus::BusTime at) override;
  void on_complete(const controller::IsochRequest& request, controller::Status overall, bus::BusTime due,
                   bus::BusTime now) override;
  void on_endpoints(std::span<const usb::EndpointConfig> endpoints, usb::Speed speed, bus::BusTime at) override;
  void on_frame_number(std::uint64_t frame, bus::BusTime at) override;

  // controller::DriverObserver
  void on_callback(const controller::Delivery& delivery, bus::BusTime begin) override;
  void on_callback_end(const controller::Delivery& delivery, bus::BusTime end) override;
  void on_dropped(const controller::Delivery& delivery, Dropped why, bus::BusTime at) override;
  void on_task(bus::BusTime begin, bus::BusTime end) override;
  void on_abort(usb::EndpointAddress endpoint, bool synchronous, bus::BusTime at) override;
  void on_clear_stall(usb::EndpointAddress endpoint, bus::BusTime at) override;

 private:
  /// A driver's buffer, by which one request and its next use are known for the same.
  struct Buffer {
    bool idle = false;   ///< completed, and not tried again
    bool ended = false;  ///< its completion said that the stream is over
    bus::BusTime delivered{};
    std::uint64_t delivered_frame = 0;
    std::uint64_t later = 0;  ///< submissions of other buffers since
  };
  struct Accepted {
    std::uint64_t first = 0, end = 0;  ///< frames
    std::size_t entries = 0;
  };
  struct Stream {
    usb::EndpointConfig config;
    bool configured = false;
    std::optional<Accepted> last;
    std::uint64_t in_flight = 0;    ///< that the controller has
    std::uint64_t undelivered = 0;  ///< that the driver waits for
    std::uint64_t depth = 0;        ///< the most that it waited for
    std::map<const std::uint8_t*, Buffer> buffers;
    std::map<std::uint64_t, const std::uint8_t*> requests;               ///< undelivered ones
    std::uint64_t refused_frame = 0, refused_in = 0, refused_again = 0;  ///< asked for; when last; how often
    std::uint64_t stale = 0;                                             ///< refusals of a pipe that is gone
    std::uint64_t rearmed = 0;  ///< submissions from completions that said that it is over
    bool over = false;          ///< such a completion was delivered, and none other since
    std::uint64_t zero_gaps = 0, lost_frames = 0;
    std::uint64_t dropped = 0;
    bool continuous = false;  ///< the last accepted request had first frame 0
    std::optional<bus::BusTime> freed, aborted;
    std::optional<std::uint64_t> jumped_from;  ///< the frame counter changed since the last accepted request
    std::array<bool, rule_count> told{};
  };
  struct Running {
    controller::Delivery delivery;
    bus::BusTime begin;
    std::uint64_t queued_end;
  };

  Stream& stream(usb::EndpointAddress endpoint) { return streams_[endpoint.number() + (endpoint.is_in() ? 16U : 0U)]; }
  void tell(Rule rule, usb::EndpointAddress endpoint, std::uint64_t request, bus::BusTime at, std::string expected,
            std::string seen);
  std::uint64_t frames_of(const Stream& s, std::size_t entries) const;
  std::string per_entry(const Stream& s) const;
  const Running* running_for(usb::EndpointAddress endpoint) const;
  void judge_rearm(Stream& s, const controller::IsochRequest& request, bus::BusTime at);
  void judge_stride(const Stream& s, const controller::IsochRequest& request, bus::BusTime at);
  void judge_idle(Stream& s, const controller::IsochRequest& request, bus::BusTime at);
  void too_old(Stream& s, const controller::IsochRequest& request, bus::BusTime at);
  void overlapping(const Stream& s, const controller::IsochRequest& request, bus::BusTime at);
  void too_late(Stream& s, const controller::IsochRequest& request, bus::BusTime at);
  void too_new(const Stream& s, const controller::IsochRequest& request, bus::BusTime at);
  void bad_list(const Stream& s, const controller::IsochRequest& request, bus::BusTime at);

  Reporter& reporter_;
  std::function<std::uint64_t()> running_frame_;
  usb::Speed speed_ = usb::Speed::full;
  std::array<Stream, 32> streams_;
  std::vector<Running> running_;  ///< completions, the innermost last
};

}  // namespace isochio::check
