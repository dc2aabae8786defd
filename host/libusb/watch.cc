// isochio: see watch.h.
#include "libusb/watch.h"

#include <libusb-1.0/libusb.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include <fmt/format.h>

#include "libusb/libusb_host.h"

namespace isochio::libusb {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto look_again = std::chrono::milliseconds(500);
constexpr auto permission_grace = std::chrono::seconds(2);  // udev's rules run after the kernel's event

bool same(const Attached& a, const Attached& b) {
  return a.place == b.place && a.address == b.address && a.identity == b.identity;
}
bool within(const std::vector<Attached>& all, const Attached& device) {
  return std::ranges::any_of(all, [&](const Attached& other) { return same(device, other); });
}

/// Called from inside libusb_handle_events, on this thread.
int LIBUSB_CALL notify(libusb_context*, libusb_device*, libusb_hotplug_event, void* notified) {
  *static_cast<bool*>(notified) = true;
  return 0;
}

std::chrono::nanoseconds wall(bus::Duration d) { return std::chrono::nanoseconds(bus::to_ns(d)); }

}  // namespace

std::vector<Change> changes(const std::vector<Attached>& before, const std::vector<Attached>& now) {
  std::vector<Change> all;
  for (const auto& device : before)
    if (!within(now, device)) all.push_back({false, device});
  for (const auto& device : now)
    if (!within(before, device)) all.push_back({true, device});
  return all;
}

tl::expected<std::unique_ptr<Watch>, std::string> Watch::start() {
  libusb_context* context = nullptr;
  if (const int code = libusb_init(&context); code != LIBUSB_SUCCESS)
    return tl::unexpected(fmt::format("libusb could not be started: {} ({})", libusb_error_name(code), code));
  std::unique_ptr<Watch> watch(new Watch(context));
  constexpr int events = LIBUSB_HOTPLUG_EVENT_DEVICE_ARRIVED | LIBUSB_HOTPLUG_EVENT_DEVICE_LEFT;
  if (libusb_has_capability(LIBUSB_CAP_HAS_HOTPLUG) != 0)
    libusb_hotplug_register_callback(context, events, 0, LIBUSB_HOTPLUG_MATCH_ANY, LIBUSB_HOTPLUG_MATCH_ANY,
                                     LIBUSB_HOTPLUG_MATCH_ANY, notify, &watch->notified_, &watch->callback_);
  auto attached = list_attached();
  if (!attached) return tl::unexpected(attached.error());
  watch->attached_ = std::move(*attached);
  return watch;
}

Watch::~Watch() {
  if (callback_ != 0) libusb_hotplug_deregister_callback(context_, callback_);
  libusb_exit(context_);
}

/// Until libusb notifies, or time is up.
void Watch::wait(bus::Duration most) {
  const auto until = Clock::now() + wall(most);
  while (!notified_) {
    const auto left = std::chrono::duration_cast<std::chrono::microseconds>(until - Clock::now()).count();
    if (left <= 0) break;
    timeval wait{left / 1'000'000, left % 1'000'000};
    const int code = libusb_handle_events_timeout_completed(context_, &wait, nullptr);
    if (code == LIBUSB_ERROR_INTERRUPTED) break;  // Ctrl-C: whoever calls wants to look
    if (code != LIBUSB_SUCCESS) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  notified_ = false;
}

tl::expected<std::vector<Change>, std::string> Watch::next(bus::Duration most) {
  const auto deadline = Clock::now() + wall(most);
  for (;;) {
    const auto left = std::min<std::chrono::nanoseconds>(look_again, deadline - Clock::now());
    wait(bus::from_ns(std::max<std::int64_t>(0, left.count())));
    // Only those that are new are asked for their names.
    auto now = list_attached([this](const Attached& device) { return !within(attached_, device); });
    if (!now) return tl::unexpected(now.error());
    auto found = changes(attached_, *now);
    for (auto& device : *now)
      for (const auto& known : attached_)
        if (same(device, known)) device = known;
    attached_ = std::move(*now);
    if (!found.empty() || Clock::now() >= deadline) return found;
  }
}

tl::expected<void, std::string> wait_until_attached(const Selection& wanted, bus::Duration most,
                                                    const std::function<bool()>& stop) {
  constexpr bus::Duration slice = 250 * bus::millisecond;
  const auto deadline = Clock::now() + wall(most);
  const auto watch = Watch::start();
  if (!watch) return tl::unexpected(watch.error());
  auto chosen = choose((*watch)->attached(), wanted);
  for (; !chosen; chosen = choose((*watch)->attached(), wanted)) {
    if (stop()) return tl::unexpected<std::string>("interrupted while waiting for the device");
    if (Clock::now() >= deadline)
      return tl::unexpected(fmt::format("{} (waited {:.0f} s)", chosen.error(), bus::to_seconds(most)));
    if (const auto changed = (*watch)->next(slice); !changed) return tl::unexpected(changed.error());
  }
  const Attached device = (*watch)->attached()[*chosen];
  const auto grace = Clock::now() + permission_grace;
  for (bool permitted = device.permitted; !permitted && Clock::now() < grace && !stop();) {
    std::this_thread::sleep_for(wall(slice));
    const auto again = list_attached([&](const Attached& other) { return same(other, device); });
    if (!again) return tl::unexpected(again.error());
    permitted = std::ranges::any_of(*again, [&](const auto& other) { return same(other, device) && other.permitted; });
  }
  return {};
}

}  // namespace isochio::libusb
