#include "scenario/payload_file.h"

#include <algorithm>
#include <filesystem>

#include "scenario/size_schedule.h"

namespace isochio::scenario {
namespace {

/// How many frames a file takes.
std::uint64_t frames_of_file(std::uint64_t bytes, const IsochStreamPlan& stream, const StreamTarget& target,
                             usb::Speed speed) {
  SizeSchedule schedule(stream.size, target.endpoint, speed);
  constexpr std::uint64_t sample = 16'000;  // intervals from which the average is taken: at least a second
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < sample; ++i) sum += schedule.next();
  const std::uint64_t units = speed == usb::Speed::high ? 8 : 1;
  return sum == 0 ? 1 : std::max<std::uint64_t>(1, bytes * sample / sum * target.endpoint.interval / units);
}

}  // namespace

tl::expected<void, InputError> send_file(Scenario& scenario, const std::string& file) {
  const auto back = std::find_if(scenario.streams.begin(), scenario.streams.end(),
                                 [](const auto& stream) { return stream.payload == Payload::loopback; });
  if (back == scenario.streams.end())
    return tl::unexpected(
        InputError{scenario.file.string(), 0, "stream",
                   "--payload wants a stream with payload = \"loopback\"; the scenario \"loopback\" has one"});
  for (auto& stream : scenario.streams) {
    if (stream.endpoint.is_in() || (!back->source.empty() && stream.name != back->source)) continue;
    stream.payload = Payload::file;
    stream.file = file;
  }
  return {};
}

tl::expected<void, InputError> last_as_long_as_file(Scenario& scenario, const Plan& plan, const std::string& file) {
  std::error_code error;
  const auto bytes = std::filesystem::file_size(file, error);
  if (error) return tl::unexpected(InputError{file, 0, "", "can't be read: " + error.message()});
  for (std::size_t i = 0; i < scenario.streams.size(); ++i)
    if (scenario.streams[i].payload == Payload::file)
      scenario.frames = frames_of_file(bytes, scenario.streams[i], plan.streams[i], scenario.speed);
  return {};
}

}  // namespace isochio::scenario
