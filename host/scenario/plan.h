// isochio: a scenario resolved against its device: which endpoint and engine each stream uses, and what the device's
// registers must hold. Pure; every disagreement between scenario and device is found here, before anything runs.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "check/payload.h"
#include "description/description.h"
#include "scenario/scenario.h"

namespace isochio::scenario {

struct StreamTarget {
  usb::EndpointConfig endpoint;
  unsigned engine = 0;
  std::uint32_t seed = check::default_seed;
  check::Pattern pattern = check::Pattern::none;  ///< of the bytes that the stream itself makes or expects
  std::optional<std::size_t> source;              ///< IN loopback: index of the OUT stream
  bool comes_back = false;                        ///< OUT: an IN stream brings it back
  int clock_ppm = 0;                              ///< feedback, and what follows it: of the device's sample clock
};

using RegisterWrites = std::vector<std::pair<std::uint16_t, std::uint32_t>>;

struct Plan {
  description::Description device;
  description::Bytes image;
  std::map<std::uint8_t, std::uint8_t> alternates;  ///< setting of each interface that is used
  std::vector<StreamTarget> streams, bulk;          ///< in the scenario's order
  RegisterWrites registers;                         ///< in order, after the alternate settings are selected
};

/// `device` is the description the scenario names. Errors name the scenario's file, line and key.
tl::expected<Plan, InputError> make_plan(const Scenario& scenario, description::Description device);

}  // namespace isochio::scenario
