// isochio: what each kind of fault can be made with. One row a kind; the reader and docs/faults.md follow it.
#pragma once

#include <string_view>

#include "fault/fault_plan.h"

namespace isochio::fault {

enum class Sender : std::uint8_t {
  host,
  device,
  either,
  device_unless_said,  ///< the device, or the host where `from` says so
};

struct KindInfo {
  const char* word;
  Sender sender;
  std::uint8_t packets;          ///< classes it can be made with; 0: it is no packet's fault
  std::uint8_t packets_default;  ///< 0: follows from `place`
  std::string_view keys;         ///< its own keys, each followed by a blank; with * the key must be given
};

const KindInfo& kind_info(Kind kind);

inline constexpr const char* place_words[] = {"sync", "pid", "token", "payload", "crc"};

}  // namespace isochio::fault
