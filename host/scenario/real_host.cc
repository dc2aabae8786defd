// isochio: see real_host.h.
#include "scenario/real_host.h"

namespace isochio::scenario {

std::string simulation_only(const Scenario& scenario) {
  if (!scenario.events.empty()) return "what happens at points of bus time ([[event]]) is done by the simulation";
  if (!scenario.faults.empty())
    return "faults on the wire and of time ([[fault]]) are made on a simulated cable, and this one is real";
  if (scenario.expect)
    return "it says which entries and violations are expected of the modelled controller, frame by frame, and a real "
           "one places its frames where it likes";
  return {};
}

}  // namespace isochio::scenario
