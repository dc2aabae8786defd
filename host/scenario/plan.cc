#include "scenario/plan.h"

#include <algorithm>

#include <fmt/format.h>

#include "scenario/register_names.h"
#include "scenario/size_schedule.h"

namespace isochio::scenario {
namespace {

using description::Function;

/// Collects the first error, as TomlReader does.
class Planner {
 public:
  Planner(const Scenario& scenario, description::Description device) : scenario_(scenario) {
    plan_.device = std::move(device);
  }

  tl::expected<Plan, InputError> run() {
    if (!plan_.device.speeds.at(scenario_.speed))
      return tl::unexpected(
          InputError{scenario_.file.string(), 0, "speed",
                     fmt::format("the device {} can't run at high speed; use \"fs\"", scenario_.device)});
    for (const auto& stream : scenario_.streams)
      plan_.streams.push_back(target(stream, usb::TransferType::isochronous));
    for (const auto& stream : scenario_.bulk) plan_.bulk.push_back(target(stream, usb::TransferType::bulk));
    if (error_) return tl::unexpected(*error_);
    join(scenario_.streams, plan_.streams);
    join(scenario_.bulk, plan_.bulk);
    check_endpoints_differ();
    for (std::size_t i = 0; i < scenario_.streams.size(); ++i)
      check_isochronous(scenario_.streams[i], plan_.streams[i]);
    for (std::size_t i = 0; i < scenario_.streams.size(); ++i) set_up(scenario_.streams[i], plan_.streams[i]);
    follow_clocks();
    for (std::size_t i = 0; i < scenario_.bulk.size(); ++i) set_up(scenario_.bulk[i], plan_.bulk[i]);
    add_registers();
    if (error_) return tl::unexpected(*error_);
    auto image = description::compile_image(plan_.device);
    if (!image) return tl::unexpected(image.error());
    plan_.image = std::move(*image);
    return std::move(plan_);
  }

 private:
  template <typename StreamPlan>
  void fail(const StreamPlan& stream, const char* key, std::string message) {
    if (!error_) error_ = InputError{scenario_.file.string(), stream.line, stream.path + "." + key, std::move(message)};
  }

  template <typename StreamPlan>
  StreamTarget target(const StreamPlan& stream, usb::TransferType type) {
    const char* kind = type == usb::TransferType::bulk ? "bulk" : "isochronous";
    const auto [known, added] = plan_.alternates.emplace(stream.interface, stream.alternate);
    if (!added && known->second != stream.alternate)
      fail(stream, "alternate",
           fmt::format("another stream puts interface {} in setting {}", stream.interface, known->second));
    const auto* setting = plan_.device.setting(stream.interface, stream.alternate);
    if (setting == nullptr) {
      fail(stream, "alternate",
           fmt::format("the device {} has no setting {} of interface {}; isochio describe {} shows what it has",
                       scenario_.device, stream.alternate, stream.interface, scenario_.device));
      return {};
    }
    const auto fits = [&](const description::Endpoint& endpoint) {
      if (endpoint.type != type || !endpoint.at(scenario_.speed)) return false;
      if (!stream.endpoint.first) return endpoint.address == stream.endpoint.address;
      const bool feedback = endpoint.usage == description::Usage::feedback;
      return endpoint.address.is_in() == stream.endpoint.is_in() && feedback == (stream.payload == Payload::feedback);
    };
    const auto endpoint = std::find_if(setting->endpoints.begin(), setting->endpoints.end(), fits);
    if (endpoint == setting->endpoints.end()) {
      fail(
          stream, "endpoint",
          fmt::format("setting {} of interface {} has no such {} endpoint at {}; isochio describe {} shows what it has",
                      stream.alternate, stream.interface, kind,
                      scenario_.speed == usb::Speed::high ? "high speed" : "full speed", scenario_.device));
      return {};
    }
    functions_.emplace(endpoint->address.value, endpoint->function);
    StreamTarget result;
    result.endpoint = endpoint->config(scenario_.speed);
    result.engine = endpoint->engine;
    result.pattern = pattern_of(stream.payload);
    if (plan_.device.test_requests) result.seed = seed_of(endpoint->address);
    return result;
  }

  static check::Pattern pattern_of(Payload payload) {
    switch (payload) {
      case Payload::pattern:
        return check::Pattern::prbs;
      case Payload::zeros:
        return check::Pattern::zeros;
      case Payload::mod63:
        return check::Pattern::mod63;
      default:
        return check::Pattern::none;
    }
  }

  /// Each stream its own bytes, the same ones for the same scenario seed (splitmix64).
  std::uint32_t seed_of(usb::EndpointAddress address) const {
    std::uint64_t z = scenario_.seed + 0x9E3779B97F4A7C15ULL * (address.value + 1U);
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
    return static_cast<std::uint32_t>(z ^ (z >> 31U));
  }

  /// Finds the OUT stream of each loopback IN stream.
  template <typename StreamPlan>
  void join(const std::vector<StreamPlan>& streams, std::vector<StreamTarget>& targets) {
    for (std::size_t i = 0; i < streams.size(); ++i) {
      if (streams[i].payload != Payload::loopback) continue;
      const auto is_source = [&](const StreamPlan& other) {
        return !other.endpoint.is_in() && (streams[i].source.empty() || other.name == streams[i].source);
      };
      const auto count = std::count_if(streams.begin(), streams.end(), is_source);
      if (count != 1) {
        fail(streams[i], "source",
             count == 0 ? "there is no OUT stream of the same kind that could come back"
                        : "there are several OUT streams; name the one that comes back");
        return;
      }
      const auto source =
          static_cast<std::size_t>(std::find_if(streams.begin(), streams.end(), is_source) - streams.begin());
      if (targets[source].engine != targets[i].engine)
        fail(streams[i], "endpoint",
             fmt::format("the device joins OUT engine n to IN engine n, but endpoint 0x{:02x} is on engine {} and "
                         "0x{:02x} on engine {}",
                         targets[source].endpoint.address.value, targets[source].engine,
                         targets[i].endpoint.address.value, targets[i].engine));
      if constexpr (std::is_same_v<StreamPlan, IsochStreamPlan>)
        if (streams[source].synchronous) fail(streams[source], "mode", "a stream that comes back must be \"async\"");
      targets[i].source = source;
      targets[source].comes_back = true;
    }
  }

  void check_endpoints_differ() {
    std::map<std::uint8_t, int> used;
    for (std::size_t i = 0; i < plan_.streams.size(); ++i)
      if (++used[plan_.streams[i].endpoint.address.value] > 1)
        fail(scenario_.streams[i], "endpoint",
             fmt::format("endpoint 0x{:02x} is used by another stream", plan_.streams[i].endpoint.address.value));
    for (std::size_t i = 0; i < plan_.bulk.size(); ++i)
      if (++used[plan_.bulk[i].endpoint.address.value] > 1)
        fail(scenario_.bulk[i], "endpoint",
             fmt::format("endpoint 0x{:02x} is used by another stream", plan_.bulk[i].endpoint.address.value));
  }

  void check_isochronous(const IsochStreamPlan& stream, const StreamTarget& at) {
    const auto largest = SizeSchedule(stream.size, at.endpoint, scenario_.speed).largest();
    const bool sized = stream.payload != Payload::loopback && stream.payload != Payload::feedback;
    if (sized && largest > at.endpoint.capacity())
      fail(stream, "size",
           fmt::format("{} bytes are asked of endpoint 0x{:02x}, which carries at most {} in a service interval; "
                       "choose another alternate setting",
                       largest, at.endpoint.address.value, at.endpoint.capacity()));
    if (stream.request_bytes > at.endpoint.capacity())
      fail(stream, "request",
           fmt::format("endpoint 0x{:02x} carries at most {} bytes in a service interval", at.endpoint.address.value,
                       at.endpoint.capacity()));
    const std::uint32_t units = scenario_.speed == usb::Speed::high ? 8 : 1;
    if (stream.gap * units % at.endpoint.interval != 0)
      fail(stream, "gap",
           fmt::format("endpoint 0x{:02x} is served every {} frames; use a multiple of that", at.endpoint.address.value,
                       at.endpoint.interval / units));
    if (stream.frames_per_request * units % at.endpoint.interval != 0)
      fail(stream, "frames_per_request",
           fmt::format("endpoint 0x{:02x} is served every {} frames; use a multiple of that", at.endpoint.address.value,
                       at.endpoint.interval / units));
  }

  template <typename StreamPlan>
  void set_up(const StreamPlan& stream, const StreamTarget& at) {
    const auto wanted = function(stream, at);
    if (!plan_.device.test_requests) {
      const auto has = functions_.at(at.endpoint.address.value);
      if (has != wanted)
        fail(stream, "payload",
             fmt::format("the device {} has no test requests, and endpoint 0x{:02x} of it does something else",
                         scenario_.device, at.endpoint.address.value));
      if constexpr (std::is_same_v<StreamPlan, IsochStreamPlan>) {
        const bool as_it_does = stream.size.kind == SizePlan::Kind::fixed && stream.size.bytes == 0;
        if (stream.endpoint.is_in() && !as_it_does)
          fail(stream, "size",
               fmt::format("the device {} has no test requests: what it sends stands in its description",
                           scenario_.device));
      }
      return;
    }
    const auto base = at.endpoint.address.is_in() ? reg::in_engine(at.engine) : reg::out_engine(at.engine);
    const auto write = [&](std::uint16_t offset, std::uint32_t value) {
      plan_.registers.emplace_back(static_cast<std::uint16_t>(base + offset), value);
    };
    write(reg::function, static_cast<std::uint32_t>(wanted));
    if (at.pattern == check::Pattern::prbs) write(reg::seed, at.seed);
    if constexpr (std::is_same_v<StreamPlan, IsochStreamPlan>) {
      const bool sends_own =
          at.endpoint.address.is_in() && wanted != Function::loopback && wanted != Function::feedback;
      if (sends_own) set_size(stream, at, write);
    }
  }

  template <typename StreamPlan>
  static Function function(const StreamPlan& stream, const StreamTarget& at) {
    if (at.comes_back) return Function::loopback;
    switch (stream.payload) {
      case Payload::pattern:
        return Function::pattern;
      case Payload::zeros:
        return Function::zeros;
      case Payload::mod63:
        return Function::mod63;
      case Payload::loopback:
        return Function::loopback;
      case Payload::feedback:
        return Function::feedback;
      case Payload::file:
        return Function::none;
    }
    return Function::none;
  }

  template <typename Write>
  void set_size(const IsochStreamPlan& stream, const StreamTarget& at, const Write& write) {
    write(reg::size_mode, static_cast<std::uint32_t>(stream.size.kind));
    write(reg::size, stream.size.bytes);
    if (stream.size.kind == SizePlan::Kind::list) {
      write(reg::list_length, static_cast<std::uint32_t>(stream.size.list.size()));
      for (std::size_t i = 0; i < stream.size.list.size(); ++i)
        plan_.registers.emplace_back(static_cast<std::uint16_t>(reg::size_list(at.engine) + i), stream.size.list[i]);
    } else if (stream.size.kind == SizePlan::Kind::rate) {
      write(reg::sample_bytes, stream.size.sample_bytes);
      if (sample_rate_ && *sample_rate_ != stream.size.sample_rate)
        fail(stream, "sample_rate",
             fmt::format("the device has one sample clock, and another stream sets it to {}", *sample_rate_));
      sample_rate_ = stream.size.sample_rate;
      plan_.registers.emplace_back(reg::sample_rate, stream.size.sample_rate);
    }
  }

  /// A clock that is off is told to the device, to the stream of its feedback and to those that follow it.
  void follow_clocks() {
    for (std::size_t i = 0; i < scenario_.streams.size(); ++i) {
      const auto& feedback = scenario_.streams[i];
      if (feedback.clock_ppm == 0) continue;
      if (!plan_.device.test_requests)
        fail(feedback, "clock_ppm", fmt::format("the device {} has no test requests", scenario_.device));
      plan_.registers.emplace_back(reg::sample_ppm, static_cast<std::uint32_t>(feedback.clock_ppm));
      for (std::size_t j = 0; j < scenario_.streams.size(); ++j)
        if (j == i || scenario_.streams[j].size.source == feedback.name)
          plan_.streams[j].clock_ppm = feedback.clock_ppm;
    }
  }

  void add_registers() {
    if (scenario_.registers.empty()) return;
    if (!plan_.device.test_requests && !error_)
      error_ = InputError{scenario_.file.string(), 0, "registers",
                          fmt::format("the device {} has no test requests", scenario_.device)};
    plan_.registers.insert(plan_.registers.end(), scenario_.registers.begin(), scenario_.registers.end());
  }

  const Scenario& scenario_;
  Plan plan_;
  std::map<std::uint8_t, Function> functions_;  ///< what the description makes of each endpoint used
  std::optional<std::uint32_t> sample_rate_;
  std::optional<InputError> error_;
};

}  // namespace

tl::expected<Plan, InputError> make_plan(const Scenario& scenario, description::Description device) {
  return Planner(scenario, std::move(device)).run();
}

}  // namespace isochio::scenario
