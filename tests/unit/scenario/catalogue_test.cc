// isochio: the scenarios that are shipped: each can be read, says where it comes from, and what has to come of it.
#include "scenario/catalogue.h"

#include <doctest/doctest.h>

#include <cctype>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "scenario/scenario.h"

using namespace isochio;

namespace {

std::vector<std::string> parts(const std::string& text, char separator) {
  std::vector<std::string> all;
  std::istringstream stream(text);
  for (std::string one; std::getline(stream, one, separator);) {
    const auto begin = one.find_first_not_of(' ');
    if (begin != std::string::npos) all.push_back(one.substr(begin, one.find_last_not_of(' ') - begin + 1));
  }
  return all;
}

}  // namespace

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
    CHECK_FALSE(loaded->source.empty());
    CHECK_FALSE(loaded->tags.empty());
    if (item.path().parent_path() == root) continue;  // whole streams: every entry has to be good
    ++topics;
    CHECK(loaded->expect.has_value());
  }
  CHECK(topics >= 100);
}

TEST_CASE(
    "docs/catalogue.md has each row of what goes wrong in practice: a failing driver that is named, and a repaired "
    "one") {
  std::map<std::string, scenario::Scenario> shipped;
  for (const auto& path : scenario::list(scenario::Shelf::scenarios))
    if (auto loaded = scenario::load_scenario(path)) shipped.emplace(loaded->name, *loaded);
  std::ifstream page(ISOCHIO_SOURCE_DIR "/docs/catalogue.md");
  std::set<int> rows;
  // Where the mistake is the device's, or the system's, there is no driver to name.
  const std::set<int> not_a_driver{15, 21, 23, 25, 28};
  for (std::string line; std::getline(page, line);) {
    if (line.size() < 3 || line[0] != '|' || std::isdigit(static_cast<unsigned char>(line[2])) == 0) continue;
    CAPTURE(line);
    const auto end = line.find('|', 1);
    const auto second = line.find('|', end + 1);
    const auto failing = parts(line.substr(end + 1, second - end - 1), ',');
    auto borne = parts(line.substr(second + 1, line.rfind('|') - second - 1), ',');
    int row = 0;
    for (const auto& number : parts(line.substr(2, end - 2), ','))
      if (std::isdigit(static_cast<unsigned char>(number[0])) != 0) rows.insert(row = std::stoi(number));
    CHECK_FALSE(borne.empty());
    bool diagnosed = false;
    for (const auto& name : failing) {
      REQUIRE_MESSAGE(shipped.contains(name), name);
      diagnosed = diagnosed || !shipped.at(name).expect->diagnoses.empty();
    }
    CHECK((diagnosed || not_a_driver.contains(row)));
    for (auto name : borne) {
      if (name == "…-repaired") name = failing.front() + "-repaired";
      name = name.substr(name.rfind('/') + 1);
      REQUIRE_MESSAGE(shipped.contains(name), name);
      CHECK(shipped.at(name).expect->diagnoses.empty());
    }
  }
  const std::set<int> all{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 26, 27, 28, 29, 30};
  CHECK(rows == all);
}
