// isochio: one bulk stream of a run: AsyncIO requests, several in flight, for loopback and as interfering traffic. It
// goes on until it is told to drain.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "check/payload.h"
#include "scenario/isoch_stream.h"

namespace isochio::scenario {

class BulkStream {
 public:
  BulkStream(StreamContext& context, const BulkStreamPlan& plan, const StreamTarget& target, Loop* loop);
  BulkStream(const BulkStream&) = delete;
  BulkStream& operator=(const BulkStream&) = delete;

  void start(IOUSBHostInterface* interface);
  /// An OUT stream submits nothing more; an IN stream of a loopback pair goes on until all is back, others end.
  void drain() { draining_ = true; }
  /// Nothing more will come; an IN stream may still have requests in flight, which abort() ends.
  bool drained() const;
  void abort();

  /// As IsochStream's.
  void interrupt() { interrupted_ = true; }
  void go_on(IOUSBHostInterface* interface);
  void end_interrupted();
  const BulkStreamPlan& plan() const { return plan_; }

  bool in_flight() const { return in_flight_ != 0; }
  const std::string& error() const { return error_; }

 private:
  struct Slot {
    OSSharedPtr<IOBufferMemoryDescriptor> data;
    OSSharedPtr<OSAction> action;
    std::span<std::uint8_t> bytes;
  };

  void submit(Slot& slot);
  void resume_streaming(IOUSBHostInterface* interface);
  check::PacketPlace here() const;  ///< for the comparison of what comes back
  void completed(Slot& slot, IOReturn status, std::uint32_t actual);
  void fail(const char* what, IOReturn code);

  StreamContext& context_;
  const BulkStreamPlan& plan_;
  const StreamTarget& target_;
  Loop* loop_;
  check::PatternGenerator generator_;
  OSSharedPtr<IOUSBHostPipe> pipe_;
  std::vector<Slot> slots_;
  std::uint32_t in_flight_ = 0;
  bool draining_ = false, aborting_ = false, interrupted_ = false, may_go_on_ = false;
  std::string error_;
};

}  // namespace isochio::scenario
