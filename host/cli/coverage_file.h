// isochio: the file that runs merge their coverage into.
#pragma once

#include <string>

#include "coverage/hits.h"

namespace isochio::cli {

/// Adds `hits` to what the file has; a new file begins with them. Written whole or not at all. What went wrong, with
/// the file's name; empty: nothing.
std::string merge_coverage(const std::string& file, const coverage::Hits& hits);

/// What would go wrong with merge_coverage, to be known before a long run; empty: nothing.
std::string check_coverage_file(const std::string& file);

}  // namespace isochio::cli
