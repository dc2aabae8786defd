// isochio: random scenarios are what the parser takes, the same for the same seed; and shrinking finds what matters.
#include <doctest/doctest.h>

#include <set>

#include "explore/campaign.h"
#include "explore/judge.h"
#include "explore/shrink.h"
#include "explore/trouble.h"
#include "scenario/scenario.h"

using namespace isochio;
using namespace isochio::explore;

namespace {

std::vector<Setting> settings() { return *settings_of({"corners", "test"}); }

std::string text_of(std::uint64_t seed, std::uint64_t run, const Aim& aim = {}) {
  CampaignOptions options;
  options.seed = seed;
  options.aims = {aim};
  static const auto all = settings();
  return scenario_of(options, all, run).to_toml();
}

}  // namespace

TEST_SUITE("explore") {
  TEST_CASE("every random scenario is one that the parser takes") {
    for (std::uint64_t run = 0; run < 1000; ++run) {
      const auto text = text_of(3, run);
      CAPTURE(text);
      const auto parsed = scenario::parse_scenario(text, "explore.toml");
      if (!parsed) FAIL_CHECK(parsed.error().to_string());
      REQUIRE(parsed);
      CHECK(parsed->promised());
    }
  }

  TEST_CASE("a run depends on seed and number alone") {
    CHECK(text_of(3, 17) == text_of(3, 17));
    CHECK(text_of(3, 17) != text_of(3, 18));
    CHECK(text_of(3, 17) != text_of(4, 17));
  }

  TEST_CASE("every trouble that there is can be aimed at") {
    for (const auto& trouble : troubles()) {
      CAPTURE(trouble);
      int made = 0;
      for (std::uint64_t run = 0; run < 20; ++run) {
        const auto parsed = scenario::parse_scenario(text_of(5, run, {{"fault", trouble}, {"start", "explicit"}}), "x");
        REQUIRE(parsed);
        const auto& c = parsed->controller.interrupts;
        made += !parsed->events.empty() || !parsed->faults.empty() || parsed->software.queue_block.bits > 0 ||
                c.stall.bits > 0 || c.coalesce.bits > 0 || c.most.bits > 0;
      }
      CHECK(made > 10);
    }
  }

  TEST_CASE("an error is the same for other numbers, and another for another code or another sentence") {
    const auto cause = cause_of("stream 2 (endpoint 0x81): IsochIO for frame 1136.3 failed with 0xe00002ed");
    CHECK(cause == cause_of("stream 1 (endpoint 0x81): IsochIO for frame 8.0 failed with 0xe00002ed"));
    CHECK(cause != cause_of("stream 2 (endpoint 0x81): IsochIO for frame 1136.3 failed with 0xe00002c2"));
    CHECK(cause != cause_of("stream 2 (endpoint 0x81): Abort for frame 1136.3 failed with 0xe00002ed"));
    CHECK(cause_of("") == "");
    CHECK(cause_of("code 0xe") == "code 0xe");
  }

  TEST_CASE("a failure is made as small as it can be") {
    Document document;
    document.head().set("frames", 40);
    document.head().set("seed", 77);
    document.add("stream").word("endpoint", "in");
    auto& second = document.add("stream");
    second.word("endpoint", "out");
    second.set("depth", 16);
    second.set("sizes", "[5, 6, 7]");
    document.table("controller").word("profile", "xhci");
    document.add("event").set("at", "\"12.3.4567\"");
    const std::function<bool(const Document&)> fails = [](const Document& d) {
      for (const auto& section : d.sections) {
        const auto* depth = section.find("depth");
        if (section.name == "stream" && depth != nullptr && std::stoi(*depth) >= 5 && section.find("sizes") != nullptr)
          return true;
      }
      return false;
    };
    const auto shrunk = shrink(document, 1000, fails, [] { return false; });
    CHECK(shrunk.document.to_toml() == "frames = 0\n\n[[stream]]\nendpoint = \"out\"\ndepth = 5\nsizes = [5]\n");
    CHECK(shrunk.tries < 60);
    CHECK(shrink(document, 3, fails, [] { return false; }).tries == 3);
  }
}
