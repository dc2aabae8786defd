// isochio: what is settled before a run begins: the scenario as the options change it, resolved against its device.
#pragma once

#include <tl/expected.hpp>

#include "scenario/plan.h"
#include "scenario/run.h"

namespace isochio::scenario {

struct Prepared {
  Scenario scenario;
  Plan plan;
};

/// Errors name the file, and line and key where there is one.
tl::expected<Prepared, InputError> prepare(const Scenario& original, const RunOptions& options);

}  // namespace isochio::scenario
