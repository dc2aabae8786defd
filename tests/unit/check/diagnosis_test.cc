// isochio: the diagnosis alone, shown requests, refusals and completions by hand: each mistake has its name, and what
// a good driver does in the same place has none.
#include "check/diagnosis.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <vector>

#include "check/payload.h"

using namespace isochio;
using check::Rule;
using controller::Status;

namespace {

constexpr usb::EndpointAddress in{0x81}, out{0x01};
constexpr std::int32_t success = 0, aborted = static_cast<std::int32_t>(0xe00002ebU);

struct Sink final : check::ViolationSink {
  void report(const check::Violation& violation) override { all.push_back(violation); }
  std::vector<check::Violation> all;
};

/// A driver's side and a controller's side, played by the test: one endpoint, high speed.
struct Bench {
  explicit Bench(std::uint32_t interval = 1, usb::EndpointAddress address = in) : endpoint(address) {
    const std::array configs{usb::EndpointConfig{
        .address = address, .type = usb::TransferType::isochronous, .max_packet = 1024, .interval = interval}};
    diagnosis.on_endpoints(configs, usb::Speed::high, now());
    buffers.resize(16, std::vector<std::uint8_t>(4096));
  }

  bus::BusTime now() const { return bus::BusTime{} + bus::frame * static_cast<std::int64_t>(frame); }

  controller::IsochRequest request(std::size_t buffer, std::uint64_t first, std::size_t entries) {
    controller::IsochRequest made;
    made.endpoint = endpoint;
    made.first_frame = first;
    made.explicit_start = first != 0;
    made.entries.resize(entries, {.request = 8});
    made.data = buffers[buffer];
    return made;
  }
  std::uint64_t accept(std::size_t buffer, std::uint64_t first, std::size_t entries = 8) {
    auto made = request(buffer, first, entries);
    made.id = ++id;
    diagnosis.on_submit(made, now());
    return id;
  }
  /// First frame 0, and where the controller put it.
  std::uint64_t accept_anywhere(std::size_t buffer, std::uint64_t placed) {
    auto made = request(buffer, placed, 8);
    made.explicit_start = false;
    made.id = ++id;
    diagnosis.on_submit(made, now());
    return id;
  }
  void refuse(std::size_t buffer, std::uint64_t first, Status why, std::size_t entries = 8) {
    diagnosis.on_refused(request(buffer, first, entries), why, now());
  }
  void done(std::uint64_t request_id) {
    controller::IsochRequest made;
    made.id = request_id;
    made.endpoint = endpoint;
    diagnosis.on_complete(made, Status::ok, now(), now());
  }
  void begin(std::uint64_t request_id, Status status = Status::ok, std::int32_t code = success) {
    diagnosis.on_callback({request_id, endpoint, status, code}, now());
  }
  void end(std::uint64_t request_id, Status status = Status::ok) {
    diagnosis.on_callback_end({request_id, endpoint, status, success}, now());
  }
  void complete(std::uint64_t request_id) {
    done(request_id);
    begin(request_id);
    end(request_id);
  }

  std::vector<Rule> found() const {
    std::vector<Rule> rules;
    for (const auto& violation : sink.all) rules.push_back(violation.rule);
    return rules;
  }
  std::string text() const { return sink.all.empty() ? "" : sink.all.front().seen; }

  Sink sink;
  check::Reporter reporter{sink};
  std::uint64_t frame = 1000, id = 0;
  check::Diagnosis diagnosis{reporter, [this] { return frame; }};
  usb::EndpointAddress endpoint;
  std::vector<std::vector<std::uint8_t>> buffers;
};

using Rules = std::vector<Rule>;

}  // namespace

TEST_SUITE("diagnosis") {
  TEST_CASE("the same frame asked for again and again is a cursor that is not advanced; once more is not") {
    Bench b;
    b.refuse(0, 999, Status::too_old);
    b.frame = 1004;
    for (std::size_t buffer = 0; buffer < 8; ++buffer) b.refuse(buffer, 1004, Status::too_old);
    b.frame = 1005;
    b.refuse(0, 1004, Status::too_old);
    CHECK(b.found().empty());
    b.frame = 1009;
    b.refuse(0, 1004, Status::too_old);
    CHECK(b.found() == Rules{Rule::cursor_not_advanced});
    CHECK(b.text() ==
          "cursor not advanced after a refused submit: frame 1004 asked for 3 times, now 5 frames ago: IsoTooOld for "
          "ever");
  }

  TEST_CASE("entries / 8 as a span is named only where an entry lasts longer than a microframe") {
    Bench slow(8);
    slow.accept(0, 1010, 32);
    slow.refuse(1, 1014, Status::too_old, 32);
    CHECK(slow.found() == Rules{Rule::wrong_span});
    CHECK(slow.text() == "cursor advanced by entries/8 = 4 although one entry spans a frame");

    Bench fast(1);
    fast.accept(0, 1010, 32);
    fast.refuse(1, 1013, Status::too_old, 32);
    CHECK(fast.found() == Rules{Rule::overlapping});
    CHECK(fast.text() == "a request for frame 1013, in frames 1010 to 1013 of the one before");
  }

  TEST_CASE("one transfer at a time has no lead; two that are late are no case of that") {
    Bench one;
    const auto only = one.accept(0, 1010);
    one.frame = 1011;
    one.complete(only);
    one.refuse(0, 1011, Status::too_old);
    CHECK(one.found() == Rules{Rule::no_lead});

    Bench two;
    const auto first = two.accept(0, 1010), second = two.accept(1, 1011);
    two.frame = 1012;
    two.complete(first);
    two.complete(second);
    two.refuse(0, 1012, Status::too_old);
    CHECK(two.found().empty());
  }

  TEST_CASE("first frame 0 from the only completion loses frames; one gap may be a new start") {
    Bench b;
    auto id = b.accept_anywhere(0, 1002);
    for (int i = 0; i < 2; ++i) {
      b.frame += 4;
      b.done(id);
      b.begin(id);
      const auto next = b.accept_anywhere(0, b.frame + 2);
      b.end(id);
      id = next;
      CHECK(b.found() == (i == 0 ? Rules{} : Rules{Rule::rearmed_with_zero}));
    }
  }

  TEST_CASE("a transfer is thrown away only if it had good frames and none was used") {
    Bench b;
    b.diagnosis.consumed(in, 1, aborted, 0, 0, b.now());
    b.diagnosis.consumed(in, 1, success, 8, 8, b.now());
    b.diagnosis.consumed(in, 1, success, 8, 1, b.now());
    CHECK(b.found().empty());
    b.diagnosis.consumed(in, 2, static_cast<std::int32_t>(0xe00002e8U), 8, 0, b.now());
    CHECK(b.found() == Rules{Rule::transfer_thrown_away});
    CHECK(b.text() == "whole transfer thrown away for its overall status 0xe00002e8 although 8 of its frames are good");
  }

  TEST_CASE("a new start from the last aborted completion is allowed, one from an earlier one is not") {
    Bench good;
    const auto a = good.accept(0, 1010), c = good.accept(1, 1011);
    for (const auto id : {a, c}) {
      good.done(id);
      good.begin(id, Status::aborted, aborted);
      if (id == c) good.accept(0, 1020);
      good.end(id, Status::aborted);
    }
    CHECK(good.found().empty());

    Bench bad;
    const auto first = bad.accept(0, 1010);
    bad.accept(1, 1011);
    bad.done(first);
    bad.begin(first, Status::aborted, aborted);
    bad.accept(0, 1012);
    CHECK(bad.found() == Rules{Rule::rearmed_on_abort});
  }

  TEST_CASE("requests after the device went are a loop only if a completion has said so") {
    Bench b;
    const auto id = b.accept(0, 1010);
    b.accept(1, 1011);
    b.refuse(1, 1012, Status::no_device);
    b.refuse(1, 1013, Status::no_device);
    CHECK(b.found().empty());
    b.done(id);
    b.begin(id, Status::no_device, aborted);
    b.refuse(0, 1014, Status::no_device);
    b.end(id, Status::no_device);
    CHECK(b.found().empty());
    b.refuse(0, 1015, Status::no_device);
    CHECK(b.found() == Rules{Rule::rearmed_on_abort});
  }

  TEST_CASE("waiting behind an abort in a task of the delivering queue is named, a blocked queue is not") {
    Bench blocked;
    blocked.done(blocked.accept(0, 1010));
    blocked.diagnosis.on_task(blocked.now(), blocked.now() + 50 * bus::millisecond);
    CHECK(blocked.found().empty());

    Bench waits;
    waits.accept(0, 1010);
    waits.diagnosis.on_abort(in, false, waits.now());
    waits.done(1);
    waits.diagnosis.on_task(waits.now(), waits.now() + 50 * bus::millisecond);
    CHECK(waits.found() == Rules{Rule::waits_on_own_queue});
    CHECK(waits.text() == "waited 50 ms for 1 completion on the queue that has to deliver them");
  }

  TEST_CASE("a refusal behind a jump of the frame counter is a plan not made anew") {
    for (const auto why : {Status::too_new, Status::too_old}) {
      Bench b;
      b.complete(b.accept(0, 1010, 8));
      b.frame = why == Status::too_new ? 5 : 9000;
      b.diagnosis.on_frame_number(b.frame, b.now());
      b.refuse(0, 1011, why);
      CHECK(b.found() == Rules{Rule::not_replanned});
    }
    Bench early;
    early.refuse(0, 4000, Status::too_new);
    CHECK(early.found() == Rules{Rule::too_early});
  }

  TEST_CASE("packets at wMaxPacketSize's stride are known by where the pattern is intact") {
    for (const bool wrong : {false, true}) {
      CAPTURE(wrong);
      Bench b(1, out);
      check::PatternGenerator generator(check::Pattern::prbs, 1);
      auto request = b.request(0, 1010, 8);
      for (std::size_t i = 0; i < 8; ++i) {
        request.entries[i].request = 400;
        const std::size_t at = i * (wrong ? 1024 : 400);
        if (at + 400 <= request.data.size())
          generator.interval(request.data.subspan(at, 400), 1024, usb::FrameTime::of(1010, static_cast<unsigned>(i)));
      }
      b.diagnosis.on_submit(request, b.now());
      CHECK(b.found() == (wrong ? Rules{Rule::wrong_stride} : Rules{}));
    }
  }

  TEST_CASE("a pipe of before the setting changed may be tried once for each request in flight, not for ever") {
    Bench b;
    b.accept(0, 1010);
    b.accept(1, 1011);
    for (int i = 0; i < 2; ++i) b.refuse(0, 1012, Status::not_ready);
    CHECK(b.found().empty());
    b.refuse(0, 1012, Status::not_ready);
    CHECK(b.found() == Rules{Rule::stale_pipe});
  }

  TEST_CASE("late is who had the completion in time; a completion that came late is nobody's mistake") {
    Bench late;
    const auto first = late.accept(0, 1010), second = late.accept(1, 1011);
    late.frame = 1011;
    late.complete(first);
    late.complete(second);
    late.frame = 1050;
    late.refuse(0, 1012, Status::too_old);
    CHECK(late.found() == Rules{Rule::late_resubmit});

    Bench blocked;
    const auto a = blocked.accept(0, 1010), c = blocked.accept(1, 1011);
    blocked.frame = 1050;  // the queue was blocked that long
    blocked.done(a);
    blocked.done(c);
    blocked.begin(a);
    blocked.refuse(0, 1012, Status::too_old);
    blocked.end(a);
    CHECK(blocked.found().empty());
  }

  TEST_CASE("a buffer that the others pass many times was forgotten") {
    Bench b;
    std::array<std::uint64_t, 4> ids{};
    std::uint64_t cursor = 1010;
    for (std::size_t i = 0; i < 4; ++i) ids[i] = b.accept(i, cursor++);
    for (int round = 0; round < 2; ++round) {
      for (std::size_t i = 0; i < 4; ++i) {
        ++b.frame;
        b.complete(ids[i]);
        ids[i] = b.accept(i, cursor++);
      }
    }
    CHECK(b.found().empty());
    b.complete(ids[0]);
    for (int i = 0; i < 8; ++i) {
      const std::size_t slot = 1 + static_cast<std::size_t>(i) % 3;
      b.complete(ids[slot]);
      ids[slot] = b.accept(slot, cursor++);
    }
    CHECK(b.found() == Rules{Rule::not_resubmitted});
  }

  TEST_CASE("a completion is slow if what is queued has run out when it returns") {
    Bench b;
    const auto first = b.accept(0, 1010), second = b.accept(1, 1011, 32);
    b.frame = 1011;
    b.done(first);
    b.begin(first);
    b.frame = 1014;
    b.end(first);
    CHECK(b.found().empty());
    b.done(second);
    b.begin(second);
    b.frame = 1020;
    b.end(second);
    CHECK(b.found() == Rules{Rule::slow_completion});
  }

  TEST_CASE("what a completion touches has to outlive it") {
    Bench b;
    const auto id = b.accept(0, 1010);
    b.complete(b.accept(1, 1011));
    b.diagnosis.freed(in, b.now());
    CHECK(b.found().empty());
    b.complete(id);
    CHECK(b.found() == Rules{Rule::freed_too_early});
  }

  TEST_CASE("cancelling actions is right; waiting for what was cancelled is not") {
    Bench b;
    const auto id = b.accept(0, 1010);
    b.diagnosis.on_dropped({id, in, Status::aborted, aborted}, controller::DriverObserver::Dropped::cancelled, b.now());
    b.diagnosis.waited_in_vain(in, 0, b.now());
    CHECK(b.found().empty());
    b.diagnosis.waited_in_vain(in, 1, b.now());
    CHECK(b.found() == Rules{Rule::completion_dropped});
    b.diagnosis.on_dropped({id, in, Status::ok, success}, controller::DriverObserver::Dropped::not_served, b.now());
    CHECK(b.found() == Rules{Rule::completion_dropped, Rule::completion_unserved});
  }

  TEST_CASE("an explicit frame behind first frame 0, a stall that can't be and a misread value have their names") {
    Bench zero;
    zero.accept_anywhere(0, 1002);
    zero.refuse(1, 1003, Status::bad_argument);
    CHECK(zero.found() == Rules{Rule::explicit_on_continuous});
    Bench drained;
    drained.complete(drained.accept_anywhere(0, 1002));
    drained.refuse(1, 1003, Status::bad_argument);
    CHECK(drained.found().empty());

    Bench stall;
    stall.diagnosis.on_clear_stall(in, stall.now());
    CHECK(stall.found() == Rules{Rule::clears_stall});

    Bench feedback;
    feedback.diagnosis.feedback_used(in, 1, 6U << 16U, (6U << 16U) + 100, feedback.now());
    CHECK(feedback.found().empty());
    feedback.diagnosis.feedback_used(in, 1, 6U << 16U, 24U << 16U, feedback.now());
    CHECK(feedback.found() == Rules{Rule::feedback_misread});
    CHECK(feedback.text() == "feedback taken for 24.0000 samples: bytes or fixed point misread");
  }

  TEST_CASE("a list that is refused is told what is wrong with it") {
    const auto said = [](std::uint32_t interval, std::size_t entries, std::uint64_t first) {
      Bench b(interval);
      b.refuse(0, first, Status::bad_argument, entries);
      return b.text();
    };
    CHECK(said(1, 1024, 1010) == "a list of 1024 entries: BadArgument");
    CHECK(said(1, 9, 1010) ==
          "a list of 9 entries, which is no whole number of frames: 8 entries span a frame: "
          "BadArgument");
    CHECK(said(16, 4, 1011) ==
          "a start in frame 1011, which is no multiple of 2: one entry spans 2 frames: "
          "BadArgument");
    CHECK(said(1, 8, 1010).empty());
  }
}
