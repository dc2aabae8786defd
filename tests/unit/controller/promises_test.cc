// What every client may rely on, whatever is submitted, aborted, reconfigured or broken, in whatever order.
#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <map>

#include "support/host_fixture.h"

using namespace isochio;
using namespace isochio::test;
using controller::IsochRequest;
using controller::Status;

namespace {

struct Ledger final : controller::IsochClient {
  struct Account {
    std::size_t entries_told = 0, completions = 0;
    bool in_order = true;
  };
  void on_entry(IsochRequest& request, std::size_t index) override {
    Account& account = accounts[request.id];
    account.in_order &= index == account.entries_told++ && account.completions == 0;
    account.in_order &= request.entries[index].status != Status::pending;
  }
  void on_complete(IsochRequest& request, Status overall) override {
    Account& account = accounts[request.id];
    ++account.completions;
    account.in_order &= account.entries_told == request.entries.size() && overall != Status::pending;
    auto& last = last_completed[request.endpoint.value];
    account.in_order &= request.id > last;
    last = request.id;
  }
  std::map<std::uint64_t, Account> accounts;
  std::map<std::uint8_t, std::uint64_t> last_completed;
};

void random_step(HostFixture& f, Ledger& ledger, std::vector<std::unique_ptr<OwnedRequest>>& requests) {
  const auto endpoint = *rc::gen::element(HostFixture::iso_in, HostFixture::iso_out);
  switch (*rc::gen::weightedElement<int>({{8, 0}, {6, 1}, {1, 2}, {1, 3}, {2, 4}, {2, 5}, {1, 6}})) {
    case 0: {
      const std::size_t entries = *rc::gen::inRange<std::size_t>(1, 5) * (f.host.speed() == usb::Speed::high ? 8 : 1);
      const auto size = *rc::gen::inRange<std::uint32_t>(0, 400);
      const std::uint64_t first = *rc::gen::element<std::uint64_t>(0, 1, 2, 5);
      requests.push_back(std::make_unique<OwnedRequest>(endpoint, std::vector<std::uint32_t>(entries, size), &ledger,
                                                        first == 0 ? 0 : f.host.frame_number() + first));
      if (!f.host.submit(requests.back()->request)) requests.pop_back();
      break;
    }
    case 1:
      f.host.run_until(f.host.now() + bus::Duration{*rc::gen::inRange<std::int64_t>(1, 3 * 480'000)});
      break;
    case 2:
      f.host.abort(endpoint);
      break;
    case 3:
      (void)f.host.set_interface(0, *rc::gen::inRange<std::uint8_t>(0, 6));
      break;
    case 4: {
      const auto fault = *rc::gen::element(Fault::no_answer, Fault::late_answer, Fault::bad_crc, Fault::wrong_pid,
                                           Fault::rx_error, Fault::extra_packet, Fault::babble, Fault::truncate);
      f.device.misbehave({.fault = fault,
                          .endpoint = endpoint,
                          .after = f.device.transactions(endpoint),
                          .times = 3,
                          .argument = *rc::gen::inRange(0U, 200U)});
      break;
    }
    case 5: {
      Bytes text(64);
      (void)f.host.control({0x80, 6, 0x0301, 0x0409, 64}, text, bus::second);
      break;
    }
    default:
      f.host.call_at(f.host.now() + bus::Duration{*rc::gen::inRange<std::int64_t>(0, 480'000)}, [&f] {
        Bytes text(64);
        (void)f.host.control({0x80, 6, 0x0200, 0, 64}, text, bus::second);
      });
      break;
  }
}

}  // namespace

TEST_CASE("each accepted request completes once, in order, after each of its entries was told once") {
  CHECK(rc::check([] {
    HostFixture f(*rc::gen::arbitrary<bool>());
    f.configure(*rc::gen::inRange<std::uint8_t>(1, 6));
    f.device.set_source(HostFixture::iso_in,
                        [](std::uint16_t stamp) { return ScriptedDevice::Packets{Bytes(stamp % 150)}; });
    Ledger ledger;
    std::vector<std::unique_ptr<OwnedRequest>> requests;
    const int steps = *rc::gen::inRange(1, 40);
    for (int i = 0; i < steps; ++i) random_step(f, ledger, requests);
    f.run_frames(1500);  // the horizon, and all that is queued
    f.host.abort(HostFixture::iso_in);
    f.host.abort(HostFixture::iso_out);
    f.run_frames(1);
    for (const auto& request : requests) {
      const auto& account = ledger.accounts[request->request.id];
      RC_ASSERT(account.completions == 1U);
      RC_ASSERT(account.in_order);
      for (const auto& entry : request->request.entries) {
        RC_ASSERT(entry.status != Status::pending);
        RC_ASSERT(entry.complete <= entry.request);
      }
    }
    RC_ASSERT(ledger.accounts.size() == requests.size());
  }));
}
