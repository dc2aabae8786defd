// isochio: the texts of host/report/html and of dygraphs, embedded by cmake/isochio_embed.cmake. Without dygraphs its
// two texts are empty.
#pragma once

#include <string_view>

namespace isochio::report::html_parts {

extern const std::string_view page, style, script, dygraphs_script, dygraphs_style;

}  // namespace isochio::report::html_parts
