// Which frames a request gets, and why it is refused. No bus.
#include "controller/isoch_pipe.h"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "support/host_fixture.h"

using namespace isochio;
using namespace isochio::controller;
using test::OwnedRequest;
using usb::EndpointConfig;
using usb::FrameTime;
using usb::Speed;

namespace {

constexpr usb::EndpointAddress address{0x81};

EndpointConfig config(std::uint32_t interval, std::uint16_t bytes = 192, std::uint8_t transactions = 1) {
  return {address, usb::TransferType::isochronous, bytes, transactions, interval};
}

struct Client : IsochClient {
  void on_entry(IsochRequest&, std::size_t) override {}
  void on_complete(IsochRequest&, Status) override {}
} client;

std::vector<std::uint32_t> sizes(std::size_t n, std::uint32_t bytes = 8) {
  return std::vector<std::uint32_t>(n, bytes);
}

struct Pipe {
  explicit Pipe(std::uint32_t interval, Speed speed = Speed::high, std::uint32_t phase = 0, SimHostOptions o = {})
      : options(o), pipe(config(interval), speed, phase, options) {}
  /// As the controller does: check, place, push.
  Status submit(OwnedRequest& request, std::uint64_t now) {
    if (const Status status = pipe.check(request.request); status != Status::ok) return status;
    const auto frame = pipe.place(request.request, FrameTime::of(now, 3));
    if (!frame) return frame.error();
    pipe.push(request.request, *frame);
    return Status::ok;
  }
  Status submit_at(std::uint64_t first_frame, std::uint64_t now, std::size_t entries) {
    requests.push_back(std::make_unique<OwnedRequest>(address, sizes(entries), &client, first_frame));
    return submit(*requests.back(), now);
  }
  void drain() {
    while (!pipe.empty()) pipe.finish(Status::ok, {});
  }
  SimHostOptions options;
  IsochPipe pipe;
  std::vector<std::unique_ptr<OwnedRequest>> requests;
};

}  // namespace

TEST_CASE("a list without entries, or with more than 1000, is a bad argument") {
  Pipe p(1);
  CHECK(p.submit_at(0, 1000, 0) == Status::bad_argument);
  CHECK(p.submit_at(0, 1000, 1000) == Status::ok);
  CHECK(p.submit_at(0, 1000, 1008) == Status::bad_argument);
  Pipe full(1, Speed::full);
  CHECK(full.submit_at(0, 1000, 1001) == Status::bad_argument);
}

TEST_CASE("an entry above what the endpoint can carry is a bad argument") {
  Pipe p(8);
  OwnedRequest exact(address, {192}, &client), more(address, {193}, &client);
  CHECK(p.submit(exact, 1000) == Status::ok);
  CHECK(p.submit(more, 1000) == Status::bad_argument);
}

TEST_CASE("a buffer shorter than the sum of the entries is a bad argument") {
  Pipe p(8);
  OwnedRequest request(address, {100, 100}, &client);
  request->data = request->data.first(199);
  CHECK(p.submit(request, 1000) == Status::bad_argument);
  request->data = request.buffer;
  CHECK(p.submit(request, 1000) == Status::ok);
}

TEST_CASE("lists of intervals shorter than a frame must fill whole frames") {
  for (const std::uint32_t interval : {1U, 2U, 4U}) {
    CAPTURE(interval);
    for (std::size_t n = 1; n <= 16; ++n) {
      Pipe p(interval);
      CHECK((p.submit_at(0, 1000, n) == Status::ok) == (n % (8 / interval) == 0));
    }
  }
  Pipe full(1, Speed::full);
  CHECK(full.submit_at(0, 1000, 3) == Status::ok);
}

TEST_CASE("with intervals longer than a frame an explicit start must be a multiple of the interval") {
  Pipe p(32);  // 4 frames
  CHECK(p.submit_at(1006, 1000, 1) == Status::bad_argument);
  CHECK(p.submit_at(1008, 1000, 1) == Status::ok);
  Pipe full(4, Speed::full);
  CHECK(full.submit_at(1009, 1000, 1) == Status::bad_argument);
  CHECK(full.submit_at(1012, 1000, 1) == Status::ok);
}

TEST_CASE("frames that run or are over are too old, and so is what is nearer than the lead asks") {
  Pipe p(1);
  CHECK(p.submit_at(999, 1000, 8) == Status::too_old);
  CHECK(p.submit_at(1000, 1000, 8) == Status::too_old);
  CHECK(p.submit_at(1001, 1000, 8) == Status::ok);
  Pipe far(1, Speed::high, 0, {.keep_away_frames = 4});
  CHECK(far.submit_at(1003, 1000, 8) == Status::too_old);
  CHECK(far.submit_at(1004, 1000, 8) == Status::ok);
}

TEST_CASE("frames beyond the horizon are too new") {
  Pipe p(1);
  CHECK(p.submit_at(2025, 1000, 8) == Status::too_new);
  CHECK(p.submit_at(2024, 1000, 8) == Status::ok);
}

TEST_CASE("a start before the end of what is queued is too old, a gap behind it is allowed") {
  Pipe p(1);
  REQUIRE(p.submit_at(1010, 1000, 16) == Status::ok);  // frames 1010 and 1011
  CHECK(p.submit_at(1009, 1000, 8) == Status::too_old);
  CHECK(p.submit_at(1011, 1000, 8) == Status::too_old);
  CHECK(p.submit_at(1020, 1000, 8) == Status::ok);
  CHECK(p.submit_at(1012, 1000, 8) == Status::too_old);
}

TEST_CASE("first frame 0 means the next available frame, or right behind what is queued") {
  Pipe p(1);
  REQUIRE(p.submit_at(0, 1000, 24) == Status::ok);
  CHECK(p.requests[0]->request.first_frame == 1001);
  CHECK_FALSE(p.requests[0]->request.explicit_start);
  REQUIRE(p.submit_at(0, 1000, 8) == Status::ok);
  CHECK(p.requests[1]->request.first_frame == 1004);
  p.drain();
  REQUIRE(p.submit_at(0, 1005, 8) == Status::ok);
  CHECK(p.requests[2]->request.first_frame == 1006);
}

TEST_CASE("a stream that began with first frame 0 takes no explicit frame until it has drained") {
  Pipe p(1);
  REQUIRE(p.submit_at(0, 1000, 8) == Status::ok);
  CHECK(p.submit_at(1010, 1000, 8) == Status::bad_argument);
  p.drain();
  CHECK(p.submit_at(1010, 1001, 8) == Status::ok);
}

TEST_CASE("the queue of a pipe has an end") {
  Pipe p(1, Speed::high, 0, {.pipe_depth = 2});
  CHECK(p.submit_at(0, 1000, 8) == Status::ok);
  CHECK(p.submit_at(0, 1000, 8) == Status::ok);
  CHECK(p.submit_at(0, 1000, 8) == Status::no_resources);
}

TEST_CASE("past frames are accepted as far back as the horizon if the old rule is chosen") {
  Pipe p(1, Speed::high, 0, {.accept_past_frames = true, .first_frame = 5000});
  CHECK(p.submit_at(3975, 5000, 8) == Status::too_old);
  CHECK(p.submit_at(3976, 5000, 8) == Status::ok);
  CHECK(p.submit_at(5000, 5000, 8) == Status::ok);
}

TEST_CASE("each entry has its own service interval, in order, without gaps, and all frames are used") {
  CHECK(rc::check([] {
    const Speed speed = *rc::gen::element(Speed::full, Speed::high);
    const std::uint32_t interval = 1U << *rc::gen::inRange(0, 16);
    const std::uint32_t phase = *rc::gen::inRange(0U, interval);
    const std::uint64_t unit = speed == Speed::full ? 8 : 1;  // FrameTime steps
    Pipe p(interval, speed, phase, {.horizon_frames = 1U << 17U});
    std::size_t n = *rc::gen::inRange<std::size_t>(1, 100);
    if (speed == Speed::high && interval < 8) n *= 8 / interval;
    const std::uint64_t now = *rc::gen::inRange<std::uint64_t>(1000, 1'000'000);
    RC_ASSERT(p.submit_at(0, now, n) == Status::ok);
    const std::uint64_t first = p.requests[0]->request.first_frame;
    RC_ASSERT(first > now);
    RC_ASSERT(first * 8 % (interval * unit) == 0U);
    RC_ASSERT(first - now <= std::max<std::uint64_t>(1, interval * unit / 8));
    RC_ASSERT(p.submit_at(0, now, n) == Status::ok);  // right behind
    for (std::size_t i = 0; i < 2 * n; ++i) {
      const std::uint64_t begin = first * 8 + i * interval * unit;
      RC_ASSERT(p.pipe.next_service().value == begin + phase * unit);
      const auto ended = p.pipe.finish(Status::ok, {});
      RC_ASSERT(ended.entry == i % n);
      RC_ASSERT(ended.last == (i % n == n - 1));
    }
    RC_ASSERT(p.pipe.next_service() == IsochPipe::never);
    // The second list begins where the first one's last service interval ends.
    RC_ASSERT(p.requests[1]->request.first_frame * 8 == first * 8 + n * interval * unit);
  }));
}

TEST_CASE("the overall status is the last error, or short if nothing else was") {
  using enum Status;
  const auto overall = [](std::initializer_list<Status> entries) {
    Status status = ok;
    for (const Status entry : entries) status = accumulate(status, entry);
    return status;
  };
  CHECK(overall({ok, ok}) == ok);
  CHECK(overall({ok, short_packet, ok}) == short_packet);
  CHECK(overall({crc_error, short_packet, ok}) == crc_error);
  CHECK(overall({short_packet, no_response, overrun, ok, short_packet}) == overrun);
}

TEST_CASE("an entry takes as many transactions as its bytes need, and one if it has none") {
  CHECK(transactions_of(0, 1024) == 1);
  CHECK(transactions_of(1024, 1024) == 1);
  CHECK(transactions_of(1025, 1024) == 2);
  CHECK(transactions_of(3072, 1024) == 3);
  CHECK(transactions_of(0, 0) == 1);
}
