// isochio: opening and closing, time and events; requests are in libusb_requests.cc, the device in libusb_device.cc.
#include "libusb/libusb_host.h"

#include <libusb-1.0/libusb.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include <fmt/format.h>

#include "libusb/flight.h"

namespace isochio::libusb {

using bus::BusTime;
using bus::Duration;

namespace {

std::int64_t monotonic_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::string product_name(libusb_device_handle* handle, std::uint8_t string_index) {
  std::array<unsigned char, 256> text{};
  if (string_index == 0) return {};
  const int length = libusb_get_string_descriptor_ascii(handle, string_index, text.data(), int{text.size()});
  return length > 0 ? std::string(text.begin(), text.begin() + length) : std::string();
}

bool nobody(const Attached&) { return false; }

/// Empty for hubs. `ask`: open it for its name?
std::optional<Attached> describe(libusb_device* device, const std::function<bool(const Attached&)>& ask) {
  libusb_device_descriptor descriptor{};
  if (libusb_get_device_descriptor(device, &descriptor) != LIBUSB_SUCCESS) return std::nullopt;
  if (descriptor.bDeviceClass == LIBUSB_CLASS_HUB) return std::nullopt;
  Attached attached{{descriptor.idVendor, descriptor.idProduct}, {libusb_get_bus_number(device), {}}, 0, {}, {}, true};
  std::array<std::uint8_t, 7> ports{};
  const int depth = libusb_get_port_numbers(device, ports.data(), int{ports.size()});
  attached.place.ports.assign(ports.begin(), ports.begin() + std::max(0, depth));
  attached.address = libusb_get_device_address(device);
  const int speed = libusb_get_device_speed(device);
  if (speed == LIBUSB_SPEED_FULL) attached.speed = usb::Speed::full;
  if (speed == LIBUSB_SPEED_HIGH) attached.speed = usb::Speed::high;
  libusb_device_handle* handle = nullptr;
  if (!ask(attached)) return attached;
  const int opened = libusb_open(device, &handle);
  attached.permitted = opened != LIBUSB_ERROR_ACCESS;
  if (opened != LIBUSB_SUCCESS) return attached;
  attached.product = product_name(handle, descriptor.iProduct);
  libusb_close(handle);
  return attached;
}

/// libusb's list of devices, freed with them.
class DeviceList {
 public:
  explicit DeviceList(libusb_context* context) : count_(libusb_get_device_list(context, &list_)) {}
  ~DeviceList() {
    if (list_ != nullptr) libusb_free_device_list(list_, 1);
  }
  DeviceList(const DeviceList&) = delete;
  DeviceList& operator=(const DeviceList&) = delete;
  /// enum libusb_error if negative
  std::ptrdiff_t count() const { return count_; }
  std::span<libusb_device*> devices() const { return {list_, static_cast<std::size_t>(std::max<ssize_t>(0, count_))}; }

 private:
  libusb_device** list_ = nullptr;
  ssize_t count_;
};

std::string not_started(int code) {
  return fmt::format("libusb could not be started: {} ({})", libusb_error_name(code), code);
}

}  // namespace

tl::expected<std::vector<Attached>, std::string> list_attached(const std::function<bool(const Attached&)>& ask) {
  libusb_context* context = nullptr;
  if (const int code = libusb_init(&context); code != LIBUSB_SUCCESS) return tl::unexpected(not_started(code));
  const std::unique_ptr<libusb_context, void (*)(libusb_context*)> closing(context, libusb_exit);
  const DeviceList list(context);
  if (list.count() < 0) return tl::unexpected(not_started(static_cast<int>(list.count())));
  std::vector<Attached> all;
  for (auto* device : list.devices())
    if (auto attached = describe(device, ask)) all.push_back(std::move(*attached));
  std::sort(all.begin(), all.end(), [](const Attached& a, const Attached& b) {
    return std::tie(a.place.bus, a.place.ports) < std::tie(b.place.bus, b.place.ports);
  });
  return all;
}

tl::expected<std::unique_ptr<LibusbHost>, std::string> LibusbHost::open(const Selection& wanted,
                                                                        const LibusbHostOptions& options) {
  libusb_context* context = nullptr;
  if (const int code = libusb_init(&context); code != LIBUSB_SUCCESS) return tl::unexpected(not_started(code));
  std::unique_ptr<libusb_context, void (*)(libusb_context*)> closing(context, libusb_exit);
  const DeviceList list(context);
  if (list.count() < 0) return tl::unexpected(not_started(static_cast<int>(list.count())));
  std::vector<Attached> all;
  std::vector<libusb_device*> devices;
  for (auto* device : list.devices()) {
    if (auto attached = describe(device, nobody)) {
      all.push_back(std::move(*attached));
      devices.push_back(device);
    }
  }
  const auto chosen = choose(all, wanted);
  if (!chosen) return tl::unexpected(chosen.error());
  Attached& device = all[*chosen];
  if (!device.speed)
    return tl::unexpected(fmt::format("{} at {} runs neither at full nor at high speed; isochio tests USB 2.0 only",
                                      to_string(device.identity), to_string(device.place)));
  libusb_device_handle* handle = nullptr;
  if (const int code = libusb_open(devices[*chosen], &handle); code != LIBUSB_SUCCESS)
    return tl::unexpected(open_problem(device, code));
  return std::unique_ptr<LibusbHost>(new LibusbHost(closing.release(), handle, std::move(device), options));
}

LibusbHost::LibusbHost(libusb_context* context, libusb_device_handle* handle, Attached attached,
                       const LibusbHostOptions& options)
    : context_(context),
      handle_(handle),
      attached_(std::move(attached)),
      options_(options),
      began_ns_(monotonic_ns()),
      frames_(options.first_frame),
      speed_(*attached_.speed) {
  watch_for_removal();
}

namespace {

/// Called from inside libusb_handle_events, on this thread.
int LIBUSB_CALL removed(libusb_context*, libusb_device* device, libusb_hotplug_event, void* watched) {
  const auto& [mine, lost] = *static_cast<std::pair<libusb_device*, bool*>*>(watched);
  if (device == mine) *lost = true;
  return 0;
}

}  // namespace

/// Where libusb has no hot-plug support, only requests tell that the device is gone.
void LibusbHost::watch_for_removal() {
  watched_ = {libusb_get_device(handle_), &lost_};
  if (libusb_has_capability(LIBUSB_CAP_HAS_HOTPLUG) == 0) return;
  libusb_hotplug_register_callback(context_, LIBUSB_HOTPLUG_EVENT_DEVICE_LEFT, 0, LIBUSB_HOTPLUG_MATCH_ANY,
                                   LIBUSB_HOTPLUG_MATCH_ANY, LIBUSB_HOTPLUG_MATCH_ANY, removed, &watched_,
                                   &removal_watch_);
}

LibusbHost::~LibusbHost() {
  const auto in_flight = [this] {
    return std::any_of(pipes_.begin(), pipes_.end(), [](const Pipe& pipe) {
      return std::any_of(pipe.flights.begin(), pipe.flights.end(), [](const auto& flight) { return !flight->ended; });
    });
  };
  for (Pipe& pipe : pipes_) cancel(pipe);
  const BusTime deadline = now() + options_.give_back;
  while (!given_up_ && in_flight() && now() < deadline) handle_events(10 * bus::millisecond);
  if (removal_watch_ != 0) libusb_hotplug_deregister_callback(context_, removal_watch_);
  release();
  // Once the device is closed neither kernel nor libusb touches a flight, given back or not.
  libusb_close(handle_);
  for (Pipe& pipe : pipes_) pipe.flights.clear();
  abandoned_.clear();
  libusb_exit(context_);
}

// --- time and events ------------------------------------------------------------------------------------------------

BusTime LibusbHost::now() const { return BusTime{} + bus::from_ns(monotonic_ns() - began_ns_); }

void LibusbHost::handle_events(Duration most) {
  const std::int64_t us = std::clamp<std::int64_t>(most / bus::microsecond, 0, 1'000'000);
  timeval wait{us / 1'000'000, us % 1'000'000};
  const int code = libusb_handle_events_timeout_completed(context_, &wait, nullptr);
  // It waits by itself, unless it can't.
  constexpr std::int64_t breath_us = 1000;
  if (code != LIBUSB_SUCCESS && code != LIBUSB_ERROR_INTERRUPTED)
    std::this_thread::sleep_for(std::chrono::microseconds(std::min(us, breath_us)));
}

/// Clients are called from here and never from inside libusb, so that they may run the bus themselves.
bool LibusbHost::run_until(BusTime deadline, const std::function<bool()>& done) {
  constexpr Duration longest_wait = 50 * bus::millisecond;
  for (;;) {
    deliver();
    while (events_.next() <= now() && !(done && done())) events_.take()();
    if (done && done()) return true;
    const BusTime at = now();
    if (at >= deadline) return false;
    const BusTime next = std::min({deadline, events_.next(), at + longest_wait});
    // A microsecond more: libusb's clock is coarser than this one.
    handle_events(std::max(next - at, Duration{}) + bus::microsecond);
  }
}

/// Per pipe in the order of submission, whatever order the kernel gave them back in.
void LibusbHost::deliver() {
  if (lost_ && connected_) disconnected();
  if (now() >= give_up_at_) given_up_ = true;
  for (Pipe& pipe : pipes_) {
    while (!pipe.flights.empty() && (pipe.flights.front()->ended || given_up_)) {
      std::unique_ptr<Flight> flight = std::move(pipe.flights.front());
      pipe.flights.pop_front();
      flight->isoch != nullptr ? end_isochronous(pipe, *flight) : end_bulk(pipe, *flight);
      if (!flight->ended) abandoned_.push_back(std::move(flight));
    }
  }
  if (lost_ && connected_) disconnected();
}

void LibusbHost::disconnected() {
  connected_ = false;
  give_up_at_ = now() + options_.give_back;
  for (Pipe& pipe : pipes_) {
    pipe.open = false;
    cancel(pipe);
  }
  endpoints_.clear();
  endpoints_changed();
}

}  // namespace isochio::libusb
