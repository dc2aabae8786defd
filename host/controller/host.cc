#include "controller/host.h"

#include <array>

namespace isochio::controller {

const char* to_string(Status status) {
  static constexpr std::array names{
      "pending",      "ok",
      "short packet", "no response",
      "CRC error",    "bit stuffing error",
      "PID error",    "sequence error",
      "overrun",      "missed",
      "aborted",      "stall",
      "timeout",      "no device",
      "too old",      "too new",
      "bad argument", "not open",
      "not ready",    "not permitted",
      "no bandwidth", "no resources",
  };
  static_assert(names.size() == static_cast<std::size_t>(Status::no_resources) + 1);
  const auto index = static_cast<std::size_t>(status);
  return index < names.size() ? names[index] : "unknown status";
}

}  // namespace isochio::controller
