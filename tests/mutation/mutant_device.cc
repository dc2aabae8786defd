// isochio: the simulated device of the tests, as a mutant: takes the place of verilator/simulated_device.cc.
//   ISOCHIO_MUTANT        number of the mutation that is in force; 0 or unset: none
//   ISOCHIO_MUTANT_TRACE  file to which a hash of all that the device's outputs did is written at the end
#include <Vmutants.h>
#include <Vmutants___024root.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "device_model.h"

namespace isochio::verilated {
namespace {

/// The netlist's `mutsel` takes its value from this argument before the first clock.
VerilatedContext* with_mutant(VerilatedContext* context) {
  const char* number = std::getenv("ISOCHIO_MUTANT");
  const std::string argument = std::string("+mutant=") + (number == nullptr ? "0" : number);
  const char* arguments[] = {"mutants", argument.c_str()};
  context->commandArgs(2, arguments);
  return context;
}

struct MutantTop : Vmutants {
  explicit MutantTop(VerilatedContext* context) : Vmutants(with_mutant(context)) {}
};

/// What the outputs of every device of this process did, and when.
class Trace {
 public:
  Trace() : path_(std::getenv("ISOCHIO_MUTANT_TRACE")) {}
  ~Trace() {
    if (path_ == nullptr) return;
    if (std::FILE* file = std::fopen(path_, "w"); file != nullptr) {
      std::fprintf(file, "%016llx\n", static_cast<unsigned long long>(hash_));
      std::fclose(file);
    }
  }
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;
  bool on() const { return path_ != nullptr; }
  void add(std::uint64_t value) { hash_ = (hash_ ^ value) * 0x100000001b3ULL; }

 private:
  const char* path_;
  std::uint64_t hash_ = 0xcbf29ce484222325ULL;
};

Trace& trace() {
  static Trace the_trace;
  return the_trace;
}

class MutantModel : public DeviceModel<MutantTop, Vmutants___024root, false> {
 public:
  using DeviceModel::DeviceModel;
  void skip(std::uint32_t edges) {
    DeviceModel::skip(edges);
    edge_ += edges;
  }
  void clock() {
    DeviceModel::clock();
    ++edge_;
    if (!trace().on()) return;
    const std::uint32_t outputs = (tx_valid() ? 0x100U | data() : 0U) | std::uint32_t{mode()} << 16U;
    if (outputs == outputs_) return;
    outputs_ = outputs;
    trace().add(edge_);
    trace().add(outputs);
  }

 private:
  std::uint64_t edge_ = 0;
  std::uint32_t outputs_ = 0;
};

}  // namespace

std::unique_ptr<SimulatedLink> make_simulated_device(const DeviceOptions& options) {
  return std::make_unique<UtmiLink<MutantModel>>(MutantModel(options), options.idle_skipping);
}

}  // namespace isochio::verilated
