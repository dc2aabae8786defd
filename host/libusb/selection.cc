// isochio: see selection.h.
#include "libusb/selection.h"

#include <libusb-1.0/libusb.h>

#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace isochio::libusb {
namespace {

template <typename Number>
std::optional<Number> number(std::string_view text, int base) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string name(const Attached& device) {
  return fmt::format("{} at {}{}", to_string(device.identity), to_string(device.place),
                     device.product.empty() ? "" : " (" + device.product + ")");
}

std::string code_text(int code) { return fmt::format("{} ({})", libusb_error_name(code), code); }

std::string wanted_text(const Selection& wanted) {
  std::string text = wanted.identity ? "device " + to_string(*wanted.identity) : "device";
  if (wanted.place) text += " at " + to_string(*wanted.place);
  return text;
}

}  // namespace

std::string to_string(Identity identity) { return fmt::format("{:04x}:{:04x}", identity.vendor, identity.product); }

std::optional<Identity> parse_identity(std::string_view text) {
  if (text.size() != 9 || text[4] != ':') return std::nullopt;
  const auto vendor = number<std::uint16_t>(text.substr(0, 4), 16);
  const auto product = number<std::uint16_t>(text.substr(5), 16);
  if (!vendor || !product) return std::nullopt;
  return Identity{*vendor, *product};
}

std::string to_string(const Place& place) { return fmt::format("{}-{}", place.bus, fmt::join(place.ports, ".")); }

std::optional<Place> parse_place(std::string_view text) {
  constexpr std::size_t deepest = 7;
  const auto dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto bus = number<std::uint8_t>(text.substr(0, dash), 10);
  if (!bus || *bus == 0) return std::nullopt;
  Place place{*bus, {}};
  for (auto rest = text.substr(dash + 1);;) {
    const auto dot = rest.find('.');
    const auto port = number<std::uint8_t>(rest.substr(0, dot), 10);
    if (!port || *port == 0 || place.ports.size() == deepest) return std::nullopt;
    place.ports.push_back(*port);
    if (dot == std::string_view::npos) return place;
    rest = rest.substr(dot + 1);
  }
}

tl::expected<std::size_t, std::string> choose(std::span<const Attached> attached, const Selection& wanted) {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < attached.size(); ++i) {
    if (wanted.identity && attached[i].identity != *wanted.identity) continue;
    if (wanted.place && attached[i].place != *wanted.place) continue;
    found.push_back(i);
  }
  if (found.empty())
    return tl::unexpected(
        fmt::format("no {} is attached; isochio devices shows what is attached", wanted_text(wanted)));
  if (found.size() == 1) return found.front();
  std::vector<std::string> places;
  places.reserve(found.size());
  for (const auto i : found) places.push_back(to_string(attached[i].place));
  return tl::unexpected(fmt::format("{} devices match {}, at {}; say which one with --bus-port", found.size(),
                                    wanted_text(wanted), fmt::join(places, ", ")));
}

std::string open_problem(const Attached& device, int code) {
  auto what = fmt::format("{} can't be opened: {}", name(device), code_text(code));
  if (code == LIBUSB_ERROR_ACCESS)
    return what +
           "; you have no permission for it. Add the udev rule: copy 70-isochio.rules (share/isochio, or host/libusb "
           "in the source) to /etc/udev/rules.d, run 'udevadm control --reload', and plug the device in again";
  if (code == LIBUSB_ERROR_NO_DEVICE) return what + "; it has been unplugged";
  return what;
}

std::string claim_problem(const Attached& device, unsigned interface, int code) {
  auto what = fmt::format("interface {} of {} can't be claimed: {}", interface, name(device), code_text(code));
  if (code == LIBUSB_ERROR_BUSY) return what + "; another program has it, end that program first";
  if (code == LIBUSB_ERROR_NO_DEVICE) return what + "; the device has been unplugged";
  return what;
}

}  // namespace isochio::libusb
