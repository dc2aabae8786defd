// Faults that the device makes by register (docs/registers.md): what the host is told of each, entry by entry, which
// check finds it, and what the device itself says of it.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "cosim/controller/device_fixture.h"
#include "scenario/register_names.h"
#include "scenario/run.h"

using namespace isochio;
using namespace isochio::test;
using check::Rule;
using controller::Status;
namespace reg = scenario::reg;

namespace {

constexpr usb::EndpointAddress in{0x81}, out{0x01}, bulk_in{0x82}, bulk_out{0x02};
constexpr std::uint16_t in0 = reg::in_engine(0);

std::uint32_t kind(const char* name) { return scenario::register_word(in0 + reg::fault, name).value(); }

void set_fault(DeviceFixture& f, std::uint16_t engine, const char* name, std::uint32_t argument, std::uint32_t every) {
  f.write(engine + reg::fault, kind(name));
  f.write(engine + reg::fault_argument, argument);
  f.write(engine + reg::fault_every, every);
}

void run(DeviceFixture& f, OwnedRequest& request) {
  REQUIRE(f.host.submit(request.request).has_value());
  const auto before = f.client.completions.size();
  REQUIRE(f.host.run_until(f.host.now() + bus::second, [&] { return f.client.completions.size() > before; }));
}

/// Bytes of the device's log.
Bytes take_log(DeviceFixture& f) {
  Bytes bytes(4092);
  const auto got = f.host.control({0xc0, 2, 0, 0, 4092}, bytes, bus::second);
  REQUIRE(got.has_value());
  bytes.resize(*got);
  return bytes;
}

struct Case {
  const char* name;
  std::uint32_t argument;
  Status status;          ///< of a spoiled entry
  std::uint32_t missing;  ///< bytes fewer than asked for
  unsigned log_kind, log_status, log_pid, log_length;
};

/// An IN stream of full packets, every third spoiled.
void check_entries(bool fs_only, const Case& c) {
  CAPTURE(fs_only);
  CAPTURE(c.name);
  CAPTURE(c.argument);
  DeviceFixture f({.fs_only = fs_only});
  f.configure(2);
  f.write(in0 + reg::function, 1);
  const std::uint32_t size = fs_only ? 1023 : 1024;
  set_fault(f, in0, c.name, c.argument, 3);
  take_log(f);
  OwnedRequest request(in, std::vector<std::uint32_t>(fs_only ? 9 : 16, size), &f.client);
  run(f, request);
  const std::size_t entries = request->entries.size();
  for (std::size_t i = 0; i < entries; ++i) {
    CAPTURE(i);
    const bool spoiled = i % 3 == 2;
    CHECK(request->entries[i].status == (spoiled ? c.status : Status::ok));
    if (!spoiled || c.status == Status::ok || c.status == Status::short_packet)
      CHECK(request->entries[i].complete == size - (spoiled ? c.missing : 0));
  }
  CHECK(f.read(in0 + reg::faults) == entries / 3);
  CHECK(f.read(reg::out_engine(0) + reg::faults) == 0);
  // The device says so itself.
  const Bytes log = take_log(f);
  std::size_t found = 0;
  for (std::size_t at = 0; at + 12 <= log.size(); at += 12) {
    const auto* e = log.data() + at;
    if (e[6] == 0x81 && e[7] == c.log_kind && e[11] == c.log_status) {
      ++found;
      CHECK(e[10] == c.log_pid);
      CHECK((e[8] | e[9] << 8U) == c.log_length);
    }
  }
  CHECK(found == entries / 3);
  // Turned off, all is well.
  f.write(in0 + reg::fault, 0);
  OwnedRequest good(in, std::vector<std::uint32_t>(8, size), &f.client);
  run(f, good);
  for (const auto& entry : good->entries) CHECK(entry.status == Status::ok);
}

/// Rules that find something in a run of the test device with these lines in [registers].
std::set<Rule> rules_of(const std::string& stream, const std::string& registers, std::uint64_t* errors = nullptr) {
  const auto scenario =
      scenario::parse_scenario("frames = 12\n" + stream + "\n[registers]\n" + registers, "faults_test.toml");
  REQUIRE_MESSAGE(scenario.has_value(), (scenario ? "" : scenario.error().to_string()));
  scenario::RunOptions options;
  options.make_link = [](const scenario::LinkRequest& request) {
    return verilated::make_simulated_device({request.image, request.fs_only, request.idle_skipping, request.wave_path});
  };
  const auto outcome = scenario::run(*scenario, options);
  REQUIRE_MESSAGE(outcome.has_value(), (outcome ? "" : outcome.error().message));
  CHECK_MESSAGE(outcome->result.error.empty(), outcome->result.error);
  std::set<Rule> rules;
  for (std::size_t i = 0; i < check::rule_count; ++i)
    if (outcome->result.violations.at(i) != 0) rules.insert(static_cast<Rule>(i));
  if (errors != nullptr) {
    *errors = 0;
    for (const auto& statistics : outcome->result.streams) *errors += statistics.errors;
  }
  return rules;
}

std::string names(const std::set<Rule>& rules) {
  std::string text;
  for (const Rule rule : rules) text += std::string(text.empty() ? "" : " ") + to_string(rule);
  return text;
}

const std::string in_stream = "[[stream]]\nalternate = 2\nendpoint = \"in\"\n";

}  // namespace

TEST_CASE("each of the device's faults gives every third entry its status, and the device counts and logs it") {
  constexpr unsigned data_in = 3, handshake_or_error = 6, sent_spoiled = 3, on_purpose = 11;
  for (const bool fs_only : {false, true}) {
    const unsigned size = fs_only ? 1023 : 1024;
    const Case cases[] = {
        {"silent", 0, Status::no_response, 0, handshake_or_error, on_purpose, 0xc3, size},
        {"delay", 8, Status::ok, 0, data_in, sent_spoiled, 0xc3, size},
        {"pid-check", 0, Status::pid_error, 0, handshake_or_error, on_purpose, 0x33, size},
        {"pid-check", 2, Status::pid_error, 0, handshake_or_error, on_purpose, 0xe3, size},
        {"pid", 7, Status::sequence_error, 0, data_in, sent_spoiled, 0x87, size},
        {"pid", 2, Status::pid_error, 0, handshake_or_error, on_purpose, 0xd2, size},
        {"crc", 0, Status::crc_error, 0, handshake_or_error, on_purpose, 0xc3, size},
        {"short", 0, Status::short_packet, 1, data_in, sent_spoiled, 0xc3, size - 1},
        {"short", 100, Status::short_packet, 100, data_in, sent_spoiled, 0xc3, size - 100},
        {"short", 4000, Status::short_packet, size, data_in, sent_spoiled, 0xc3, 0},
        {"long", 0, Status::overrun, 0, data_in, sent_spoiled, 0xc3, size + 1},
        {"long", fs_only ? 200U : 4095U, Status::overrun, 0, data_in, sent_spoiled, 0xc3, fs_only ? 1223U : 2047U},
        {"empty", 0, Status::short_packet, size, data_in, sent_spoiled, 0xc3, 0},
        {"payload", 0, Status::ok, 0, data_in, sent_spoiled, 0xc3, size},
    };
    for (const Case& c : cases) check_entries(fs_only, c);
  }
}

TEST_CASE("the check that is there for it finds each of the device's faults, and no other check does") {
  struct Found {
    const char* fault;
    std::set<Rule> rules;
  };
  const Found table[] = {
      {"silent", {Rule::response_time, Rule::payload_lost}},
      {"crc", {Rule::crc, Rule::payload_lost}},
      {"pid-check", {Rule::packet_error, Rule::payload_lost}},
      {"short", {Rule::payload_truncated}},
      {"empty", {Rule::payload_lost}},
      {"payload", {Rule::payload_corrupt}},
  };
  for (const auto& [fault, rules] : table) {
    CAPTURE(fault);
    const std::string lines = std::string("\"IN0.FAULT\" = \"") + fault + "\"\n\"IN0.FAULT_EVERY\" = 10\n";
    for (const char* speed : {"speed = \"hs\"\n", "speed = \"fs\"\n"}) {
      CAPTURE(speed);
      CHECK(names(rules_of(speed + in_stream, lines)) == names(rules));
    }
  }
  CHECK(rules_of(in_stream, "\"IN0.FAULT\" = \"crc\"\n").empty());  // none chosen
}

TEST_CASE("FAULT_FRAME spoils the packets of one (micro)frame") {
  for (const bool fs_only : {false, true}) {
    CAPTURE(fs_only);
    DeviceFixture f({.fs_only = fs_only});
    f.configure(2);
    const std::uint64_t first = f.host.frame_number() + 50;
    const std::uint32_t chosen = (static_cast<std::uint32_t>(first) + 1) % 2048 * 8 + (fs_only ? 0 : 5);
    set_fault(f, in0, "silent", 0, 0);
    f.write(in0 + reg::fault_frame, 0x8000U | chosen);
    OwnedRequest request(in, std::vector<std::uint32_t>(fs_only ? 4 : 32, 1000), &f.client, first);
    run(f, request);
    const std::size_t spoiled = fs_only ? 1 : 13;
    for (std::size_t i = 0; i < request->entries.size(); ++i)
      CHECK((request->entries[i].status == Status::no_response) == (i == spoiled));
    CHECK(f.read(in0 + reg::faults) == 1);
  }
}

TEST_CASE("the device's fault delay moves an answer by exactly so many clocks") {
  for (const bool fs_only : {false, true}) {
    std::int64_t usual = 0;
    for (const std::uint32_t clocks : {0U, 1U, 2U, 9U, 30U}) {
      CAPTURE(fs_only);
      CAPTURE(clocks);
      DeviceFixture f({.fs_only = fs_only});
      f.configure(1);
      if (clocks != 0) set_fault(f, in0, "delay", clocks, 1);
      OwnedRequest request(in, std::vector<std::uint32_t>(8, 192), &f.client);
      const std::size_t before = f.log.packets.size();
      run(f, request);
      std::int64_t gap = 0;
      for (std::size_t i = before + 1; i < f.log.packets.size(); ++i) {
        const auto& packet = f.log.packets[i];
        if (!packet.from_host && packet.bytes.size() > 100) gap = (packet.start - f.log.packets[i - 1].end).bits;
      }
      REQUIRE(gap > 0);
      if (clocks == 0) usual = gap;
      CHECK(gap == usual + 8 * clocks);
    }
  }
}

TEST_CASE("a late answer is found by the response time, and one after the time-out gets no_response") {
  const std::string delay = "\"IN0.FAULT\" = \"delay\"\n\"IN0.FAULT_EVERY\" = 10\n\"IN0.FAULT_ARGUMENT\" = ";
  std::uint64_t errors = 0;
  CHECK(rules_of(in_stream, delay + "8\n", &errors).empty());
  CHECK(errors == 0);
  CHECK(names(rules_of(in_stream, delay + "40\n", &errors)) == names({Rule::response_time}));
  CHECK(errors == 0);
  CHECK(rules_of(in_stream, delay + "110\n", &errors).count(Rule::response_time) == 1);
  CHECK(errors > 0);
  CHECK(names(rules_of("speed = \"fs\"\n" + in_stream, delay + "30\n")) == names({Rule::response_time}));
}

TEST_CASE(
    "the device's faults in high-bandwidth intervals: PIDs out of order, and packets missing from their interval") {
  const std::string stream = "[[stream]]\nalternate = 6\nendpoint = \"in\"\n";
  const auto pid = rules_of(stream, "\"IN0.FAULT\" = \"pid\"\n\"IN0.FAULT_EVERY\" = 31\n");
  CHECK(pid.count(Rule::pid_sequence) == 1);
  CHECK(pid.count(Rule::crc) == 0);
  const auto crc = rules_of(stream, "\"IN0.FAULT\" = \"crc\"\n\"IN0.FAULT_EVERY\" = 31\n");
  CHECK(crc.count(Rule::crc) == 1);
  CHECK(crc.count(Rule::payload_lost) == 1);
}

TEST_CASE("the device's fault feedback sends a wrong value now and then, and the stream's check finds it") {
  for (const bool fs_only : {false, true}) {
    CAPTURE(fs_only);
    DeviceFixture f({.fs_only = fs_only});
    f.configure(9);
    const auto feedback = std::find_if(f.host.endpoints().begin(), f.host.endpoints().end(),
                                       [](const auto& e) { return e.address == in; });
    REQUIRE(feedback != f.host.endpoints().end());
    f.write(0x00e, 0x12345678);
    set_fault(f, in0, "feedback", 0, 2);
    const std::uint32_t size = fs_only ? 3 : 4;
    OwnedRequest request(in, std::vector<std::uint32_t>(8, size), &f.client);
    run(f, request);
    for (std::size_t i = 0; i < 8; ++i) {
      CAPTURE(i);
      CHECK(request->entries[i].status == Status::ok);
      const Bytes wrong{0x78, 0x56, 0x34, 0x12};
      const bool is_wrong = std::equal(wrong.begin(), wrong.begin() + size, request.buffer.begin() + long(i * size));
      CHECK(is_wrong == (i % 2 == 1));
    }
  }
}

TEST_CASE("the device's faults in bulk answers: the host tries again, and nothing is lost or doubled") {
  for (const bool fs_only : {false, true}) {
    for (const char* fault : {"silent", "pid-check", "delay", "crc"}) {
      CAPTURE(fs_only);
      CAPTURE(fault);
      DeviceFixture f({.fs_only = fs_only});
      f.configure(1);
      // Engines of the bulk pair: the description tells.
      std::uint8_t engine = 0;
      for (const auto& setting : f.description.settings)
        for (const auto& endpoint : setting.endpoints)
          if (endpoint.address == bulk_out) engine = endpoint.engine;
      set_fault(f, reg::out_engine(engine), fault, 5, 3);
      set_fault(f, reg::in_engine(engine), fault, 5, 4);
      Bytes sent(3000), back(3000);
      for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<std::uint8_t>(i * 7 + i / 256);
      controller::BulkRequest write{.endpoint = bulk_out, .data = sent}, read{.endpoint = bulk_in, .data = back};
      int done = 0;
      write.on_complete = read.on_complete = [&](controller::BulkRequest&) { ++done; };
      REQUIRE(f.host.submit(write).has_value());
      REQUIRE(f.host.submit(read).has_value());
      REQUIRE(f.host.run_until(f.host.now() + bus::second, [&] { return done == 2; }));
      CHECK(write.status == Status::ok);
      CHECK(read.complete == 3000);
      CHECK((back == sent));
      CHECK(f.read(reg::in_engine(engine) + reg::faults) > 0);
      CHECK((f.read(reg::out_engine(engine) + reg::faults) > 0) == (std::string(fault) != "crc"));
    }
  }
}
