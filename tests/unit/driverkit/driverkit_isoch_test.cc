// isochio: IsochIO alone, over a Host in exact virtual time.
#include <doctest/doctest.h>

#include "unit/driverkit/fixture.h"

using namespace isochio;
using namespace isochio::test;
using controller::Status;
using driverkit::RuntimeOptions;

namespace {

/// The result of submitting a list of `entries` at an explicit frame in frame 1100.
IOReturn submit_at(DriverKitFixture& f, std::uint64_t frame, std::size_t entries = 8, std::uint8_t address = 0x81) {
  const auto pipe = f.pipe(address);
  static std::vector<Request> kept;
  kept.emplace_back(entries, 16);
  return pipe->IsochIO(kept.back().data.get(), kept.back().list.get(), frame, f.action().get());
}

}  // namespace

TEST_SUITE("driverkit") {
  TEST_CASE("a frame-list entry is a 24-byte packed aggregate in Apple's order, and codes are signed constants") {
    CHECK(sizeof(IOUSBIsochronousFrame) == 24);
    CHECK(offsetof(IOUSBIsochronousFrame, requestCount) == 4);
    CHECK(offsetof(IOUSBIsochronousFrame, completeCount) == 8);
    CHECK(offsetof(IOUSBIsochronousFrame, timeStamp) == 16);
    constexpr IOUSBIsochronousFrame frame{kIOReturnInvalid, 7U, 0, 0, 0};
    static_assert(frame.status < 0);
    CHECK(static_cast<std::uint32_t>(kIOReturnIsoTooOld) == 0xe00002eeU);
    CHECK(static_cast<std::uint32_t>(kIOUSBNotSent1Err) == 0xe000400eU);
    CHECK(static_cast<std::uint32_t>(kUSBHostReturnPipeStalled) == 0xe0005000U);
  }

  TEST_CASE("an asynchronous request completes once, after its last entry, with every entry filled in") {
    DriverKitFixture f;
    Request request(8, 100);
    f.host.on_isoch = [](controller::IsochRequest&, std::size_t i, std::span<std::uint8_t> data) {
      std::fill(data.begin(), data.end(), static_cast<std::uint8_t>(i + 1));
      return Status::ok;
    };
    REQUIRE(f.pipe(0x81)->IsochIO(request.data.get(), request.list.get(), 1110, f.action().get()) == kIOReturnSuccess);
    CHECK(request.entry(0).status == kIOReturnInvalid);
    f.host.at_frame(1110);
    CHECK(f.completions.empty());
    f.host.at_frame(1112);
    REQUIRE(f.completions == std::vector<IOReturn>{kIOReturnSuccess});
    for (std::size_t i = 0; i < 8; ++i) {
      CHECK(request.entry(i).status == kIOReturnSuccess);
      CHECK(request.entry(i).completeCount == 100);
      CHECK(request.entry(i).requestCount == 100);
      CHECK(request.bytes[i * 100] == i + 1);
      // The end of microframe i of frame 1110, in 24 MHz ticks of 20 bit times.
      CHECK(request.entry(i).timeStamp == (110U * 8 + i + 1) * 60'000 / 20);
    }
  }

  TEST_CASE("entries can be polled before the completion is delivered") {
    DriverKitFixture f;
    Request request(16, 50);
    REQUIRE(f.pipe(0x81)->IsochIO(request.data.get(), request.list.get(), 1110, f.action().get()) == kIOReturnSuccess);
    f.host.at_frame(1111);
    CHECK(request.entry(7).status == kIOReturnSuccess);
    CHECK(request.entry(8).status == kIOReturnInvalid);
    CHECK(f.completions.empty());
  }

  TEST_CASE("data of an entry begins at the sum of the request counts before it, short packets leave holes") {
    DriverKitFixture f;
    Request request(std::vector<std::uint32_t>{10, 0, 30, 5, 1, 192, 2, 7});
    f.host.on_isoch = [](controller::IsochRequest& r, std::size_t i, std::span<std::uint8_t> data) {
      if (i == 2) {
        r.entries[i].complete = 3;
        data = data.first(3);
      }
      std::fill(data.begin(), data.end(), static_cast<std::uint8_t>(0xa0 + i));
      return i == 2 ? Status::short_packet : Status::ok;
    };
    CHECK(f.pipe(0x81)->IsochIO(request.data.get(), request.list.get(), 1110, nullptr) == kIOReturnSuccess);
    CHECK(request.bytes[9] == 0xa0);
    CHECK(request.bytes[10] == 0xa2);
    CHECK(request.bytes[12] == 0xa2);
    CHECK(request.bytes[13] == 0);  // the hole
    CHECK(request.bytes[40] == 0xa3);
    CHECK(request.bytes[45] == 0xa4);
    CHECK(request.bytes[46] == 0xa5);
    CHECK(request.entry(2).completeCount == 3);
    CHECK(request.entry(2).status == kIOReturnSuccess);
  }

  TEST_CASE("without a completion the call returns when the last entry is done") {
    DriverKitFixture f;
    Request request(16, 20);
    CHECK(f.pipe(0x01)->IsochIO(request.data.get(), request.list.get(), 1110, nullptr) == kIOReturnSuccess);
    CHECK(f.host.frame_number() == 1112);
    CHECK(request.entry(15).completeCount == 20);
  }

  TEST_CASE("several requests may share one action, and complete in order of submission") {
    DriverKitFixture f;
    std::vector<int> order;
    OSAction* action = nullptr;
    std::vector<Request> requests;
    for (int i = 0; i < 4; ++i) requests.emplace_back(8, 10);
    f.runtime.create_isoch_action(
        [&](OSAction*, IOReturn) {
          for (int i = 3; i >= 0; --i)
            if (requests[static_cast<std::size_t>(i)].entry(7).status == kIOReturnSuccess) {
              order.push_back(i);
              return;
            }
        },
        4, &action);
    for (std::size_t i = 0; i < 4; ++i)
      REQUIRE(f.pipe(0x81)->IsochIO(requests[i].data.get(), requests[i].list.get(), 1110 + i, action) ==
              kIOReturnSuccess);
    CHECK(action->GetRetainCount() == 5);  // ours, and one of each request
    f.host.at_frame(1120);
    CHECK(order == std::vector<int>{0, 1, 2, 3});
    CHECK(action->GetRetainCount() == 1);
    action->release();
  }

  TEST_CASE("explicit start frames: too old up to the running frame, too new beyond 1024 ahead") {
    struct Case {
      std::uint64_t frame;
      IOReturn expected;
    };
    for (const Case c : {Case{1099, kIOReturnIsoTooOld},
                         {1100, kIOReturnIsoTooOld},
                         {1101, kIOReturnSuccess},
                         {1100 + 1024, kIOReturnSuccess},
                         {1100 + 1025, kIOReturnIsoTooNew}}) {
      CAPTURE(c.frame);
      DriverKitFixture f;
      CHECK(submit_at(f, c.frame) == c.expected);
      CHECK(f.host.in_flight() == (c.expected == kIOReturnSuccess ? 1 : 0));
    }
  }

  TEST_CASE("the least lead is an option") {
    RuntimeOptions options;
    options.keep_away_frames = 3;
    DriverKitFixture f(1, DriverKitFixture::quiet(options));
    CHECK(submit_at(f, 1102) == kIOReturnIsoTooOld);
    CHECK(submit_at(f, 1103) == kIOReturnSuccess);
  }

  TEST_CASE("past frames are accepted as the old kernel extensions did, if asked for") {
    RuntimeOptions options;
    options.accept_past_frames = true;
    DriverKitFixture f(1, DriverKitFixture::quiet(options));
    f.host.at_frame(2100);
    CHECK(submit_at(f, 2100 - 1025) == kIOReturnIsoTooOld);
    CHECK(submit_at(f, 2100 - 1024) == kIOReturnSuccess);
  }

  TEST_CASE("a start before the end of what is queued is too old, a gap is allowed, a drained pipe forgets") {
    DriverKitFixture f;
    REQUIRE(submit_at(f, 1110, 16) == kIOReturnSuccess);  // frames 1110 and 1111
    CHECK(submit_at(f, 1111) == kIOReturnIsoTooOld);
    CHECK(submit_at(f, 1112) == kIOReturnSuccess);
    CHECK(submit_at(f, 1120) == kIOReturnSuccess);
    CHECK(submit_at(f, 1115) == kIOReturnIsoTooOld);
    f.host.at_frame(1130);
    CHECK(submit_at(f, 1131) == kIOReturnSuccess);
  }

  TEST_CASE("a refused request never completes") {
    DriverKitFixture f;
    CHECK(submit_at(f, 1090) == kIOReturnIsoTooOld);
    f.run_frames(50);
    CHECK(f.completions.empty());
  }

  TEST_CASE("first frame 0 is the next frame, or contiguous with what is queued") {
    DriverKitFixture f;
    Request first(8, 10), second(8, 10);
    const auto action = f.action();
    REQUIRE(f.pipe(0x81)->IsochIO(first.data.get(), first.list.get(), 0, action.get()) == kIOReturnSuccess);
    REQUIRE(f.pipe(0x81)->IsochIO(second.data.get(), second.list.get(), 0, action.get()) == kIOReturnSuccess);
    f.run_frames(5);
    CHECK(second.entry(0).timeStamp - first.entry(7).timeStamp == 60'000 / 20);
  }

  TEST_CASE("an explicit frame on a stream started with 0 is a bad argument only with the option") {
    for (const bool refuse : {false, true}) {
      RuntimeOptions options;
      if (refuse) options.explicit_on_continuous = driverkit::ExplicitOnContinuous::bad_argument;
      DriverKitFixture f(1, DriverKitFixture::quiet(options));
      REQUIRE(submit_at(f, 0) == kIOReturnSuccess);
      CHECK(submit_at(f, 1110) == (refuse ? kIOReturnBadArgument : kIOReturnSuccess));
    }
  }

  TEST_CASE(
      "lists with no entry, too many, a partial one, too small a buffer or too large an entry are bad arguments") {
    DriverKitFixture f;
    const auto pipe = f.pipe(0x81);
    const auto action = f.action();
    const auto submit = [&](Request& r) { return pipe->IsochIO(r.data.get(), r.list.get(), 1110, action.get()); };
    Request none(0, 0), many(1008, 1), most(1000, 1), partial(8, 1), small(8, 10), large(8, 193);
    CHECK(submit(none) == kIOReturnBadArgument);
    CHECK(submit(many) == kIOReturnBadArgument);
    CHECK(submit(most) == kIOReturnSuccess);
    partial.list->SetLength(8 * 24 - 1);
    CHECK(submit(partial) == kIOReturnBadArgument);
    small.data->SetLength(79);
    CHECK(submit(small) == kIOReturnBadArgument);
    CHECK(submit(large) == kIOReturnBadArgument);
    CHECK(pipe->IsochIO(nullptr, small.list.get(), 1300, action.get()) == kIOReturnBadArgument);
    CHECK(pipe->IsochIO(small.data.get(), nullptr, 1300, action.get()) == kIOReturnBadArgument);
    OSAction* wrong = nullptr;
    f.runtime.create_io_action([](OSAction*, IOReturn, std::uint32_t, std::uint64_t) {}, 0, &wrong);
    small.data->SetLength(80);
    CHECK(pipe->IsochIO(small.data.get(), small.list.get(), 1300, wrong) == kIOReturnBadArgument);
    wrong->release();
  }

  TEST_CASE("entries must fill whole frames: multiples of 8 at bInterval 1, of 4 at 2, any number from 4 on") {
    struct Case {
      std::uint8_t alternate;
      std::size_t entries;
      IOReturn expected;
    };
    for (const Case c : {Case{1, 7, kIOReturnBadArgument},
                         {1, 8, kIOReturnSuccess},
                         {1, 12, kIOReturnBadArgument},
                         {5, 4, kIOReturnSuccess},
                         {5, 6, kIOReturnBadArgument},
                         {3, 1, kIOReturnSuccess},
                         {3, 5, kIOReturnSuccess},
                         {4, 1, kIOReturnSuccess}}) {
      CAPTURE(c.alternate);
      CAPTURE(c.entries);
      DriverKitFixture f(c.alternate);
      CHECK(submit_at(f, 1110, c.entries) == c.expected);
    }
  }

  TEST_CASE("an interval of two frames starts on an even frame, and a list spans two frames an entry") {
    DriverKitFixture f(4);
    CHECK(submit_at(f, 1111, 3) == kIOReturnBadArgument);
    REQUIRE(submit_at(f, 1110, 3) == kIOReturnSuccess);
    CHECK(submit_at(f, 1114, 1) == kIOReturnIsoTooOld);
    CHECK(submit_at(f, 1116, 1) == kIOReturnSuccess);
  }

  TEST_CASE("at full speed one entry is one frame") {
    DriverKitFixture f(1, DriverKitFixture::quiet({}), usb::Speed::full);
    REQUIRE(submit_at(f, 1110, 3) == kIOReturnSuccess);
    CHECK(submit_at(f, 1112, 1) == kIOReturnIsoTooOld);
    CHECK(submit_at(f, 1113, 1) == kIOReturnSuccess);
  }

  TEST_CASE("entry statuses follow the table, with the switches for what is not settled") {
    struct Case {
      Status host;
      IOReturn plain, switched;
    };
    for (const Case c : {Case{Status::short_packet, kIOReturnSuccess, kIOReturnUnderrun},
                         {Status::no_response, kIOReturnNotResponding, kIOReturnNotResponding},
                         {Status::crc_error, kIOReturnNotResponding, kIOUSBCRCErr},
                         {Status::bit_stuff, kIOReturnNotResponding, kIOUSBBitstufErr},
                         {Status::pid_error, kIOReturnNotResponding, kIOUSBPIDCheckErr},
                         {Status::sequence_error, kIOReturnNotResponding, kIOUSBWrongPIDErr},
                         {Status::overrun, kIOReturnOverrun, kIOReturnOverrun},
                         {Status::missed, kIOUSBNotSent1Err, kIOReturnOverrun}}) {
      CAPTURE(static_cast<int>(c.host));
      for (const bool switched : {false, true}) {
        RuntimeOptions options;
        if (switched) {
          options.short_in = driverkit::ShortIn::underrun;
          options.missed_entry = driverkit::MissedEntry::overrun;
          options.wire_errors = driverkit::WireErrors::detailed;
        }
        DriverKitFixture f(1, DriverKitFixture::quiet(options));
        f.host.on_isoch = [&](controller::IsochRequest& r, std::size_t i, std::span<std::uint8_t>) {
          r.entries[i].complete = 0;
          return i == 3 ? c.host : Status::ok;
        };
        Request request(8, 10);
        const IOReturn expected = switched ? c.switched : c.plain;
        CHECK(f.pipe(0x81)->IsochIO(request.data.get(), request.list.get(), 1110, nullptr) == expected);
        CHECK(request.entry(3).status == expected);
        CHECK(request.entry(4).status == kIOReturnSuccess);
      }
    }
  }

  TEST_CASE("the overall status is the last error that is no underrun, an underrun only if there is nothing else") {
    RuntimeOptions options;
    options.short_in = driverkit::ShortIn::underrun;
    DriverKitFixture f(1, DriverKitFixture::quiet(options));
    std::vector<Status> script;
    f.host.on_isoch = [&](controller::IsochRequest&, std::size_t i, std::span<std::uint8_t>) { return script[i]; };
    const auto run = [&](std::vector<Status> statuses) {
      statuses.resize(8, Status::ok);
      script = statuses;
      Request request(8, 10);
      return f.pipe(0x81)->IsochIO(request.data.get(), request.list.get(), 0, nullptr);
    };
    CHECK(run({}) == kIOReturnSuccess);
    CHECK(run({Status::short_packet}) == kIOReturnUnderrun);
    CHECK(run({Status::short_packet, Status::overrun}) == kIOReturnOverrun);
    CHECK(run({Status::overrun, Status::short_packet}) == kIOReturnOverrun);
    CHECK(run({Status::overrun, Status::no_response}) == kIOReturnNotResponding);
    CHECK(run({Status::no_response, Status::overrun, Status::short_packet}) == kIOReturnOverrun);
  }

  TEST_CASE("an overall Overrun with all entries fine can be switched on") {
    RuntimeOptions options;
    options.overall_status = driverkit::OverallStatus::always_overrun;
    DriverKitFixture f(1, DriverKitFixture::quiet(options));
    Request in(8, 10), out(8, 10);
    CHECK(f.pipe(0x81)->IsochIO(in.data.get(), in.list.get(), 0, nullptr) == kIOReturnOverrun);
    CHECK(in.entry(7).status == kIOReturnSuccess);
    CHECK(f.pipe(0x01)->IsochIO(out.data.get(), out.list.get(), 0, nullptr) == kIOReturnSuccess);
  }

  TEST_CASE("an asynchronous abort returns at once; its requests complete as aborted with their entries not sent") {
    DriverKitFixture f;
    const auto pipe = f.pipe(0x81);
    Request request(16, 10);
    REQUIRE(pipe->IsochIO(request.data.get(), request.list.get(), 1110, f.action().get()) == kIOReturnSuccess);
    f.host.at_frame(1111);
    const auto before = f.host.now();
    CHECK(pipe->Abort(kIOUSBAbortAsynchronous, kIOReturnAborted, f.runtime.client()) == kIOReturnSuccess);
    CHECK(f.host.now() == before);
    f.run_frames(1);
    CHECK(f.completions == std::vector<IOReturn>{kIOReturnAborted});
    CHECK(request.entry(7).status == kIOReturnSuccess);
    CHECK(request.entry(8).status == kIOUSBNotSent1Err);
    CHECK(request.entry(8).completeCount == 0);
  }

  TEST_CASE(
      "a synchronous abort returns when the controller is done with every request, and refuses new ones meanwhile") {
    DriverKitFixture f;
    const auto pipe = f.pipe(0x81);
    Request request(16, 10), other(8, 10);
    f.host.latency = bus::microsecond * 500;
    REQUIRE(pipe->IsochIO(request.data.get(), request.list.get(), 1110, f.action().get()) == kIOReturnSuccess);
    IOReturn meanwhile = kIOReturnSuccess;
    f.host.call_at(f.host.now() + bus::microsecond * 100,
                   [&] { meanwhile = pipe->IsochIO(other.data.get(), other.list.get(), 1120, f.action().get()); });
    CHECK(pipe->Abort(kIOUSBAbortSynchronous, kIOReturnAborted, nullptr) == kIOReturnSuccess);
    CHECK(meanwhile == kIOReturnNotPermitted);
    CHECK(f.host.in_flight() == 0);
    CHECK(pipe->IsochIO(other.data.get(), other.list.get(), 1120, f.action().get()) == kIOReturnSuccess);
  }

  TEST_CASE("after an alternate setting change the old pipe is not ready and its requests are aborted") {
    DriverKitFixture f;
    const auto old = f.pipe(0x81);
    Request request(8, 10);
    REQUIRE(old->IsochIO(request.data.get(), request.list.get(), 1150, f.action().get()) == kIOReturnSuccess);
    CHECK(f.interface->SelectAlternateSetting(2) == kIOReturnSuccess);
    f.run_frames(1);
    CHECK(f.completions == std::vector<IOReturn>{kIOReturnAborted});
    CHECK(old->IsochIO(request.data.get(), request.list.get(), 1150, f.action().get()) == kIOReturnNotReady);
    const auto fresh = f.pipe(0x81);
    REQUIRE(fresh);
    CHECK(fresh != old);
    CHECK(fresh->IsochIO(request.data.get(), request.list.get(), 1150, f.action().get()) == kIOReturnSuccess);
  }

  TEST_CASE("a closed interface aborts its pipes and refuses, NotOpen") {
    DriverKitFixture f;
    const auto pipe = f.pipe(0x81);
    Request request(8, 10);
    REQUIRE(pipe->IsochIO(request.data.get(), request.list.get(), 1150, f.action().get()) == kIOReturnSuccess);
    CHECK(f.interface->Close(f.runtime.client(), 0) == kIOReturnSuccess);
    CHECK(pipe->IsochIO(request.data.get(), request.list.get(), 1160, f.action().get()) == kIOReturnNotOpen);
    f.run_frames(1);
    CHECK(f.completions == std::vector<IOReturn>{kIOReturnAborted});
  }

  TEST_CASE("an unplugged device aborts what is in flight and refuses with NoDevice") {
    DriverKitFixture f;
    const auto pipe = f.pipe(0x81);
    Request request(8, 10);
    REQUIRE(pipe->IsochIO(request.data.get(), request.list.get(), 1150, f.action().get()) == kIOReturnSuccess);
    f.host.unplug();
    f.run_frames(1);
    CHECK(f.completions == std::vector<IOReturn>{kIOReturnAborted});
    CHECK(pipe->IsochIO(request.data.get(), request.list.get(), 1160, f.action().get()) == kIOReturnNoDevice);
    std::uint64_t frame = 0;
    CHECK(f.interface->GetFrameNumber(&frame, nullptr) == kIOReturnNoDevice);
  }

  TEST_CASE("data and frame list may lie in several pieces") {
    DriverKitFixture f;
    Request a(4, 10), b(4, 10);
    IOMemoryDescriptor *data = nullptr, *list = nullptr;
    IOMemoryDescriptor* const datas[] = {a.data.get(), b.data.get()};
    IOMemoryDescriptor* const lists[] = {a.list.get(), b.list.get()};
    REQUIRE(IOMemoryDescriptor::CreateWithMemoryDescriptors(kIOMemoryDirectionInOut, 2, datas, &data) == 0);
    REQUIRE(IOMemoryDescriptor::CreateWithMemoryDescriptors(kIOMemoryDirectionInOut, 2, lists, &list) == 0);
    f.host.on_isoch = [](controller::IsochRequest&, std::size_t i, std::span<std::uint8_t> bytes) {
      std::fill(bytes.begin(), bytes.end(), static_cast<std::uint8_t>(i));
      return Status::ok;
    };
    CHECK(f.pipe(0x81)->IsochIO(data, list, 1110, nullptr) == kIOReturnSuccess);
    CHECK(b.entry(3).status == kIOReturnSuccess);
    CHECK(b.entry(3).completeCount == 10);
    CHECK(b.bytes[39] == 7);
    data->release();
    list->release();
  }

  TEST_CASE("refusals of the layer are told to the observer") {
    struct Observer : controller::RequestObserver {
      std::vector<Status> refused;
      void on_refused(const controller::IsochRequest&, Status status, bus::BusTime) override {
        refused.push_back(status);
      }
    } observer;
    RuntimeOptions options;
    options.observer = &observer;
    DriverKitFixture f(1, DriverKitFixture::quiet(options));
    submit_at(f, 1000);
    submit_at(f, 9999);
    submit_at(f, 1110, 7);
    CHECK(observer.refused == std::vector<Status>{Status::too_old, Status::too_new, Status::bad_argument});
  }
}
