#include "controller/event_queue.h"

#include <doctest/doctest.h>

#include "support/host_fixture.h"

using namespace isochio;
using namespace isochio::test;

TEST_CASE("events come by time, equal times in order of the calls") {
  controller::EventQueue queue;
  std::vector<int> order;
  const int times[] = {5, 3, 5, 1, 3, 5};
  for (int i = 0; i < 6; ++i) queue.add({times[i]}, [&order, i] { order.push_back(i); });
  CHECK(queue.next() == bus::BusTime{1});
  while (queue.next() != controller::EventQueue::never) queue.take()();
  CHECK(order == std::vector<int>{3, 1, 4, 0, 2, 5});
}

TEST_CASE("call_at runs a task at its time on an idle bus, past times at once but not inside the call") {
  HostFixture f;
  f.configure(0);
  std::vector<bus::BusTime> ran;
  const auto at = f.host.now() + 333 * bus::microsecond;
  f.host.call_at(at, [&] { ran.push_back(f.host.now()); });
  f.host.call_at({0}, [&] { ran.push_back(f.host.now()); });
  CHECK(ran.empty());
  const auto now = f.host.now();
  f.run_frames(1);
  REQUIRE(ran.size() == 2);
  CHECK(ran[0] == now);
  CHECK(ran[1] == at);
}

TEST_CASE("run_until stops at its deadline or as soon as it is done") {
  HostFixture f;
  f.configure(0);
  const auto begin = f.host.now();
  CHECK_FALSE(f.host.run_until(begin + 777 * bus::microsecond, [] { return false; }));
  CHECK(f.host.now() == begin + 777 * bus::microsecond);
  bool flag = false;
  f.host.call_at(f.host.now() + 100 * bus::microsecond, [&] { flag = true; });
  CHECK(f.host.run_until(f.host.now() + bus::second, [&] { return flag; }));
  CHECK(f.host.now() == begin + 877 * bus::microsecond);
  CHECK(f.host.run_until(begin, [&] { return flag; }));  // a deadline that is past
}

TEST_CASE("frames count on in 64 bits while the port resets, suspends and resumes") {
  HostFixture f(true, {.first_frame = 123456789012});
  const auto expect = [&] {
    CHECK(f.host.frame_number() == 123456789012 + std::uint64_t(f.host.now().bits / 480'000));
    CHECK(f.host.frame_time().frame() == f.host.frame_number());
  };
  expect();
  f.configure(1);
  expect();
  f.host.suspend();
  f.run_frames(5);
  f.host.resume();
  expect();
  REQUIRE(f.host.reset_device().has_value());
  expect();
}
