// isochio: aims that meet each other soon: every fault, and every status, with every value of each other dimension in a
// few hundred runs, where chance would take thousands.
#pragma once

#include <cstdint>

#include "explore/generate.h"

namespace isochio::explore {

/// What run `number` aims at.
Aim sweep(std::uint64_t number);

}  // namespace isochio::explore
