// isochio: [expect]: how it is read, and that it fails on whatever is not exactly so.
#include <doctest/doctest.h>

#include "driverkit/return_words.h"
#include "scenario/expectation_check.h"
#include "scenario/scenario.h"

using namespace isochio;
using namespace isochio::scenario;

namespace {

std::string error_of(const std::string& expect) {
  const auto result = parse_scenario("[[stream]]\nendpoint = \"in\"\n[expect]\n" + expect, "x.toml");
  REQUIRE_FALSE(result.has_value());
  return result.error().to_string();
}

bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

/// A stream of 40 OUT and 40 IN entries at high speed, interval 1, that a test lets happen as it likes.
class Happening {
 public:
  explicit Happening(const std::string& expect) {
    auto parsed = parse_scenario(
        "frames = 5\n[[stream]]\nendpoint = \"out\"\n[[stream]]\nendpoint = \"in\"\n[expect]\n" + expect, "x.toml");
    if (!parsed) FAIL(parsed.error().to_string());
    scenario_ = *parsed;
    for (const std::uint8_t address : {0x01, 0x81}) {
      StreamTarget target;
      target.endpoint = {{address}, usb::TransferType::isochronous, 64, 1, 1, std::nullopt};
      plan_.streams.push_back(target);
    }
    plan_.device.test_requests = 0x70;
    check_.emplace(*scenario_.expect, scenario_, plan_);
  }

  controller::IsochRequest submit(std::uint8_t endpoint, std::size_t entries, std::uint64_t frame,
                                  std::uint64_t running) {
    controller::IsochRequest request;
    request.id = ++id_;
    request.endpoint = {endpoint};
    request.first_frame = frame;
    request.entries.resize(entries);
    for (auto& entry : request.entries) entry.request = entry.complete = 64;
    check_->on_accepted(request, running);
    return request;
  }
  void refuse(std::uint8_t endpoint, IOReturn code) { check_->on_refused({endpoint}, 7, code, 9); }
  void end(controller::IsochRequest& request, std::size_t index, IOReturn status = kIOReturnSuccess,
           std::uint32_t bytes = 64) {
    request.entries[index].complete = bytes;
    check_->on_entry(request, index, status);
  }
  void complete(const controller::IsochRequest& request, IOReturn overall = kIOReturnSuccess) {
    check_->on_complete(request, overall);
  }
  /// The good rest: what has not run of an endpoint's 40 entries.
  void run_whole(std::uint8_t endpoint, std::size_t entries = 40) {
    auto request = submit(endpoint, entries, 100, 96);
    for (std::size_t i = 0; i < entries; ++i) end(request, i);
    complete(request);
  }
  void violate(check::Rule rule) { reporter_.report({rule, 0, -1, {}, {}, {}, "", ""}); }
  std::vector<report::ExpectationResult::Mismatch> finish(const std::string& error = "",
                                                          const report::FaultSummary& faults = {}) {
    result_ = check_->finish(error, reporter_, faults);
    CHECK(result_.listed.size() == result_.mismatches);
    return result_.listed;
  }
  const report::ExpectationResult& result() const { return result_; }

 private:
  struct Nowhere final : check::ViolationSink {
    void report(const check::Violation&) override {}
  } nowhere_;
  check::Reporter reporter_{nowhere_};
  Scenario scenario_;
  Plan plan_;
  std::optional<ExpectationCheck> check_;
  report::ExpectationResult result_;
  std::uint64_t id_ = 0;
};

}  // namespace

TEST_CASE("an index set reads numbers, ranges, steps and lists, and counts its members") {
  const auto set = IndexSet::parse("1, 4..6, 10../8");
  REQUIRE(set);
  for (const std::uint64_t in : {1, 4, 5, 6, 10, 18, 26}) CHECK(set->contains(in));
  for (const std::uint64_t out : {0, 2, 3, 7, 9, 11, 17}) CHECK_FALSE(set->contains(out));
  CHECK(set->rank(1) == 0);
  CHECK(set->rank(4) == 1);
  CHECK(set->rank(6) == 3);
  CHECK(set->rank(18) == 5);
  CHECK(set->least_end() == 10);
  CHECK(set->to_string() == "1, 4..6, 10../8");
  CHECK(IndexSet::parse("3..17/8")->least_end() == 11);
  CHECK(IndexSet::all().least_end() == 0);
  for (const char* wrong : {"", "a", "5..4", "4..6, 6", "1,", "..4", "3/2", "1../0", "-1", "1..2..3"})
    CHECK_FALSE(IndexSet::parse(wrong));
}

TEST_CASE("every return word is its own and leads back to its code") {
  for (const auto& word : driverkit::return_words()) {
    const auto code = driverkit::return_code(word);
    REQUIRE(code);
    CHECK(driverkit::return_word(*code) == word);
  }
  CHECK(driverkit::return_code("iso_too_old") == kIOReturnIsoTooOld);
  CHECK(driverkit::return_code("0xe000400e") == kIOUSBNotSent1Err);
  CHECK(driverkit::return_word(static_cast<IOReturn>(0xe0001234)) == "0xe0001234");
  CHECK_FALSE(driverkit::return_code("0x"));
  CHECK_FALSE(driverkit::return_code("too old"));
}

TEST_CASE("an expectation that is not well written names line and key") {
  CHECK(has(error_of("entry = [{ entries = \"4..2\", status = \"success\" }]"), "x.toml:4: expect.entry[0].entries"));
  CHECK(has(error_of("entry = [{ entries = 3, status = \"not_snet\" }]"), "do you mean \"not_sent\"?"));
  CHECK(has(error_of("entry = [{ status = \"overrun\" }]"), "expect.entry[0].count: is missing"));
  CHECK(has(error_of("entry = [{ entries = 3 }]"), "expect.entry[0].status: is missing"));
  CHECK(has(error_of("refused = [{ call = 0, code = \"success\" }]"), "expect.refused[0].code"));
  CHECK(has(error_of("request = [{ overall = \"aborted\" }]"), "expect.request[0].request: is missing"));
  CHECK(has(error_of("violations = { mised = 3 }"), "do you mean \"missed\"?"));
  CHECK(has(error_of("entry = [{ stream = \"inn\", entries = 3, status = \"overrun\" }]"), "no isochronous stream"));
  CHECK(has(error_of("diagnosis = \"wrong_spam\""), "do you mean \"wrong_span\"?"));
  CHECK(has(error_of("entrys = []"), "do you mean \"entry\"?"));
  CHECK(has(error_of("entry = [{ count = 0, status = \"overrun\" }]"), "expect.entry[0].count: 0 of them"));
  CHECK(has(error_of("request = [{ request = 0, gap = 0 }]"), "expect.request[0].gap: request 0 is the first"));
  CHECK(has(error_of("error = \"\""), "x.toml:4: expect.error: is empty"));
  CHECK(has(error_of("faults = { noise = 3 }"), "x.toml:4: expect.faults.noise: there is no [[fault]]"));
  CHECK(has(error_of("[[fault]]\nkind = \"sof_lost\"\nframe = 1000\n"),
            "x.toml:4: fault[0].frame: the streams last for 1000 frames"));
  const auto two = parse_scenario(
      "[[stream]]\nendpoint = \"in\"\n[[stream]]\nendpoint = \"out\"\n[expect]\nentry = [{ entries = 1, status = "
      "\"overrun\" }]\n",
      "x.toml");
  REQUIRE_FALSE(two);
  CHECK(has(two.error().to_string(), "there are several streams"));
}

TEST_CASE("what a bulk stream moved is compared to the byte, and only what bulk streams there are can be named") {
  const std::string text = "[[stream]]\nendpoint = \"in\"\n[[bulk]]\nname = \"load\"\nendpoint = \"out\"\n[expect]\n";
  const auto mismatches = [&](const std::string& expect, std::uint64_t moved) {
    auto parsed = parse_scenario(text + expect, "x.toml");
    REQUIRE(parsed);
    Plan plan;
    plan.streams.resize(1);
    plan.bulk.resize(1);
    plan.bulk[0].endpoint.address = {0x02};
    ExpectationCheck check(*parsed->expect, *parsed, plan);
    check::StreamStatistics load;
    load.endpoint = {0x02};
    load.bytes = moved;
    struct Nowhere final : check::ViolationSink {
      void report(const check::Violation&) override {}
    } nowhere;
    check.bulk_moved({load});
    return check.finish("the rest is no matter here", check::Reporter{nowhere}).mismatches;
  };
  CHECK(mismatches("bulk = [{ bytes = 1024 }]\n", 1024) == 0);
  CHECK(mismatches("bulk = [{ stream = \"load\", bytes = 1024 }]\n", 1023) == 1);
  const auto wrong = [&](const std::string& expect) { return parse_scenario(text + expect, "x.toml").error(); };
  CHECK(has(wrong("bulk = [{ stream = \"in\", bytes = 3 }]\n").to_string(),
            "x.toml:7: expect.bulk[0].stream: there is no bulk stream \"in\""));
  CHECK(has(wrong("bulk = [{ stream = \"load\" }]\n").to_string(), "expect.bulk[0].bytes: is missing"));
  CHECK(has(error_of("bulk = [{ bytes = 3 }]"), "is missing"));
}

TEST_CASE("a run in which all is good meets an empty expectation") {
  Happening run("");
  run.run_whole(0x01);
  run.run_whole(0x81);
  CHECK(run.finish().empty());
  CHECK(run.result().given);
}

TEST_CASE("exactly what is expected of entries passes; one more, one fewer or another status fails") {
  const std::string expect = R"(entry = [
    { stream = "in", entries = "2..4", status = "not_sent" },
    { stream = "in", entries = "8../8", bytes = [10, 20] },
    { stream = "in", entries = 4, status = "overrun", bytes = 64 }])";
  const auto run = [&](std::size_t odd, IOReturn odd_status, std::uint32_t odd_bytes) {
    Happening happening(expect);
    happening.run_whole(0x01);
    auto request = happening.submit(0x81, 40, 100, 96);
    for (std::size_t i = 0; i < 40; ++i) {
      IOReturn status = i == 2 || i == 3 ? kIOUSBNotSent1Err : i == 4 ? kIOReturnOverrun : kIOReturnSuccess;
      std::uint32_t bytes = i == 2 || i == 3 ? 0 : i == 8 || i == 24 ? 10 : i == 16 || i == 32 ? 20 : 64;
      if (i == odd) status = odd_status, bytes = odd_bytes;
      happening.end(request, i, status, bytes);
    }
    happening.complete(request, kIOReturnOverrun);
    return happening.finish();
  };
  CHECK(run(99, 0, 0).empty());
  const auto more = run(1, kIOUSBNotSent1Err, 0);
  REQUIRE(more.size() == 1);
  CHECK(more[0].where == "stream \"in\", entry 1 (request 0 from its entry 1 on, which began in frame 100)");
  CHECK(more[0].expected == "success, 64 bytes");
  CHECK(more[0].got == "not_sent, 0 bytes");
  CHECK(run(3, kIOReturnSuccess, 64).size() == 1);
  CHECK(run(16, kIOReturnSuccess, 10).size() == 1);
  CHECK(run(4, kIOReturnOverrun, 63).size() == 1);
}

TEST_CASE("entries that are expected but never come are missed; neighbours that say the same are one line") {
  Happening run("entry = [{ stream = \"in\", entries = \"50..51\", status = \"not_sent\" }]");
  run.run_whole(0x01);
  auto request = run.submit(0x81, 40, 100, 96);
  for (std::size_t i = 0; i < 40; ++i)
    run.end(request, i, i < 4 ? kIOReturnNotResponding : kIOReturnSuccess, i < 4 ? 0 : 64);
  run.complete(request, kIOReturnNotResponding);
  const auto found = run.finish();
  REQUIRE(found.size() == 2);
  CHECK(has(found[0].where, "entry 0..3 "));
  CHECK(found[1].expected == "entry 50..51");
  CHECK(found[1].got == "only 40 of them");
}

TEST_CASE("a set without end has to have a first member, and an entry of a request has to be in it") {
  const auto mismatches = [](const std::string& expect) {
    Happening run(expect);
    run.run_whole(0x01);
    for (int r = 0; r < 2; ++r) run.run_whole(0x81, 20);
    return run.finish();
  };
  const auto entries = [&](const std::string& set) {
    return mismatches("entry = [{ stream = \"in\", " + set + ", bytes = 64 }]");
  };
  CHECK(entries("entries = \"39..\"").empty());
  CHECK(entries("entries = \"40..\"").size() == 1);
  CHECK(entries("entries = \"3, 40../8\"").size() == 1);
  CHECK(entries("request = 1, entries = 19").empty());
  CHECK(entries("request = 1, entries = 20").size() == 1);
  CHECK(entries("request = 2, entries = 0").size() == 1);
  CHECK(entries("request = 1").empty());
  CHECK(mismatches("request = [{ stream = \"in\", request = \"1..\", overall = \"success\" }]").empty());
  CHECK(mismatches("request = [{ stream = \"in\", request = \"2..\", overall = \"success\" }]").size() == 1);
  CHECK(mismatches("refused = [{ stream = \"in\", call = \"2..\", code = \"iso_too_old\" }]").size() == 1);
}

TEST_CASE("entries within a request, and counted ones wherever they are") {
  const std::string expect = R"(entry = [{ stream = "in", request = 1, entries = 3, status = "overrun" },
                                          { stream = "out", status = "not_sent", bytes = 0, count = 2 }])";
  for (const std::size_t not_sent : {2U, 3U}) {
    Happening run(expect);
    for (int r = 0; r < 2; ++r) {
      auto request = run.submit(0x81, 20, 100, 96);
      for (std::size_t i = 0; i < 20; ++i) run.end(request, i, r == 1 && i == 3 ? kIOReturnOverrun : kIOReturnSuccess);
      run.complete(request, r == 1 ? kIOReturnOverrun : kIOReturnSuccess);
    }
    auto out = run.submit(0x01, 40, 100, 96);
    for (std::size_t i = 0; i < 40; ++i)
      run.end(out, i, i < not_sent ? kIOUSBNotSent1Err : kIOReturnSuccess, i < not_sent ? 0 : 64);
    run.complete(out, kIOUSBNotSent1Err);
    const auto found = run.finish();
    CHECK(found.size() == (not_sent == 2 ? 0 : 1));
    if (!found.empty()) CHECK(found[0].got == "3");
  }
}

TEST_CASE("refusals: the right call with the right code, and no other") {
  const std::string expect = "refused = [{ stream = \"in\", call = 1, code = \"iso_too_old\" }]";
  const auto run = [&](const std::vector<IOReturn>& calls) {
    Happening happening(expect);
    happening.run_whole(0x01);
    for (const IOReturn code : calls) {
      if (code == kIOReturnSuccess) {
        happening.run_whole(0x81, 20);
      } else {
        happening.refuse(0x81, code);
      }
    }
    return happening.finish();
  };
  CHECK(run({0, kIOReturnIsoTooOld, 0}).empty());
  CHECK(run({0, kIOReturnIsoTooNew, 0}).size() == 1);
  CHECK(run({kIOReturnIsoTooOld, 0, 0}).size() == 2);
  CHECK(run({0, 0}).size() == 1);
  CHECK(run({0, kIOReturnIsoTooOld, kIOReturnIsoTooOld, 0}).size() == 1);
}

TEST_CASE("requests: overall status, lead and gap") {
  const std::string expect =
      "request = [{ stream = \"in\", request = \"0..\", lead = 4 }, { stream = \"in\", request = 1, gap = 2, overall = "
      "\"overrun\" }]";
  const auto run = [&](std::uint64_t second, std::uint64_t running, IOReturn overall) {
    Happening happening(expect);
    happening.run_whole(0x01);
    for (const std::uint64_t frame : {std::uint64_t{50}, second}) {
      auto request = happening.submit(0x81, 24, frame, frame == 50 ? 46 : running);
      for (std::size_t i = 0; i < 24 && (i < 16 || frame == 50); ++i) happening.end(request, i);
      happening.complete(request, frame == 50 ? kIOReturnSuccess : overall);
    }
    return happening.finish();
  };
  CHECK(run(55, 51, kIOReturnOverrun).empty());
  CHECK(run(56, 52, kIOReturnOverrun).size() == 1);  // gap 3
  CHECK(run(55, 50, kIOReturnOverrun).size() == 1);  // lead 5
  CHECK(run(55, 51, kIOReturnSuccess).size() == 1);
}

TEST_CASE("violations, diagnoses, sums and the error are compared exactly") {
  Happening run(
      "violations = { missed = 2 }\ndiagnosis = [\"no_lead\", \"wrong_span\"]\nerror = \"gone\"\nstream = [{ stream = "
      "\"in\", "
      "entries = 0 }, { stream = \"out\", requests = 0, entries = 0, bytes = 0 }]");
  SUBCASE("as expected") {
    run.violate(check::Rule::missed);
    run.violate(check::Rule::missed);
    run.violate(check::Rule::wrong_span);
    run.violate(check::Rule::no_lead);
    CHECK(run.finish("the device is gone").empty());
    CHECK(run.result().error_expected);
  }
  SUBCASE("another number, another rule, another diagnosis, no error, more entries") {
    run.violate(check::Rule::missed);
    run.violate(check::Rule::late);
    run.violate(check::Rule::wrong_span);
    run.run_whole(0x01);
    CHECK(run.finish().size() == 7);
    CHECK_FALSE(run.result().error_expected);
  }
}

TEST_CASE("a fault that was not made has shown nothing: that is not as expected, nor is another number of them") {
  const std::string faults =
      "[[fault]]\nname = \"noise\"\nkind = \"bit_error\"\nendpoint = \"in\"\nprobability = 0.5\n"
      "[[fault]]\nkind = \"sof_lost\"\ncount = 2\n";
  const auto mismatches = [&](const std::string& expect, std::uint64_t noise, std::uint64_t lost) {
    Happening run(expect + faults);
    run.run_whole(0x01);
    run.run_whole(0x81);
    return run.finish("", {{{"noise", "bit_error", noise}, {"sof_lost", "sof_lost", lost}}, noise + lost, {}}).size();
  };
  CHECK(mismatches("", 17, 2) == 0);
  CHECK(mismatches("", 0, 2) == 1);
  CHECK(mismatches("", 17, 1) == 1);
  CHECK(mismatches("faults = { noise = 17, sof_lost = 1 }\n", 17, 1) == 0);
  CHECK(mismatches("faults = { noise = 0 }\n", 0, 2) == 0);
  CHECK(mismatches("faults = { noise = 16 }\n", 17, 2) == 1);
  CHECK(has(error_of("faults = { hum = 1 }\n"), "x.toml:4: expect.faults.hum"));
}
