// isochio: the streams of a run, from the first request to the last completion: made, started in an order that works,
// watched for progress, and ended.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "check/suite.h"
#include "controller/host.h"
#include "driverkit/runtime.h"
#include "report/timeline.h"
#include "scenario/bulk_stream.h"
#include "scenario/fault_record.h"
#include "scenario/isoch_stream.h"
#include "scenario/life.h"
#include "scenario/loop.h"

namespace isochio::scenario {

/// What Streaming works on. All outlive it, but for the runtime: it goes first, and calls the streams until it is gone.
struct StreamingContext {
  const Scenario& scenario;
  const Plan& plan;
  controller::Host& host;
  driverkit::Runtime& runtime;
  check::Suite& suite;
  FaultRecord& faults;
  const RequestIds& ids;
  check::Diagnosis* diagnosis = nullptr;  ///< as StreamContext's
  report::Timeline* timeline = nullptr;   ///< is shown feedback; may be null
  std::FILE* received = nullptr;          ///< gets what comes back through isochronous loops; may be null
  bool real_host = false;
  bool buffered = false;
};

class Streaming {
 public:
  /// Makes all streams, and tells the suite what they carry.
  explicit Streaming(StreamingContext context);
  Streaming(const Streaming&) = delete;
  Streaming& operator=(const Streaming&) = delete;

  /// What happens to the streams on the way; outlives this.
  void set_life(const Life& life) { life_ = &life; }
  const std::vector<std::unique_ptr<IsochStream>>& streams() const { return streams_; }
  const std::vector<std::unique_ptr<BulkStream>>& bulk() const { return bulk_; }
  using Returns = std::vector<std::pair<usb::EndpointAddress, Loop*>>;
  /// The loops, by the IN endpoint of each.
  const Returns& returns() const { return returns_; }

  void start();
  bool started() const { return start_frame_ != 0; }
  /// The first frame of any stream, valid after start(); without isochronous streams the one after the start.
  std::uint64_t first_frame() const;
  /// The streams are over, or one can't go on.
  bool finished() const;
  /// Why one can't go on; empty otherwise.
  std::string error() const;
  /// Which stream has had no completion for too long; empty if none. Call it now and then.
  std::string stuck();
  /// Nothing is submitted any more; waits for what is in flight.
  void end();
  /// Nothing is submitted and nothing waited for any more.
  void abandon();

  /// By the stream that is the furthest behind.
  std::uint64_t frames_done() const;
  /// Since start(), by time: the frame counter may jump.
  std::uint64_t elapsed_frames() const {
    return static_cast<std::uint64_t>((context_.host.now() - start_time_) / bus::frame);
  }

 private:
  void make_loops(std::vector<Loop*>& isoch_loops, std::vector<Loop*>& bulk_loops);
  void make_isochronous(const std::vector<Loop*>& loops);
  void make_bulk(const std::vector<Loop*>& loops);
  void show_feedback(std::size_t stream);
  void follow_feedback();
  void start_streams();
  void block_queue();

  StreamingContext context_;
  StreamContext shared_;
  std::vector<std::unique_ptr<Loop>> loops_;
  Returns returns_;
  std::vector<std::unique_ptr<IsochStream>> streams_;
  std::vector<std::unique_ptr<BulkStream>> bulk_;
  const Life* life_ = nullptr;
  bool abandoned_ = false;
  std::uint64_t start_frame_ = 0;
  bus::BusTime start_time_{};
  struct LastSign {
    std::uint64_t completions = 0, frame = 0;
    bus::BusTime at;
  };
  std::vector<LastSign> last_signs_;  ///< of each stream
};

}  // namespace isochio::scenario
