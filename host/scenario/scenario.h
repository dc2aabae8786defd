// isochio: what to run. A scenario is a TOML file (docs/scenarios.md has every key); this is its checked content. Names
// of endpoints and sizes are still those of the file: plan.h resolves them against a device.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "bus/bus_time.h"
#include "controller/sim_host_options.h"
#include "description/input_error.h"
#include "driverkit/runtime.h"
#include "fault/fault_plan.h"
#include "scenario/expectation.h"
#include "usb/types.h"

namespace isochio::scenario {

/// What the bytes of a stream are.
enum class Payload : std::uint8_t {
  pattern,   ///< docs/payload.md
  zeros,     ///<
  mod63,     ///< byte i of a packet is i mod 63
  loopback,  ///< IN: what an OUT stream of the scenario sent
  file,      ///< OUT: the bytes of a file, once
  feedback,  ///< IN: the value of an explicit feedback endpoint [5.12.4.2]
};
const char* to_string(Payload payload);

/// How many bytes each service interval carries.
struct SizePlan {
  enum class Kind : std::uint8_t {
    fixed,     ///< `bytes`; 0 = all that the endpoint can carry
    list,      ///< `list`, again and again
    rate,      ///< samples of `sample_bytes` at `sample_rate` per second, spread by the remainder method
    feedback,  ///< samples of `sample_bytes`, as many as the feedback stream `source` asks for; first at `sample_rate`
  };
  Kind kind = Kind::fixed;
  std::uint32_t bytes = 0;
  std::vector<std::uint32_t> list;
  std::uint32_t sample_rate = 48'000, sample_bytes = 4;
  std::string source;
};

/// Which endpoint a stream uses: an address, or the first endpoint of the right type and direction.
struct EndpointChoice {
  bool first = true;
  usb::EndpointAddress address{0x80};  ///< if `first`, only the direction counts

  bool is_in() const { return address.is_in(); }
};

struct IsochStreamPlan {
  std::string name;
  std::uint8_t interface = 0, alternate = 1;
  EndpointChoice endpoint;
  Payload payload = Payload::pattern;
  SizePlan size;
  std::uint32_t request_bytes = 0;       ///< IN: bytes asked for in each entry; 0 = all that the endpoint can carry
  std::uint32_t depth = 8;               ///< requests in flight
  std::uint32_t frames_per_request = 4;  ///< length of a request in 1 ms frames
  std::uint32_t gap = 0;                 ///< frames left out between one request and the next
  std::uint32_t lead = 4;                ///< frames between the running one and the first frame of the stream
  bool explicit_start = true;            ///< false: first frame 0, the next one available
  bool synchronous = false;              ///< IsochIO without completion
  std::string driver = "repaired";       ///< how it behaves: a name of driver/pattern.h
  /// Feedback: how far the device's sample clock is off, in millionths; the device is told (SAMPLE_PPM), and the values
  /// have to show it.
  int clock_ppm = 0;
  /// Feedback: the most that a value may be off. OUT with a size from feedback: the most that the samples sent since
  /// the stream has settled may differ from what the device's clock counts in that time; empty: not judged.
  std::optional<std::uint32_t> tolerance_ppm;
  std::string source;          ///< loopback: name of the OUT stream that comes back
  std::filesystem::path file;  ///< file
  std::string path;            ///< e.g. "stream[0]", for errors
  int line = 0;
};

struct BulkStreamPlan {
  std::string name;
  std::uint8_t interface = 0, alternate = 1;
  EndpointChoice endpoint;
  Payload payload = Payload::mod63;
  std::uint32_t bytes = 512;  ///< of a request
  std::uint32_t depth = 2;    ///< requests in flight
  std::string source;
  std::string path;
  int line = 0;
};

/// Something that happens while the streams run.
struct Event {
  enum class Kind : std::uint8_t {
    bus_reset,    ///< IOUSBHostDevice::Reset, in the middle of whatever passes on the wire
    suspend,      ///< the port stops; requests in flight wait
    resume,       ///<
    unplug,       ///< the plug is pulled, in the middle of whatever passes on the wire
    plug,         ///< … and put in again
    alternate,    ///< SelectAlternateSetting with I/O in flight
    abort,        ///< IOUSBHostPipe::Abort with I/O in flight
    sleep,        ///< the system sleeps: everything in flight is aborted, and the bus suspended
    wake,         ///< the frame counter may start anew or jump
    block_queue,  ///< the queue that delivers completions is busy
  };
  Kind kind{};
  bus::Duration at{};                       ///< from the beginning of the streams' first frame
  bool go_on = true;                        ///< the driver streams again afterwards
  std::string stream;                       ///< abort: whose pipe
  bool synchronous = false;                 ///< abort
  std::uint8_t interface = 0, setting = 0;  ///< alternate
  std::optional<std::uint64_t> frame;       ///< wake: number of the running frame then
  std::int64_t jump = 0;                    ///< wake: … or its distance from what it would have been
  bus::Duration duration{};                 ///< block_queue
  std::string path;                         ///< e.g. "event[0]", for errors
  int line = 0;
};
const char* to_string(Event::Kind kind);

/// What else keeps host software busy. The interrupts' behaviour is in SimHostOptions.
struct Software {
  /// The queue that delivers completions is held up for `queue_block` every `queue_block_every`; 0: never.
  bus::Duration queue_block{}, queue_block_every{};
};

/// Which checkers judge the run, and their limits.
struct Checks {
  bool frame_timing = true, wire_timing = true, payload = true, pid_sequence = true, status = true, device_log = true;
  bool promises = true;  ///< what the executable reference promises (docs/reference.md)
  bool driver = true;
  bus::Duration completion_latency = 1000 * bus::microsecond;  ///< most from the last entry's end to the callback
};

struct Scenario {
  std::string name, description;
  std::vector<std::string> source;  ///< where it comes from: section of a specification, facts, public thread
  std::vector<std::string> tags;
  std::string device = "test";  ///< a name of the catalogue, or a path
  usb::Speed speed = usb::Speed::high;
  std::uint64_t frames = 1000;  ///< length of the streams in 1 ms frames
  std::uint64_t seed = 1;
  std::vector<IsochStreamPlan> streams;
  std::vector<BulkStreamPlan> bulk;
  std::map<std::uint16_t, std::uint32_t> registers;  ///< written before the streams start
  /// Keys of [controller] and [driverkit] that the file gives, "controller.horizon_frames"; others are the profile's.
  std::set<std::string, std::less<>> given;
  std::string profile;  ///< the host controller's: a name of controller/profile.h
  controller::SimHostOptions controller;
  driverkit::RuntimeOptions driverkit;  ///< keep-away, horizon and past frames as in `controller`
  Software software;
  std::vector<Event> events;  ///< in the file's order
  Checks checks;
  std::optional<Expectation> expect;  ///< empty: every entry good, no violation
  fault::FaultPlan faults;            ///< its seed is the scenario's
  std::filesystem::path file;         ///< where it came from

  /// Judged by the reference: refusals, missed entries and silence are no failures by themselves.
  bool promised() const { return expect && expect->promised; }
  /// The device, its configuration or its pipes go while streams run.
  bool may_vanish() const;
};

/// Reads and checks a scenario file. Relative paths in it are relative to the file. `profile`: instead of the file's
/// own (a name of controller/profile.h, or empty).
tl::expected<Scenario, InputError> load_scenario(const std::filesystem::path& file, const std::string& profile = {});
/// The same from text; `file` is only for messages and relative paths.
tl::expected<Scenario, InputError> parse_scenario(std::string_view text, const std::filesystem::path& file,
                                                  const std::string& profile = {});

}  // namespace isochio::scenario
