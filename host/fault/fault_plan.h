// isochio: what is to go wrong on the wire and with time, as data (docs/faults.md). A plan comes from [[fault]] tables
// and has been checked; FaultLink makes its faults. Frames count from the first one of the streams.
// Source: USB 2.0 chapter 7 (bits, clocks, limits), 8.3 … 8.7 (packets and what may be wrong with them).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "bus/bus_time.h"
#include "description/input_error.h"
#include "usb/pid.h"
#include "usb/types.h"

namespace isochio::config {
class Table;
}

namespace isochio::fault {

enum class Kind : std::uint8_t {
  // packets
  bit_error,           ///< one bit of SYNC, PID, token, payload or CRC
  wrong_pid,           ///< another PID, its check nibble right
  wrong_data_pid,      ///< the data PID that is not due
  truncated,           ///< bytes missing at the end
  oversized,           ///< more payload than there is, CRC16 right
  babble,              ///< the sender goes on and on
  missing_eop,         ///< no end of packet
  stuffing_error,      ///< seven ones in a row
  lost,                ///< a packet of the host does not arrive
  no_answer,           ///< a packet of the device does not arrive
  late_answer,         ///< the packet that is waited for begins so many bit times after the other one
  other_address,       ///< a token for a device that is not there
  spurious_handshake,  ///< a handshake where an isochronous endpoint has none
  repeated_token,      ///< the token comes again
  // start of frame
  sof_lost,
  sof_repeated,
  sof_early,
  sof_late,
  sof_jitter,  ///< each SOF early or late by chance
  sof_number,  ///< one wrong frame number
  frame_jump,  ///< frame numbers go on from another one
  // clocks
  device_clock,  ///< the device's clock is fast or slow, or drifts
  bus_clock,     ///< the clock that makes (micro)frames is
};
inline constexpr std::size_t kind_count = static_cast<std::size_t>(Kind::bus_clock) + 1;
const char* to_string(Kind kind);

enum class Place : std::uint8_t { sync, pid, token, payload, crc };
const char* to_string(Place place);

/// Classes of packets, as a set.
struct PacketSet {
  std::uint8_t bits = 0;

  static constexpr std::uint8_t sof = 1, token = 2, data = 4, handshake = 8, any = 15;
  constexpr bool has(std::uint8_t one) const { return (bits & one) != 0; }
};

/// When a fault is made. Of the packets that match, in the window: every n-th, by chance, at most `count`.
struct When {
  std::uint64_t frame = 0;  ///< the window begins here, in 1 ms frames from the streams' first …
  std::uint8_t microframe = 0;
  std::uint64_t frames = 0;  ///< … and is so many frames long; 0: to the end of the streams
  std::uint32_t every = 1;
  double probability = 1;
  std::uint64_t count = 0;  ///< 0: no limit
  std::uint32_t nth = 0;    ///< only the n-th matching packet of each (micro)frame, from 1; 0: any
};

/// One [[fault]].
struct PlannedFault {
  std::string name;
  Kind kind{};
  std::optional<bool> from_host;  ///< empty until resolved, if the endpoint has to say
  PacketSet packets;
  std::string stream;  ///< name of the stream whose endpoint is meant; empty: as `endpoint` says
  std::optional<usb::EndpointAddress> endpoint;
  When when;

  Place place = Place::payload;
  std::optional<std::uint32_t> bit, byte;  ///< which; empty: by chance
  std::uint32_t bytes = 1;
  double bits = 0;  ///< bit times of the bus's speed
  usb::Pid pid = usb::Pid::ack;
  bool pid_given = false;
  std::uint8_t address = 0;
  std::optional<std::uint16_t> number;  ///< frame number, 0 … 2047
  std::int32_t delta = 0;
  std::int32_t ppm = 0;
  std::optional<std::int32_t> to_ppm;

  std::string path;  ///< "fault[0]", for errors
  int line = 0;
};

struct FaultPlan {
  std::vector<PlannedFault> faults;
  std::uint64_t seed = 1;  ///< from it, what is left to chance

  bool empty() const { return faults.empty(); }
  /// How fast the clock that makes (micro)frames is; this one the host has to keep (SimHostOptions::clock_ppm).
  std::int32_t bus_clock_ppm() const;
  bool needs_device_clock() const;
  /// Puts endpoints for the streams' names and settles who sends what. The error names the table and the key in `file`.
  tl::expected<void, InputError> resolve(const std::string& file,
                                         const std::map<std::string, usb::EndpointAddress>& streams);
};

/// Reads one [[fault]]; errors go to the table's source.
PlannedFault read_fault(config::Table& table);
/// A file with nothing but [[fault]] tables and a `seed`.
tl::expected<FaultPlan, InputError> load_plan(const std::filesystem::path& file);
tl::expected<FaultPlan, InputError> parse_plan(std::string_view text, const std::filesystem::path& file);

}  // namespace isochio::fault
