// isochio: descriptors made from a description. Source: USB 2.0 section 9.6.
#include <set>

#include "description/detail.h"
#include "usb/descriptors.h"

namespace isochio::description {
namespace {

namespace type = usb::descriptor_type;

std::uint8_t low(unsigned value) { return static_cast<std::uint8_t>(value & 0xffU); }
std::uint8_t high(unsigned value) { return static_cast<std::uint8_t>(value >> 8U & 0xffU); }

void append(Bytes& to, std::span<const std::uint8_t> bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

void append(Bytes& to, const std::vector<RawDescriptors>& raws, usb::Speed speed) {
  for (const RawDescriptors& raw : raws)
    if (raw.speeds.at(speed)) append(to, raw.bytes);
}

void append(Bytes& to, const Endpoint& endpoint, usb::Speed speed) {
  if (!endpoint.at(speed)) return;
  const EndpointAtSpeed& here = *endpoint.at(speed);
  const unsigned size = here.max_packet | (here.transactions - 1U) << 11U;
  const auto attributes =
      static_cast<unsigned>(detail::index_of(endpoint.type) | detail::index_of(endpoint.synchronization) << 2U |
                            detail::index_of(endpoint.usage) << 4U);
  append(to, endpoint.before, speed);
  const std::uint8_t length = endpoint.audio ? 9 : 7;
  append(to,
         Bytes{length, type::endpoint, endpoint.address.value, low(attributes), low(size), high(size), here.interval});
  if (endpoint.audio) append(to, Bytes{endpoint.audio->refresh, endpoint.audio->synch_address});
  append(to, endpoint.after, speed);
}

void append(Bytes& to, const AlternateSetting& setting, usb::Speed speed) {
  if (!setting.speeds.at(speed)) return;
  unsigned endpoints = 0;
  for (const Endpoint& endpoint : setting.endpoints) endpoints += endpoint.at(speed) ? 1U : 0U;
  append(to, setting.before, speed);
  append(to, Bytes{9, type::interface, setting.interface, setting.alternate, low(endpoints), setting.class_code,
                   setting.subclass, setting.protocol, setting.name});
  append(to, setting.after, speed);
  for (const Endpoint& endpoint : setting.endpoints) append(to, endpoint, speed);
}

usb::Speed other(usb::Speed speed) { return speed == usb::Speed::high ? usb::Speed::full : usb::Speed::high; }

}  // namespace

Bytes device_descriptor(const Description& d, usb::Speed) {
  return {18,
          type::device,
          low(d.usb_version),
          high(d.usb_version),
          d.class_code,
          d.subclass,
          d.protocol,
          64,  // the core's control endpoint
          low(d.vendor_id),
          high(d.vendor_id),
          low(d.product_id),
          high(d.product_id),
          low(d.device_version),
          high(d.device_version),
          d.manufacturer,
          d.product,
          d.serial,
          1};
}

Bytes configuration_descriptor(const Description& d, usb::Speed speed) {
  std::set<std::uint8_t> interfaces;
  for (const AlternateSetting& setting : d.settings)
    if (setting.speeds.at(speed)) interfaces.insert(setting.interface);
  const unsigned attributes = 0x80U | (d.self_powered ? 0x40U : 0U) | (d.remote_wakeup ? 0x20U : 0U);
  Bytes bytes{9,
              type::configuration,
              0,
              0,
              low(static_cast<unsigned>(interfaces.size())),
              d.configuration_value,
              d.configuration_name,
              low(attributes),
              low(d.max_power_ma / 2U)};
  append(bytes, d.configuration, speed);
  for (const AlternateSetting& setting : d.settings) append(bytes, setting, speed);
  bytes[2] = low(static_cast<unsigned>(bytes.size()));
  bytes[3] = high(static_cast<unsigned>(bytes.size()));
  return bytes;
}

Bytes device_qualifier(const Description& d, usb::Speed speed) {
  if (!d.speeds.high) return {};
  const Bytes device = device_descriptor(d, other(speed));
  return {10, type::device_qualifier, device[2], device[3], device[4], device[5], device[6], device[7], device[17], 0};
}

Bytes other_speed_configuration(const Description& d, usb::Speed speed) {
  if (!d.speeds.high) return {};
  Bytes bytes = configuration_descriptor(d, other(speed));
  bytes[1] = type::other_speed_configuration;
  return bytes;
}

Bytes string_descriptor(const Description& d, std::uint8_t index) {
  if (index == 0) {
    if (d.strings.empty()) return {};
    return {4, type::string, low(d.language), high(d.language)};
  }
  const auto found = d.strings.find(index);
  if (found == d.strings.end()) return {};
  const auto units = detail::utf16(found->second);
  if (!units || units->size() > 126) return {};
  Bytes bytes{static_cast<std::uint8_t>(2 + 2 * units->size()), type::string};
  for (const std::uint16_t unit : *units) append(bytes, Bytes{low(unit), high(unit)});
  return bytes;
}

}  // namespace isochio::description
