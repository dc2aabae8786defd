// isochio: what a call of IsochIO is promised to return, and where its request will start.
// Source: driverkit-facts 1.4, 2.2, 2.5.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "reference/terms.h"

namespace isochio::reference {

/// One service interval in microframes, whatever the speed.
std::uint64_t interval_microframes(usb::Speed speed, const usb::EndpointConfig& endpoint);

/// A pipe right before the call.
struct PipeState {
  std::size_t in_flight = 0;    ///< requests accepted and not completed
  std::uint64_t available = 0;  ///< first frame behind the last of them; 0: none
  bool continuous = false;      ///< the last of them was started with 0
  /// Whether what is in flight still holds the pipe: when all entries have ended and only a completion is on its way,
  /// or while an abort goes on, the facts leave it open.
  bool drained = false;
};

struct Call {
  std::uint64_t first_frame = 0;
  std::span<const std::uint32_t> counts;  ///< requestCount of each entry
  std::uint64_t data_bytes = 0;
};

/// One of several answers is promised where the facts leave it open, or where several reasons to refuse meet.
struct CallPromise {
  std::vector<Code> codes;
  std::vector<std::uint64_t> starts;  ///< first frames of the request, if it is accepted

  bool allows(Code code) const;
  bool allows_start(std::uint64_t frame) const;
  void add(const CallPromise& other);
};

/// `now`: the running microframe.
CallPromise promise(const Terms& terms, const usb::EndpointConfig& endpoint, const PipeState& pipe, const Call& call,
                    usb::FrameTime now);

}  // namespace isochio::reference
