// isochio: what a run covered (docs/coverage.md): one sample for each isochronous stream.
#pragma once

#include "coverage/hits.h"
#include "report/report.h"
#include "scenario/plan.h"
#include "scenario/scenario.h"

namespace isochio::scenario {

/// `result` has outcome and faults. Empty where no stream of the model ran.
coverage::Hits cover(const Scenario& scenario, const Plan& plan, const report::RunResult& result);

}  // namespace isochio::scenario
