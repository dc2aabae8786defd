// isochio: where scenarios and device descriptions are found by name: in $ISOCHIO_DATA, beside the installed command
// (share/isochio), under the prefix chosen when it was built, or in the source tree.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "description/input_error.h"

namespace isochio::scenario {

enum class Shelf { scenarios, devices };

/// All .toml files of a shelf and its folders, sorted by name; a name found twice counts where it was found first.
std::vector<std::filesystem::path> list(Shelf shelf);

/// A name of the catalogue, or a path (it has a '/' or ends in ".toml"; relative to `base`, or else to the working
/// directory). The error lists the names there are.
tl::expected<std::filesystem::path, InputError> find(Shelf shelf, const std::string& name,
                                                     const std::filesystem::path& base = {});

}  // namespace isochio::scenario
