#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "scenario/register_names.h"
#include "scenario/scenario.h"
#include "scenario/toml_reader.h"

namespace isochio::scenario {
namespace {

constexpr std::array payload_words{"pattern", "zeros", "mod63", "loopback", "file", "feedback"};
constexpr std::int64_t most_frames = 1'000'000'000;  // eleven days of bus time

bus::Duration microseconds(double value) { return bus::from_ns(static_cast<std::int64_t>(value * 1000.0)); }

EndpointChoice read_endpoint(TomlReader& reader) {
  EndpointChoice choice;
  const auto* node = reader.node("endpoint");
  if (node == nullptr) {
    reader.fail("endpoint",
                "is missing: \"in\" or \"out\" (the first one of that direction), or an address such as 0x81");
  } else if (const auto* word = node->as_string(); word != nullptr && (word->get() == "in" || word->get() == "out")) {
    choice.address = usb::EndpointAddress{static_cast<std::uint8_t>(word->get() == "in" ? 0x80 : 0x00)};
  } else if (const auto* number = node->as_integer();
             number != nullptr && (number->get() & ~0x8f) == 0 && (number->get() & 0x0f) != 0) {
    choice.first = false;
    choice.address = usb::EndpointAddress{static_cast<std::uint8_t>(number->get())};
  } else {
    reader.fail("endpoint", "must be \"in\", \"out\" or an address from 0x01 to 0x0f or 0x81 to 0x8f");
  }
  return choice;
}

SizePlan read_size(TomlReader& reader) {
  SizePlan plan;
  // A stream that follows feedback may have a sample rate too: it counts until the first value has come.
  const int given = (reader.has("size") ? 1 : 0) + (reader.has("sizes") ? 1 : 0) +
                    (reader.has("sample_rate") || reader.has("size_from") ? 1 : 0);
  if (given > 1) reader.fail("size", "only one of size, sizes and sample_rate (or size_from) can be given");

  plan.bytes = static_cast<std::uint32_t>(reader.integer("size", 0, 0, 3072));
  const auto list = reader.integers("sizes", 0, 3072, 16);
  plan.list.assign(list.begin(), list.end());
  plan.sample_rate = static_cast<std::uint32_t>(reader.integer("sample_rate", 48'000, 1, 20'000'000));
  plan.sample_bytes = static_cast<std::uint32_t>(reader.integer("sample_bytes", 4, 1, 255));
  plan.source = reader.text("size_from", "");
  if (reader.has("sizes")) plan.kind = SizePlan::Kind::list;
  if (reader.has("sample_rate")) plan.kind = SizePlan::Kind::rate;
  if (reader.has("size_from")) plan.kind = SizePlan::Kind::feedback;
  if (reader.has("sample_bytes") && plan.kind != SizePlan::Kind::rate && plan.kind != SizePlan::Kind::feedback)
    reader.fail("sample_bytes", "has a meaning only with sample_rate or size_from");
  return plan;
}

template <typename Plan>
void read_common(TomlReader& reader, Plan& plan) {
  plan.path = reader.path_of("");
  plan.endpoint = read_endpoint(reader);
  plan.name = reader.text("name", plan.endpoint.is_in() ? "in" : "out");
  plan.interface = static_cast<std::uint8_t>(reader.integer("interface", 0, 0, 7));
  plan.alternate = static_cast<std::uint8_t>(reader.integer("alternate", 1, 0, 15));
  plan.payload = static_cast<Payload>(reader.choice("payload", static_cast<std::size_t>(plan.payload), payload_words));
  plan.source = reader.text("source", "");
  if (plan.payload == Payload::loopback && !plan.endpoint.is_in())
    reader.fail("payload",
                "\"loopback\" is what an IN stream gets back; the OUT stream has \"pattern\", \"mod63\" or \"file\"");
  if (reader.has("source") && plan.payload != Payload::loopback)
    reader.fail("source", "has a meaning only with payload = \"loopback\"");
}

IsochStreamPlan read_stream(TomlReader& reader, const std::filesystem::path& folder) {
  constexpr std::array starts{"explicit", "zero"};
  constexpr std::array modes{"async", "sync"};
  IsochStreamPlan plan;
  read_common(reader, plan);
  plan.size = read_size(reader);
  plan.request_bytes = static_cast<std::uint32_t>(reader.integer("request", 0, 0, 3072));
  plan.depth = static_cast<std::uint32_t>(reader.integer("depth", 8, 1, 64));
  plan.frames_per_request = static_cast<std::uint32_t>(reader.integer("frames_per_request", 4, 1, 120));
  plan.lead = static_cast<std::uint32_t>(reader.integer("lead", 4, 0, 4096));
  plan.explicit_start = reader.choice("start", 0, starts) == 0;
  plan.synchronous = reader.choice("mode", 0, modes) == 1;
  const auto file = reader.text("file", "");
  if (!file.empty()) plan.file = folder / file;
  if (plan.payload == Payload::feedback && !plan.endpoint.is_in())
    reader.fail("payload", "\"feedback\" is an IN stream");
  if (plan.payload == Payload::file && plan.endpoint.is_in())
    reader.fail("payload", "\"file\" is an OUT stream; the IN stream that brings it back has \"loopback\"");
  if (plan.payload == Payload::file && file.empty()) reader.fail("file", "is missing: which file to send");
  if (plan.payload != Payload::file && !file.empty()) reader.fail("file", "has a meaning only with payload = \"file\"");
  if (reader.has("request") && !plan.endpoint.is_in())
    reader.fail("request", "is for IN streams; an OUT entry asks for what it sends (size)");
  if (!plan.explicit_start && !plan.endpoint.is_in() && plan.payload == Payload::pattern)
    reader.fail("start",
                "the pattern carries the frame in which it moves, which is not known with \"zero\": use payload = "
                "\"mod63\" or \"zeros\", or an explicit start");
  if (plan.size.kind == SizePlan::Kind::feedback && plan.endpoint.is_in())
    reader.fail("size_from", "is for OUT streams");
  if (plan.synchronous && reader.has("depth") && plan.depth != 1)
    reader.fail("depth", "a synchronous stream has one request in flight");
  if (plan.synchronous) plan.depth = 1;
  reader.finish();
  return plan;
}

BulkStreamPlan read_bulk(TomlReader& reader) {
  BulkStreamPlan plan;
  read_common(reader, plan);
  plan.bytes = static_cast<std::uint32_t>(reader.integer("bytes", 512, 1, 65'536));
  plan.depth = static_cast<std::uint32_t>(reader.integer("depth", 2, 1, 64));
  if (plan.payload == Payload::file || plan.payload == Payload::feedback)
    reader.fail("payload", "must be \"mod63\", \"zeros\", \"pattern\" (IN) or \"loopback\" (IN) for a bulk stream");
  if (plan.payload == Payload::pattern && !plan.endpoint.is_in())
    reader.fail("payload", "the pattern carries the frame in which it moves, which a bulk packet does not know before");
  reader.finish();
  return plan;
}

void read_registers(TomlReader& reader, Scenario& scenario) {
  for (const auto& [key, value] : reader.all()) {
    const std::string name(key.str());
    const auto number = register_number(name);
    const auto* integer = value.as_integer();
    if (!number) {
      const auto near = nearest(name, register_names());
      reader.fail(name.c_str(), fmt::format("no such register (docs/registers.md){}; a number such as 0x00A works too",
                                            near ? fmt::format("; did you mean {}?", *near) : ""));
    } else if (integer == nullptr || integer->get() < 0 || integer->get() > 0xffff'ffffLL) {
      reader.fail(name.c_str(), "must be a whole number of 32 bits");
    } else {
      scenario.registers[*number] = static_cast<std::uint32_t>(integer->get());
    }
  }
}

void read_controller(TomlReader& reader, controller::SimHostOptions& options) {
  const auto count = [&](const char* key, std::uint32_t value, std::int64_t most) {
    return static_cast<std::uint32_t>(reader.integer(key, value, 0, most));
  };
  options.interrupt_latency = microseconds(reader.number("interrupt_latency_us", 5, 0, 1'000'000));
  options.keep_away_frames = count("keep_away_frames", options.keep_away_frames, 1024);
  options.horizon_frames = count("horizon_frames", options.horizon_frames, 1'000'000);
  options.accept_past_frames = reader.flag("accept_past_frames", options.accept_past_frames);
  options.periodic_percent = count("periodic_percent", options.periodic_percent, 100);
  options.lift_periodic_limit = reader.flag("lift_periodic_limit", options.lift_periodic_limit);
  options.pipe_depth = static_cast<std::uint32_t>(reader.integer("pipe_depth", options.pipe_depth, 1, 1024));
  options.first_frame = static_cast<std::uint64_t>(
      reader.integer("first_frame", static_cast<std::int64_t>(options.first_frame), 1, most_frames));
  reader.finish();
}

void read_driverkit(TomlReader& reader, driverkit::RuntimeOptions& options) {
  using namespace driverkit;
  const auto choose = [&]<typename T>(const char* key, T& value, std::initializer_list<const char*> words) {
    value = static_cast<T>(reader.choice(key, static_cast<std::size_t>(value), {words.begin(), words.size()}));
  };
  choose("short_in", options.short_in, {"success", "underrun"});
  choose("missed_entry", options.missed_entry, {"not_sent", "overrun"});
  choose("wire_errors", options.wire_errors, {"not_responding", "detailed"});
  choose("overall_status", options.overall_status, {"accumulated", "overrun_on_short", "always_overrun"});
  choose("explicit_on_continuous", options.explicit_on_continuous, {"accepted", "bad_argument"});
  choose("sync_out_on_queue", options.sync_out_on_queue, {"completes", "hangs"});
  options.max_entries = static_cast<std::uint32_t>(reader.integer("max_entries", options.max_entries, 1, 100'000));
  options.timestamp_granularity = microseconds(reader.number("timestamp_granularity_us", 0, 0, 1e6));
  options.dispatch_latency = microseconds(reader.number("dispatch_latency_us", 0, 0, 1e6));
  reader.finish();
}

void read_checks(TomlReader& reader, Checks& checks) {
  checks.frame_timing = reader.flag("frame_timing", checks.frame_timing);
  checks.payload = reader.flag("payload", checks.payload);
  checks.wire_timing = reader.flag("wire_timing", checks.wire_timing);
  checks.pid_sequence = reader.flag("pid_sequence", checks.pid_sequence);
  checks.status = reader.flag("status", checks.status);
  checks.device_log = reader.flag("device_log", checks.device_log);
  checks.completion_latency = microseconds(reader.number("completion_latency_us", 1000, 0, 1e9));
  reader.finish();
}

/// Streams name one another only if the names are unique and what they name is there.
std::optional<InputError> check_names(const Scenario& scenario) {
  const auto error = [&](const auto& plan, const char* key, std::string message) {
    return InputError{scenario.file.string(), plan.line, plan.path + "." + key, std::move(message)};
  };
  std::map<std::string, bool, std::less<>> is_out;
  std::map<std::pair<std::uint8_t, std::uint8_t>, int> alternates;
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

}  // namespace

const char* to_string(Payload payload) { return payload_words.at(static_cast<std::size_t>(payload)); }

tl::expected<Scenario, InputError> parse_scenario(std::string_view text, const std::filesystem::path& file) {
  constexpr std::array speeds{"fs", "hs"};
  toml::table document;
  try {
    document = toml::parse(text, file.string());
  } catch (const toml::parse_error& problem) {
    return tl::unexpected(InputError{file.string(), static_cast<int>(problem.source().begin.line), "",
                                     "not valid TOML: " + std::string(problem.description())});
  }
  Scenario scenario;
  scenario.file = file;
  std::optional<InputError> error;
  TomlReader reader(document, file.string(), "", error);
  scenario.name = reader.text("name", file.stem().string());
  scenario.description = reader.text("description", "");
  scenario.device = reader.text("device", "test");
  scenario.speed = reader.choice("speed", 1, speeds) == 0 ? usb::Speed::full : usb::Speed::high;
  scenario.frames = static_cast<std::uint64_t>(reader.integer("frames", 1000, 1, most_frames));
  scenario.seed = static_cast<std::uint64_t>(reader.integer("seed", 1, 0, INT64_MAX));

  std::size_t index = 0;
  for (const auto* table : reader.tables("stream")) {
    TomlReader stream(*table, file.string(), fmt::format("stream[{}]", index++), error);
    scenario.streams.push_back(read_stream(stream, file.parent_path()));
    scenario.streams.back().line = static_cast<int>(table->source().begin.line);
  }
  index = 0;
  for (const auto* table : reader.tables("bulk")) {
    TomlReader stream(*table, file.string(), fmt::format("bulk[{}]", index++), error);
    scenario.bulk.push_back(read_bulk(stream));
    scenario.bulk.back().line = static_cast<int>(table->source().begin.line);
  }
  const auto section = [&](const char* key, auto read) {
    if (const auto* table = reader.table(key)) {
      TomlReader sub(*table, file.string(), key, error);
      read(sub);
    }
  };
  section("registers", [&](TomlReader& sub) { read_registers(sub, scenario); });
  section("controller", [&](TomlReader& sub) { read_controller(sub, scenario.controller); });
  section("driverkit", [&](TomlReader& sub) { read_driverkit(sub, scenario.driverkit); });
  scenario.driverkit.keep_away_frames = std::max(1U, scenario.controller.keep_away_frames);
  scenario.driverkit.horizon_frames = scenario.controller.horizon_frames;
  scenario.driverkit.accept_past_frames = scenario.controller.accept_past_frames;
  section("checks", [&](TomlReader& sub) { read_checks(sub, scenario.checks); });
  reader.finish();
  if (!error && scenario.streams.empty() && scenario.bulk.empty())
    reader.fail("stream", "there is nothing to run: write at least one [[stream]] or [[bulk]]");
  if (!error) error = check_names(scenario);
  if (error) return tl::unexpected(*error);
  return scenario;
}

tl::expected<Scenario, InputError> load_scenario(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) return tl::unexpected(InputError{file.string(), 0, "", "can't be read"});
  std::stringstream text;
  text << stream.rdbuf();
  return parse_scenario(text.str(), file);
}

}  // namespace isochio::scenario
