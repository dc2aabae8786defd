// isochio: what failed, as GitHub's workflows show it beside the file and line that it comes from.
#pragma once

#include <string>

#include "description/input_error.h"
#include "scenario/run.h"

namespace isochio::cli {

/// GITHUB_ACTIONS is "true".
bool in_github_workflow();
/// A workflow command, "::error file=…,line=…,title=…::…" and a newline. Paths are relative to the checkout
/// (GITHUB_WORKSPACE, else the current folder).
std::string annotation(const InputError& error);
/// One for each group of checks that found something (the first of it), one for what is not as [expect] says, one for
/// an error; empty if the run passed. The line is that of the stream concerned.
std::string annotations(const scenario::Scenario& scenario, const scenario::RunOutcome& outcome);

}  // namespace isochio::cli
