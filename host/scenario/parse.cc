#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "controller/profile.h"
#include "description/toml_table.h"
#include "driverkit/profile_options.h"
#include "scenario/driver/pattern.h"
#include "scenario/register_names.h"
#include "scenario/scenario.h"

namespace isochio::scenario {
namespace {

using config::Table;

constexpr const char* payload_words[] = {"pattern", "zeros", "mod63", "loopback", "file", "feedback"};
constexpr const char* event_words[] = {"bus_reset", "suspend", "resume", "unplug", "plug",
                                       "alternate", "abort",   "sleep",  "wake",   "block_queue"};
constexpr std::int64_t most_frames = 1'000'000'000;  // eleven days of bus time

/// A number of microseconds.
void read_duration(Table& table, std::string_view name, bus::Duration& value) {
  constexpr double most = 1e9;
  const auto* node = table.find(name);
  if (node == nullptr) return;
  const auto given = node->value<double>();
  if (!node->is_number() || *given < 0 || *given > most) {
    table.fail(name, fmt::format("this has to be a number of microseconds from 0 to {}", most));
    return;
  }
  value = bus::from_ns(static_cast<std::int64_t>(*given * 1000.0));
}

std::vector<std::uint32_t> read_sizes(Table& table, std::string_view name) {
  constexpr std::size_t longest = 16;
  constexpr std::int64_t most = 3072;
  std::vector<std::uint32_t> sizes;
  const auto* node = table.find(name);
  if (node == nullptr) return sizes;
  const auto* array = node->as_array();
  bool good = array != nullptr && !array->empty() && array->size() <= longest;
  for (std::size_t i = 0; good && i < array->size(); ++i) {
    const auto size = (*array)[i].value_exact<std::int64_t>();
    good = size && *size >= 0 && *size <= most;
    if (good) sizes.push_back(static_cast<std::uint32_t>(*size));
  }
  if (!good) table.fail(name, fmt::format("this has to be a list of 1 to {} numbers from 0 to {}", longest, most));
  return sizes;
}

EndpointChoice read_endpoint(Table& table) {
  EndpointChoice choice;
  const auto* node = table.find("endpoint");
  if (node == nullptr) {
    table.fail("endpoint",
               "is missing: \"in\" or \"out\" (the first one of that direction), or an address such as 0x81");
  } else if (const auto* word = node->as_string(); word != nullptr && (word->get() == "in" || word->get() == "out")) {
    choice.address = usb::EndpointAddress{static_cast<std::uint8_t>(word->get() == "in" ? 0x80 : 0x00)};
  } else if (const auto* number = node->as_integer();
             number != nullptr && (number->get() & ~0x8f) == 0 && (number->get() & 0x0f) != 0) {
    choice.first = false;
    choice.address = usb::EndpointAddress{static_cast<std::uint8_t>(number->get())};
  } else {
    table.fail("endpoint", "must be \"in\", \"out\" or an address from 0x01 to 0x0f or 0x81 to 0x8f");
  }
  return choice;
}

SizePlan read_size(Table& table) {
  SizePlan plan;
  // A stream that follows feedback may have a sample rate too: it counts until the first value has come.
  const int given = (table.has("size") ? 1 : 0) + (table.has("sizes") ? 1 : 0) +
                    (table.has("sample_rate") || table.has("size_from") ? 1 : 0);
  if (given > 1) table.fail("size", "only one of size, sizes and sample_rate (or size_from) can be given");

  table.read("size", plan.bytes, 3072, 0);
  plan.list = read_sizes(table, "sizes");
  table.read("sample_rate", plan.sample_rate, 20'000'000, 1);
  table.read("sample_bytes", plan.sample_bytes, 255, 1);
  table.read("size_from", plan.source);
  if (table.has("sizes")) plan.kind = SizePlan::Kind::list;
  if (table.has("sample_rate")) plan.kind = SizePlan::Kind::rate;
  if (table.has("size_from")) plan.kind = SizePlan::Kind::feedback;
  if (table.has("sample_bytes") && plan.kind != SizePlan::Kind::rate && plan.kind != SizePlan::Kind::feedback)
    table.fail("sample_bytes", "has a meaning only with sample_rate or size_from");
  return plan;
}

template <typename Plan>
void read_common(Table& table, Plan& plan) {
  plan.path = table.key();
  plan.line = table.source().line_of(table.key());
  plan.endpoint = read_endpoint(table);
  plan.name = plan.endpoint.is_in() ? "in" : "out";
  table.read("name", plan.name);
  table.read("interface", plan.interface, 7, 0);
  table.read("alternate", plan.alternate, 15, 0);
  table.read("payload", plan.payload, payload_words);
  table.read("source", plan.source);
  if (plan.payload == Payload::loopback && !plan.endpoint.is_in())
    table.fail("payload",
               "\"loopback\" is what an IN stream gets back; the OUT stream has \"pattern\", \"mod63\" or \"file\"");
  if (table.has("source") && plan.payload != Payload::loopback)
    table.fail("source", "has a meaning only with payload = \"loopback\"");
}

/// A pattern that puts its own first frames or sizes in the request's place can't carry what needs the driver's.
void read_driver(Table& table, IsochStreamPlan& plan) {
  table.read("driver", plan.driver);
  const auto words = driver::pattern_words();
  if (std::find(words.begin(), words.end(), plan.driver) == words.end()) {
    const auto near = config::nearest(plan.driver, words);
    table.fail("driver", fmt::format("no such driver pattern: \"{}\"{}; docs/driver-patterns.md describes them",
                                     plan.driver, near ? fmt::format("; did you mean \"{}\"?", *near) : ""));
    return;
  }
  if (plan.driver == "repaired") return;
  if (plan.synchronous) table.fail("driver", "patterns are for streams with mode = \"async\"");
  if (plan.driver.starts_with("feedback_") && plan.payload != Payload::feedback)
    table.fail("driver", "this is a mistake of the stream with payload = \"feedback\"");
  if (plan.driver == "max_packet_stride" && plan.endpoint.is_in())
    table.fail("driver", "\"max_packet_stride\" is a mistake of OUT streams");
  const bool zero = plan.driver == "first_frame_0_from_completion";
  if (zero && !plan.endpoint.is_in() && plan.payload == Payload::pattern)
    table.fail("driver",
               "the pattern carries the frame in which it moves, which is not known with first frame 0: use payload = "
               "\"mod63\" or \"zeros\"");
}

void read_clock(Table& table, IsochStreamPlan& plan) {
  constexpr std::int64_t most_ppm = 2000;  // of what SAMPLE_PPM can hold
  const bool feedback = plan.payload == Payload::feedback;
  plan.clock_ppm = static_cast<int>(table.integer("clock_ppm", -most_ppm, most_ppm).value_or(0));
  if (table.has("clock_ppm") && !feedback)
    table.fail("clock_ppm", "is for the stream with payload = \"feedback\": there is one sample clock in the device");
  std::uint32_t tolerance = 0;
  table.read("tolerance_ppm", tolerance, 1'000'000, 1);
  if (table.has("tolerance_ppm")) plan.tolerance_ppm = tolerance;
  if (table.has("tolerance_ppm") && !feedback && plan.size.kind != SizePlan::Kind::feedback)
    table.fail("tolerance_ppm", "has a meaning only with payload = \"feedback\" or size_from");
}

IsochStreamPlan read_stream(Table& table, const std::filesystem::path& folder) {
  IsochStreamPlan plan;
  read_common(table, plan);
  plan.size = read_size(table);
  table.read("request", plan.request_bytes, 3072, 0);
  table.read("depth", plan.depth, 64, 1);
  table.read("frames_per_request", plan.frames_per_request, 4096, 1);
  table.read("gap", plan.gap, 4096, 0);
  table.read("lead", plan.lead, 4096, 0);
  plan.explicit_start = table.word("start", {"explicit", "zero"}).value_or(0) == 0;
  plan.synchronous = table.word("mode", {"async", "sync"}).value_or(0) == 1;
  read_driver(table, plan);
  std::string file;
  table.read("file", file);
  if (!file.empty()) plan.file = folder / file;
  if (plan.payload == Payload::feedback && !plan.endpoint.is_in())
    table.fail("payload", "\"feedback\" is an IN stream");
  if (plan.payload == Payload::file && plan.endpoint.is_in())
    table.fail("payload", "\"file\" is an OUT stream; the IN stream that brings it back has \"loopback\"");
  if (plan.payload == Payload::file && file.empty()) table.fail("file", "is missing: which file to send");
  if (plan.payload != Payload::file && !file.empty()) table.fail("file", "has a meaning only with payload = \"file\"");
  if (table.has("request") && !plan.endpoint.is_in())
    table.fail("request", "is for IN streams; an OUT entry asks for what it sends (size)");
  if (!plan.explicit_start && !plan.endpoint.is_in() && plan.payload == Payload::pattern)
    table.fail("start",
               "the pattern carries the frame in which it moves, which is not known with \"zero\": use payload = "
               "\"mod63\" or \"zeros\", or an explicit start");
  if (plan.size.kind == SizePlan::Kind::feedback && plan.endpoint.is_in())
    table.fail("size_from", "is for OUT streams");
  read_clock(table, plan);
  if (plan.synchronous && table.has("depth") && plan.depth != 1)
    table.fail("depth", "a synchronous stream has one request in flight");
  if (plan.synchronous) plan.depth = 1;
  table.finish();
  return plan;
}

BulkStreamPlan read_bulk(Table& table) {
  BulkStreamPlan plan;
  read_common(table, plan);
  table.read("bytes", plan.bytes, 65'536, 1);
  table.read("depth", plan.depth, 64, 1);
  if (plan.payload == Payload::file || plan.payload == Payload::feedback)
    table.fail("payload", "must be \"mod63\", \"zeros\", \"pattern\" (IN) or \"loopback\" (IN) for a bulk stream");
  if (plan.payload == Payload::pattern && !plan.endpoint.is_in())
    table.fail("payload", "the pattern carries the frame in which it moves, which a bulk packet does not know before");
  table.finish();
  return plan;
}

/// "12", "12.3" or "12.3.45678": frame, microframe, bit times of high speed (1/480 us); 12 alone works too.
std::optional<bus::Duration> parse_moment(const toml::node& node) {
  if (const auto* frames = node.as_integer(); frames != nullptr)
    return frames->get() >= 0 && frames->get() <= most_frames ? std::optional(bus::frame * frames->get())
                                                              : std::nullopt;
  const auto* text = node.as_string();
  if (text == nullptr) return std::nullopt;
  const std::array<std::pair<std::int64_t, bus::Duration>, 3> parts{
      {{most_frames, bus::frame}, {7, bus::microframe}, {bus::frame.bits - 1, bus::hs_bit}}};
  bus::Duration sum{};
  std::string_view rest = text->get();
  for (const auto& [most, unit] : parts) {
    std::int64_t number = -1;
    const auto [end, problem] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    if (problem != std::errc{} || number < 0 || number > most) return std::nullopt;
    sum += unit * number;
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    if (rest.empty()) return sum;
    if (rest.front() != '.') return std::nullopt;
    rest.remove_prefix(1);
  }
  return std::nullopt;
}

void read_moment(Table& table, Event& event) {
  const auto* node = table.find("at");
  const auto at = node != nullptr ? parse_moment(*node) : std::nullopt;
  if (at) {
    event.at = *at;
  } else {
    table.fail("at",
               "when it happens, counted from the streams' first frame: a frame (12), \"frame.microframe\" (\"12.3\") "
               "or \"frame.microframe.bit\" (\"12.3.4567\"; bits of 1/480 us)");
  }
}

/// Keys that only one kind has.
void read_event_details(Table& table, Event& event) {
  using Kind = Event::Kind;
  const auto only = [&](const char* key, Kind kind) {
    if (table.has(key) && event.kind != kind)
      table.fail(key, fmt::format("has a meaning only with kind = \"{}\"", to_string(kind)));
    return event.kind == kind;
  };
  if (only("stream", Kind::abort)) {
    table.read("stream", event.stream);
    if (event.stream.empty()) table.fail("stream", "is missing: the name of the stream whose pipe is aborted");
  }
  if (only("mode", Kind::abort)) event.synchronous = table.word("mode", {"async", "sync"}).value_or(0) == 1;
  if (only("interface", Kind::alternate)) table.read("interface", event.interface, 7, 0);
  if (only("setting", Kind::alternate)) table.read("setting", event.setting, 15, 0);
  if (only("frame", Kind::wake) && table.has("frame")) {
    std::uint64_t frame = 0;
    table.read("frame", frame, most_frames, 1);
    event.frame = frame;
  }
  if (only("jump", Kind::wake))
    if (const auto jump = table.integer("jump", -most_frames, most_frames)) event.jump = *jump;
  if (event.frame && event.jump != 0) table.fail("jump", "only one of frame and jump can be given");
  if (only("duration_us", Kind::block_queue)) {
    read_duration(table, "duration_us", event.duration);
    if (event.duration.bits == 0) table.fail("duration_us", "is missing: how long the queue is busy");
  }
}

Event read_event(Table& table) {
  Event event;
  event.path = table.key();
  event.line = table.source().line_of(table.key());
  const auto kind = table.word("kind", {std::begin(event_words), std::end(event_words)});
  if (!kind)
    table.fail("kind", "is missing: one of " + config::quoted_list({std::begin(event_words), std::end(event_words)}));
  event.kind = static_cast<Event::Kind>(kind.value_or(0));
  read_moment(table, event);
  table.read("go_on", event.go_on);
  read_event_details(table, event);
  table.finish();
  return event;
}

void read_registers(Table& table, Scenario& scenario) {
  if (table.empty()) return;
  for (const auto& [key, value] : *table.raw()) {
    const std::string name(key.str());
    table.find(name);
    const auto number = register_number(name);
    const auto* integer = value.as_integer();
    const auto* text = value.as_string();
    const auto word = number && text != nullptr ? register_word(*number, text->get()) : std::nullopt;
    if (!number) {
      const auto near = config::nearest(name, register_names());
      table.fail(name, fmt::format("no such register (docs/registers.md){}; a number such as 0x00A works too",
                                   near ? fmt::format("; did you mean {}?", *near) : ""));
    } else if (word) {
      scenario.registers[*number] = *word;
    } else if (text != nullptr) {
      table.fail(name, fmt::format("\"{}\" is no word for a value of this register (docs/registers.md)", text->get()));
    } else if (integer == nullptr || integer->get() < INT32_MIN || integer->get() > 0xffff'ffffLL) {
      table.fail(name, "must be a whole number of 32 bits");
    } else {
      scenario.registers[*number] = static_cast<std::uint32_t>(integer->get());
    }
  }
}

void read_controller(Table& table, controller::SimHostOptions& options) {
  read_duration(table, "interrupt_latency_us", options.interrupt_latency);
  table.read("keep_away_frames", options.keep_away_frames, 1024);
  table.read("threshold_microframes", options.threshold_microframes, 56);
  table.read("horizon_frames", options.horizon_frames, 1'000'000);
  table.read("accept_past_frames", options.accept_past_frames);
  table.read("periodic_percent", options.periodic_percent, 100);
  table.read("ring_events", options.ring_events);
  table.read("lift_periodic_limit", options.lift_periodic_limit);
  table.read("pipe_depth", options.pipe_depth, 1024, 1);
  table.read("first_frame", options.first_frame, most_frames, 1);
  table.finish();
}

void read_software(Table& table, Scenario& scenario) {
  constexpr const char* shapes[] = {"fixed", "uniform", "long_tail"};
  auto& interrupts = scenario.controller.interrupts;
  using Shape = controller::InterruptOptions::Shape;
  read_duration(table, "interrupt_latency_us", scenario.controller.interrupt_latency);
  table.read("interrupt_latency", interrupts.shape, shapes);
  read_duration(table, "interrupt_latency_max_us", interrupts.most);
  read_duration(table, "interrupt_tail_us", interrupts.tail);
  read_duration(table, "interrupt_coalesce_us", interrupts.coalesce);
  read_duration(table, "interrupt_stall_us", interrupts.stall);
  read_duration(table, "interrupt_stall_every_us", interrupts.stall_every);
  read_duration(table, "queue_block_us", scenario.software.queue_block);
  read_duration(table, "queue_block_every_us", scenario.software.queue_block_every);
  if (interrupts.shape != Shape::fixed && interrupts.most < scenario.controller.interrupt_latency)
    table.fail("interrupt_latency_max_us",
               "a varying interrupt latency needs its upper end, at least interrupt_latency_us");
  if (interrupts.shape == Shape::long_tail && interrupts.tail.bits == 0)
    table.fail("interrupt_tail_us", "is missing: each further interrupt_tail_us of latency is half as likely");
  if (interrupts.stall.bits > 0 && interrupts.stall_every <= interrupts.stall)
    table.fail("interrupt_stall_every_us", "has to be longer than interrupt_stall_us");
  if (scenario.software.queue_block.bits > 0 && scenario.software.queue_block_every <= scenario.software.queue_block)
    table.fail("queue_block_every_us", "has to be longer than queue_block_us");
  table.finish();
}

void read_driverkit(Table& table, driverkit::RuntimeOptions& options) {
  constexpr const char* short_in[] = {"success", "underrun"};
  constexpr const char* missed_entry[] = {"not_sent", "overrun", "not_sent_2"};
  constexpr const char* zero_start[] = {"next_frame", "too_old"};
  constexpr const char* late_request[] = {"accumulated", "iso_too_old"};
  constexpr const char* wire_errors[] = {"not_responding", "detailed", "bit_stuff_apart"};
  constexpr const char* overall_status[] = {"accumulated", "overrun_on_short", "always_overrun"};
  constexpr const char* explicit_on_continuous[] = {"accepted", "bad_argument"};
  constexpr const char* sync_out_on_queue[] = {"completes", "hangs"};
  table.read("short_in", options.short_in, short_in);
  table.read("missed_entry", options.missed_entry, missed_entry);
  table.read("wire_errors", options.wire_errors, wire_errors);
  table.read("zero_start", options.zero_start, zero_start);
  table.read("late_request", options.late_request, late_request);
  table.read("overall_status", options.overall_status, overall_status);
  table.read("explicit_on_continuous", options.explicit_on_continuous, explicit_on_continuous);
  table.read("sync_out_on_queue", options.sync_out_on_queue, sync_out_on_queue);
  table.read("max_entries", options.max_entries, 100'000, 1);
  read_duration(table, "timestamp_granularity_us", options.timestamp_granularity);
  read_duration(table, "dispatch_latency_us", options.dispatch_latency);
  table.finish();
}

void read_checks(Table& table, Checks& checks) {
  table.read("frame_timing", checks.frame_timing);
  table.read("payload", checks.payload);
  table.read("wire_timing", checks.wire_timing);
  table.read("pid_sequence", checks.pid_sequence);
  table.read("status", checks.status);
  table.read("promises", checks.promises);
  table.read("device_log", checks.device_log);
  table.read("driver", checks.driver);
  read_duration(table, "completion_latency_us", checks.completion_latency);
  table.finish();
}

/// The profile counts before all other keys, wherever it stands; one that is asked for goes before the file's.
void read_profile(Table& controller, Scenario& scenario) {
  const auto given = controller.word("profile", controller::profile_names());
  if (scenario.profile.empty()) scenario.profile = given ? controller::profile_names()[*given] : "neutral";
  const auto& profile = *controller::find_profile(scenario.profile);
  controller::apply(profile, scenario.controller);
  driverkit::apply(profile, scenario.driverkit);
}

/// Which keys stand there: what a profile sets is told from what the file says.
void note_given(const Table& table, Scenario& scenario) {
  if (table.empty()) return;
  for (const auto& [key, value] : *table.raw()) scenario.given.insert(table.key(key.str()));
}

void read_sections(Table& table, Scenario& scenario) {
  auto registers = table.table("registers"), controller = table.table("controller");
  auto driverkit = table.table("driverkit"), checks = table.table("checks");
  note_given(controller, scenario);
  note_given(driverkit, scenario);
  read_profile(controller, scenario);
  read_registers(registers, scenario);
  read_controller(controller, scenario.controller);
  auto software = table.table("software");
  read_software(software, scenario);
  read_driverkit(driverkit, scenario.driverkit);
  scenario.driverkit.keep_away_frames = std::max(1U, scenario.controller.keep_away_frames);
  scenario.driverkit.horizon_frames = scenario.controller.horizon_frames;
  scenario.driverkit.accept_past_frames = scenario.controller.accept_past_frames;
  read_checks(checks, scenario.checks);
}

/// One text or a list of texts.
std::vector<std::string> read_words(Table& table, std::string_view name) {
  std::vector<std::string> words;
  const auto* node = table.find(name);
  if (node == nullptr) return words;
  const auto* array = node->as_array();
  bool good = array != nullptr || node->is_string();
  const auto add = [&](const toml::node& one) {
    const auto word = one.value_exact<std::string>();
    good = good && word && !word->empty();
    if (good) words.push_back(*word);
  };
  if (array == nullptr) add(*node);
  for (std::size_t i = 0; array != nullptr && i < array->size(); ++i) add((*array)[i]);
  if (!good) table.fail(name, "this has to be a text in quotes, or a list of them");
  return words;
}

/// [expect], or [expect.profiles.NAME] where the outcome is another one with that profile.
void read_expect(Table& table, Scenario& scenario) {
  if (!table.has("expect")) return;
  auto expect = table.table("expect");
  Names names;
  for (const auto& stream : scenario.streams) names.streams.push_back(stream.name);
  for (const auto& stream : scenario.bulk) names.bulk.push_back(stream.name);
  for (const auto& fault : scenario.faults.faults) names.faults.push_back(fault.name);
  scenario.expect = read_expectation(expect, names);
  auto others = expect.table("profiles");
  for (const auto& name : controller::profile_names()) {
    if (!others.has(name)) continue;
    auto other = others.table(name);
    const auto expected = read_expectation(other, names);
    other.finish();
    if (name == scenario.profile) scenario.expect = expected;
  }
  others.finish();
  expect.finish();
}

/// Streams name one another only if the names are unique and what they name is there.
std::optional<InputError> check_names(const Scenario& scenario) {
  const auto error = [&](const auto& plan, const char* key, std::string message) {
    return InputError{scenario.file.string(), plan.line, plan.path + "." + key, std::move(message)};
  };
  std::map<std::string, bool, std::less<>> is_out;
  const auto enter = [&](const auto& plan) { return is_out.emplace(plan.name, !plan.endpoint.is_in()).second; };
  for (const auto& plan : scenario.streams)
    if (!enter(plan))
      return error(plan, "name", fmt::format("\"{}\" is the name of another stream; give each its own", plan.name));
  for (const auto& plan : scenario.bulk)
    if (!enter(plan))
      return error(plan, "name", fmt::format("\"{}\" is the name of another stream; give each its own", plan.name));

  const auto names_out = [&](const auto& plan) {
    return plan.source.empty() || (is_out.contains(plan.source) && is_out[plan.source]);
  };
  int synchronous = 0;
  for (const auto& plan : scenario.streams) {
    if (!names_out(plan)) return error(plan, "source", fmt::format("there is no OUT stream named \"{}\"", plan.source));
    if (plan.size.kind == SizePlan::Kind::feedback) {
      const auto named = [&](const auto& other) {
        return other.name == plan.size.source && other.payload == Payload::feedback;
      };
      if (std::none_of(scenario.streams.begin(), scenario.streams.end(), named))
        return error(plan, "size_from",
                     fmt::format("there is no stream \"{}\" with payload = \"feedback\"", plan.size.source));
    }
    if (plan.synchronous && ++synchronous > 1)
      return error(plan, "mode", "only one stream can be synchronous: its calls block the others' queue");
  }
  for (const auto& plan : scenario.bulk)
    if (!names_out(plan)) return error(plan, "source", fmt::format("there is no OUT stream named \"{}\"", plan.source));
  return std::nullopt;
}

/// A fault that begins when all streams are over is never made. Events make a run longer.
std::optional<InputError> check_faults(const Scenario& scenario) {
  for (const auto& fault : scenario.faults.faults)
    if (scenario.events.empty() && fault.when.frame >= scenario.frames)
      return InputError{scenario.file.string(), fault.line, fault.path + ".frame",
                        fmt::format("the streams last for {} frames, and this is behind them: a lower frame, or more "
                                    "frames for the run",
                                    scenario.frames)};
  return std::nullopt;
}

/// Events name streams and settings that there are, and what they need has happened before.
std::optional<InputError> check_events(const Scenario& scenario) {
  const auto error = [&](const Event& event, const char* key, std::string message) {
    return InputError{scenario.file.string(), event.line, event.path + "." + key, std::move(message)};
  };
  const auto happens = [&](Event::Kind kind, bus::Duration before) {
    return std::any_of(scenario.events.begin(), scenario.events.end(),
                       [&](const Event& other) { return other.kind == kind && other.at < before; });
  };
  using Kind = Event::Kind;
  const auto happens_after = [&](Kind kind, bus::Duration after) {
    return std::any_of(scenario.events.begin(), scenario.events.end(),
                       [&](const Event& other) { return other.kind == kind && other.at > after; });
  };
  for (const Event& event : scenario.events) {
    if (event.kind == Kind::suspend && !happens_after(Kind::resume, event.at) &&
        !happens_after(Kind::bus_reset, event.at) && !happens_after(Kind::unplug, event.at))
      return error(event, "kind",
                   "nothing wakes the bus again, and what is in flight waits: write a resume event behind it");
    const auto named = [&](const auto& stream) { return stream.name == event.stream; };
    if (event.kind == Kind::abort && std::none_of(scenario.streams.begin(), scenario.streams.end(), named))
      return error(event, "stream", fmt::format("there is no isochronous stream named \"{}\"", event.stream));
    const std::pair<Kind, Kind> needed[] = {
        {Kind::resume, Kind::suspend}, {Kind::plug, Kind::unplug}, {Kind::wake, Kind::sleep}};
    for (const auto& [kind, first] : needed)
      if (event.kind == kind && !happens(first, event.at))
        return error(event, "at",
                     fmt::format("a {} event needs a {} event before it", to_string(kind), to_string(first)));
  }
  for (const auto& stream : scenario.streams)
    if (stream.synchronous && !scenario.events.empty())
      return InputError{scenario.file.string(), stream.line, stream.path + ".mode",
                        "events are for asynchronous streams: a synchronous call ends with what it waits for"};
  return std::nullopt;
}

}  // namespace

const char* to_string(Event::Kind kind) { return event_words[static_cast<std::size_t>(kind)]; }

bool Scenario::may_vanish() const {
  using Kind = Event::Kind;
  return std::any_of(events.begin(), events.end(), [](const Event& event) {
    return event.kind == Kind::bus_reset || event.kind == Kind::unplug || event.kind == Kind::alternate ||
           event.kind == Kind::sleep || event.kind == Kind::abort;
  });
}

const char* to_string(Payload payload) { return payload_words[static_cast<std::size_t>(payload)]; }

tl::expected<Scenario, InputError> parse_scenario(std::string_view text, const std::filesystem::path& file,
                                                  const std::string& profile) {
  const auto document = config::parse_toml(text, file.string());
  if (!document) return tl::unexpected(document.error());
  config::Source source(file.string(), *document);
  Table table(source, &*document, "");
  Scenario scenario;
  scenario.file = file;
  scenario.profile = profile;
  scenario.name = file.stem().string();
  table.read("name", scenario.name);
  table.read("description", scenario.description);
  scenario.source = read_words(table, "source");
  scenario.tags = read_words(table, "tags");
  table.read("device", scenario.device);
  if (table.word("speed", {"fs", "hs"}).value_or(1) == 0) scenario.speed = usb::Speed::full;
  table.read("frames", scenario.frames, most_frames, 1);
  table.read("seed", scenario.seed, INT64_MAX);
  for (auto& stream : table.tables("stream")) scenario.streams.push_back(read_stream(stream, file.parent_path()));
  for (auto& stream : table.tables("bulk")) scenario.bulk.push_back(read_bulk(stream));
  for (auto& event : table.tables("event")) scenario.events.push_back(read_event(event));
  for (auto& fault : table.tables("fault")) scenario.faults.faults.push_back(fault::read_fault(fault));
  read_sections(table, scenario);
  read_expect(table, scenario);
  table.finish();
  if (scenario.streams.empty() && scenario.bulk.empty())
    table.fail("stream", "there is nothing to run: write at least one [[stream]] or [[bulk]]");
  auto error = source.error();
  if (!error) error = check_names(scenario);
  if (!error) error = check_events(scenario);
  if (!error) error = check_faults(scenario);
  if (error) return tl::unexpected(*error);
  return scenario;
}

tl::expected<Scenario, InputError> load_scenario(const std::filesystem::path& file, const std::string& profile) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) return tl::unexpected(InputError{file.string(), 0, "", "can't be read"});
  std::stringstream text;
  text << stream.rdbuf();
  return parse_scenario(text.str(), file, profile);
}

}  // namespace isochio::scenario
