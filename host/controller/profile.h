// isochio: host controllers as named parameters, each with its source: what the model then does differently, and what
// macOS, Linux and libusb make of what happens. Data, read by those who build options from it; docs/profiles.md.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "controller/host.h"
#include "controller/sim_host_options.h"

namespace isochio::controller {

/// One parameter as people read it.
struct ProfileFact {
  std::string_view parameter, value, source;
};

/// How one outcome of a service interval is shown, from the register to the program.
struct StatusView {
  Status status;
  std::string_view controller;  ///< completion code, transfer descriptor bits
  std::string_view macos;       ///< of the entry in a frame list, as in [expect]
  std::string_view linux_code;  ///< iso_frame_desc[].status
  std::string_view libusb;      ///< libusb_iso_packet_descriptor.status on Linux
};

struct ControllerProfile {
  std::string_view name, title;
  bool full_speed, high_speed;  ///< devices that it can drive without a hub's or companion's help

  // Time.
  std::uint32_t counter_bits;  ///< of the frame counter's register; 0: it never wraps
  bool counts_microframes;     ///< … which counts microframes, else frames
  std::uint32_t threshold;     ///< microframes: a start is at the frame boundary that is more than this ahead, or later
  std::uint32_t horizon_frames;
  bool accept_past_frames;  ///< frames that have passed are accepted, and their entries missed
  bool start_asap;          ///< a first frame of 0 means the next one that can be had; else it is a frame long past
  std::uint32_t completion_grain_us;  ///< completions come at multiples of this; 0: when they are due
  bool ring_events;                   ///< the controller says so when a stream runs dry

  // What macOS makes of it.
  std::string_view missed_entry;  ///< "not_sent", "not_sent_2" or "overrun"
  bool short_is_underrun;
  std::string_view wire_errors;  ///< what is told apart: "not_responding", "detailed" or "bit_stuff_apart"
  bool late_request_is_too_old;  ///< a request of which no entry moved in time is iso_too_old as a whole

  std::span<const ProfileFact> facts;
  std::span<const StatusView> statuses;

  bool drives(usb::Speed speed) const { return speed == usb::Speed::high ? high_speed : full_speed; }
  /// The register's value in (micro)frame `at`.
  std::uint64_t counter(usb::FrameTime at) const {
    const std::uint64_t count = counts_microframes ? at.value : at.frame();
    return counter_bits == 0 ? count : count & ((std::uint64_t{1} << counter_bits) - 1);
  }
  const StatusView* view(Status status) const;
};

/// "neutral" (the default) first.
std::span<const ControllerProfile> profiles();
/// Null: there is none of that name.
const ControllerProfile* find_profile(std::string_view name);
std::vector<std::string> profile_names();
/// Sets what a profile decides; all else stays.
void apply(const ControllerProfile& profile, SimHostOptions& options);

}  // namespace isochio::controller
