// isochio: the scenarios that are shipped: each can be read, says where it comes from, and what has to come of it.
#include "scenario/catalogue.h"

#include <doctest/doctest.h>

#include <set>

#include "scenario/scenario.h"

using namespace isochio;

TEST_CASE("each scenario of the catalogue's topics has a sentence, a source, tags and the exact outcome") {
  std::set<std::string> names;
  std::size_t topics = 0;
  const std::filesystem::path root = ISOCHIO_SOURCE_DIR "/tests/scenarios";
  for (const auto& item : std::filesystem::recursive_directory_iterator(root)) {
    if (item.path().extension() != ".toml") continue;
    const auto loaded = scenario::load_scenario(item.path());
    CAPTURE(item.path().string());
    if (!loaded) FAIL_CHECK(loaded.error().to_string());
    if (!loaded) continue;
    CHECK(names.insert(loaded->name).second);
    CHECK_FALSE(loaded->description.empty());
    if (item.path().parent_path() == root) continue;
    ++topics;
    CHECK_FALSE(loaded->source.empty());
    CHECK_FALSE(loaded->tags.empty());
    CHECK(loaded->expect.has_value());
  }
  CHECK(topics >= 100);
}
