// isochio: coverage for people and programs: text, JSON, and a page of HTML that needs nothing else.
#pragma once

#include <string>

#include "coverage/hits.h"

namespace isochio::coverage {

/// Percentages by cross, and the first `most_holes` holes with what would fill each.
std::string text(const Summary& summary, std::uint64_t runs, std::size_t most_holes);
/// All of it, holes and exclusions included.
std::string json(const Summary& summary, std::uint64_t runs);
/// Tables of every pair of dimensions; a hole shows what would fill it.
std::string html(const Hits& hits, const Summary& summary);

/// The command that makes scenarios for a hole.
std::string filler(const Bin& hole);

}  // namespace isochio::coverage
