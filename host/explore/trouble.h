// isochio: what goes wrong in a random scenario: faults on the wire and with time, late host software, events of a
// device's life. Each by the name that it has in coverage (docs/coverage.md).
#pragma once

#include <string>
#include <vector>

#include "explore/document.h"
#include "explore/generate.h"
#include "explore/random.h"

namespace isochio::explore {

/// The circumstances for which a trouble is made.
struct Circumstances {
  usb::Speed speed{};
  std::uint64_t frames = 0;
  std::uint8_t alternate = 0;
  std::vector<usb::EndpointConfig> endpoints;  ///< of the streams
  std::vector<std::string> streams;            ///< their names
  bool synchronous = false;                    ///< events are for asynchronous streams
};

/// All names; `none` is not one of them.
const std::vector<std::string>& troubles();
/// Whether it is something in the device's life, of which there is one in a scenario.
bool is_event(const std::string& trouble);
/// Whether it can be made here at all.
bool possible(const std::string& trouble, const Circumstances& now);
/// Adds the tables that make it, and turns off the checks that look at what it spoils.
void add_trouble(const std::string& trouble, const Circumstances& now, Random& random, Document& document);

}  // namespace isochio::explore
