// isochio: the whole suite of checks over the modelled host and a scripted device: silent while the device behaves, and
// naming what it does when it does not.
#include <doctest/doctest.h>

#include <set>

#include "check/suite.h"
#include "support/bus_script.h"
#include "support/host_fixture.h"

using namespace isochio;
using namespace isochio::test;
using check::Rule;

namespace {

struct Checked : HostFixture {
  explicit Checked(bool high_speed, std::uint8_t alternate) : HostFixture(high_speed), suite({}, sink) {
    device.set_observer(&suite);
    host.add_observer(&suite);
    for (const std::uint8_t address : {0x81, 0x01}) {
      check::StreamOptions stream;
      stream.endpoint = {address};
      stream.pattern = check::Pattern::prbs;
      suite.watch(stream);
    }
    configure(alternate);
    for (const auto& e : host.endpoints())
      if (e.address == iso_in) config = e;
    device.set_source(iso_in, [this](std::uint16_t stamp) {
      ScriptedDevice::Packets packets(config.transactions, Bytes(config.max_packet));
      for (auto& p : packets) source.packet(p, {stamp});
      return packets;
    });
  }

  /// `count` requests of 32 entries in each direction, all queued at once.
  void stream(int count) {
    const std::uint64_t span = 32ULL * config.interval / (host.speed() == usb::Speed::high ? 8 : 1);
    std::uint64_t frame = (host.frame_number() + 16) & ~std::uint64_t{15};
    for (int i = 0; i < count; ++i, frame += span) {
      for (const auto endpoint : {iso_in, iso_out}) {
        const auto* e = find(endpoint);
        std::vector<std::uint32_t> sizes(32, e->capacity());
        auto r = std::make_unique<OwnedRequest>(endpoint, sizes, &client, frame);
        if (!endpoint.is_in()) fill(*r, *e);
        REQUIRE(host.submit(r->request));
        requests.push_back(std::move(r));
      }
    }
    run_frames(span * static_cast<std::uint64_t>(count) + 40);
    suite.finish(host.now());
  }
  const usb::EndpointConfig* find(usb::EndpointAddress address) const {
    for (const auto& e : host.endpoints())
      if (e.address == address) return &e;
    return nullptr;
  }
  void fill(OwnedRequest& r, const usb::EndpointConfig& e) {
    for (std::size_t i = 0; i < 32; ++i) {
      const auto window = check::service_window(r->first_frame, i, e.interval, host.speed());
      sink_pattern.interval(r->data.subspan(i * e.capacity(), e.capacity()), e.max_packet,
                            check::exact_window(window, e, host.speed()).begin);
    }
  }
  std::set<Rule> rules() const {
    std::set<Rule> all;
    for (const auto& v : sink.all) all.insert(v.rule);
    return all;
  }
  std::string first() const { return sink.all.empty() ? "" : check::to_string(sink.all[0]); }

  KeptViolations sink;
  check::Suite suite;
  usb::EndpointConfig config;
  check::PatternGenerator source, sink_pattern;
  std::vector<std::unique_ptr<OwnedRequest>> requests;
};

}  // namespace

TEST_CASE("nothing is violated while host and device behave, at both speeds and all intervals") {
  for (const bool high_speed : {true, false}) {
    for (const std::uint8_t alternate : {1, 2, 3, 4, 5}) {
      CAPTURE(high_speed);
      CAPTURE(alternate);
      Checked c(high_speed, alternate);
      c.stream(3);
      CHECK(c.first() == "");
      const auto streams = c.suite.streams();
      REQUIRE(streams.size() >= 2);
      CHECK(c.suite.sof().jitter.bits == 0);
      for (const auto& s : streams)
        if (s.endpoint == c.iso_in || s.endpoint == c.iso_out) CHECK(s.entries == 96);
    }
  }
}

TEST_CASE("each misbehaviour of a device is named by the rule that it breaks") {
  struct Case {
    Fault fault;
    std::uint32_t argument;
    Rule rule;
  };
  const Case cases[] = {
      {Fault::late_answer, 300, Rule::response_time},
      {Fault::no_answer, 0, Rule::response_time},
      {Fault::bad_crc, 0, Rule::crc},
      {Fault::wrong_pid, 0x5A, Rule::packet_error},
      {Fault::wrong_pid, 0x87, Rule::pid_sequence},
      {Fault::rx_error, 0, Rule::packet_error},
      {Fault::corrupt, 500, Rule::payload_corrupt},
      {Fault::truncate, 100, Rule::payload_truncated},
      {Fault::duplicate, 0, Rule::payload_duplicate},
      {Fault::reorder, 0, Rule::payload_reordered},
      {Fault::lose, 0, Rule::payload_lost},
      {Fault::wrong_stamp, 1, Rule::payload_mistimed},
      {Fault::extra_packet, 100, Rule::packet_error},
  };
  for (const auto& c : cases) {
    Checked f(true, 1);
    f.device.misbehave({c.fault, f.iso_in, 20, 1, c.argument});
    f.stream(2);
    std::string seen;
    for (const auto& v : f.sink.all) seen += check::to_string(v) + "\n";
    CAPTURE(static_cast<int>(c.fault));
    CAPTURE(seen);
    CHECK(f.rules().count(c.rule) == 1);
    // One fault is not an avalanche: the checks find their way back. (A device that repeats a packet stays behind with
    // its stamps.)
    CHECK(f.sink.all.size() - f.sink.count(Rule::payload_mistimed) <= 4);
  }
}
