// Requests that need not fill whole frames, and single requests taken back: what hosts of other systems than macOS
// need.
#include <doctest/doctest.h>

#include "controller/isoch_pipe.h"
#include "support/host_fixture.h"

using namespace isochio;
using namespace isochio::controller;
using test::OwnedRequest;

namespace {

constexpr usb::EndpointAddress address{0x81};

struct Client : IsochClient {
  void on_entry(IsochRequest&, std::size_t) override {}
  void on_complete(IsochRequest&, Status) override {}
} client;

struct Pipe {
  explicit Pipe(std::uint32_t interval, usb::Speed speed = usb::Speed::high)
      : pipe({address, usb::TransferType::isochronous, 192, 1, interval}, speed, 0, options) {}
  Status submit(std::size_t entries, usb::FrameTime now, bool by_interval = true) {
    requests.push_back(std::make_unique<OwnedRequest>(address, std::vector<std::uint32_t>(entries, 8), &client));
    IsochRequest& request = requests.back()->request;
    request.by_interval = by_interval;
    if (const Status status = pipe.check(request); status != Status::ok) return status;
    const auto start = pipe.place(request, now);
    if (!start) return start.error();
    pipe.push(request, *start);
    return Status::ok;
  }
  usb::FrameTime start(std::size_t i) const { return requests[i]->request.start(); }
  SimHostOptions options;
  IsochPipe pipe;
  std::vector<std::unique_ptr<OwnedRequest>> requests;
};

using usb::FrameTime;

}  // namespace

TEST_CASE("by interval, a list of three microframes is followed by the next in the same frame") {
  Pipe p(1);
  CHECK(p.submit(3, FrameTime::of(1000, 2), false) == Status::bad_argument);
  REQUIRE(p.submit(3, FrameTime::of(1000, 2)) == Status::ok);
  REQUIRE(p.submit(7, FrameTime::of(1000, 2)) == Status::ok);
  CHECK(p.start(1) == FrameTime::of(1001, 0));
  CHECK(p.start(2) == FrameTime::of(1001, 3));
  CHECK(p.pipe.available() == FrameTime::of(1002, 2));
}

TEST_CASE("by interval, a stream that has just run dry goes on without a hole until its next interval has begun") {
  Pipe p(1);
  REQUIRE(p.submit(3, FrameTime::of(1000)) == Status::ok);
  while (!p.pipe.empty()) p.pipe.finish(Status::ok, {});
  REQUIRE(p.submit(1, FrameTime::of(1001, 2)) == Status::ok);
  CHECK(p.start(1) == FrameTime::of(1001, 3));
  p.pipe.finish(Status::ok, {});
  REQUIRE(p.submit(1, FrameTime::of(1001, 4)) == Status::ok);
  CHECK(p.start(2) == FrameTime::of(1002));
}

TEST_CASE("a list of whole frames behind part of one begins with the next frame") {
  Pipe p(1);
  REQUIRE(p.submit(3, FrameTime::of(1000)) == Status::ok);
  REQUIRE(p.submit(8, FrameTime::of(1000), false) == Status::ok);
  CHECK(p.start(1) == FrameTime::of(1002));
}

TEST_CASE("a request taken out of the queue leaves the others their service intervals") {
  Pipe p(1, usb::Speed::full);
  for (int i = 0; i < 3; ++i) REQUIRE(p.submit(2, FrameTime::of(1000)) == Status::ok);
  std::size_t ended = 0;
  const auto end_one = [&] {
    ++ended;
    CHECK(p.pipe.finish(Status::aborted, {}, false).request == &p.requests[1]->request);
  };
  CHECK(p.pipe.take_out(p.requests[1]->request, end_one));
  CHECK(ended == 2);
  CHECK_FALSE(p.pipe.take_out(p.requests[1]->request, end_one));
  CHECK(p.pipe.next_service() == FrameTime::of(1001));
  p.pipe.finish(Status::ok, {});
  p.pipe.finish(Status::ok, {});
  CHECK(p.pipe.next_service() == FrameTime::of(1005));
  CHECK(p.pipe.last_service() == FrameTime::of(1002));
}
