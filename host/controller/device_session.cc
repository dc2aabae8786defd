#include "controller/device_session.h"

#include <algorithm>

#include <fmt/format.h>

#include "controller/timing.h"
#include "usb/descriptors.h"

namespace isochio::controller {

namespace {

enum Request : std::uint8_t {  // [table 9-4]
  clear_feature = 1,
  set_address = 5,
  get_descriptor_request = 6,
  set_configuration_request = 9,
  set_interface_request = 11,
};

// A device may take 500 ms for a data stage and 50 ms for a status stage [9.2.6.4].
constexpr bus::Duration standard_timeout = 1 * bus::second;
constexpr std::uint8_t only_address = 1;

std::string because(const char* what, Status status) { return fmt::format("{} failed: {}", what, to_string(status)); }

}  // namespace

DeviceSession::DeviceSession(SimController& controller, RootPort& port)
    : controller_(controller), port_(port), schedule_(usb::Speed::full, 0) {
  controller_.on_disconnect = [this] { disconnected(); };
}

PeriodicSchedule DeviceSession::empty_schedule() const {
  const SimHostOptions& options = controller_.options();
  const std::uint64_t limit =
      options.lift_periodic_limit ? ~std::uint64_t{0} / 2 : usb::periodic_limit_ps(speed_, options.periodic_percent);
  return {speed_, limit};
}

tl::expected<void, std::string> DeviceSession::enumerate() {
  if (controller_.connected()) return reset_device();
  if (!port_.attach()) return tl::unexpected<std::string>("no device: no pull-up is seen after power-on");
  return address_and_read();
}

tl::expected<void, std::string> DeviceSession::reset_device() {
  // Completions of what is aborted would have to wait for the end of the reset otherwise.
  close([](const Open&) { return true; });
  controller_.close_all(Status::aborted);
  forget();
  if (!controller_.link().device_present()) return tl::unexpected<std::string>("no device: it has been detached");
  return address_and_read();
}

tl::expected<void, std::string> DeviceSession::address_and_read() {
  controller_.set_address(0);
  speed_ = port_.reset();
  schedule_ = empty_schedule();
  const auto head = get_descriptor(usb::descriptor_type::device, 0, 8);
  if (!head) return tl::unexpected(because("reading the first 8 bytes of the device descriptor", head.error()));
  if (head->size() < 8) return tl::unexpected<std::string>("the device descriptor is shorter than 8 bytes");
  const std::uint8_t max_packet = (*head)[7];
  if (max_packet != 64 && (speed_ == usb::Speed::high || (max_packet != 8 && max_packet != 16 && max_packet != 32))) {
    return tl::unexpected(
        fmt::format("bMaxPacketSize0 is {}; allowed are 8, 16, 32, 64, and only 64 at high speed", max_packet));
  }
  controller_.control_pipe().set_max_packet(max_packet);
  if (const auto done = request(0x00, set_address, only_address, 0); !done) {
    return tl::unexpected(because("SET_ADDRESS", done.error()));
  }
  controller_.run_until(controller_.now() + timing::set_address_recovery, {});
  controller_.set_address(only_address);
  auto device = get_descriptor(usb::descriptor_type::device, 0, 18);
  if (!device) return tl::unexpected(because("reading the device descriptor", device.error()));
  if (!usb::as_device(*device)) return tl::unexpected<std::string>("what the device answered is no device descriptor");
  const auto start = get_descriptor(usb::descriptor_type::configuration, 0, 9);
  if (!start) return tl::unexpected(because("reading the first 9 bytes of the configuration", start.error()));
  const auto header = usb::as_configuration(*start);
  if (!header) return tl::unexpected<std::string>("what the device answered is no configuration descriptor");
  auto whole = get_descriptor(usb::descriptor_type::configuration, 0, header->total_length);
  if (!whole) return tl::unexpected(because("reading the configuration", whole.error()));
  if (whole->size() != header->total_length) {
    return tl::unexpected(
        fmt::format("the configuration has {} bytes, but wTotalLength says {}", whole->size(), header->total_length));
  }
  device_ = std::move(*device);
  configuration_ = std::move(*whole);
  controller_.set_connected(true);
  endpoints_changed();
  return {};
}

tl::expected<std::vector<std::uint8_t>, Status> DeviceSession::get_descriptor(std::uint8_t type, std::uint8_t index,
                                                                              std::uint16_t length) {
  std::vector<std::uint8_t> bytes(length);
  const ControlSetup setup{0x80, get_descriptor_request, static_cast<std::uint16_t>(type << 8U | index), 0, length};
  const auto got = controller_.control(setup, bytes, standard_timeout);
  if (!got) return tl::unexpected(got.error());
  bytes.resize(*got);
  return bytes;
}

tl::expected<void, Status> DeviceSession::request(std::uint8_t type, std::uint8_t request, std::uint16_t value,
                                                  std::uint16_t index) {
  const auto done = controller_.control({type, request, value, index, 0}, {}, standard_timeout);
  if (!done) return tl::unexpected(done.error());
  return {};
}

// --- configuration and alternate settings ---------------------------------------------------------------------------

tl::expected<std::vector<DeviceSession::Open>, Status> DeviceSession::endpoints_of(std::uint8_t interface,
                                                                                   std::uint8_t alternate) const {
  const auto configs = usb::setting_endpoints(configuration_, interface, alternate, speed_);
  if (!configs) return tl::unexpected(Status::bad_argument);
  std::vector<Open> opens;
  for (const usb::EndpointConfig& config : *configs) opens.push_back({config, interface, 0});
  return opens;
}

bool DeviceSession::reserve(PeriodicSchedule& schedule, std::vector<Open>& opens) const {
  for (Open& open : opens) {
    const auto phase = schedule.reserve(open.config);
    if (!phase) return false;
    open.phase = *phase;
  }
  return true;
}

void DeviceSession::open(const std::vector<Open>& opens) {
  for (const Open& open : opens) {
    controller_.open(open.config, speed_, open.phase);
    open_.push_back(open);
  }
  std::stable_sort(open_.begin(), open_.end(), [](const Open& a, const Open& b) { return a.interface < b.interface; });
}

// What is in flight is aborted; every completion, also of what had ended before, has been delivered before the device
// is told: a new pipe of the same endpoint could complete before the old one otherwise.
void DeviceSession::close(const std::function<bool(const Open&)>& which) {
  std::vector<usb::EndpointAddress> closing;
  for (const Open& open : open_) {
    if (!which(open)) continue;
    controller_.close(open.config.address, Status::aborted);
    closing.push_back(open.config.address);
  }
  controller_.run_until(EventQueue::never, [&] {
    return std::none_of(closing.begin(), closing.end(),
                        [&](auto endpoint) { return controller_.completing(endpoint); });
  });
}

tl::expected<void, Status> DeviceSession::set_configuration(std::uint8_t value) {
  if (!controller_.connected()) return tl::unexpected(Status::no_device);
  PeriodicSchedule schedule = empty_schedule();
  std::vector<Open> opens;
  const auto header = usb::as_configuration(configuration_);
  if (value != 0 && header && header->value == value) {
    usb::DescriptorWalker walker(configuration_);
    while (const auto view = walker.next()) {
      const auto setting = usb::as_interface(view->bytes);
      if (!setting || setting->alternate != 0) continue;
      const auto more = endpoints_of(setting->interface, 0);
      if (!more) return tl::unexpected(more.error());
      opens.insert(opens.end(), more->begin(), more->end());
    }
    if (!reserve(schedule, opens)) return tl::unexpected(Status::no_bandwidth);
  }
  const auto all = [](const Open&) { return true; };
  close(all);
  const auto done = request(0x00, set_configuration_request, value, 0);
  if (!done) {
    for (const Open& open : open_) controller_.reopen(open.config.address);
    return done;
  }
  for (const Open& open : open_) controller_.drop(open.config.address);
  open_.clear();
  alternates_.fill(0);
  configuration_value_ = value;
  schedule_ = std::move(schedule);
  open(opens);
  endpoints_changed();
  return {};
}

tl::expected<void, Status> DeviceSession::set_interface(std::uint8_t interface, std::uint8_t alternate) {
  if (!controller_.connected()) return tl::unexpected(Status::no_device);
  if (configuration_value_ == 0) return tl::unexpected(Status::not_open);
  auto opens = endpoints_of(interface, alternate);
  if (!opens) return tl::unexpected(opens.error());
  PeriodicSchedule schedule = schedule_;
  const auto mine = [&](const Open& open) { return open.interface == interface; };
  for (const Open& open : open_) {
    if (mine(open)) schedule.release(open.config, open.phase);
  }
  if (!reserve(schedule, *opens)) return tl::unexpected(Status::no_bandwidth);
  close(mine);
  const auto done = request(0x01, set_interface_request, alternate, interface);
  if (!done) {
    for (const Open& open : open_) {
      if (mine(open)) controller_.reopen(open.config.address);
    }
    return done;
  }
  for (const Open& open : open_) {
    if (mine(open)) controller_.drop(open.config.address);
  }
  std::erase_if(open_, mine);
  alternates_[interface] = alternate;
  schedule_ = std::move(schedule);
  open(*opens);
  endpoints_changed();
  return {};
}

std::uint8_t DeviceSession::alternate(std::uint8_t interface) const { return alternates_[interface]; }

tl::expected<void, Status> DeviceSession::clear_halt(usb::EndpointAddress endpoint, bool with_request) {
  const auto cleared = controller_.clear_halt(endpoint);
  if (!cleared || !with_request) return cleared;
  constexpr std::uint16_t endpoint_halt = 0;
  return request(0x02, clear_feature, endpoint_halt, endpoint.value);
}

void DeviceSession::endpoints_changed() {
  endpoints_.clear();
  for (const Open& open : open_) {
    endpoints_.push_back(open.config);
    const bool scheduled =
        open.config.type == usb::TransferType::isochronous || open.config.type == usb::TransferType::interrupt;
    if (scheduled) endpoints_.back().phase = open.phase;
  }
  for (RequestObserver* observer : controller_.observers()) {
    observer->on_endpoints(endpoints_, speed_, controller_.now());
  }
}

void DeviceSession::forget() {
  controller_.set_connected(false);
  controller_.set_address(0);
  open_.clear();
  alternates_.fill(0);
  configuration_value_ = 0;
  device_.clear();
  configuration_.clear();
  endpoints_changed();
}

void DeviceSession::disconnected() {
  controller_.set_connected(false);
  controller_.close_all(Status::no_device);
  forget();
  port_.disconnected();
}

}  // namespace isochio::controller
