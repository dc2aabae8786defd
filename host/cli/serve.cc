// isochio serve: the simulated device for a Linux machine or VM, by USB/IP, or for a QEMU guest, by usbredir.
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "capture/pcapng.h"
#include "check/suite.h"
#include "cli/command.h"
#include "cli/register_option.h"
#include "description/description.h"
#include "report/report.h"
#include "report/wave_file.h"
#include "scenario/catalogue.h"
#include "scenario/fault_record.h"
#include "serve/server.h"
#include "simulated_device.h"

namespace isochio::cli {
namespace {

struct Options {
  std::string device, speed, pace, capture, wave, json, faults;
  std::vector<std::string> registers;
  int grace_ms = 100;
  bool quiet = false, usbredir = false;
  int port = -1;  ///< -1: the protocol's own
  serve::ServerOptions server;
};

std::atomic<bool> interrupted{false};
std::atomic<bool> asked{false};  ///< for the status line, by SIGUSR1

/// The first one ends the server in good order; another one ends the program at once.
void interrupt(int signal) {
  interrupted = true;
  std::signal(signal, SIG_DFL);
}

void ask(int /*signal*/) { asked = true; }

/// Keeps the first ones for the end, and hands all on; the suite counts them.
class FirstViolations final : public check::ViolationSink {
 public:
  static constexpr std::size_t most = 10;
  void report(const check::Violation& violation) override {
    if (lines_.size() < most) lines_.push_back(check::to_string(violation));
    if (next_ != nullptr) next_->report(violation);
  }
  void also_tell(check::ViolationSink* next) { next_ = next; }
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  std::vector<std::string> lines_;
  check::ViolationSink* next_ = nullptr;
};

/// One line on a terminal that is written over and over; nothing elsewhere.
class StatusLine {
 public:
  explicit StatusLine(bool wanted) : terminal_(wanted && isatty(STDERR_FILENO) == 1) {}

  template <typename Text>
  void show(Text&& text) {
    const auto now = Clock::now();
    if (!terminal_ || now - last_ < std::chrono::milliseconds(200)) return;
    last_ = now;
    drawn_ = true;
    fmt::print(stderr, "\r\033[K{}", text());
    std::fflush(stderr);
  }
  void clear() {
    if (drawn_) fmt::print(stderr, "\r\033[K");
    drawn_ = false;
  }

 private:
  using Clock = std::chrono::steady_clock;
  bool terminal_, drawn_ = false;
  Clock::time_point last_;
};

/// The served device with what looks on.
struct Served {
  Served(const check::SuiteOptions& options, fault::FaultPlan plan)
      : faults(std::move(plan), violations), suite(options, faults) {}
  std::uint64_t violation_count() const { return suite.reporter().total(); }

  std::unique_ptr<report::JsonReport> json;
  FirstViolations violations;
  scenario::FaultRecord faults;
  check::Suite suite;
  std::unique_ptr<capture::PcapngWriter> capture;
  std::unique_ptr<bus::Link> link;
  std::unique_ptr<controller::SimHost> host;
};

check::SuiteOptions suite_options() {
  check::SuiteOptions options;
  options.violation_cap = 100;
  options.payload = false;     // what a driver sends is not ours to know
  options.device_log = false;  // nobody reads it
  return options;
}

/// What was seen on the bus, in the form of `isochio run`'s report.
tl::expected<void, std::string> write_report(Served& served, const Options& options, bus::BusTime start,
                                             std::chrono::steady_clock::time_point began) {
  if (!served.json) return {};
  report::RunResult result;
  result.scenario = "serve " + options.device;
  result.speed = served.host->speed();
  const auto passed_time = served.host->now() - start;
  result.frames = static_cast<std::uint64_t>(passed_time.bits / bus::frame.bits);
  result.repeat_command = result.scenario;
  result.streams = served.suite.streams();
  result.latency = served.suite.latency();
  result.sof = served.suite.sof();
  result.faults = served.faults.summary();
  result.skipped[static_cast<std::size_t>(check::Group::payload)] = true;
  result.skipped[static_cast<std::size_t>(check::Group::device_log)] = true;
  const auto clocks = served.link->clocks();
  result.perf = {clocks.elapsed, clocks.evaluated, bus::to_seconds(passed_time),
                 std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count()};
  result.conclude(served.suite.reporter());
  return served.json->finish(result);
}

std::string status_text(const Served& served, const serve::Server& server, bus::BusTime start,
                        std::chrono::steady_clock::time_point began) {
  const auto counters = server.counters();
  const double bus = bus::to_seconds(served.host->now() - start);
  const double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  return fmt::format(
      "{}  {:.0f} frames, {} URBs ({} failed, {} taken back), {:.1f} MB, {} violations, {:.2f} of real time",
      server.attached() ? "attached" : "waiting ", bus * 1000, counters.urbs, counters.failed, counters.unlinked,
      static_cast<double>(counters.bytes) / 1e6, served.violation_count(), wall > 0 ? bus / wall : 0.0);
}

/// No streams have names here: endpoints are addresses.
tl::expected<fault::FaultPlan, InputError> load_faults(const std::string& file) {
  auto plan = fault::load_plan(file);
  if (!plan) return plan;
  if (auto resolved = plan->resolve(file, {}); !resolved) return tl::unexpected(resolved.error());
  return plan;
}

bool has_isochronous(const description::Description& device) {
  for (const auto& setting : device.settings)
    for (const auto& endpoint : setting.endpoints)
      if (endpoint.type == usb::TransferType::isochronous) return true;
  return false;
}

std::string fault_text(const report::FaultSummary& faults) {
  std::string text = fmt::format("{} faults made on purpose:", faults.made);
  for (const auto& planned : faults.planned)
    text += fmt::format(" {} {}{}", planned.made, planned.name, &planned == &faults.planned.back() ? "" : ",");
  return text + "\n";
}

int serve_until_stopped(Options options) {
  const auto file = scenario::find(scenario::Shelf::devices, options.device);
  if (!file) return complain(file.error().to_string());
  const auto description = description::load(*file);
  if (!description) return complain(description.error().to_string());
  const auto image = description::compile_image(*description);
  if (!image) return complain(image.error().to_string());
  const auto registers = parse_registers(options.registers);
  if (!registers) return complain(registers.error());
  if (!registers->empty() && !description->test_requests)
    return complain("--register: " + file->string() + " has no test requests");

  fault::FaultPlan plan;
  if (!options.faults.empty()) {
    auto loaded = load_faults(options.faults);
    if (!loaded) return complain(loaded.error().to_string());
    plan = std::move(*loaded);
  }
  Served served(suite_options(), std::move(plan));
  if (!options.capture.empty()) {
    auto capture = capture::PcapngWriter::create(options.capture, {"isochio serve " + options.device});
    if (!capture) return complain(capture.error());
    served.capture = std::move(*capture);
    served.suite.also_show(served.capture.get());
    served.faults.show_in(served.capture.get());
  }
  if (!options.json.empty()) {
    auto json = report::JsonReport::create(options.json);
    if (!json) return complain(json.error());
    served.json = std::move(*json);
    served.violations.also_tell(served.json.get());
  }
  try {
    served.link = verilated::make_simulated_device({*image, options.speed == "fs", true, options.wave});
  } catch (const std::exception& problem) {
    complain(problem.what());
    return target_not_available;
  }
  const auto wire = served.faults.attach(*served.link);
  if (!wire) return complain(wire.error());
  (*wire)->set_observer(&served.suite);
  controller::SimHostOptions host_options;
  host_options.clock_ppm = served.faults.plan().bus_clock_ppm();
  served.host = std::make_unique<controller::SimHost>(**wire, host_options);
  served.host->add_observer(&served.suite);
  if (served.capture) served.host->add_observer(served.capture.get());
  served.host->add_observer(&served.faults);

  // A usbredir client polls by its own clock and drops what comes faster.
  if (options.pace.empty()) options.pace = options.usbredir ? "real" : "fast";
  options.server.protocol = options.usbredir ? serve::Protocol::usbredir : serve::Protocol::usbip;
  options.server.port = static_cast<std::uint16_t>(options.port >= 0 ? options.port : options.usbredir ? 4000 : 3240);
  options.server.session.pace = options.pace == "real" ? serve::Pace::real : serve::Pace::fast;
  options.server.session.grace = std::chrono::milliseconds(options.grace_ms);
  options.server.session.gather = options.server.session.grace / 2;
  StatusLine line(!options.quiet);
  std::unique_ptr<serve::Server> server;
  const auto start = served.host->now();
  const auto began = std::chrono::steady_clock::now();
  serve::ServerEvents events;
  events.say = [&](const std::string& text) {
    line.clear();
    if (!options.quiet) fmt::print(stderr, "isochio: {}\n", text);
  };
  events.tick = [&] {
    line.show([&] { return status_text(served, *server, start, began); });
    if (!asked.exchange(false)) return;
    line.clear();
    fmt::print(stderr, "isochio: {}; {} URBs in flight\n", status_text(served, *server, start, began),
               server->in_flight());
  };

  std::signal(SIGUSR1, ask);
  std::signal(SIGINT, interrupt);
  std::signal(SIGTERM, interrupt);
  auto listening = serve::Server::listen(*served.host, options.server, std::move(events));
  if (!listening) {
    complain(listening.error());
    return target_not_available;
  }
  server = std::move(*listening);
  if (has_isochronous(*description)) {
    served.faults.begin(*served.host);
  } else {
    served.faults.begin_now(*served.host);
  }
  if (options.speed == "hs" && served.host->speed() != usb::Speed::high)
    return complain(file->string() + ": this device is for full speed only; leave --speed hs out");
  // They outlast the resets that come with each client.
  if (!registers->empty()) {
    const auto written = write_registers(*served.host, *description->test_requests, *registers);
    if (!written) return complain(written.error());
  }
  fmt::print("serving {} at {} speed on {} port {} {}\n", file->stem().string(),
             served.host->speed() == usb::Speed::full ? "full" : "high", options.server.address, server->port(),
             options.usbredir ? "by usbredir" : "as " + server->device().bus_id);
  std::fflush(stdout);
  const bool stopped = server->run(interrupted);
  line.clear();
  const auto summary = status_text(served, *server, start, began);
  const auto totals = server->counters();
  server.reset();
  served.faults.end();
  served.suite.finish(served.host->now());
  if (served.capture) {
    if (const auto closed = served.capture->finish(); !closed) return complain(closed.error());
  }
  if (const auto closed = write_report(served, options, start, began); !closed) return complain(closed.error());
  fmt::print("{}; held {} times for the client, {} in vain\n", summary, totals.held, totals.given_up);
  if (!served.faults.empty()) fmt::print("{}", fault_text(served.faults.summary()));
  for (const auto& violation : served.violations.lines()) fmt::print("  {}\n", violation);
  if (!stopped) return target_not_available;
  return served.violation_count() == 0 ? passed : checks_failed;
}

/// The wave file is whole once the device has gone.
int serve_device(Options options) {
  if (options.wave.empty()) return serve_until_stopped(std::move(options));
  auto wave = report::WaveFile::create(options.wave);
  if (!wave) return complain(wave.error());
  options.wave = wave->part();
  const int code = serve_until_stopped(std::move(options));
  if (code != passed && code != checks_failed) return code;
  const auto whole = wave->finish();
  return whole ? code : complain(whole.error());
}

}  // namespace

void add_serve(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("serve", "Plug the simulated device into a Linux machine or VM");
  const auto options = std::make_shared<Options>();
  command->add_option("DEVICE", options->device, "Device description: a name from isochio list, or a path")->required();
  command->add_option("--speed", options->speed, "fs (full speed) or hs (high speed); default: the highest it can")
      ->check(CLI::IsMember({"fs", "hs"}));
  command->add_flag("--usbredir", options->usbredir,
                    "Speak usbredir, for QEMU's usb-redir device, instead of USB/IP, for Linux' usbip");
  command->add_option("--port", options->port, "TCP port; 0 takes a free one; default: 3240, with --usbredir 4000")
      ->check(CLI::Range(0, 65535));
  command->add_option("--listen", options->server.address, "Address of this machine to listen at")
      ->capture_default_str();
  command
      ->add_option("--pace", options->pace,
                   "fast: bus time runs as fast as it can (default); real: not faster than the wall clock (default "
                   "with --usbredir)")
      ->check(CLI::IsMember({"fast", "real"}));
  command
      ->add_option("--grace", options->grace_ms,
                   "How many milliseconds bus time waits for the next URB of a stream; 0: a late client gets a hole")
      ->check(CLI::Range(0, 60'000))
      ->capture_default_str();
  command->add_option("--capture", options->capture, "Write every packet on the wire here (pcapng, for Wireshark)");
  command->add_option("--json", options->json, "Write what was seen on the bus here, at the end");
  command->add_option("--register", options->registers,
                      "NAME=VALUE, a register of the device (docs/registers.md) that is written at the start; again "
                      "for more");
  command->add_option("--wave", options->wave, "Write the device's signals here (FST, for GTKWave); slow");
  command
      ->add_option("--faults", options->faults,
                   "Make the faults of this file on the wire ([[fault]] tables, docs/faults.md); frame 0 is the first "
                   "one of the first isochronous transfer")
      ->check(CLI::ExistingFile);
  command->add_flag("--quiet", options->quiet, "No status line, no messages but errors");
  command->footer(
      "Anyone who can reach the port can use the device; there are no passwords and no encryption. Ctrl-C ends it and\n"
      "leaves whole files; a second Ctrl-C ends it at once.\n"
      "\n"
      "On the Linux machine (docs/serve.md):\n"
      "  modprobe vhci-hcd && usbip attach -r ADDRESS -b 1-1\n"
      "For a guest of QEMU, with --usbredir:\n"
      "  qemu-system-x86_64 … -device qemu-xhci -chardev socket,id=isochio,host=127.0.0.1,port=4000,reconnect=1 \\\n"
      "                     -device usb-redir,chardev=isochio\n"
      "\n"
      "Examples:\n"
      "  isochio serve uac1-audio                              a sound card for this machine\n"
      "  isochio serve test --speed hs --capture test.pcapng   all packets for Wireshark\n"
      "\n"
      "Exit codes: 0 stopped and nothing was wrong on the bus, 1 violations, 2 bad usage or input, 3 can't serve.");
  command->callback([&action, options] { action = [options] { return serve_device(*options); }; });
}

}  // namespace isochio::cli
