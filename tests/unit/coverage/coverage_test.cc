// isochio: the coverage model is whole and consistent, hits are counted where they belong, files are merged, and what
// is no coverage is refused.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "coverage/report.h"
#include "explore/sweep.h"

using namespace isochio;
using namespace isochio::coverage;

namespace {

bool known(const std::string& name, const std::string& value) {
  const auto& all = dimensions();
  const auto found = std::ranges::find(all, name, &Dimension::name);
  return found != all.end() && std::ranges::find(found->values, value) != found->values.end();
}

Sample sample(std::vector<std::string> faults = {"none"}, std::vector<std::string> statuses = {"success"}) {
  return {{{"speed", "hs"},
           {"direction", "in"},
           {"transactions", "1"},
           {"interval", "1"},
           {"size", "full"},
           {"start", "explicit"},
           {"depth", "8+"},
           {"profile", "xhci"}},
          std::move(faults),
          std::move(statuses)};
}

}  // namespace

TEST_SUITE("coverage") {
  TEST_CASE("every pair of dimensions is crossed") {
    std::set<Cross> pairs;
    for (const auto& cross : crosses())
      if (cross.size() == 2) pairs.insert(cross);
    CHECK(pairs.size() == dimensions().size() * (dimensions().size() - 1) / 2);
  }

  TEST_CASE("exclusions name dimensions and values that there are, and give a reason") {
    for (const auto& one : exclusions()) {
      CHECK_FALSE(one.reason.empty());
      CHECK(one.when.size() >= 2);
      for (const auto& [name, values] : one.when)
        for (const auto& value : values) {
          CAPTURE(name + "=" + value);
          CHECK(known(name, value));
        }
    }
  }

  TEST_CASE("no value is excluded altogether") {
    std::set<std::string> left;
    for_each_bin([&](const Cross&, const Bin& bin) {
      for (const auto& [name, value] : bin) left.insert(name + "=" + value);
    });
    for (const auto& dimension : dimensions())
      for (const auto& value : dimension.values) CHECK(left.contains(dimension.name + "=" + value));
  }

  TEST_CASE("a sample hits one bin of each cross, and of several faults none with a status") {
    Hits one;
    one.add(sample());
    CHECK(summarize(one).all.hit == crosses().size());
    CHECK(one.of({{"fault", "none"}, {"status", "success"}}) == 1);
    CHECK(one.has("profile", "xhci"));
    CHECK_FALSE(one.has("profile", "uhci"));
    Hits two;
    two.add(sample({"bit_error", "lost"}, {"success", "crc_error"}));
    CHECK(two.of({{"fault", "bit_error"}, {"status", "crc_error"}}) == 0);
    CHECK(two.of({{"fault", "bit_error"}, {"profile", "xhci"}}) == 1);
    CHECK(two.of({{"fault", "lost"}, {"profile", "xhci"}}) == 1);
  }

  TEST_CASE("hits survive a file, and add up") {
    Hits one;
    one.add(sample());
    one.count_run();
    auto again = Hits::parse(one.to_json());
    REQUIRE(again);
    again->merge(one);
    CHECK(again->runs() == 2);
    CHECK(again->of({{"fault", "none"}, {"status", "success"}}) == 2);
    CHECK(summarize(*again).all.hit == summarize(one).all.hit);
  }

  TEST_CASE("what is no coverage is refused") {
    for (const char* text :
         {"", "[]", "{}", R"({"format":1,"runs":-1,"bins":{}})", R"({"format":1,"runs":1,"bins":[]})",
          R"({"format":1,"runs":1,"bins":{"a":"b"}})", R"({"format":99,"runs":1,"bins":{}})"}) {
      CAPTURE(text);
      CHECK_FALSE(Hits::parse(text));
    }
  }

  TEST_CASE("a hole is told with the command that fills it") {
    CHECK(filler({{"profile", "uhci"}, {"fault", "bit_error"}}) ==
          "isochio explore --aim fault=bit_error,profile=uhci");
    const auto summary = summarize({});
    CHECK(summary.holes.size() == summary.all.bins);
    CHECK(text(summary, 0, 1).find("isochio explore --aim speed=fs,direction=in") != std::string::npos);
    CHECK(html({}, summary).find("full speed has one transaction in a frame") != std::string::npos);
  }

  TEST_CASE(
      "a sweep meets each fault with each controller profile in a few hundred runs, and aims at nothing impossible") {
    std::set<std::string> met;
    for (std::uint64_t i = 0; i < 600; ++i) {
      const auto aim = explore::sweep(i);
      CHECK(excluded(aim) == nullptr);
      if (aim.contains("fault") && aim.contains("profile")) met.insert(aim.at("fault") + aim.at("profile"));
    }
    const auto& all = dimensions();
    CHECK(met.size() >= all[7].values.size() * all[9].values.size() * 95 / 100);
  }
}
