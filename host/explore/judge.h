// isochio: one scenario's run, as a finding.
#pragma once

#include "explore/finding.h"
#include "scenario/run.h"

namespace isochio::explore {

/// What the parser made of the text may be changed before the run: tests let an engine misbehave by that.
using Change = void (*)(scenario::Scenario&);

/// What an error says without the numbers in which a smaller scenario may differ; codes of errors (0xe...) stay.
std::string cause_of(const std::string& error);

Finding judge(const std::string& toml, const scenario::LinkFactory& make_link, Change change = nullptr);

}  // namespace isochio::explore
