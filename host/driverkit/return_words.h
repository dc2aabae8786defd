// isochio: return codes as words, for scenario files and reports: "iso_too_old" is kIOReturnIsoTooOld.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <DriverKit/IOReturn.h>

namespace isochio::driverkit {

/// The word, or "0x…" for a code that has none.
std::string return_word(IOReturn code);
/// What a message says: "SelectAlternateSetting failed with no_bandwidth (0xe00002ec)".
std::string failed_with(std::string_view what, IOReturn code);
/// The code of a word, or of a number such as "0xe00002ee".
std::optional<IOReturn> return_code(std::string_view word);
std::vector<std::string> return_words();

}  // namespace isochio::driverkit
