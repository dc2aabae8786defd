// Frame timing without a wire: the suite is shown requests, data and the device's log, and no packet.
#include <doctest/doctest.h>

#include <algorithm>

#include "check/suite.h"

using namespace isochio;
using namespace isochio::check;
using controller::Status;

namespace {

struct Sink final : ViolationSink {
  std::vector<Violation> all;
  void report(const Violation& v) override { all.push_back(v); }
  std::size_t count(Rule rule) const {
    return static_cast<std::size_t>(
        std::count_if(all.begin(), all.end(), [&](const auto& v) { return v.rule == rule; }));
  }
};

constexpr usb::EndpointAddress in{0x81}, out{0x02};
constexpr std::size_t bytes = 64;
constexpr std::uint64_t nothing = UINT64_MAX;

struct Bench {
  explicit Bench(std::uint32_t interval = 1, unsigned transactions = 1, bool buffered = false)
      : suite{options(buffered), sink} {
    const usb::EndpointConfig configs[] = {
        {in, usb::TransferType::isochronous, bytes, 1, interval},
        {out, usb::TransferType::isochronous, bytes, static_cast<std::uint8_t>(transactions), interval}};
    suite.on_endpoints(configs, usb::Speed::high, {});
    suite.watch({in, Pattern::prbs, default_seed});
    suite.watch({out, Pattern::prbs, default_seed});
  }
  static SuiteOptions options(bool buffered) {
    SuiteOptions o;
    o.wire = false;
    o.buffered = buffered;
    return o;
  }
  /// One IN request whose entries' packets the device sent in these microframes, or nothing came; status of all
  /// entries.
  void receive(const std::vector<std::uint64_t>& microframes, Status status = Status::ok) {
    std::vector<std::uint8_t> data(microframes.size() * bytes);
    controller::IsochRequest request;
    request.id = ++id;
    request.endpoint = in;
    request.data = data;
    request.first_frame = 1000;
    request.entries.resize(microframes.size());
    for (std::size_t i = 0; i < microframes.size(); ++i) {
      request.entries[i] = {bytes, 0, status, {}};
      if (microframes[i] == nothing) continue;
      generator.packet(std::span(data).subspan(i * bytes, bytes), {microframes[i]});
      request.entries[i] = {bytes, bytes, status, {}};
    }
    suite.on_submit(request, {});
    for (std::size_t i = 0; i < microframes.size(); ++i) suite.on_entry(request, i, {});
    suite.on_complete(request, status, {}, {});
  }
  void log(usb::EndpointAddress endpoint, std::initializer_list<unsigned> stamps) {
    std::vector<std::uint8_t> entries;
    for (const unsigned stamp : stamps) {
      const std::uint8_t entry[12] = {0,
                                      0,
                                      0,
                                      0,
                                      static_cast<std::uint8_t>(stamp),
                                      static_cast<std::uint8_t>(stamp >> 8U),
                                      endpoint.value,
                                      static_cast<std::uint8_t>(endpoint.is_in() ? 3 : 4),
                                      bytes,
                                      0,
                                      0xc3,
                                      0};
      entries.insert(entries.end(), std::begin(entry), std::end(entry));
    }
    suite.device_log(entries);
  }
  bool hidden(Group group) const { return suite.not_observable()[static_cast<std::size_t>(group)]; }

  Sink sink;
  Suite suite;
  PatternGenerator generator;
  std::uint64_t id = 0;
};

}  // namespace

TEST_CASE("without a wire, IN packets whose stamps follow one another are good, over requests and the wrap of stamps") {
  Bench b;
  b.receive({16380, 16381, 16382, 16383});
  b.receive({16384, 16385, 16386, 16387});
  CHECK(b.sink.all.empty());
  CHECK_FALSE(b.hidden(Group::frame_timing));
}

TEST_CASE("without a wire, a stamp that skips a microframe is late, one that falls back is early, once each") {
  Bench late;
  late.receive({100, 101, 103, 104});
  CHECK(late.sink.count(Rule::late) == 1);
  CHECK(late.sink.all.size() == 1);
  CHECK(late.suite.streams().back().late == 1);
  Bench early;
  early.receive({100, 101, 101, 102});
  CHECK(early.sink.count(Rule::early) == 1);
}

TEST_CASE("without a wire, a gap between two requests is late too") {
  Bench b;
  b.receive({100, 101});
  b.receive({105, 106});
  REQUIRE(b.sink.count(Rule::late) == 1);
  CHECK(b.sink.all.front().request == 2);
  CHECK(b.sink.all.front().entry == 0);
}

TEST_CASE("without a wire, an endpoint with a longer interval may move anywhere within it") {
  Bench b(4);
  b.receive({401, 405, 408, 415});
  CHECK(b.sink.all.empty());
  b.receive({420, 421});
  CHECK(b.sink.count(Rule::early) == 1);
}

TEST_CASE("without a wire, the device's log judges OUT streams") {
  Bench b;
  b.log(out, {16382, 16383, 0, 1});
  CHECK(b.sink.all.empty());
  b.log(out, {4});
  CHECK(b.sink.count(Rule::missed) == 1);
  CHECK(b.sink.all.front().expected == "in the device's log a packet in 0.2");
  b.log(out, {4});
  CHECK(b.sink.count(Rule::duplicate) == 1);
  b.suite.device_log_lost(0);  // another window
  b.log(out, {500, 501});
  CHECK(b.sink.all.size() == 2);
}

TEST_CASE("without a wire, high-bandwidth OUT may have as many packets in a microframe as the endpoint has") {
  Bench b(1, 3);
  b.log(out, {8, 8, 8, 9, 9, 9});
  CHECK(b.sink.all.empty());
  b.log(out, {9});
  CHECK(b.sink.count(Rule::duplicate) == 1);
}

TEST_CASE("without a wire, a failed entry is a violation of status, and what can't be seen is said") {
  Bench b;
  b.receive({100, 101}, Status::no_response);
  CHECK(b.sink.count(Rule::status) >= 2);
  for (const auto group : {Group::wire_timing, Group::pid_sequence, Group::latency, Group::device_log})
    CHECK(b.hidden(group));
  CHECK_FALSE(b.hidden(Group::status));
}

TEST_CASE("without a wire, frame timing that neither stamp nor log tells is not observable") {
  Bench b;
  b.suite.watch({in, Pattern::none, 0});
  b.receive({100, 101});
  CHECK(b.hidden(Group::frame_timing));
}

TEST_CASE("without a wire, the engine's BYTES are held against what the host was told") {
  Bench b;
  b.receive({100, 101});
  std::vector<std::uint32_t> registers(21);
  registers[9] = 2 * bytes;
  b.suite.device_counters(in, registers);
  CHECK(b.sink.all.empty());
  CHECK_FALSE(b.hidden(Group::device_log));
  registers[9] = bytes;
  b.suite.device_counters(in, registers);
  CHECK(b.sink.count(Rule::device_log) == 1);
}

TEST_CASE("behind a buffer, empty IN packets are not the device's; those that carry data are judged as ever") {
  Bench b(1, 1, true);
  b.receive({nothing, nothing, 100, 101});
  b.receive({nothing, 102, nothing, 103}, Status::no_response);
  CHECK(b.sink.all.empty());
  CHECK_FALSE(b.hidden(Group::frame_timing));
  CHECK_FALSE(b.hidden(Group::payload));
  CHECK(b.suite.streams().back().payload.zero_length == 4);
  b.receive({104, nothing, 106, 107});
  CHECK(b.sink.count(Rule::late) == 1);
  CHECK(b.sink.all.size() == 1);
}

TEST_CASE("behind a buffer, a packet that is missing is found by the device's own numbers") {
  Bench b(1, 1, true);
  b.receive({100, 101});
  std::vector<std::uint8_t> lost(bytes);
  b.generator.packet(lost, {102});
  b.receive({nothing, 103, 104});
  CHECK(b.sink.count(Rule::late) == 1);
  CHECK(b.sink.count(Rule::payload_lost) == 1);
}

TEST_CASE("behind a buffer, what its host says of entries and their sums is not observable, and no violation") {
  Bench b(1, 1, true);
  b.receive({100, 101}, Status::overrun);
  CHECK(b.sink.all.empty());
  for (const Group group : {Group::status, Group::device_log, Group::latency, Group::wire_timing})
    CHECK(b.hidden(group));
  Bench empty(1, 1, true);
  empty.receive({nothing, nothing});
  CHECK(empty.hidden(Group::frame_timing));
  CHECK(empty.hidden(Group::payload));
}
