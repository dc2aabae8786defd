// isochio: the executable reference of what callers of IsochIO are promised. It is a second witness: written from
// driverkit-facts and docs/ (driverkit.md, profiles.md, scenarios.md, faults.md) alone. Nothing here may call, or be
// copied from, host/driverkit's or host/controller's rules; only their types and numbers are shared.
//
// This file: the terms of a run, that is what the facts leave to the controller or to an option.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include <DriverKit/IOReturn.h>

#include "usb/types.h"

namespace isochio::reference {

using Code = IOReturn;

struct Terms {
  usb::Speed speed = usb::Speed::high;
  std::uint64_t first_frame = 1000;  ///< number of the frame that begins at bus time 0
  std::int32_t clock_ppm = 0;        ///< how fast the host's clock is

  // calls [driverkit-facts 1.4, 2.2, 2.5]
  std::size_t most_entries = 1000;          ///< of a list
  std::size_t most_requests = 1024;         ///< in flight on a pipe
  std::uint32_t keep_away_frames = 1;       ///< nearer than this to the running frame is too old; at least 1
  std::uint32_t threshold_microframes = 0;  ///< 0: none; else round up (microframe + this + 1) to a frame
  std::uint32_t horizon_frames = 1024;      ///< further than this is too new
  bool takes_past_frames = false;           ///< up to 1024 frames back, their entries missed
  bool takes_zero = true;                   ///< first frame 0 is the next one available; else one long past
  bool refuses_explicit_on_zero = false;    ///< BadArgument for an explicit frame behind a request with 0

  // entries and completions [driverkit-facts 2.4]
  Code missed = kIOUSBNotSent1Err;
  bool short_is_underrun = false;
  bool tells_errors_apart = false;    ///< CRC, stuffing, PID and sequence have codes of their own
  bool tells_stuffing_apart = false;  ///< stuffing alone has
  bool late_request_is_too_old = false;
  enum class Overall : std::uint8_t { accumulated, overrun_on_short, always_overrun } overall = Overall::accumulated;
};

/// What docs/profiles.md says of a controller; empty: it has no such controller.
std::optional<Terms> terms_of(std::string_view profile);

}  // namespace isochio::reference
