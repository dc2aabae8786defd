// isochio: --payload: a file goes out through a loopback pair instead of the scenario's payload (what comes back:
// received_file.h).
#pragma once

#include <string>

#include <tl/expected.hpp>

#include "scenario/plan.h"
#include "scenario/scenario.h"

namespace isochio::scenario {

/// The OUT stream of the loopback pair sends the file; the error says that there is no such pair.
tl::expected<void, InputError> send_file(Scenario& scenario, const std::string& file);

/// The run takes as many frames as the file does, for the other streams and the progress bar; the error says that the
/// file can't be read.
tl::expected<void, InputError> last_as_long_as_file(Scenario& scenario, const Plan& plan, const std::string& file);

}  // namespace isochio::scenario
