// isochio: how a stream's driver behaves: what it decides at each point where public drivers differ, and where they
// fail [driverkit-facts 2.7, 6]. The base class is the driver that does it right; each pattern beside this file
// overrides the one decision that it gets wrong. Pure decisions: IsochStream makes the DriverKit calls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "driverkit/runtime.h"
#include "usb/types.h"

namespace isochio::scenario::driver {

/// A request as its list says, for decisions about the cursor.
struct Listed {
  std::uint64_t first_frame = 0;
  std::size_t entries = 0;
  std::uint64_t frames = 0;  ///< that it really takes
};

enum class AfterRefusal : std::uint8_t {
  start_anew,  ///< at a safe distance from the running frame, at once
  same_again,  ///< the same frame once more, a frame later, for ever
  lose_slot,   ///< that request is never made again
  end,         ///< the stream is over
  fail,        ///< the driver reports an error
};

enum class AfterCompletion : std::uint8_t { resubmit, forget, end, fail };

/// A completion, as the driver sees it.
struct Completed {
  IOReturn overall = kIOReturnSuccess;
  bool silent = false;      ///< no entry got an answer
  std::uint64_t count = 0;  ///< of completions so far, this one included
  bool may_vanish = false;  ///< the scenario takes the device away
};

enum class StopStyle : std::uint8_t {
  drain,           ///< submits nothing more, and waits for what is in flight
  wait_on_queue,   ///< aborts, and waits for the completions in a task of the queue that delivers them
  free_at_once,    ///< aborts, and frees what the completions work on
  cancel_and_wait  ///< cancels the actions, aborts, and waits until the completions have counted down
};

class Pattern {
 public:
  virtual ~Pattern() = default;

  virtual std::uint32_t depth(std::uint32_t wanted) const { return wanted; }
  /// Entries in each list; `per_frame` entries fill a frame (0: an entry takes several).
  virtual std::size_t entries(std::size_t wanted) const { return wanted; }
  /// Whether a served service is the target of the actions.
  virtual bool served_target() const { return true; }

  virtual std::uint64_t first_frame(std::uint64_t now, std::uint32_t lead) const { return now + lead; }
  /// What IsochIO gets for the cursor.
  virtual std::uint64_t argument(std::uint64_t cursor, std::uint64_t submissions) const {
    (void)submissions;
    return cursor;
  }
  /// The cursor behind an accepted request.
  virtual std::uint64_t next(const Listed& request) const { return request.first_frame + request.frames; }
  /// Where an entry's OUT data are written: `sum` is where they belong.
  virtual std::size_t offset(std::size_t sum, std::size_t index, std::size_t max_packet) const {
    (void)index;
    (void)max_packet;
    return sum;
  }

  virtual AfterRefusal after_refusal(IOReturn code, bool may_vanish) const {
    if (code == kIOReturnIsoTooOld || code == kIOReturnIsoTooNew) return AfterRefusal::start_anew;
    const bool gone = code == kIOReturnNoDevice || code == kIOReturnNotReady || code == kIOReturnNotOpen ||
                      code == kIOReturnNotPermitted;
    return may_vanish && gone ? AfterRefusal::end : AfterRefusal::fail;
  }
  /// The overall status is a hint only; these end a stream [driverkit-facts 2.4, 6 no. 20].
  virtual AfterCompletion after_completion(const Completed& completed) const {
    const bool dead = completed.overall == kIOReturnNoDevice || completed.silent;
    if (completed.overall == kIOReturnAborted || (dead && completed.may_vanish)) return AfterCompletion::end;
    return dead ? AfterCompletion::fail : AfterCompletion::resubmit;
  }
  /// Between a completion and the next submission of its buffer.
  virtual bus::Duration pause(std::uint64_t completions) const {
    (void)completions;
    return {};
  }
  /// Time that the completion routine takes.
  virtual bus::Duration work(std::uint64_t completions) const {
    (void)completions;
    return {};
  }
  /// Whether entries of a request with this overall status are looked at.
  virtual bool looks_at_entries(IOReturn overall) const {
    (void)overall;
    return true;
  }

  /// Whether a completion makes it call ClearStall.
  virtual bool clears_stall(IOReturn overall) const {
    (void)overall;
    return false;
  }
  /// What it takes a feedback value for, in 16.16; `right` is what it says.
  virtual std::uint32_t feedback(std::span<const std::uint8_t> bytes, std::uint32_t right) const {
    (void)bytes;
    return right;
  }

  // After the stream was interrupted (abort, alternate setting, reset, sleep).
  virtual bool copies_pipe_again() const { return true; }
  virtual bool plans_again() const { return true; }
  /// Takes no notice of an interruption, and submits again from inside completions that say Aborted.
  virtual bool rearms_aborted() const { return false; }

  virtual StopStyle stop() const { return StopStyle::drain; }
};

struct PatternName {
  const char* name;
  const char* sentence;  ///< what it does
};
/// All there are, "repaired" first.
std::span<const PatternName> pattern_names();
std::vector<std::string> pattern_words();
/// Null: no such pattern.
std::unique_ptr<Pattern> make_pattern(std::string_view name);

}  // namespace isochio::scenario::driver
