// isochio: the device's event log (docs/registers.md) as a host that is bound by nothing reads it.
#pragma once

#include <vector>

#include "cosim/device/raw_bus.h"

namespace isochio::test {

struct LogEntry {
  std::uint32_t stamp;
  unsigned frame;     ///< 13..3 frame number, 2..0 microframe
  unsigned endpoint;  ///< 3..0 number, 7 IN
  unsigned kind, length, pid, status;
};

/// Takes out what there is, at most 341 entries.
inline std::vector<LogEntry> take_log(RawBus& f) {
  const auto bytes = f.control({0xc0, 2, 0, 0, 4092});
  std::vector<LogEntry> entries;
  if (!bytes) return entries;
  for (std::size_t at = 0; at + 12 <= bytes->size(); at += 12) {
    const auto* e = bytes->data() + at;
    entries.push_back({e[0] | e[1] << 8U | e[2] << 16U | std::uint32_t{e[3]} << 24U, e[4] | unsigned{e[5]} << 8U, e[6],
                       e[7], e[8] | unsigned{e[9]} << 8U, e[10], e[11]});
  }
  return entries;
}

/// Empties it; what comes next is the rest of this request and what follows it.
inline bool clear_log(RawBus& f) {
  const bool done = f.write(0x004, 1U | 1U << 9U);
  f.pass(10 * bus::microsecond);
  return done;
}

}  // namespace isochio::test
