#include "scenario/run.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "bus/cut_link.h"
#include "check/diagnosis.h"
#include "check/suite.h"
#include "controller/sim_host.h"
#include "scenario/cover.h"
#include "scenario/device_record.h"
#include "scenario/device_setup.h"
#include "scenario/expectation_check.h"
#include "scenario/fault_record.h"
#include "scenario/life.h"
#include "scenario/outcome_log.h"
#include "scenario/outputs.h"
#include "scenario/preparation.h"
#include "scenario/promises.h"
#include "scenario/streaming.h"
#include "scenario/tees.h"

namespace isochio::scenario {
namespace {

constexpr bus::Duration slice = 8 * bus::frame;  // between two looks at progress and interruption

using Clock = std::chrono::steady_clock;

check::SuiteOptions suite_options(const Scenario& scenario, bool wire, bool buffered) {
  check::SuiteOptions options;
  options.first_frame = scenario.controller.first_frame;
  options.completion_latency_limit = scenario.checks.completion_latency;
  options.frame_timing = scenario.checks.frame_timing;
  options.wire_timing = scenario.checks.wire_timing;
  options.payload = scenario.checks.payload;
  options.pid_sequence = scenario.checks.pid_sequence;
  options.status = scenario.checks.status;
  options.device_log = scenario.checks.device_log;
  constexpr std::uint32_t not_checked = 100;
  options.periodic_percent =
      scenario.controller.lift_periodic_limit ? not_checked : scenario.controller.periodic_percent;
  options.wire = wire;
  options.buffered = buffered;
  // When a request was due is not known without the wire.
  if (!wire) options.completion_latency_limit = {};
  return options;
}

std::map<std::uint8_t, std::string> stream_names(const Scenario& scenario, const Plan& plan) {
  std::map<std::uint8_t, std::string> names;
  for (std::size_t i = 0; i < plan.streams.size(); ++i)
    names[plan.streams[i].endpoint.address.value] = scenario.streams[i].name;
  return names;
}

/// Everything of one run, in the order in which it is built up and taken down.
class Run {
 public:
  Run(const Prepared& prepared, const RunOptions& options)
      : scenario_(prepared.scenario),
        plan_(prepared.plan),
        options_(options),
        faults_(scenario_.faults, tee_),
        suite_(suite_options(scenario_, !options.make_host, options.buffered), faults_),
        outcome_(stream_names(scenario_, plan_)) {
    isoch_tee_.add(&outcome_);
    if (!scenario_.expect || scenario_.promised()) return;
    expectation_.emplace(*scenario_.expect, scenario_, plan_);
    isoch_tee_.add(&*expectation_);
  }

  tl::expected<void, RunError> open_outputs();
  tl::expected<void, RunError> connect();
  RunOutcome run();

 private:
  using Done = tl::expected<void, std::string>;

  tl::expected<void, RunError> plug_in();
  void hold_to_promises();
  void watch_driver();
  Done set_up();
  Done stream();
  Done read_back();
  void judge(const Done& done);
  void compare_payload();
  void collect();
  void show_progress();
  bool interrupted() const { return options_.interrupted != nullptr && options_.interrupted->load(); }
  std::string unplugged(const std::string& noticed) const;

  const Scenario& scenario_;
  const Plan& plan_;
  const RunOptions& options_;
  report::ViolationTee tee_;
  FaultRecord faults_;
  check::Suite suite_;
  Outputs outputs_;
  std::unique_ptr<bus::Link> link_;
  std::unique_ptr<bus::CutLink> cut_link_;  ///< over link_, if there are events
  std::unique_ptr<controller::Host> host_;
  controller::SimHost* sim_host_ = nullptr;  ///< host_, if it is simulated
  std::unique_ptr<check::Diagnosis> diagnosis_;
  RefusalTee refusals_;
  RequestIds ids_;
  OutcomeLog outcome_;
  std::optional<ExpectationCheck> expectation_;
  std::unique_ptr<Promises> promises_;
  IsochTee isoch_tee_;
  std::unique_ptr<Streaming> streaming_;  // before the runtime, which calls the streams until it is gone
  std::unique_ptr<Life> life_;
  std::unique_ptr<driverkit::Runtime> runtime_;
  std::unique_ptr<DeviceSetup> setup_;
  std::unique_ptr<DeviceRecord> record_;
  report::RunResult result_;
  Clock::time_point began_ = Clock::now();
};

tl::expected<void, RunError> Run::open_outputs() {
  auto opened = outputs_.open(scenario_, options_, tee_, suite_, faults_);
  if (!opened) return tl::unexpected(RunError{RunError::Kind::input, opened.error()});
  return {};
}

tl::expected<void, RunError> Run::connect() {
  if (auto plugged = plug_in(); !plugged) return plugged;
  hold_to_promises();
  host_->add_observer(&suite_);
  host_->add_observer(&faults_);
  host_->add_observer(&ids_);
  host_->add_observer(&outcome_);
  watch_driver();
  outputs_.watch(*host_);
  return {};
}

/// A Link with a simulated host over it, or a real host.
tl::expected<void, RunError> Run::plug_in() {
  try {
    if (options_.make_host) {
      const auto& device = plan_.device;
      host_ = options_.make_host(
          {device.vendor_id, device.product_id, device.test_requests, scenario_.controller.first_frame});
      return {};
    }
    link_ = options_.make_link({plan_.image, scenario_.speed == usb::Speed::full, options_.idle_skipping, options_.wave,
                                options_.wave_window});
  } catch (const std::exception& problem) {
    return tl::unexpected(RunError{RunError::Kind::target, problem.what()});
  }
  // Faults are made on the cable, which events may cut.
  const auto wire = faults_.attach(*link_);
  if (!wire) return tl::unexpected(RunError{RunError::Kind::target, wire.error()});
  bus::Link* link = *wire;
  if (!scenario_.events.empty()) {
    cut_link_ = std::make_unique<bus::CutLink>(*link);
    link = cut_link_.get();
  }
  link->set_observer(&suite_);
  auto host_options = scenario_.controller;
  host_options.interrupts.seed = scenario_.seed;
  host_options.clock_ppm += scenario_.faults.bus_clock_ppm();
  auto host = std::make_unique<controller::SimHost>(*link, host_options);
  sim_host_ = host.get();
  host_ = std::move(host);
  return {};
}

/// Frames and faults of a real host are not known well enough.
void Run::hold_to_promises() {
  if (!link_ || !scenario_.checks.promises) return;
  promises_ = std::make_unique<Promises>(scenario_, plan_, suite_.reporter(), [this] { return host_->now(); });
  host_->add_observer(&promises_->reference());
  isoch_tee_.add(&promises_->reference());
  faults_.also_tell(&promises_->reference());
}

/// A real host's driver is this program itself, and its frames are estimates: nothing there to diagnose.
void Run::watch_driver() {
  refusals_.add(&suite_);
  if (!scenario_.checks.driver || !link_) return;
  diagnosis_ = std::make_unique<check::Diagnosis>(suite_.reporter(), [this] { return host_->frame_number(); });
  host_->add_observer(diagnosis_.get());
  refusals_.add(diagnosis_.get());
}

RunOutcome Run::run() {
  auto done = set_up();
  if (done) done = stream();
  if (done && promises_) promises_->reference().finish();
  if (done) done = read_back();
  judge(done);
  collect();
  // What is still in flight after an error completes while the runtime goes, and calls the streams.
  if (streaming_) streaming_->abandon();
  runtime_.reset();
  outputs_.close_capture(result_);
  result_.conclude(suite_.reporter());
  outputs_.write_reports(result_);
  return {result_, tee_.kept(), outputs_.failed()};
}

/// The device as the scenario wants it, and streams for it.
Run::Done Run::set_up() {
  const auto enumerated = host_->enumerate();
  if (!enumerated) return tl::unexpected("the device did not enumerate: " + enumerated.error());
  if (host_->speed() != scenario_.speed)
    return tl::unexpected(fmt::format("the device came up at {}, the scenario asks for {}",
                                      usb::to_string(host_->speed()), usb::to_string(scenario_.speed)));
  auto options = scenario_.driverkit;
  options.observer = &refusals_;
  options.driver_observer = diagnosis_.get();
  options.isoch_observer = &isoch_tee_;
  runtime_ = std::make_unique<driverkit::Runtime>(*host_, std::move(options));
  setup_ = std::make_unique<DeviceSetup>(scenario_, plan_, *runtime_, suite_);
  record_ = std::make_unique<DeviceRecord>(scenario_, plan_, *setup_, suite_, options_.payload.empty());
  if (auto opened = setup_->open(); !opened) return opened;
  streaming_ = std::make_unique<Streaming>(StreamingContext{scenario_, plan_, *host_, *runtime_, suite_, faults_, ids_,
                                                            diagnosis_.get(), outputs_.timeline(), outputs_.received(),
                                                            !link_, options_.buffered});
  if (scenario_.events.empty() || sim_host_ == nullptr) return {};
  life_ = std::make_unique<Life>(LifeContext{scenario_, *sim_host_, *runtime_, *cut_link_, streaming_->streams(),
                                             streaming_->bulk(), promises_.get(), [this] { return setup_->open(); },
                                             [this] { return setup_->write_registers(); },
                                             [this] { return record_->restart_log(); }});
  streaming_->set_life(*life_);
  record_->goes_through(*life_, *sim_host_);
  return {};
}

Run::Done Run::stream() {
  streaming_->start();
  if (life_) life_->schedule(sim_host_->begin_of(usb::FrameTime::of(streaming_->first_frame())));
  while (!runtime_->run_until([this] { return streaming_->finished(); }, slice)) {
    show_progress();
    if (interrupted() || host_->now() > options_.wave_window.until) break;
    if (auto done = record_->look(streaming_->elapsed_frames()); !done) return done;
    if (auto why = streaming_->stuck(); !why.empty()) return tl::unexpected(std::move(why));
  }
  const auto error = streaming_->error();
  if (life_) life_->stop();
  streaming_->end();
  faults_.end();
  if (!error.empty()) return tl::unexpected(error);
  if (interrupted()) return tl::unexpected(fmt::format("interrupted after {} frames", streaming_->elapsed_frames()));
  return {};
}

Run::Done Run::read_back() {
  if (auto log = record_->read_log(); !log) return log;
  return record_->read_counters();
}

/// Ends the checkers: what is still open is judged.
void Run::judge(const Done& done) {
  if (!done) result_.error = done.error();
  const bool gone = !link_ && !host_->connected();
  if (gone) result_.error = unplugged(result_.error);
  // What an unplugged device has not sent back is no finding.
  if (streaming_ && !gone)
    for (const auto& [endpoint, loop] : streaming_->returns())
      loop->finish({0, -1, endpoint, {host_->frame_time(), host_->frame_time()}, host_->now()});
  suite_.finish(host_->now());
  compare_payload();
  result_.outcome = outcome_.finish();
  if (!expectation_) return;
  expectation_->bulk_moved(suite_.streams());
  result_.expectation = expectation_->finish(result_.error, suite_.reporter(), faults_.summary());
}

/// The file that went out, against the file that came back.
void Run::compare_payload() {
  if (outputs_.received() == nullptr) return;
  const auto compared = outputs_.compare_received(options_.payload, result_);
  if (!compared) return;
  result_.bytes_compared = compared->seen_bytes;
  if (compared->same) return;
  const auto loopback = std::find_if(plan_.streams.begin(), plan_.streams.end(),
                                     [](const auto& target) { return target.source.has_value(); });
  suite_.reporter().report(
      {check::Rule::payload_corrupt, 0, -1, loopback->endpoint.address, host_->frame_time(), host_->now(),
       fmt::format("{} whole, {} bytes", options_.payload, compared->expected_bytes),
       fmt::format("{} bytes, the first difference at byte {}: 0x{:02x} instead of 0x{:02x}", compared->seen_bytes,
                   compared->first_difference, compared->seen, compared->expected)});
}

/// The result, but for the verdict.
void Run::collect() {
  result_.scenario = scenario_.name;
  result_.seed = scenario_.seed;
  result_.speed = scenario_.speed;
  result_.frames = scenario_.frames;
  result_.buffered = options_.buffered;
  if (link_) result_.profile = scenario_.profile;
  result_.repeat_command = options_.repeat_command;
  result_.streams = suite_.streams();
  for (const auto& [endpoint, loop] : streaming_ ? streaming_->returns() : Streaming::Returns{}) {
    if (outputs_.received() == nullptr) result_.bytes_compared += loop->bytes_back();
    for (auto& stream : result_.streams)
      if (stream.endpoint == endpoint) stream.payload.add_findings(loop->statistics());
  }
  result_.latency = suite_.latency();
  result_.sof = suite_.sof();
  result_.faults = faults_.summary();
  result_.coverage = cover(scenario_, plan_, result_);
  result_.not_observable = suite_.not_observable();
  const auto clocks = link_ ? link_->clocks() : bus::Link::Clocks{};
  result_.perf = {clocks.elapsed, clocks.evaluated, bus::to_seconds(host_->now() - bus::BusTime{}),
                  std::chrono::duration<double>(Clock::now() - began_).count()};
}

std::string Run::unplugged(const std::string& noticed) const {
  auto text = streaming_ && streaming_->started() ? fmt::format("the device was unplugged after {} of {} frames",
                                                                streaming_->frames_done(), scenario_.frames)
                                                  : std::string("the device was unplugged before its streams began");
  return noticed.empty() ? text : text + "; noticed by: " + noticed;
}

void Run::show_progress() {
  if (!options_.progress || streaming_->streams().empty()) return;
  options_.progress(
      std::min(1.0, static_cast<double>(streaming_->frames_done()) / static_cast<double>(scenario_.frames)));
}

}  // namespace

tl::expected<RunOutcome, RunError> run(const Scenario& original, const RunOptions& options) {
  const auto prepared = prepare(original, options);
  if (!prepared) return tl::unexpected(RunError{RunError::Kind::input, prepared.error().to_string()});
  Run whole(*prepared, options);
  if (const auto opened = whole.open_outputs(); !opened) return tl::unexpected(opened.error());
  if (const auto connected = whole.connect(); !connected) return tl::unexpected(connected.error());
  return whole.run();
}

}  // namespace isochio::scenario
