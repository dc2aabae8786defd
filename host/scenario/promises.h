// isochio: puts the executable reference (host/reference) to work in a run: tells it the terms, what the device is told
// to send, and what events take away; a promise that is not kept is a violation of the rule "promise".
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "check/reporter.h"
#include "reference/reference.h"
#include "scenario/plan.h"
#include "scenario/scenario.h"

namespace isochio::scenario {

/// Keys that the file does not give are the profile's, as the reference knows it: what the parser made of a profile is
/// not looked at.
reference::Terms terms_of(const Scenario& scenario);

class Promises {
 public:
  /// All outlive this.
  Promises(const Scenario& scenario, const Plan& plan, check::Reporter& reporter, const reference::Reference::Now& now);

  reference::Reference& reference() { return reference_; }
  /// A cable will be cut or silenced then, whatever host software does.
  void cut_at(const Event& event, bus::BusTime at);
  /// Host software begins, and has done, what an event asks for.
  void begins(const Event& event, bus::BusTime now);
  void ended(const Event& event);

 private:
  reference::Interruption interruption(const Event& event, bus::BusTime at) const;

  const Scenario& scenario_;
  const Plan& plan_;
  reference::Reference reference_;
  std::map<Event::Kind, std::size_t> going_on_;  ///< by the event that began it
};

}  // namespace isochio::scenario
