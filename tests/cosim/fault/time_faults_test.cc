// isochio: SOFs that come when they should not, and clocks that are off: the device's frame timer against the checks.
#include <doctest/doctest.h>

#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cosim/fault/fault_fixture.h"

using namespace isochio;
using namespace isochio::test;
using controller::Status;

namespace {

struct Row {
  const char* toml;
  std::map<std::string, std::uint32_t> high, full;  ///< the device's counters of what went wrong
  std::set<std::string> rules;
};

void check_rows(const std::vector<Row>& rows) {
  for (const auto& row : rows) {
    for (const bool full : {false, true}) {
      const auto toml = fmt::format("[[fault]]\nframe = 5\n{}\n", row.toml);
      CAPTURE(toml);
      CAPTURE(full);
      FaultFixture f(full, toml, 1);
      f.run();
      CHECK(f.witness.made.size() >= 1);
      CHECK(f.bad(FaultFixture::in).empty());
      CHECK(f.bad(FaultFixture::out).empty());
      CHECK(fmt::format("{}", f.counters) == fmt::format("{}", full ? row.full : row.high));
      CHECK(fmt::format("{}", f.rules()) == fmt::format("{}", row.rules));
      CHECK(f.get(0) == 0x4F495349);
    }
  }
}

}  // namespace

TEST_CASE("an SOF that is lost or spoiled is predicted: streams and stamps go on") {
  check_rows({
      {"kind = 'sof_lost'\n", {{"SOF_MISSED", 1}}, {{"SOF_MISSED", 1}}, {"sof_interval"}},
      {"kind = 'sof_lost'\nframes = 3\n", {{"SOF_MISSED", 24}}, {{"SOF_MISSED", 3}}, {"sof_interval"}},
      {"kind = 'bit_error'\nplace = 'token'\npacket = 'sof'\n",
       {{"CRC5", 1}, {"SOF_MISSED", 1}},
       {{"CRC5", 1}, {"SOF_MISSED", 1}},
       {"crc", "sof_interval"}},
      {"kind = 'stuffing_error'\npacket = 'sof'\n",
       {{"RX_ERROR", 1}, {"SOF_MISSED", 1}},
       {{"RX_ERROR", 1}, {"SOF_MISSED", 1}},
       {"packet_error", "sof_interval"}},
  });
}

TEST_CASE("an SOF that comes twice moves no frame") {
  check_rows({{"kind = 'sof_repeated'\n",
               {{"SOF_UNEXPECTED", 1}},
               {{"SOF_UNEXPECTED", 1}},
               {"end_of_frame", "sof_interval"}}});
}

TEST_CASE("an SOF that is early or late shows in its interval; the device misses one that is beyond its margin") {
  check_rows({
      {"kind = 'sof_early'\nbits = 10\n", {}, {}, {"sof_interval"}},
      {"kind = 'sof_late'\nbits = 10\n", {}, {}, {"sof_interval"}},
      {"kind = 'sof_late'\nbits = 400\n", {{"SOF_MISSED", 1}}, {{"SOF_MISSED", 1}}, {"sof_interval"}},
      {"kind = 'sof_jitter'\nbits = 8\nframes = 4\n", {}, {}, {"sof_interval"}},
  });
}

TEST_CASE("SOFs that jitter are each made, early ones behind early ones too, also by a clock that is fast") {
  for (const bool full : {false, true}) {
    for (const int ppm : {0, 499}) {
      FaultFixture f(full,
                     fmt::format("[[fault]]\nkind = 'sof_jitter'\nbits = 20\nframe = 2\nframes = 16\n"
                                 "[[fault]]\nkind = 'bus_clock'\nppm = {}\n",
                                 ppm),
                     1);
      f.run();
      CAPTURE(full);
      CAPTURE(ppm);
      std::size_t made = 0, early = 0;
      for (const auto& fault : f.witness.made) {
        made += fault.plan->kind == fault::Kind::sof_jitter ? 1U : 0U;
        early += fault.plan->kind == fault::Kind::sof_jitter && fault.detail < 0 ? 1U : 0U;
      }
      CHECK(made == (full ? 16 : 128));
      CHECK(early > made / 4);
      CHECK(f.bad(FaultFixture::in).empty());
    }
  }
}

TEST_CASE(
    "an SOF a frame later that says the same number begins a new frame: no transaction in it is taken for an extra "
    "one") {
  FaultFixture f(true, "[[fault]]\nkind = 'sof_number'\ndelta = -1\nframe = 5\n", 1);
  f.run();
  CHECK(fmt::format("{}", f.counters) == "{\"OUT MISTIMED\": 1, \"SOF_UNEXPECTED\": 2}");
  CHECK(f.requests.at(FaultFixture::in)->request.entries[5].complete == 192);
  CHECK(fmt::format("{}", f.rules()) == "{\"device_log\", \"payload_mistimed\", \"sof_number\"}");
}

TEST_CASE("a wrong frame number is taken and noticed: stamps are wrong until the right one comes") {
  check_rows({
      {"kind = 'sof_number'\ndelta = 3\n",
       {{"OUT MISTIMED", 8}, {"SOF_UNEXPECTED", 3}},
       {{"OUT MISTIMED", 1}, {"SOF_UNEXPECTED", 2}},
       {"device_log", "payload_mistimed", "sof_number"}},
      {"kind = 'sof_number'\nnumber = 0\n",
       {{"OUT MISTIMED", 8}, {"SOF_UNEXPECTED", 3}},
       {{"OUT MISTIMED", 1}, {"SOF_UNEXPECTED", 2}},
       {"device_log", "payload_mistimed", "sof_number"}},
  });
}

TEST_CASE("frame numbers that jump forward, backward or to 0 are followed, and followed back") {
  for (const char* how : {"delta = 100", "delta = -100", "number = 0"}) {
    const std::string toml = std::string("kind = 'frame_jump'\nframes = 3\n") + how;
    check_rows({{toml.c_str(),
                 {{"OUT MISTIMED", 24}, {"SOF_UNEXPECTED", 2}},
                 {{"OUT MISTIMED", 3}, {"SOF_UNEXPECTED", 2}},
                 {"device_log", "payload_mistimed", "sof_number"}}});
  }
}

TEST_CASE("clocks within their tolerance, drifting from one end to the other, cost nothing [7.1.11]") {
  check_rows({
      {"kind = 'device_clock'\nppm = 500\n", {}, {}, {}},
      {"kind = 'device_clock'\nppm = -500\n", {}, {}, {}},
      {"kind = 'device_clock'\nppm = -500\nto_ppm = 500\nframes = 10\n", {}, {}, {}},
  });
}

TEST_CASE("a full-speed device may be 2500 ppm off: if it is fast, the first SOF seems late, and no other") {
  for (const int ppm : {2500, -2500}) {
    FaultFixture f(true, fmt::format("[[fault]]\nkind = 'device_clock'\nppm = {}\n", ppm), 1);
    f.run();
    CAPTURE(ppm);
    CHECK(fmt::format("{}", f.counters) == (ppm > 0 ? "{\"SOF_MISSED\": 1}" : "{}"));
    CHECK(f.rules().empty());
    CHECK(f.bad(FaultFixture::in).empty());
  }
}

TEST_CASE("a host clock that is 500 ppm off makes (micro)frames shorter or longer, within the limit of the check") {
  for (const bool full : {false, true}) {
    for (const int ppm : {499, -499}) {
      FaultFixture f(full, fmt::format("[[fault]]\nkind = 'bus_clock'\nppm = {}\n", ppm), 1);
      f.run();
      CAPTURE(full);
      CAPTURE(ppm);
      CHECK(f.counters.empty());
      CHECK(f.rules().empty());
      CHECK(f.bad(FaultFixture::in).empty());
      const double nominal = full ? 480'000 : 60'000;
      CHECK(static_cast<double>(f.suite.sof().max.bits) == doctest::Approx(nominal * (1 - ppm * 1e-6)).epsilon(2e-5));
    }
  }
}

TEST_CASE("an asynchronous device whose clock drifts away says so by its feedback, within a few parts per million") {
  // 44 100 samples by the device's clock are 44 100 × (1 + ppm) by the bus's.
  for (const int ppm : {-500, 0, 500}) {
    FaultFixture f(false, fmt::format("[[fault]]\nkind = 'device_clock'\nppm = {}\n", ppm), 9);
    f.sample_mode = 1;
    f.run();
    CAPTURE(ppm);
    const double expected = 44'100.0 / 8000 * 65'536 * (1 + ppm * 1e-6);
    CHECK(static_cast<double>(f.get(0x00c)) == doctest::Approx(expected).epsilon(2e-5));
  }
}
