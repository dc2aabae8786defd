#include "scenario/preparation.h"

#include <map>

#include <fmt/format.h>

#include "controller/profile.h"
#include "scenario/catalogue.h"
#include "scenario/payload_file.h"
#include "scenario/real_host.h"

namespace isochio::scenario {
namespace {

/// The target can do what the scenario asks for.
tl::expected<void, InputError> check_target(const Scenario& scenario, bool real_host) {
  const auto failed = [&](const char* key, std::string why) {
    return tl::unexpected(InputError{scenario.file.string(), 0, key, std::move(why)});
  };
  if (real_host) {
    if (const auto why = simulation_only(scenario); !why.empty()) return failed("", "is for --target sim only: " + why);
    return {};
  }
  const auto* profile = controller::find_profile(scenario.profile);
  if (profile == nullptr || profile->drives(scenario.speed)) return {};
  return failed("controller.profile",
                fmt::format("{} does not drive devices at {} by itself; isochio list --profiles shows who does",
                            profile->name, scenario.speed == usb::Speed::high ? "high speed" : "full speed"));
}

/// Streams' names become endpoints; what is left to chance follows from the scenario's seed.
tl::expected<void, InputError> resolve_faults(Scenario& scenario, const Plan& plan) {
  std::map<std::string, usb::EndpointAddress> endpoints;
  for (std::size_t i = 0; i < scenario.streams.size(); ++i)
    endpoints[scenario.streams[i].name] = plan.streams[i].endpoint.address;
  for (std::size_t i = 0; i < scenario.bulk.size(); ++i)
    endpoints[scenario.bulk[i].name] = plan.bulk[i].endpoint.address;
  scenario.faults.seed = scenario.seed;
  return scenario.faults.resolve(scenario.file.string(), endpoints);
}

}  // namespace

tl::expected<Prepared, InputError> prepare(const Scenario& original, const RunOptions& options) {
  Scenario scenario = original;
  if (!options.payload.empty())
    if (auto sends = send_file(scenario, options.payload); !sends) return tl::unexpected(sends.error());
  const auto file = find(Shelf::devices, scenario.device, scenario.file.parent_path());
  if (!file) return tl::unexpected(file.error());
  auto device = description::load(*file);
  if (!device) return tl::unexpected(device.error());
  const bool real_host = options.make_host != nullptr;
  if (auto possible = check_target(scenario, real_host); !possible) return tl::unexpected(possible.error());
  auto plan = make_plan(scenario, std::move(*device));
  if (!plan) return tl::unexpected(plan.error());
  if (auto resolved = resolve_faults(scenario, *plan); !resolved) return tl::unexpected(resolved.error());
  if (!options.payload.empty())
    if (auto fits = last_as_long_as_file(scenario, *plan, options.payload); !fits) return tl::unexpected(fits.error());
  if (real_host)
    for (auto& stream : scenario.streams) stream.explicit_start = false;
  return Prepared{std::move(scenario), std::move(*plan)};
}

}  // namespace isochio::scenario
