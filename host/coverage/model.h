// isochio: the functional coverage model, as data: dimensions and their values, the crosses that count, and crosses
// that can't be, each with its reason. docs/coverage.md says why these.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace isochio::coverage {

struct Dimension {
  std::string name;
  std::vector<std::string> values;
};
const std::vector<Dimension>& dimensions();

/// Dimensions of which every combination of values is a bin.
using Cross = std::vector<std::string>;
const std::vector<Cross>& crosses();

/// "fault=bit_error,profile=uhci", in the order of dimensions().
using Bin = std::map<std::string, std::string, std::less<>>;
std::string name_of(const Bin& bin);

/// Bins that have all of these are impossible. Values are alternatives.
struct Exclusion {
  std::map<std::string, std::vector<std::string>, std::less<>> when;
  std::string reason;
};
const std::vector<Exclusion>& exclusions();
/// Why a bin can't be filled; null: it can.
const Exclusion* excluded(const Bin& bin);

/// Each bin that can be filled, once, with the cross it belongs to.
void for_each_bin(const std::function<void(const Cross&, const Bin&)>& visit);

}  // namespace isochio::coverage
