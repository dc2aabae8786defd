#include "report/distribution.h"

#include <doctest/doctest.h>

#include <utility>
#include <vector>

using isochio::report::Distribution;

namespace {

std::vector<std::pair<std::int64_t, std::uint64_t>> places(const Distribution& d) {
  std::vector<std::pair<std::int64_t, std::uint64_t>> all;
  d.for_each([&](std::int64_t first, std::uint64_t count) { all.emplace_back(first, count); });
  return all;
}

}  // namespace

TEST_CASE("a distribution of few values counts each exactly") {
  Distribution d(4);
  for (const int value : {5, -3, 5, 7}) d.add(value);
  CHECK(d.width() == 1);
  CHECK(d.total() == 4);
  CHECK(d.least() == -3);
  CHECK(d.greatest() == 7);
  CHECK(places(d) == std::vector<std::pair<std::int64_t, std::uint64_t>>{{-3, 1}, {5, 2}, {7, 1}});
}

TEST_CASE("a distribution of many values counts neighbours together and loses none") {
  Distribution d(4);
  for (int value = -8; value < 8; ++value) d.add(value);
  CHECK(d.width() == 4);
  CHECK(places(d) == std::vector<std::pair<std::int64_t, std::uint64_t>>{{-8, 4}, {-4, 4}, {0, 4}, {4, 4}});
  CHECK(d.least() == -8);
  CHECK(d.greatest() == 7);
}

TEST_CASE("an empty distribution has no places") {
  CHECK(Distribution().total() == 0);
  CHECK(places(Distribution()).empty());
}
