// isochio: what came of one run of a made-up scenario.
#pragma once

#include <cstdint>
#include <string>

namespace isochio::explore {

struct Finding {
  enum class Kind : std::uint8_t {
    passed,
    violated,  ///< a check or a promise says no
    error,     ///< the run could not go on
    crashed,   ///< the process ended by a signal, or without a result
    hung,      ///< the time limit was reached
    invalid,   ///< the scenario is none: it was never run
    no_target  ///< the simulator is not there
  };
  Kind kind = Kind::passed;
  std::string what;      ///< the rules that spoke, the error, the signal; what a smaller scenario has to fail by, too
  std::string sentence;  ///< for people
  std::string coverage;  ///< what the run covered, as coverage::Hits writes it; may be empty

  bool failed() const { return kind != Kind::passed && kind != Kind::invalid && kind != Kind::no_target; }
  bool same_as(const Finding& other) const { return kind == other.kind && what == other.what; }
};
const char* to_string(Finding::Kind kind);

}  // namespace isochio::explore
