// isochio: how fast the simulation runs. Rates are per second of processor time of this one thread. `clocks` are device
// clocks that passed (60 M = real time), `evaluated` those really computed, `realtime` bus seconds per second.
#include <Vdevice.h>
#include <Vdevice___024root.h>
#include <benchmark/benchmark.h>

#include <ctime>

#include "device_model.h"
#include "recording_model.h"
#include "session.h"
#include "simulated_device.h"

namespace {

using namespace isochio;
using bench::Session;
using Counter = benchmark::Counter;

void report(benchmark::State& state, const bus::Link& link, bus::Link::Clocks before, std::uint64_t not_ok) {
  const auto clocks = link.clocks();
  const auto elapsed = static_cast<double>(clocks.elapsed - before.elapsed);
  state.counters["clocks"] = Counter(elapsed, Counter::kIsRate);
  state.counters["evaluated"] = Counter(static_cast<double>(clocks.evaluated - before.evaluated), Counter::kIsRate);
  state.counters["realtime"] = Counter(elapsed / 60e6, Counter::kIsRate);
  if (not_ok != 0) state.SkipWithError("entries failed: the figures mean nothing");
}

/// Argument: idle skipping.
void run(benchmark::State& state, const char* device, bool fs_only, std::initializer_list<Session::Setting> settings,
         bus::Duration step) {
  const auto image = bench::image_of(device);
  const auto link = verilated::make_simulated_device(
      {.image = image, .fs_only = fs_only, .idle_skipping = state.range(0) != 0, .wave_path = {}});
  Session session(*link, settings);
  session.run(20 * bus::millisecond);
  const auto before = link->clocks();
  for (auto _ : state) session.run(step);
  report(state, *link, before, session.not_ok());
}

void idle_hs(benchmark::State& state) { run(state, "test", false, {}, 10 * bus::millisecond); }
void hs_3x1024_in(benchmark::State& state) { run(state, "test", false, {{0, 6}}, bus::millisecond); }
void hs_3x1024_out(benchmark::State& state) { run(state, "test", false, {{0, 7}}, bus::millisecond); }
void fs_audio(benchmark::State& state) { run(state, "uac1-audio", true, {{1, 1}, {2, 1}}, 10 * bus::millisecond); }

double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// The same hs-3x1024-in, every clock evaluated, with the host and bare: the input pins of a run with the host are
/// recorded and given to a model in a plain loop. Both are timed in turns of a millisecond, so that both see the same
/// machine.
void host_over_bare(benchmark::State& state) {
  using Model = verilated::DeviceModel<Vdevice, Vdevice___024root, false>;
  constexpr auto step = bus::millisecond;
  const int steps = 60;
  const auto image = bench::image_of("test");
  const verilated::DeviceOptions options{.image = image, .fs_only = false, .idle_skipping = false, .wave_path = {}};
  const std::initializer_list<Session::Setting> settings{{0, 6}};

  for (auto _ : state) {
    verilated::UtmiLink<bench::RecordingModel<Model>> recording(bench::RecordingModel<Model>(Model(options)), false);
    Session recorded(recording, settings);
    const std::size_t start = recording.model().recorded.size();
    // In the same steps as below: where run_until ends is where the host may look at its queues again.
    for (int i = 0; i < steps; ++i) recorded.run(step);
    const auto& pins = recording.model().recorded;

    verilated::UtmiLink<Model> link(Model(options), false);
    Session session(link, settings);
    Model bare(options);
    bench::replay(bare, pins.data(), pins.data() + start);

    double with_host = 0, alone = 0;
    std::size_t at = start;
    for (int i = 0; i < steps; ++i) {
      const double begin = processor_seconds();
      session.run(step);
      const double middle = processor_seconds();
      const std::size_t end = link.clocks().elapsed;
      if (end > pins.size()) break;
      bench::replay(bare, pins.data() + at, pins.data() + end);
      alone += processor_seconds() - middle;
      with_host += middle - begin;
      at = end;
    }
    const auto clocks = static_cast<double>(at - start);
    if (bare.mode() != link.model().mode() || bare.data() != link.model().data() || session.not_ok() != 0) {
      state.SkipWithError("the replay does not do what the run did");
    }
    state.SetIterationTime(with_host);
    state.counters["clocks"] = clocks / with_host;
    state.counters["bare_clocks"] = clocks / alone;
    state.counters["host_over_bare"] = alone / with_host;
  }
}

BENCHMARK(idle_hs)->ArgName("skipping")->Arg(1)->Arg(0)->Unit(benchmark::kMillisecond);
BENCHMARK(hs_3x1024_in)->ArgName("skipping")->Arg(1)->Arg(0)->Unit(benchmark::kMillisecond);
BENCHMARK(hs_3x1024_out)->ArgName("skipping")->Arg(1)->Arg(0)->Unit(benchmark::kMillisecond);
BENCHMARK(fs_audio)->ArgName("skipping")->Arg(1)->Arg(0)->Unit(benchmark::kMillisecond);
BENCHMARK(host_over_bare)
    ->UseManualTime()
    ->Iterations(1)
    ->Repetitions(3)
    ->ReportAggregatesOnly(false)
    ->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
