// isochio: one scenario's run, as a finding.
#pragma once

#include "explore/finding.h"
#include "scenario/run.h"

namespace isochio::explore {

/// What the parser made of the text may be changed before the run: tests let an engine misbehave by that.
using Change = void (*)(scenario::Scenario&);

Finding judge(const std::string& toml, const scenario::LinkFactory& make_link, Change change = nullptr);

}  // namespace isochio::explore
