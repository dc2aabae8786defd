// isochio: what software wants done at points of bus time; ordered by time, then by the order of the calls.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <tuple>
#include <utility>
#include <vector>

#include "bus/bus_time.h"

namespace isochio::controller {

class EventQueue {
 public:
  static constexpr bus::BusTime never{std::numeric_limits<std::int64_t>::max()};

  void add(bus::BusTime at, std::function<void()> task) {
    heap_.push_back({at, count_++, std::move(task)});
    std::push_heap(heap_.begin(), heap_.end(), later);
    next_ = heap_.front().at;
  }

  /// When the first event is due; `never` if there is none.
  bus::BusTime next() const { return next_; }

  /// Takes the first event out; there must be one.
  std::function<void()> take() {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    auto task = std::move(heap_.back().task);
    heap_.pop_back();
    next_ = heap_.empty() ? never : heap_.front().at;
    return task;
  }

 private:
  struct Event {
    bus::BusTime at;
    std::uint64_t order;
    std::function<void()> task;
  };
  static bool later(const Event& a, const Event& b) { return std::tie(a.at, a.order) > std::tie(b.at, b.order); }

  std::vector<Event> heap_;
  std::uint64_t count_ = 0;
  bus::BusTime next_ = never;
};

}  // namespace isochio::controller
