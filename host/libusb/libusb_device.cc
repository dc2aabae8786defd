// isochio: the device: descriptors, kernel drivers, configuration, alternate settings.
#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "libusb/flight.h"
#include "libusb/status.h"
#include "usb/descriptors.h"

namespace isochio::libusb {

using controller::Status;

namespace {

constexpr bus::Duration standard_timeout = 5 * bus::second;  // as for every host [9.2.6.1]
constexpr std::size_t most_control_bytes = 4096;             // Linux moves no more in one control transfer

bool has_alternates(std::span<const std::uint8_t> configuration, std::uint8_t interface) {
  usb::DescriptorWalker walker(configuration);
  while (const auto view = walker.next()) {
    const auto setting = usb::as_interface(view->bytes);
    if (setting && setting->interface == interface && setting->alternate != 0) return true;
  }
  return false;
}

}  // namespace

tl::expected<std::vector<std::uint8_t>, std::string> LibusbHost::read_descriptor(std::uint8_t type,
                                                                                 std::size_t length) {
  constexpr std::uint8_t get_descriptor = 6;
  std::vector<std::uint8_t> bytes(length);
  const auto got =
      control({0x80, get_descriptor, static_cast<std::uint16_t>(type << 8U), 0, static_cast<std::uint16_t>(length)},
              bytes, standard_timeout);
  if (!got) return tl::unexpected(fmt::format("reading descriptor {} failed: {}", type, to_string(got.error())));
  bytes.resize(*got);
  return bytes;
}

tl::expected<void, std::string> LibusbHost::read_descriptors() {
  auto device = read_descriptor(usb::descriptor_type::device, 18);
  if (!device) return tl::unexpected(device.error());
  if (!usb::as_device(*device)) return tl::unexpected<std::string>("what the device answered is no device descriptor");
  const auto start = read_descriptor(usb::descriptor_type::configuration, 9);
  if (!start) return tl::unexpected(start.error());
  const auto header = usb::as_configuration(*start);
  if (!header) return tl::unexpected<std::string>("what the device answered is no configuration descriptor");
  if (header->total_length > most_control_bytes)
    return tl::unexpected(fmt::format("the configuration has {} bytes; through Linux's usbfs at most {} can be read",
                                      header->total_length, most_control_bytes));
  auto whole = read_descriptor(usb::descriptor_type::configuration, header->total_length);
  if (!whole) return tl::unexpected(whole.error());
  if (whole->size() != header->total_length)
    return tl::unexpected(
        fmt::format("the configuration has {} bytes, but wTotalLength says {}", whole->size(), header->total_length));
  device_ = std::move(*device);
  configuration_ = std::move(*whole);
  return {};
}

std::vector<std::uint8_t> LibusbHost::interfaces() const {
  std::vector<std::uint8_t> numbers;
  usb::DescriptorWalker walker(configuration_);
  while (const auto view = walker.next()) {
    const auto setting = usb::as_interface(view->bytes);
    if (setting && setting->alternate == 0) numbers.push_back(setting->interface);
  }
  return numbers;
}

/// Kernel drivers leave first, all of them: a sound driver has several interfaces, and leaves them all at once.
tl::expected<void, std::string> LibusbHost::claim() {
  for (const auto number : interfaces())
    if (libusb_kernel_driver_active(handle_, number) == 1) detached_.push_back(number);
  for (const auto number : detached_) libusb_detach_kernel_driver(handle_, number);
  for (const auto number : interfaces()) {
    const int code = libusb_claim_interface(handle_, number);
    if (code == LIBUSB_ERROR_NO_DEVICE) lost_ = true;
    if (code != LIBUSB_SUCCESS) return tl::unexpected(claim_problem(attached_, number, code));
    claimed_.push_back(number);
  }
  return {};
}

void LibusbHost::release() {
  for (const auto number : claimed_) libusb_release_interface(handle_, number);
  claimed_.clear();
  // Only now: a driver of several interfaces wants to find them all free.
  for (const auto number : detached_) libusb_attach_kernel_driver(handle_, number);
  detached_.clear();
}

tl::expected<void, std::string> LibusbHost::enumerate() {
  if (lost_) return tl::unexpected(open_problem(attached_, LIBUSB_ERROR_NO_DEVICE));
  if (enumerated_) return reset_device();
  if (auto read = read_descriptors(); !read) return read;
  int active = 0;
  if (const int code = libusb_get_configuration(handle_, &active); code != LIBUSB_SUCCESS)
    return tl::unexpected(open_problem(attached_, code));
  if (active != 0) {
    if (auto claimed = claim(); !claimed) return claimed;
  }
  enumerated_ = connected_ = true;
  endpoints_changed();
  return {};
}

tl::expected<void, std::string> LibusbHost::reset_device() {
  if (!close_pipes()) return tl::unexpected(open_problem(attached_, LIBUSB_ERROR_NO_DEVICE));
  connected_ = false;
  configuration_value_ = 0;
  alternates_.fill(0);
  endpoints_.clear();
  endpoints_changed();
  const int code = libusb_reset_device(handle_);
  if (code == LIBUSB_ERROR_NOT_FOUND || code == LIBUSB_ERROR_NO_DEVICE) {
    lost_ = true;
    return tl::unexpected<std::string>("after the reset the device is another one or gone");
  }
  if (code != LIBUSB_SUCCESS)
    return tl::unexpected(fmt::format("resetting the device failed: {} ({})", libusb_error_name(code), code));
  if (auto read = read_descriptors(); !read) return read;
  connected_ = true;
  return {};
}

// --- configuration and alternate settings ---------------------------------------------------------------------------

/// False: the device is lost.
bool LibusbHost::close_pipes() {
  for (Pipe& p : pipes_) {
    p.open = false;
    cancel(p);
  }
  return drain([](const Pipe&) { return true; });
}

tl::expected<void, Status> LibusbHost::open_setting(std::uint8_t interface, std::uint8_t alternate) {
  const auto configs = usb::setting_endpoints(configuration_, interface, alternate, speed_);
  if (!configs) return tl::unexpected(Status::bad_argument);
  for (Pipe& p : pipes_)
    if (p.interface == interface) p.open = false;
  for (const auto& config : *configs) {
    Pipe& p = pipe(config.address);
    p.config = config;
    p.interface = interface;
    p.open = true;
    p.halted = false;
    p.available = 0;
  }
  alternates_[interface] = alternate;
  return {};
}

tl::expected<void, Status> LibusbHost::set_configuration(std::uint8_t value) {
  if (!connected_ || lost_) return tl::unexpected(Status::no_device);
  if (!close_pipes()) return tl::unexpected(Status::no_device);
  int active = 0;
  int code = libusb_get_configuration(handle_, &active);
  if (code != LIBUSB_SUCCESS) return tl::unexpected(call_status(code, errno));
  if (active != value) {
    release();
    for (const auto number : interfaces()) libusb_detach_kernel_driver(handle_, number);
    code = libusb_set_configuration(handle_, value == 0 ? -1 : value);
    if (code != LIBUSB_SUCCESS) return tl::unexpected(call_status(code, errno));
  }
  alternates_.fill(0);
  configuration_value_ = value;
  if (value != 0) {
    if (claimed_.empty() && !claim()) return tl::unexpected(lost_ ? Status::no_device : Status::not_permitted);
    for (const auto number : interfaces()) {
      // The kernel may have left another setting behind.
      if (has_alternates(configuration_, number)) {
        code = libusb_set_interface_alt_setting(handle_, number, 0);
        if (code != LIBUSB_SUCCESS) return tl::unexpected(call_status(code, errno));
      }
      if (const auto opened = open_setting(number, 0); !opened) return opened;
    }
  }
  endpoints_changed();
  anchor_frames();
  return {};
}

tl::expected<void, Status> LibusbHost::set_interface(std::uint8_t interface, std::uint8_t alternate) {
  if (!connected_ || lost_) return tl::unexpected(Status::no_device);
  if (configuration_value_ == 0) return tl::unexpected(Status::not_open);
  if (!usb::setting_endpoints(configuration_, interface, alternate, speed_))
    return tl::unexpected(Status::bad_argument);
  const auto mine = [&](const Pipe& p) { return p.interface == interface; };
  std::vector<Pipe*> old;
  for (Pipe& p : pipes_) {
    if (!mine(p) || !p.open) continue;
    old.push_back(&p);
    p.open = false;  // nothing new gets in while the old comes back
    cancel(p);
  }
  if (!drain(mine)) return tl::unexpected(Status::no_device);
  const int code = libusb_set_interface_alt_setting(handle_, interface, alternate);
  if (code == LIBUSB_ERROR_NO_DEVICE) lost_ = true;
  if (code != LIBUSB_SUCCESS) {
    const Status status = call_status(code, errno);
    for (Pipe* p : old) p->open = !lost_;
    return tl::unexpected(status);
  }
  const auto opened = open_setting(interface, alternate);
  endpoints_changed();
  return opened;
}

void LibusbHost::endpoints_changed() {
  endpoints_.clear();
  for (const Pipe& p : pipes_)
    if (p.open) endpoints_.push_back(p.config);
  std::sort(endpoints_.begin(), endpoints_.end(), [](const auto& a, const auto& b) { return a.address < b.address; });
  for (auto* observer : observers_) observer->on_endpoints(endpoints_, speed_, now());
}

/// Two readings of the clock around one of the device's: the register was read somewhere between them.
void LibusbHost::anchor_frames() {
  if (!options_.test_requests || configuration_value_ == 0) return;
  constexpr std::uint16_t frame_register = 0x008;
  std::array<std::uint8_t, 4> bytes{};
  const bus::BusTime before = now();
  const auto got = control({0xc0, *options_.test_requests, 0, frame_register, 4}, bytes, standard_timeout);
  const bus::Duration took = now() - before;
  const bool locked = got && *got == bytes.size() && (bytes[3] & 0x80U) != 0;
  if (!locked) return;
  frames_.anchor(before + bus::Duration{took.bits / 2},
                 static_cast<std::uint16_t>((bytes[0] | bytes[1] << 8U) & 0x3fffU));
}

}  // namespace isochio::libusb
