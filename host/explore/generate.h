// isochio: random scenarios within the rules of USB and of the modelled host: speed, device and setting, streams,
// controller, options, and what goes wrong meanwhile. A pure function of the random numbers. They are judged by the
// executable reference (docs/reference.md): [expect] promised = true.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "explore/document.h"
#include "explore/random.h"
#include "usb/types.h"

namespace isochio::explore {

/// An alternate setting that streams can use.
struct Setting {
  std::string device;
  usb::Speed speed{};
  std::uint8_t alternate = 0;
  std::vector<usb::EndpointConfig> endpoints;  ///< isochronous data endpoints, at most one each way
  std::uint32_t b_interval = 1;
};
/// Of the devices with these names; the error names one that can't be read.
tl::expected<std::vector<Setting>, std::string> settings_of(const std::vector<std::string>& devices);

/// What a scenario should have, by the dimensions of docs/coverage.md: {"fault": "bit_error", "profile": "uhci"}. What
/// can't be had is left to chance.
using Aim = std::map<std::string, std::string, std::less<>>;

Document generate(Random& random, const std::vector<Setting>& settings, const Aim& aim);

}  // namespace isochio::explore
