#include "explore/sweep.h"

#include "coverage/model.h"

namespace isochio::explore {
namespace {

/// The row's dimension goes fast; the others go on by one each round, each value of the row from another place, so that
/// a value of the row meets all of theirs in as many rounds as they have values. Of values that exclude one another the
/// first is taken, and each round begins with another dimension.
Aim row(const coverage::Dimension& fast, std::uint64_t number) {
  constexpr std::uint64_t most_values = 5;  // of the others
  const auto& all = coverage::dimensions();
  const std::uint64_t at = number % fast.values.size(), round = number / fast.values.size();
  Aim aim{{fast.name, fast.values[at]}};
  for (std::uint64_t i = 0; i < all.size(); ++i) {
    const std::uint64_t place = (i + round) % all.size();
    const auto& dimension = all[place];
    if (dimension.name == "fault" || dimension.name == "status") continue;
    // Rounds beyond those in which all values were met shift the others against one another.
    const auto shift = round / most_values * (place + 1);
    auto with = aim;
    with[dimension.name] = dimension.values[(round + at * (place + 1) + shift) % dimension.values.size()];
    if (coverage::excluded(with) == nullptr) aim = std::move(with);
  }
  return aim;
}

}  // namespace

Aim sweep(std::uint64_t number) {
  const auto& all = coverage::dimensions();
  const auto& fault = all[7];
  const auto& status = all[8];
  // Two of the faults' row for one of the statuses', which has less than half as many.
  const std::uint64_t group = number / 3, in_group = number % 3;
  return in_group == 2 ? row(status, group) : row(fault, group * 2 + in_group);
}

}  // namespace isochio::explore
