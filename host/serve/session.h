// isochio: one client that has the device: its URBs in flight, put onto the pipes of the simulated host, and their
// results. No sockets and no protocol: those of usbip_client.h and redir_client.h are its UrbClients. All of it, bus
// time too, runs in the caller's thread.
//
// Bus time and the client's time. Bus time runs while an URB is in flight and stands still otherwise; with Pace::fast
// as fast as it can, with Pace::real not faster than the wall clock. It also stands still where an isochronous stream
// would get a hole only because the client has not resubmitted an URB it was given back: up to SessionOptions::grace of
// wall-clock time without a sign of the client, counted for each stream by itself, and for all that stood waiting
// meanwhile at once. A control transfer waits for one grace at most. With grace 0 a late client gets the hole that it
// would get on a real bus.
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
#include "serve/urb.h"

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

  /// Resets the device, so that each client finds it as after plugging it in. Client and host outlive the session.
  static tl::expected<std::unique_ptr<Session>, std::string> begin(controller::SimHost& host, UrbClient& client,
                                                                   const SessionOptions& options = {});
  /// Takes back all that is in flight.
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  controller::SimHost& host() { return host_; }
  bool contains(std::uint64_t id) const { return urbs_.contains(id); }
  /// No URB of this id may be in flight.
  void submit(Urb urb);
  /// The URB of this id ends without a result. false: there is none.
  bool take_back(std::uint64_t id);
  void take_back_all(usb::EndpointAddress endpoint);
  /// Bus reset; all URBs end with -ESHUTDOWN. The error: the device is gone.
  tl::expected<void, std::string> reset();

  enum class Activity : std::uint8_t {
    idle,     ///< nothing is in flight; bus time stands still
    running,  ///< call again soon
    waiting,  ///< for the client, or for the wall clock: call again after a command or in a millisecond
    gone,     ///< the device has been detached
  };
  /// Lets bus time pass until an URB is over, but at most for a frame.
  Activity advance(WallTime now);

  const SessionCounters& counters() const { return counters_; }
  std::size_t in_flight() const { return urbs_.size(); }

 private:
  struct Flight;
  struct Stream {  ///< an isochronous endpoint
    unsigned in_flight = 0;
    unsigned owed = 0;   ///< URBs that the client was given back and has not replaced
    unsigned depth = 0;  ///< most in flight since there was none
    bool first = false;  ///< the URB in flight is the first of a stream
    WallTime last_change{};
    std::optional<WallTime> late_since;  ///< bus time has been waiting for this one, or for another, while it owed
  };

  Session(controller::SimHost& host, UrbClient& client, const SessionOptions& options);

  void start(Flight& flight);
  void start_isochronous(Flight& flight, const usb::EndpointConfig& endpoint);
  void start_acknowledged(Flight& flight);
  void end_isochronous(Flight& flight, controller::Status overall);
  void end_acknowledged(Flight& flight, const controller::BulkRequest& request);
  void fail_others(usb::EndpointAddress endpoint, std::int32_t status);
  void run_control();
  void start_control(Flight& flight);
  std::optional<std::int32_t> control_of_host(const controller::ControlSetup& setup);
  void end_control(Flight& flight, std::int32_t status, std::size_t moved);
  void end_interval(usb::EndpointAddress endpoint);
  void give_back(Flight& flight, std::int32_t status, std::size_t actual = 0);
  void forget(Flight& flight);
  struct Hold {
    usb::FrameTime at{};  ///< the (micro)frame at whose start a stream gets a hole unless the client sends the next URB
    bool owed = false;    ///< the client has been given back an URB of that stream; else the stream is only beginning
  };
  std::optional<Hold> hold(WallTime now) const;
  bool wait_for_client(const Hold& hold, WallTime now);
  void client_was_in_time();
  std::optional<usb::FrameTime> hole_of(std::size_t stream) const;
  bus::BusTime bus_limit(WallTime now);
  const usb::EndpointConfig* find(usb::EndpointAddress endpoint) const;
  Stream& stream(usb::EndpointAddress endpoint) { return streams_[endpoint.number() + (endpoint.is_in() ? 16U : 0U)]; }

  controller::SimHost& host_;
  UrbClient& client_;
  const SessionOptions options_;
  SessionCounters counters_;
  std::map<std::uint64_t, std::unique_ptr<Flight>> urbs_;
  std::vector<std::unique_ptr<Flight>> taken_back_;  ///< the host still has to let go of them
  std::size_t bytes_ = 0;                            ///< of the buffers of both
  std::deque<std::uint64_t> control_;                ///< control transfers that wait
  bool control_busy_ = false;                        ///< one is at the host
  bool news_ = false;                                ///< an URB has ended since advance() began
  std::array<Stream, 32> streams_{};
  std::optional<bus::BusTime> between_;         ///< at this moment no service interval was under way
  bool holding_ = false;                        ///< bus time stands at a hole that the client may still fill
  std::optional<WallTime> control_late_since_;  ///< so it does, and a control transfer waits for it
  std::optional<std::pair<WallTime, bus::BusTime>> anchor_;  ///< Pace::real: moments that belong together
};

}  // namespace isochio::serve
