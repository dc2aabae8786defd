// isochio: parts of the JSON report, for the other forms that hold the same facts.
#pragma once

#include <nlohmann/json.hpp>

#include "report/report.h"

namespace isochio::report::json_parts {

/// Everything of the report but "format" and "violations" (docs/report.schema.json).
nlohmann::ordered_json results(const RunResult& result);
nlohmann::ordered_json violation(const check::Violation& violation);

}  // namespace isochio::report::json_parts
