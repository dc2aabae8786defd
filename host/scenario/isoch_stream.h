// isochio: one isochronous stream of a run, written as drivers write it: several IsochIO requests in flight, a frame
// cursor, and the refill in the completion [driverkit-facts 4]. What it decides is a driver::Pattern's, the calls are
// here. A synchronous stream calls IsochIO without completion from a queue of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "check/diagnosis.h"
#include "check/payload.h"
#include "driverkit/runtime.h"
#include "scenario/driver/pattern.h"
#include "scenario/loop.h"
#include "scenario/plan.h"
#include "scenario/rate_check.h"
#include "scenario/request_ids.h"
#include "scenario/size_schedule.h"

namespace isochio::scenario {

/// What the streams of a run share. All outlive the streams.
struct StreamContext {
  driverkit::Runtime& runtime;
  const RequestIds& ids;
  check::Reporter& reporter;
  usb::Speed speed{};
  std::uint64_t frames = 0;  ///< length of a stream
  /// The host places no first frame: streams begin apart, and an IN stream of a loopback pair waits for what is under
  /// way.
  bool unplaced = false;
  check::Diagnosis* diagnosis = nullptr;  ///< told of what drivers do with what they get; may be null
  bool may_vanish = false;                ///< the scenario takes the device away
  bool refusals_expected = false;         ///< [expect] judges refusals: they are no violations
  bool buffered = false;                  ///< IN entries that bring nothing are a buffer's, not the device's
  bool promised = false;                  ///< the reference judges: a driver that gets stuck just ends
};

class IsochStream {
 public:
  /// `loop`: of a loopback pair, else null. The file is opened here.
  IsochStream(StreamContext& context, const IsochStreamPlan& plan, const StreamTarget& target, Loop* loop);
  ~IsochStream();
  IsochStream(const IsochStream&) = delete;
  IsochStream& operator=(const IsochStream&) = delete;

  /// IN feedback: called with each value.
  void on_feedback(std::function<void(FeedbackValue)> follow) { follow_ = std::move(follow); }
  void set_feedback(FeedbackValue value) { schedule_.set_feedback(value); }

  /// The interface is open and in its alternate setting.
  void start(IOUSBHostInterface* interface);
  /// Submits nothing more.
  void stop() {
    stopping_ = true;
    interrupted_ = false;
  }
  /// Nothing is in flight and nothing more will come; or the time of the stream is over, and its driver is stuck.
  bool finished() const;
  /// A completion is to come, unless host or device fail.
  bool waits_for_completion() const { return in_flight_ != 0 && !is_wrong_; }

  /// Something is about to end what is in flight (abort, alternate setting, reset, sleep): nothing more is submitted.
  void interrupt();
  bool interrupted() const { return interrupted_; }
  /// It is over: the stream goes on when the last completion of before has run. `interface`: its new object after a
  /// reset or a new attachment; null: the same one.
  void go_on(IOUSBHostInterface* interface = nullptr);
  /// If it is not known to be over by now, it ends the stream.
  void end_interrupted();
  IOUSBHostPipe* pipe() const { return pipe_.get(); }
  const IsochStreamPlan& plan() const { return plan_; }
  /// Frame for which the first request was planned; valid after start().
  std::uint64_t first_frame() const { return first_frame_; }
  /// Why the stream could not go on; empty otherwise.
  const std::string& error() const { return error_; }
  std::uint64_t frames_done() const { return frames_done_; }
  std::uint64_t completions() const { return completions_; }

 private:
  struct Slot {
    OSSharedPtr<IOBufferMemoryDescriptor> data, list;
    OSSharedPtr<OSAction> action;
    std::span<std::uint8_t> bytes;
    std::span<IOUSBIsochronousFrame> entries;
    std::uint32_t frames = 0;
    std::size_t count = 0;  ///< entries in use
    std::uint64_t id = 0, first_frame = 0;
  };

  std::uint32_t units_per_frame() const { return context_.speed == usb::Speed::high ? 8 : 1; }
  std::uint64_t aligned(std::uint64_t frame) const;
  std::uint64_t next_frame_with_lead() const;
  bool at_end() const;
  bool make_slot(Slot& slot);
  void fill(Slot& slot);
  void fill_entry(IOUSBIsochronousFrame& entry, std::span<std::uint8_t> bytes, usb::FrameTime at);
  void refill(Slot& slot);
  bool open_pipe();
  kern_return_t make_action(Slot& slot);
  kern_return_t call(Slot& slot, OSAction* completion);
  bool submit(Slot& slot, OSAction* completion);
  void report_refusal(IOReturn code);
  void later(bus::Duration pause, std::function<void()> task);
  void submit_all();
  void set_deadline(std::uint64_t frames);
  void resume_streaming();
  void begin_stop();
  void stop_on_queue();
  void stop_cancelling();
  void submitted(Slot& slot);
  void completed(Slot& slot, IOReturn status);
  void after(Slot& slot, IOReturn status, driver::AfterCompletion what);
  void look_at(const Slot& slot);
  void tell_consumed(const Slot& slot, IOReturn status, bool looked) const;
  void judge_rate(const Slot& slot);
  void take_feedback(std::span<const std::uint8_t> bytes, const check::PacketPlace& place);
  void run_synchronous();
  void fail(const char* what, IOReturn code);

  StreamContext& context_;
  const IsochStreamPlan& plan_;
  const StreamTarget& target_;
  std::uint64_t phase_ = 0;  ///< place within the service interval, in steps of usb::FrameTime; stamps name it
  Loop* loop_;
  std::unique_ptr<driver::Pattern> pattern_;
  bool is_wrong_;  ///< the pattern is one that fails
  SizeSchedule schedule_;
  check::PatternGenerator generator_;
  std::optional<RateCheck> rate_;
  std::FILE* file_ = nullptr;
  std::function<void(FeedbackValue)> follow_;
  OSSharedPtr<IOUSBHostInterface> interface_;
  OSSharedPtr<IOUSBHostPipe> pipe_;
  OSSharedPtr<IODispatchQueue> queue_, default_queue_;
  std::vector<Slot> slots_;
  std::uint64_t cursor_ = 0, frames_planned_ = 0, frames_done_ = 0, completions_ = 0;
  std::uint32_t in_flight_ = 0;
  std::uint64_t feedback_values_ = 0;
  std::uint64_t submissions_ = 0, first_frame_ = 0;
  bus::BusTime deadline_{};  ///< when a stream should be over, even if its driver is stuck
  bool stopping_ = false, exhausted_ = false, file_ended_ = false, stop_busy_ = false;
  bool interrupted_ = false, may_go_on_ = false;
  IOUSBHostInterface* next_interface_ = nullptr;
  std::string error_;
};

}  // namespace isochio::scenario
