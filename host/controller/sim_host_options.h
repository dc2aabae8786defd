// isochio: the parameters of the modelled host controller and host software.
#pragma once

#include <cstdint>

#include "bus/bus_time.h"
#include "controller/interrupts.h"

namespace isochio::controller {

struct SimHostOptions {
  /// From the end of a request's last entry to its completion callback.
  bus::Duration interrupt_latency = 5 * bus::microsecond;
  /// How that latency varies; coalescing and stalls.
  InterruptOptions interrupts;
  /// Explicit first frames nearer than this to the running frame are too old (driverkit-facts 2.5, 7: the least lead of
  /// a controller).
  std::uint32_t keep_away_frames = 1;
  /// And a start is never before the first frame that begins more than this behind the running microframe: round up
  /// (microframe + threshold + 1) to a frame, as xHCI 4.11.2.5 has it for its isochronous scheduling threshold.
  std::uint32_t threshold_microframes = 0;
  /// Explicit first frames further ahead than this are too new.
  std::uint32_t horizon_frames = 1024;
  /// Old kernel extensions accepted frames up to 1024 in the past and marked them missed; current DriverKit refuses.
  bool accept_past_frames = false;
  /// Share of a (micro)frame that periodic transfers may take, in percent; 0 = the specification's 90 (FS) and 80 (HS).
  std::uint32_t periodic_percent = 0;
  /// No admission and no share: for measuring what fits (isochio bandwidth, tables 5-4 and 5-5).
  bool lift_periodic_limit = false;
  /// Requests in flight on one pipe (kUSBHostTransferLimit).
  std::uint32_t pipe_depth = 1024;
  /// After a NAK (or NYET) the endpoint is left alone this long, as controllers do to spare the bus; 0 = at once.
  bus::Duration nak_pause = 10 * bus::microsecond;
  /// Attach debounce [7.1.7.3, TATTDB >= 100 ms] and length of a bus reset [7.1.7.5, TDRST >= 10 ms].
  bus::Duration debounce = 100 * bus::millisecond;
  bus::Duration reset = 10 * bus::millisecond;
  /// Observers are told when a stream runs dry (on_ring_empty), as xHCI tells [xHCI 4.10.3.1].
  bool ring_events = false;
  /// Number of the first frame. Anything; high enough to show what is modulo 2048.
  std::uint64_t first_frame = 1000;
  /// The clock that makes (micro)frames is fast by so many parts per million (slow: negative); a host may be 500 off
  /// [7.1.11].
  std::int32_t clock_ppm = 0;
};

}  // namespace isochio::controller
