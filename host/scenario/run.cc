#include "scenario/run.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>

#include <fmt/format.h>

#include "bus/cut_link.h"
#include "bus/observer_list.h"
#include "capture/pcapng.h"
#include "check/diagnosis.h"
#include "check/suite.h"
#include "controller/profile.h"
#include "controller/sim_host.h"
#include "driverkit/return_words.h"
#include "driverkit/status.h"
#include "report/html.h"
#include "scenario/bulk_stream.h"
#include "scenario/catalogue.h"
#include "scenario/cover.h"
#include "scenario/device_access.h"
#include "scenario/expectation_check.h"
#include "scenario/fault_record.h"
#include "scenario/isoch_stream.h"
#include "scenario/life.h"
#include "scenario/outcome_log.h"
#include "scenario/plan.h"
#include "scenario/promises.h"
#include "scenario/real_host.h"
#include "scenario/received_file.h"
#include "scenario/register_names.h"

namespace isochio::scenario {
namespace {

/// Log and counters are looked at in two windows, at the start and at the end: the log holds a few thousand events, and
/// reading it all the time would be traffic of its own.
constexpr std::uint64_t log_window_frames = 40;
/// A stream without any completion for this long, beside the time of one request, is stuck. A real machine may be busy.
constexpr bus::Duration stuck_time = 2 * bus::second, stuck_time_real = 10 * bus::second;
constexpr bus::Duration slice = 8 * bus::frame;  // between two looks at progress and interruption

using Clock = std::chrono::steady_clock;
using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

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

/// Refusals of the DriverKit layer go to all who watch requests.
class RefusalTee final : public controller::RequestObserver {
 public:
  explicit RefusalTee(std::vector<controller::RequestObserver*> observers) : observers_(std::move(observers)) {}
  void on_refused(const controller::IsochRequest& request, controller::Status why, bus::BusTime at) override {
    for (auto* observer : observers_) observer->on_refused(request, why, at);
  }

 private:
  std::vector<controller::RequestObserver*> observers_;
};

/// What callers of IsochIO see goes to all who want to know.
class IsochTee final : public driverkit::IsochObserver {
 public:
  void add(driverkit::IsochObserver* observer) { observers_.push_back(observer); }
  void on_call(const driverkit::IsochCall& call) override {
    for (auto* observer : observers_) observer->on_call(call);
  }
  void on_abort(usb::EndpointAddress endpoint) override {
    for (auto* observer : observers_) observer->on_abort(endpoint);
  }
  void on_accepted(const controller::IsochRequest& request, std::uint64_t running) override {
    for (auto* observer : observers_) observer->on_accepted(request, running);
  }
  void on_refused(usb::EndpointAddress endpoint, std::uint64_t first_frame, IOReturn code,
                  std::uint64_t running) override {
    for (auto* observer : observers_) observer->on_refused(endpoint, first_frame, code, running);
  }
  void on_entry(const controller::IsochRequest& request, std::size_t index, IOReturn status) override {
    for (auto* observer : observers_) observer->on_entry(request, index, status);
  }
  void on_complete(const controller::IsochRequest& request, IOReturn overall) override {
    for (auto* observer : observers_) observer->on_complete(request, overall);
  }

 private:
  std::vector<driverkit::IsochObserver*> observers_;
};

std::map<std::uint8_t, std::string> stream_names(const Scenario& scenario, const Plan& plan) {
  std::map<std::uint8_t, std::string> names;
  for (std::size_t i = 0; i < plan.streams.size(); ++i)
    names[plan.streams[i].endpoint.address.value] = scenario.streams[i].name;
  return names;
}

/// Everything of one run, in the order in which it is built up and taken down.
class Run {
 public:
  Run(const Scenario& scenario, const RunOptions& options, Plan plan)
      : scenario_(scenario),
        options_(options),
        plan_(std::move(plan)),
        faults_(scenario.faults, tee_),
        suite_(suite_options(scenario, !options.make_host, options.buffered), faults_),
        outcome_(stream_names(scenario, plan_)) {
    isoch_tee_.add(&outcome_);
    if (!scenario_.expect || scenario_.promised()) return;
    expectation_.emplace(*scenario_.expect, scenario_, plan_);
    isoch_tee_.add(&*expectation_);
  }

  tl::expected<void, RunError> open_outputs();
  tl::expected<void, RunError> connect();
  void hold_to_promises();
  void watch_driver();
  RunOutcome run();

 private:
  tl::expected<void, std::string> configure();
  tl::expected<void, std::string> open_device();
  tl::expected<void, std::string> set_up_device();
  void plan_life();
  bool device_answers();
  void make_streams();
  void show_feedback(std::size_t stream);
  tl::expected<void, std::string> stream_until_done();
  void start_streams();
  bool streams_finished() const;
  void block_queue();
  void end_streams();
  std::string stream_error() const;
  tl::expected<void, std::string> read_log();
  tl::expected<void, std::string> restart_log();
  tl::expected<void, std::string> log_windows();
  tl::expected<void, std::string> read_counters();
  void compare_payload();
  void write_reports();
  void show_progress();
  bool interrupted() const { return options_.interrupted != nullptr && options_.interrupted->load(); }
  std::string stuck();
  std::uint64_t frames_done() const;
  std::string unplugged(const std::string& noticed) const;
  /// By time: the frame counter may jump.
  std::uint64_t elapsed_frames() const { return static_cast<std::uint64_t>((host_->now() - start_time_) / bus::frame); }

  const Scenario& scenario_;
  const RunOptions& options_;
  Plan plan_;
  report::ViolationTee tee_;
  FaultRecord faults_;
  check::Suite suite_;
  std::unique_ptr<report::JsonReport> json_;
  std::unique_ptr<report::HtmlReport> html_;
  std::unique_ptr<capture::PcapngWriter> capture_;
  std::optional<ReceivedFile> received_;
  std::unique_ptr<bus::Link> link_;
  std::unique_ptr<bus::CutLink> cut_link_;  ///< over link_, if there are events
  std::unique_ptr<controller::Host> host_;
  controller::SimHost* sim_host_ = nullptr;  ///< host_, if it is simulated
  std::unique_ptr<check::Diagnosis> diagnosis_;
  std::unique_ptr<RefusalTee> refusals_;
  RequestIds ids_;
  OutcomeLog outcome_;
  std::optional<ExpectationCheck> expectation_;
  std::unique_ptr<Promises> promises_;
  IsochTee isoch_tee_;
  std::unique_ptr<StreamContext> context_;
  std::vector<std::unique_ptr<Loop>> loops_;
  std::vector<std::pair<usb::EndpointAddress, Loop*>> returns_;  ///< IN endpoint of each loop
  std::vector<std::unique_ptr<IsochStream>> streams_;  // before the runtime, which calls them until it is gone
  std::vector<std::unique_ptr<BulkStream>> bulk_;
  std::unique_ptr<Life> life_;
  std::unique_ptr<driverkit::Runtime> runtime_;
  std::unique_ptr<DeviceAccess> access_;
  std::uint64_t start_frame_ = 0;
  bus::BusTime start_time_{};
  struct LastSign {
    std::uint64_t completions = 0, frame = 0;
    bus::BusTime at;
  };
  std::vector<LastSign> last_signs_;  ///< of each stream
  enum class Log : std::uint8_t { first_window, between, last_window } log_ = Log::first_window;
  report::RunResult result_;
  bool output_failed_ = false, log_cut_ = false;
  Clock::time_point began_ = Clock::now();
};

tl::expected<void, RunError> Run::open_outputs() {
  const auto failed = [](std::string message) {
    return tl::unexpected(RunError{RunError::Kind::input, std::move(message)});
  };
  if (!options_.json.empty()) {
    auto json = report::JsonReport::create(options_.json);
    if (!json) return failed(json.error());
    json_ = std::move(*json);
    tee_.add(json_.get());
  }
  if (!options_.html.empty()) {
    auto html = report::HtmlReport::create(options_.html, scenario_.controller.first_frame);
    if (!html) return failed(html.error());
    html_ = std::move(*html);
    tee_.add(html_.get());
    suite_.also_show(&html_->timeline());
  }
  if (!options_.capture.empty()) {
    const auto io_return = [this](controller::Status status) {
      return static_cast<std::uint32_t>(driverkit::entry_return(status, scenario_.driverkit));
    };
    auto capture = capture::PcapngWriter::create(
        options_.capture, {fmt::format("isochio {} seed {}", scenario_.name, scenario_.seed), io_return});
    if (!capture) return failed(capture.error());
    capture_ = std::move(*capture);
    suite_.also_show(capture_.get());
    faults_.show_in(capture_.get());
  }
  if (!options_.payload.empty()) {
    auto received = ReceivedFile::create(options_.received);
    if (!received) return failed(received.error());
    received_.emplace(std::move(*received));
  }
  return {};
}

tl::expected<void, RunError> Run::connect() {
  try {
    if (options_.make_host) {
      const auto& device = plan_.device;
      host_ = options_.make_host(
          {device.vendor_id, device.product_id, device.test_requests, scenario_.controller.first_frame});
    } else {
      link_ = options_.make_link({plan_.image, scenario_.speed == usb::Speed::full, options_.idle_skipping,
                                  options_.wave, options_.wave_window});
    }
  } catch (const std::exception& problem) {
    return tl::unexpected(RunError{RunError::Kind::target, problem.what()});
  }
  if (link_) {
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
  }
  hold_to_promises();
  host_->add_observer(&suite_);
  host_->add_observer(&faults_);
  host_->add_observer(&ids_);
  host_->add_observer(&outcome_);
  if (capture_) host_->add_observer(capture_.get());
  if (json_) host_->add_observer(&json_->frame_list());
  watch_driver();
  if (html_) host_->add_observer(&html_->timeline());
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
  std::vector<controller::RequestObserver*> observers{&suite_};
  if (scenario_.checks.driver && link_) {
    diagnosis_ = std::make_unique<check::Diagnosis>(suite_.reporter(), [this] { return host_->frame_number(); });
    host_->add_observer(diagnosis_.get());
    observers.push_back(diagnosis_.get());
  }
  refusals_ = std::make_unique<RefusalTee>(std::move(observers));
}

RunOutcome Run::run() {
  result_.scenario = scenario_.name;
  result_.seed = scenario_.seed;
  result_.speed = scenario_.speed;
  result_.frames = scenario_.frames;
  result_.buffered = options_.buffered;
  if (link_) result_.profile = scenario_.profile;
  result_.repeat_command = options_.repeat_command;

  auto done = configure();
  if (done) done = stream_until_done();
  if (done && promises_) promises_->reference().finish();
  if (done) done = read_log();
  if (done) done = read_counters();
  if (!done) result_.error = done.error();
  const bool gone = !link_ && !host_->connected();
  if (gone) result_.error = unplugged(result_.error);
  // What an unplugged device has not sent back is no finding.
  for (const auto& [endpoint, loop] : returns_)
    if (!gone) loop->finish({0, -1, endpoint, {host_->frame_time(), host_->frame_time()}, host_->now()});
  suite_.finish(host_->now());
  compare_payload();
  result_.outcome = outcome_.finish();
  if (expectation_) expectation_->bulk_moved(suite_.streams());
  if (expectation_) result_.expectation = expectation_->finish(result_.error, suite_.reporter(), faults_.summary());

  result_.streams = suite_.streams();
  for (const auto& [endpoint, loop] : returns_) {
    if (!received_) result_.bytes_compared += loop->bytes_back();
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
  // What is still in flight after an error completes while the runtime goes, and calls the streams.
  for (const auto& stream : streams_) stream->stop();
  runtime_.reset();
  if (capture_) {
    const auto closed = capture_->finish();
    if (!closed) output_failed_ = true;
    if (!closed && result_.error.empty()) result_.error = closed.error();
  }
  result_.conclude(suite_.reporter());
  write_reports();
  return {result_, tee_.kept(), output_failed_};
}

void Run::write_reports() {
  const auto note = [this](const tl::expected<void, std::string>& written) {
    if (written) return;
    output_failed_ = true;
    result_.error = written.error();
    result_.verdict = report::Verdict::error;
  };
  if (json_) note(json_->finish(result_));
  if (html_) note(html_->finish(result_));
}

tl::expected<void, std::string> Run::configure() {
  const auto enumerated = host_->enumerate();
  if (!enumerated) return tl::unexpected("the device did not enumerate: " + enumerated.error());
  if (host_->speed() != scenario_.speed)
    return tl::unexpected(fmt::format("the device came up at {}, the scenario asks for {}",
                                      usb::to_string(host_->speed()), usb::to_string(scenario_.speed)));
  auto options = scenario_.driverkit;
  options.observer = refusals_.get();
  options.driver_observer = diagnosis_.get();
  options.isoch_observer = &isoch_tee_;
  runtime_ = std::make_unique<driverkit::Runtime>(*host_, std::move(options));
  plan_life();
  return open_device();
}

/// Sessions, configuration, settings and registers: at the beginning, and when the device was reset or comes back.
tl::expected<void, std::string> Run::open_device() {
  const auto check = [](const char* what, kern_return_t code) -> tl::expected<void, std::string> {
    if (code == kIOReturnSuccess) return {};
    return tl::unexpected(driverkit::failed_with(what, code));
  };
  auto done = check("Open of the device", runtime_->device()->Open(runtime_->client(), 0, 0));
  if (done) done = check("SetConfiguration", runtime_->configure());
  for (const auto& [number, alternate] : plan_.alternates) {
    if (!done) return done;
    auto* interface = runtime_->interface(number);
    if (interface == nullptr) return tl::unexpected(fmt::format("the device has no interface {}", number));
    done = check("Open of the interface", interface->Open(runtime_->client(), 0, nullptr));
    if (done) done = check("SelectAlternateSetting", interface->SelectAlternateSetting(alternate));
  }
  if (done) done = set_up_device();
  return done;
}

tl::expected<void, std::string> Run::set_up_device() {
  if (!plan_.device.test_requests) return {};
  access_ = std::make_unique<DeviceAccess>(*runtime_, *plan_.device.test_requests);
  for (const auto& [number, value] : plan_.registers) {
    if (auto done = access_->write(number, value); !done) return done;
    if (number == reg::log_mask) suite_.device_log_mask(value);
  }
  const auto control = reg::control_restart | reg::control_clear_counters | reg::control_clear_log |
                       (scenario_.checks.device_log ? reg::control_log_enabled : 0U);
  if (auto done = access_->write(reg::control, control); !done) return done;
  for (const auto* targets : {&plan_.streams, &plan_.bulk})
    for (const auto& target : *targets) suite_.restart(target.endpoint.address);
  return {};
}

void Run::plan_life() {
  if (scenario_.events.empty() || sim_host_ == nullptr) return;
  life_ = std::make_unique<Life>(LifeContext{scenario_, *sim_host_, *runtime_, *cut_link_, streams_, bulk_,
                                             promises_.get(), [this] { return open_device(); },
                                             [this] { return set_up_device(); }, [this] { return restart_log(); }});
}

/// Whether log and counters can be read: the device is there, awake and configured.
bool Run::device_answers() {
  if (!life_) return true;
  if (life_->device_usable() && sim_host_->suspended()) {
    sim_host_->resume();
    log_cut_ = true;  // over a time without SOFs it can't be held against the wire
  }
  return life_->device_usable() && host_->connected();
}

void Run::make_streams() {
  context_ = std::make_unique<StreamContext>(
      StreamContext{*runtime_, ids_, suite_.reporter(), scenario_.speed, scenario_.frames, !link_, diagnosis_.get(),
                    scenario_.may_vanish(), scenario_.expect.has_value(), options_.buffered, scenario_.promised()});
  std::vector<Loop*> isoch_loops(plan_.streams.size()), bulk_loops(plan_.bulk.size());
  const auto join = [&](const std::vector<StreamTarget>& targets, std::vector<Loop*>& loops, auto bytes_in_flight,
                        std::FILE* received) {
    for (std::size_t i = 0; i < targets.size(); ++i) {
      if (!targets[i].source) continue;
      // What is in the requests in flight, in the device, and a margin for what comes late.
      const auto capacity = 2 * bytes_in_flight(*targets[i].source) + (std::size_t{1} << 17U);
      loops_.push_back(std::make_unique<Loop>(suite_.reporter(), capacity, received));
      loops[i] = loops[*targets[i].source] = loops_.back().get();
      returns_.emplace_back(targets[i].endpoint.address, loops_.back().get());
    }
  };
  join(
      plan_.streams, isoch_loops,
      [&](std::size_t i) {
        const std::size_t intervals =
            std::size_t{scenario_.speed == usb::Speed::high ? 8U : 1U} * scenario_.streams[i].frames_per_request;
        return intervals / plan_.streams[i].endpoint.interval * plan_.streams[i].endpoint.capacity() *
               scenario_.streams[i].depth;
      },
      received_ ? received_->stream() : nullptr);
  join(
      plan_.bulk, bulk_loops,
      [&](std::size_t i) { return std::size_t{scenario_.bulk[i].bytes} * scenario_.bulk[i].depth; }, nullptr);

  for (std::size_t i = 0; i < plan_.streams.size(); ++i) {
    const auto& target = plan_.streams[i];
    suite_.watch({target.endpoint.address, target.pattern, target.seed, scenario_.promised()});
    if (html_ && scenario_.streams[i].payload == Payload::feedback) show_feedback(i);
    streams_.push_back(std::make_unique<IsochStream>(*context_, scenario_.streams[i], target, isoch_loops[i]));
  }
  for (std::size_t i = 0; i < plan_.bulk.size(); ++i) {
    const auto& target = plan_.bulk[i];
    suite_.watch({target.endpoint.address, target.pattern, target.seed});
    bulk_.push_back(std::make_unique<BulkStream>(*context_, scenario_.bulk[i], target, bulk_loops[i]));
  }
  for (std::size_t i = 0; i < streams_.size(); ++i)
    for (std::size_t j = 0; j < streams_.size(); ++j)
      if (scenario_.streams[j].size.kind == SizePlan::Kind::feedback &&
          scenario_.streams[j].size.source == scenario_.streams[i].name)
        streams_[i]->on_feedback(
            [follower = streams_[j].get()](FeedbackValue value) { follower->set_feedback(value); });
}

void Run::show_feedback(std::size_t stream) {
  const auto samples = [](FeedbackValue value) { return static_cast<double>(value.q16) / 65536.0; };
  html_->timeline().add_feedback(
      {plan_.streams[stream].endpoint.address,
       samples(FeedbackValue::of_rate(scenario_.streams[stream].size.sample_rate, scenario_.speed)),
       [samples, speed = scenario_.speed](std::span<const std::uint8_t> bytes) -> std::optional<double> {
         const auto value = FeedbackValue::read(bytes, speed);
         if (!value) return std::nullopt;
         return samples(*value);
       }});
}

void Run::start_streams() {
  start_frame_ = host_->frame_number();
  start_time_ = host_->now();
  if (streams_.empty()) {
    faults_.begin_now(*host_);
  } else {
    faults_.begin(*host_);
  }
  const auto start = [this](std::size_t i) { streams_[i]->start(runtime_->interface(scenario_.streams[i].interface)); };
  // Where no first frame can be placed, whoever takes things back must be there before they are sent.
  const auto early = [this](std::size_t i) { return context_->unplaced && plan_.streams[i].source.has_value(); };
  for (std::size_t i = 0; i < streams_.size(); ++i)
    if (early(i)) start(i);
  for (std::size_t i = 0; i < streams_.size(); ++i)
    if (!early(i)) start(i);
  for (std::size_t i = 0; i < bulk_.size(); ++i) bulk_[i]->start(runtime_->interface(scenario_.bulk[i].interface));
  block_queue();
  if (!life_) return;
  std::uint64_t first = UINT64_MAX;
  for (const auto& stream : streams_) first = std::min(first, stream->first_frame());
  life_->schedule(sim_host_->begin_of(usb::FrameTime::of(streams_.empty() ? start_frame_ + 1 : first)));
}

/// Now and then, until the run is over.
void Run::block_queue() {
  const auto& software = scenario_.software;
  if (software.queue_block.bits == 0) return;
  host_->call_at(host_->now() + software.queue_block_every, [this] {
    if (!runtime_ || streams_finished()) return;
    runtime_->block_queue(scenario_.software.queue_block);
    block_queue();
  });
}

bool Run::streams_finished() const {
  if (!stream_error().empty()) return true;
  if (streams_.empty()) return elapsed_frames() >= scenario_.frames;
  return std::all_of(streams_.begin(), streams_.end(), [](const auto& stream) { return stream->finished(); });
}

std::string Run::stream_error() const {
  for (const auto& stream : streams_)
    if (!stream->error().empty()) return stream->error();
  for (const auto& stream : bulk_)
    if (!stream->error().empty()) return stream->error();
  if (life_ && !life_->error().empty()) return life_->error();
  return runtime_->hung();
}

/// Which stream has had no completion for too long; empty if none.
std::string Run::stuck() {
  const LastSign now{0, host_->frame_number(), host_->now()};
  last_signs_.resize(streams_.size(), now);
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    auto& last = last_signs_[i];
    const auto limit = (link_ ? stuck_time : stuck_time_real) + scenario_.streams[i].frames_per_request * bus::frame;
    const bool quiet = !streams_[i]->waits_for_completion() || (life_ && life_->pending());
    if (quiet || streams_[i]->completions() != last.completions) {
      last = now;
      last.completions = streams_[i]->completions();
    } else if (now.at - last.at > limit) {
      return fmt::format("stream {}: no request has completed since frame {}", scenario_.streams[i].name, last.frame);
    }
  }
  return {};
}

std::uint64_t Run::frames_done() const {
  std::uint64_t least = UINT64_MAX;
  for (const auto& stream : streams_) least = std::min(least, stream->frames_done());
  return streams_.empty() ? 0 : least;
}

std::string Run::unplugged(const std::string& noticed) const {
  auto text = start_frame_ == 0
                  ? std::string("the device was unplugged before its streams began")
                  : fmt::format("the device was unplugged after {} of {} frames", frames_done(), scenario_.frames);
  return noticed.empty() ? text : text + "; noticed by: " + noticed;
}

tl::expected<void, std::string> Run::stream_until_done() {
  make_streams();
  start_streams();
  while (!runtime_->run_until([this] { return streams_finished(); }, slice)) {
    show_progress();
    if (interrupted() || host_->now() > options_.wave_window.until) break;
    if (auto done = log_windows(); !done) return done;
    if (auto why = stuck(); !why.empty()) return tl::unexpected(std::move(why));
  }
  const auto error = stream_error();
  if (life_) life_->stop();
  end_streams();
  faults_.end();
  if (!error.empty()) return tl::unexpected(error);
  if (interrupted()) return tl::unexpected(fmt::format("interrupted after {} frames", elapsed_frames()));
  return {};
}

void Run::end_streams() {
  for (const auto& stream : streams_) stream->stop();
  for (const auto& stream : bulk_) stream->drain();
  const auto quiet = [this] {
    return std::all_of(streams_.begin(), streams_.end(), [](const auto& stream) { return stream->finished(); }) &&
           std::all_of(bulk_.begin(), bulk_.end(), [](const auto& stream) { return stream->drained(); });
  };
  runtime_->run_until(quiet, 500 * bus::frame);
  for (const auto& stream : bulk_)
    if (stream->in_flight()) stream->abort();
  runtime_->run_until(
      [this] {
        return std::none_of(bulk_.begin(), bulk_.end(), [](const auto& stream) { return stream->in_flight(); });
      },
      100 * bus::frame);
}

/// Reads the first window when it is over, and begins the last one shortly before the end.
tl::expected<void, std::string> Run::log_windows() {
  if (life_) return {};  // a window could fall into a time without a device
  if (!access_ || !scenario_.checks.device_log || !options_.payload.empty()) return {};
  const auto frames = scenario_.frames;
  if (log_ == Log::first_window && elapsed_frames() >= log_window_frames && frames > 4 * log_window_frames) {
    log_ = Log::between;
    return read_log();
  }
  if (log_ == Log::between && elapsed_frames() + log_window_frames >= frames) {
    log_ = Log::last_window;
    return restart_log();
  }
  return {};
}

tl::expected<void, std::string> Run::restart_log() {
  if (!access_ || !scenario_.checks.device_log) return {};
  suite_.device_log_lost(1);  // what came before is missing on purpose
  return access_->write(reg::control, reg::control_log_enabled | reg::control_clear_log);
}

tl::expected<void, std::string> Run::read_log() {
  if (!access_ || !device_answers() || !scenario_.checks.device_log) return {};
  if (std::exchange(log_cut_, false))
    if (auto again = restart_log(); !again) return again;
  if (auto stopped = access_->write(reg::control, 0); !stopped) return stopped;
  const auto lost = access_->read(reg::log_lost, 1);
  if (!lost) return tl::unexpected(lost.error());
  auto taken = access_->take_log([this](std::span<const std::uint8_t> entries) { suite_.device_log(entries); });
  suite_.device_log_lost(lost->front());  // a full log keeps the oldest: what is missing comes behind
  return taken;
}

tl::expected<void, std::string> Run::read_counters() {
  if (!access_ || !device_answers()) return {};
  for (const auto* targets : {&plan_.streams, &plan_.bulk}) {
    for (const auto& target : *targets) {
      const bool in = target.endpoint.address.is_in();
      const auto base = in ? reg::in_engine(target.engine) : reg::out_engine(target.engine);
      const auto values = access_->read(base, reg::engine_registers);
      if (!values) return tl::unexpected(values.error());
      suite_.device_counters(target.endpoint.address, *values);
    }
  }
  return {};
}

/// The file that went out, against the file that came back: read from disk again, apart from the streams' own check.
void Run::compare_payload() {
  if (!received_) return;
  // A file that can't be written says nothing about the device.
  if (const auto written = received_->flush(); !written) {
    output_failed_ = true;
    if (result_.error.empty()) result_.error = written.error();
    return;
  }
  const auto compared = check::compare_files(options_.payload, received_->readable_path());
  if (const auto kept = received_->keep(); !kept) {
    output_failed_ = true;
    if (result_.error.empty()) result_.error = kept.error();
  }
  if (!compared) {
    if (result_.error.empty()) result_.error = compared.error();
    return;
  }
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

void Run::show_progress() {
  if (!options_.progress || streams_.empty()) return;
  options_.progress(std::min(1.0, static_cast<double>(frames_done()) / static_cast<double>(scenario_.frames)));
}

/// --payload: the OUT stream of the loopback pair sends the file instead of what the scenario says.
tl::expected<Scenario, InputError> with_payload(Scenario scenario, const std::string& file) {
  const auto back = std::find_if(scenario.streams.begin(), scenario.streams.end(),
                                 [](const auto& stream) { return stream.payload == Payload::loopback; });
  if (back == scenario.streams.end())
    return tl::unexpected(
        InputError{scenario.file.string(), 0, "stream",
                   "--payload wants a stream with payload = \"loopback\"; the scenario \"loopback\" has one"});
  for (auto& stream : scenario.streams) {
    if (stream.endpoint.is_in() || (!back->source.empty() && stream.name != back->source)) continue;
    stream.payload = Payload::file;
    stream.file = file;
  }
  return scenario;
}

/// Streams' names become endpoints; what is left to chance follows from the scenario's seed.
tl::expected<void, InputError> resolve_faults(Scenario& scenario, const Plan& plan) {
  std::map<std::string, usb::EndpointAddress> endpoints;
  for (std::size_t i = 0; i < scenario.streams.size(); ++i)
    endpoints[scenario.streams[i].name] = plan.streams[i].endpoint.address;
  for (std::size_t i = 0; i < scenario.bulk.size(); ++i)
    endpoints[scenario.bulk[i].name] = plan.bulk[i].endpoint.address;
  scenario.faults.seed = scenario.seed;
  return scenario.faults.resolve(scenario.file.string(), endpoints);
}

/// How many frames a file takes; the length of the run then, for the other streams and the progress bar.
std::uint64_t frames_of_file(std::uint64_t bytes, const IsochStreamPlan& stream, const StreamTarget& target,
                             usb::Speed speed) {
  SizeSchedule schedule(stream.size, target.endpoint, speed);
  constexpr std::uint64_t sample = 16'000;  // intervals from which the average is taken: at least a second
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < sample; ++i) sum += schedule.next();
  const std::uint64_t units = speed == usb::Speed::high ? 8 : 1;
  return sum == 0 ? 1 : std::max<std::uint64_t>(1, bytes * sample / sum * target.endpoint.interval / units);
}

}  // namespace

tl::expected<RunOutcome, RunError> run(const Scenario& original, const RunOptions& options) {
  const auto failed = [](const InputError& error) {
    return tl::unexpected(RunError{RunError::Kind::input, error.to_string()});
  };
  Scenario scenario = original;
  if (!options.payload.empty()) {
    auto changed = with_payload(original, options.payload);
    if (!changed) return failed(changed.error());
    scenario = std::move(*changed);
  }
  const auto file = find(Shelf::devices, scenario.device, scenario.file.parent_path());
  if (!file) return failed(file.error());
  auto device = description::load(*file);
  if (!device) return failed(device.error());
  if (const auto why = simulation_only(scenario); options.make_host && !why.empty())
    return failed(InputError{scenario.file.string(), 0, "", "is for --target sim only: " + why});
  const auto* profile = controller::find_profile(scenario.profile);
  if (!options.make_host && profile != nullptr && !profile->drives(scenario.speed))
    return failed(
        InputError{scenario.file.string(), 0, "controller.profile",
                   fmt::format("{} does not drive devices at {} by itself; isochio list --profiles shows who does",
                               profile->name, scenario.speed == usb::Speed::high ? "high speed" : "full speed")});
  auto plan = make_plan(scenario, std::move(*device));
  if (!plan) return failed(plan.error());
  if (auto resolved = resolve_faults(scenario, *plan); !resolved) return failed(resolved.error());
  if (!options.payload.empty()) {
    std::error_code error;
    const auto bytes = std::filesystem::file_size(options.payload, error);
    if (error) return failed(InputError{options.payload, 0, "", "can't be read: " + error.message()});
    for (std::size_t i = 0; i < scenario.streams.size(); ++i)
      if (scenario.streams[i].payload == Payload::file)
        scenario.frames = frames_of_file(bytes, scenario.streams[i], plan->streams[i], scenario.speed);
  }
  if (options.make_host)
    for (auto& stream : scenario.streams) stream.explicit_start = false;
  Run whole(scenario, options, std::move(*plan));
  if (const auto opened = whole.open_outputs(); !opened) return tl::unexpected(opened.error());
  if (const auto connected = whole.connect(); !connected) return tl::unexpected(connected.error());
  return whole.run();
}

}  // namespace isochio::scenario
