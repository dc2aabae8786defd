// isochio: one USB/IP client that has imported the device: its URBs in flight, put onto the pipes of the simulated
// host, and their results as replies. No sockets: commands come in parsed, replies go out as bytes. All of it, bus time
// too, runs in the caller's thread.
//
// Bus time and the client's time. Bus time runs while an URB is in flight and stands still otherwise; with Pace::fast
// as fast as it can, with Pace::real not faster than the wall clock. It also stands still where an isochronous stream
// would get a hole only because the client has not resubmitted an URB it was given back: up to SessionOptions::grace of
// wall-clock time. With grace 0 a late client gets the hole that it would get on a real bus.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <tl/expected.hpp>

#include "controller/sim_host.h"
#include "serve/usbip_wire.h"

namespace isochio::serve {

enum class Pace : std::uint8_t { fast, real };

struct SessionOptions {
  Pace pace = Pace::fast;
  std::chrono::milliseconds grace{100};
  /// How long bus time waits at the end of a stream's very first URB for the second, unless the client was seen to have
  /// only one in flight.
  std::chrono::milliseconds gather{50};
  std::size_t urbs = 4096;                   ///< in flight at a time; more end with -ENOMEM
  std::size_t bytes = std::size_t{1} << 26;  ///< of all buffers of these
};

struct SessionCounters {
  std::uint64_t urbs = 0;      ///< given back
  std::uint64_t failed = 0;    ///< of these, with a status other than 0
  std::uint64_t unlinked = 0;  ///< taken back by the client
  std::uint64_t bytes = 0;     ///< moved, both directions
  std::uint64_t held = 0;      ///< times that bus time waited for the client …
  std::uint64_t given_up = 0;  ///< … and of these, in vain
};

class Session {
 public:
  using WallTime = std::chrono::steady_clock::time_point;

  /// Resets the device, so that each client finds it as after plugging it in.
  static tl::expected<std::unique_ptr<Session>, std::string> begin(controller::SimHost& host, std::uint32_t devid,
                                                                   const SessionOptions& options = {});
  /// Takes back all that is in flight.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  /// The error ends the connection: a number is used twice, or it is for another device.
  tl::expected<void, std::string> handle(const Submit& submit);
  tl::expected<void, std::string> handle(const Unlink& unlink);

  enum class Activity : std::uint8_t {
    idle,     ///< nothing is in flight; bus time stands still
    running,  ///< call again soon
    waiting,  ///< for the client, or for the wall clock: call again after a command or in a millisecond
    gone,     ///< the device has been detached
  };
  /// Lets bus time pass until there is a reply, but at most for a frame.
  Activity advance(WallTime now);

  /// Replies to send; the caller empties it.
  Bytes& output() { return output_; }
  const SessionCounters& counters() const { return counters_; }
  std::size_t in_flight() const { return urbs_.size(); }

 private:
  struct Urb;
  struct Stream {  ///< an isochronous endpoint
    unsigned in_flight = 0;
    unsigned owed = 0;   ///< URBs that the client was given back and has not replaced
    unsigned depth = 0;  ///< most in flight since there was none
    bool first = false;  ///< the URB in flight is the first of a stream
    WallTime last_change{};
  };

  Session(controller::SimHost& host, std::uint32_t devid, const SessionOptions& options);

  void take_back(std::unique_ptr<Urb> urb, std::uint32_t unlink_seqnum);
  void start(Urb& urb);
  void start_isochronous(Urb& urb, const usb::EndpointConfig& endpoint);
  void start_acknowledged(Urb& urb);
  void end_isochronous(Urb& urb, controller::Status overall);
  void end_acknowledged(Urb& urb, const controller::BulkRequest& request);
  void fail_others(usb::EndpointAddress endpoint, std::int32_t status);
  void run_control();
  std::int32_t control(Urb& urb, std::size_t& moved);
  void give_back(Urb& urb, std::int32_t status, std::size_t actual, ByteView data);
  void forget(Urb& urb);
  struct Hold {
    usb::FrameTime at{};  ///< the (micro)frame at whose start a stream gets a hole unless the client sends the next URB
    bool owed = false;    ///< the client has been given back an URB of that stream; else the stream is only beginning
  };
  std::optional<Hold> hold(WallTime now) const;
  bool wait_for_client(const Hold& hold, WallTime now);
  bus::BusTime bus_limit(WallTime now);
  const usb::EndpointConfig* find(usb::EndpointAddress endpoint) const;
  Stream& stream(usb::EndpointAddress endpoint) { return streams_[endpoint.number() + (endpoint.is_in() ? 16U : 0U)]; }

  controller::SimHost& host_;
  const std::uint32_t devid_;
  const SessionOptions options_;
  SessionCounters counters_;
  Bytes output_;
  std::map<std::uint32_t, std::unique_ptr<Urb>> urbs_;  ///< by sequence number
  std::vector<std::unique_ptr<Urb>> taken_back_;        ///< unlinked; the host still has to let go of them
  std::size_t bytes_ = 0;                               ///< of the buffers of both
  std::uint32_t newest_ = 0;                            ///< highest number submitted
  std::map<std::uint32_t, std::uint32_t> early_;        ///< unlinks by the number they are for, which is yet to come
  std::deque<std::uint32_t> control_;                   ///< URBs for endpoint 0 that wait
  std::array<Stream, 32> streams_{};
  std::optional<WallTime> held_since_;
  std::optional<std::pair<WallTime, bus::BusTime>> anchor_;  ///< Pace::real: moments that belong together
};

}  // namespace isochio::serve
