// isochio: see core.h.
#include "driverkit/core.h"

#include <cstdio>

namespace isochio::driverkit {

std::uint64_t Core::to_absolute(bus::BusTime time) const {
  // One bit is 25/12 ns; ticks = ns * denom / numer. 128 bits, since the product passes 2^63 after some hours.
  __extension__ using Wide = unsigned __int128;
  const Wide ticks = Wide(static_cast<std::uint64_t>(time.bits)) * 25U * options.timebase_denom;
  return static_cast<std::uint64_t>(ticks / (Wide(12U) * options.timebase_numer));
}

bus::BusTime Core::from_absolute(std::uint64_t ticks) const {
  __extension__ using Wide = unsigned __int128;
  const Wide divisor = Wide(25U) * options.timebase_denom;
  const Wide bits = (Wide(ticks) * 12U * options.timebase_numer + divisor - 1) / divisor;
  return {bits > Wide(INT64_MAX) ? INT64_MAX : static_cast<std::int64_t>(bits)};
}

void Core::call_at(bus::BusTime at, std::function<void()> task) {
  if (host == nullptr) return;
  host->call_at(at, [weak = weak_from_this(), task = std::move(task)] {
    const auto core = weak.lock();
    if (core && core->host != nullptr) task();
  });
}

void Core::wait(const std::function<bool()>& done) {
  if (done()) return;
  if (host == nullptr) hang("the Runtime has ended");
  if (!host->run_until(call_limit, done)) hang("a synchronous call did not return in time");
}

void Core::sleep(bus::Duration duration) {
  if (host != nullptr) host->run_until(host->now() + duration);
}

void Core::log(const std::string& line) const {
  if (options.log) {
    options.log(line);
  } else if (host != nullptr) {
    const usb::FrameTime time = host->frame_time();
    std::fprintf(stderr, "[%llu.%u] %s\n", static_cast<unsigned long long>(time.frame()), time.microframe(),
                 line.c_str());
  }
}

}  // namespace isochio::driverkit
