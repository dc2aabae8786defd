// isochio: the Verilated device behind a FaultLink, with all checks and two isochronous streams: what did the device
// count and log, what did the host say of each entry, which check found it?
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "check/suite.h"
#include "cosim/controller/device_fixture.h"
#include "fault/fault_link.h"

namespace isochio::test {

/// Keeps all violations, and the faults made.
struct FaultWitness : check::ViolationSink, fault::FaultListener {
  void report(const check::Violation& violation) override { violations.push_back(violation); }
  void on_fault(const fault::InjectedFault& fault) override {
    made.push_back(fault);
    texts.push_back(fault::to_string(fault));
  }
  std::vector<check::Violation> violations;
  std::vector<fault::InjectedFault> made;
  std::vector<std::string> texts;
};

inline fault::FaultPlan plan_of(const std::string& toml, std::uint64_t seed = 1) {
  auto plan = fault::parse_plan(toml, "test.toml");
  if (!plan) throw std::runtime_error(plan.error().to_string());
  plan->seed = seed;
  if (const auto done = plan->resolve("test.toml", {}); !done) throw std::runtime_error(done.error().to_string());
  return *plan;
}

class FaultFixture : public DeviceFixture {
 public:
  static constexpr usb::EndpointAddress in{0x81}, out{0x01};
  static constexpr std::uint64_t frames = 24;

  FaultFixture(bool fs_only, const std::string& toml, std::uint8_t alternate, std::uint64_t seed = 1)
      : DeviceFixture({.fs_only = fs_only}),
        plan(plan_of(toml, seed)),
        cable(*link, plan, witness),
        suite({}, witness),
        bad_host(cable, {.clock_ppm = plan.bus_clock_ppm()}),
        alternate_(alternate) {
    cable.set_observer(&suite);
    bad_host.add_observer(&suite);
    suite.also_show(&log);
  }

  /// Streams of 24 frames on the interface's endpoints, faults in them, then all that the device has to tell.
  void run() {
    if (const auto done = bad_host.enumerate(); !done) throw std::runtime_error(done.error());
    must(bad_host.set_configuration(1));
    must(bad_host.set_interface(0, alternate_));
    if (sample_mode) set(0x00b, *sample_mode);
    if (!sample_mode) set(0x100, 1);
    set(0x200, 1);
    set(0x004, 1U | 1U << 8U | 1U << 9U | 1U << 10U);
    for (const auto& endpoint : bad_host.endpoints()) {
      suite.restart(endpoint.address);
      const bool stamped = !sample_mode || !endpoint.address.is_in();
      suite.watch({endpoint.address, stamped ? check::Pattern::prbs : check::Pattern::none, check::default_seed});
    }
    const std::uint64_t first = bad_host.frame_number() + 4;
    cable.arm(usb::FrameTime::of(first), [this] { return bad_host.frame_time(); });
    for (const auto& endpoint : bad_host.endpoints())
      if (endpoint.type == usb::TransferType::isochronous) submit(endpoint, first);
    bad_host.run_until(bad_host.now() + static_cast<std::int64_t>(frames + 8) * bus::frame);
    cable.disarm();
    look();
    suite.finish(bad_host.now());
  }

  controller::Status status(usb::EndpointAddress endpoint, std::size_t entry) const {
    return requests.at(endpoint)->request.entries.at(entry).status;
  }
  /// Entries with a status other than ok.
  std::map<std::size_t, controller::Status> bad(usb::EndpointAddress endpoint) const {
    std::map<std::size_t, controller::Status> all;
    const auto found = requests.find(endpoint);
    if (found == requests.end()) return all;
    const auto& entries = found->second->request.entries;
    for (std::size_t i = 0; i < entries.size(); ++i)
      if (entries[i].status != controller::Status::ok) all[i] = entries[i].status;
    return all;
  }
  std::set<std::string> rules() const {
    std::set<std::string> all;
    for (const auto& violation : witness.violations) all.insert(check::to_string(violation.rule));
    return all;
  }

  std::uint32_t get(std::uint16_t number) { return read(bad_host, number); }
  void set(std::uint16_t number, std::uint32_t value) { write(bad_host, number, value); }

  std::optional<std::uint32_t> sample_mode;  ///< set it: the IN endpoint is a feedback endpoint, as its row says

  FaultWitness witness;
  fault::FaultPlan plan;
  fault::FaultLink cable;
  check::Suite suite;
  controller::SimHost bad_host;
  RecordingClient bad_client{bad_host};
  std::map<usb::EndpointAddress, std::unique_ptr<OwnedRequest>> requests;
  std::map<std::string, std::uint32_t> counters;         ///< the device's, of what went wrong; those that are not 0
  std::vector<std::array<std::uint8_t, 12>> device_log;  ///< ERROR and SOF_MISSED events only

 private:
  void submit(const usb::EndpointConfig& endpoint, std::uint64_t first) {
    const bool high = bad_host.speed() == usb::Speed::high;
    const std::size_t entries = frames * (high ? 8 : 1) / endpoint.interval;
    auto& owned = requests[endpoint.address];
    owned = std::make_unique<OwnedRequest>(endpoint.address, std::vector<std::uint32_t>(entries, endpoint.capacity()),
                                           &bad_client, first);
    check::PatternGenerator generator;
    auto& request = owned->request;
    if (!endpoint.address.is_in())
      for (std::size_t i = 0; i < entries; ++i)
        generator.interval(request.data.subspan(i * endpoint.capacity(), endpoint.capacity()), endpoint.max_packet,
                           {first * 8 + i * (high ? 1 : 8)});
    const auto done = bad_host.submit(request);
    if (!done) throw std::runtime_error(to_string(done.error()));
  }
  void look() {
    set(0x004, 0);
    Bytes bytes(4092);
    for (;;) {
      const auto got = bad_host.control({0xc0, 2, 0, 0, 4092}, bytes, bus::second);
      must(got);
      if (*got == 0) break;
      suite.device_log(std::span(bytes).first(*got));
      for (std::size_t at = 0; at + 12 <= *got; at += 12)
        if (bytes[at + 7] == 6 || bytes[at + 7] == 1) {
          device_log.emplace_back();
          std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), 12, device_log.back().begin());
        }
    }
    suite.device_log_lost(get(7));
    constexpr const char* names[] = {"SOF",       "SOF_MISSED", "SOF_UNEXPECTED", "CRC5",    "CRC16",       "PID",
                                     "RX_ERROR",  "TRUNCATED",  "OVERSIZED",      "TIMEOUT", "TOKEN_OTHER", "SEQUENCE",
                                     "DISCARDED", "IN_EMPTY",   "RESETS",         "SUSPENDS"};
    for (std::uint16_t i = 1; i < 16; ++i)
      if (const auto value = get(static_cast<std::uint16_t>(0x10 + i)); value != 0) counters[names[i]] = value;
    for (const auto& endpoint : bad_host.endpoints()) {
      if (endpoint.type != usb::TransferType::isochronous) continue;
      const auto base = static_cast<std::uint16_t>(endpoint.address.is_in() ? 0x100 : 0x200);
      std::vector<std::uint32_t> registers;
      for (std::uint16_t i = 0; i < 21; ++i) registers.push_back(get(static_cast<std::uint16_t>(base + i)));
      suite.device_counters(endpoint.address, registers);
      constexpr std::pair<std::size_t, const char*> of_engine[] = {{11, "LOST"},      {12, "DUPLICATE"},
                                                                   {13, "REORDERED"}, {14, "CORRUPT"},
                                                                   {15, "MISTIMED"},  {20, "TRUNCATED_BODY"}};
      for (const auto& [index, name] : of_engine)
        if (registers[index] != 0)
          counters[std::string(endpoint.address.is_in() ? "IN " : "OUT ") + name] = registers[index];
    }
  }

  std::uint8_t alternate_;
};

}  // namespace isochio::test
