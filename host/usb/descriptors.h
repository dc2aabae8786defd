// isochio: walking and checking USB descriptors. Bounds-checked, pure; nothing is copied: views live as long as the
// bytes they were made from. Source: USB 2.0 sections 9.5, 9.6.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "usb/types.h"

namespace isochio::usb {

namespace descriptor_type {  // [table 9-5]
inline constexpr std::uint8_t device = 1, configuration = 2, string = 3, interface = 4, endpoint = 5,
                              device_qualifier = 6, other_speed_configuration = 7, interface_association = 11;
}

struct DescriptorError {
  std::size_t offset = 0;  ///< bytes from the start
  std::string message;
};

/// One descriptor as it stands: bytes[0] is its length, bytes[1] its type.
struct DescriptorView {
  std::span<const std::uint8_t> bytes;  ///< never fewer than 2
  std::size_t offset = 0;

  std::uint8_t type() const { return bytes[1]; }
};

/// Goes through a chain of descriptors by bLength:
///   for (DescriptorWalker w(bytes); auto d = w.next();) …   then w.error()
class DescriptorWalker {
 public:
  explicit DescriptorWalker(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
  /// Empty at the end, and at a bLength below 2 or beyond the end: then error() says so.
  std::optional<DescriptorView> next();
  const std::optional<DescriptorError>& error() const { return error_; }

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t at_ = 0;
  std::optional<DescriptorError> error_;
};

struct DeviceDescriptor {  // [9.6.1]
  std::uint16_t usb_version, vendor_id, product_id, device_version;
  std::uint8_t class_code, subclass, protocol, max_packet_0, manufacturer, product, serial, configurations;
};
struct ConfigurationDescriptor {  // [9.6.3]
  std::uint16_t total_length;
  std::uint8_t interfaces, value, name, attributes, max_power;
};
struct InterfaceDescriptor {  // [9.6.5]
  std::uint8_t interface, alternate, endpoints, class_code, subclass, protocol, name;
};
struct EndpointDescriptor {  // [9.6.6]
  EndpointAddress address;
  std::uint8_t attributes;
  std::uint16_t max_packet_field;  ///< wMaxPacketSize, all 16 bits
  std::uint8_t interval;
  std::optional<std::uint8_t> refresh, synch_address;  ///< of a 9-byte descriptor (USB audio 1.0)

  TransferType type() const { return static_cast<TransferType>(attributes & 3U); }
};

/// Empty if type or length is not that of such a descriptor (longer ones are accepted).
std::optional<DeviceDescriptor> as_device(std::span<const std::uint8_t> bytes);
std::optional<ConfigurationDescriptor> as_configuration(std::span<const std::uint8_t> bytes);  ///< also type 7
std::optional<InterfaceDescriptor> as_interface(std::span<const std::uint8_t> bytes);
std::optional<EndpointDescriptor> as_endpoint(std::span<const std::uint8_t> bytes);

/// What the schedule needs. A bInterval outside its range is taken as the nearest legal one; it is rounded down to a
/// power of two for interrupt endpoints at full speed, and is 1 for bulk.
EndpointConfig endpoint_config(const EndpointDescriptor& endpoint, Speed speed);

/// bInterval as log2 of (micro)frames, 0 … 15, by the same rule.
std::uint8_t interval_log2(TransferType type, std::uint8_t interval, Speed speed);

/// What is wrong with a packet size or bInterval, and what is legal; empty = nothing
/// [5.6.3, 5.6.4, 5.7.3, 5.7.4, 5.8.3, table 9-14].
std::string packet_size_problem(TransferType type, Speed speed, unsigned max_packet, unsigned transactions);
std::string interval_problem(TransferType type, Speed speed, unsigned interval);

/// Endpoints of one alternate setting, in order; an error if the configuration can't be walked or has no such setting.
tl::expected<std::vector<EndpointConfig>, DescriptorError> setting_endpoints(
    std::span<const std::uint8_t> configuration, std::uint8_t interface, std::uint8_t alternate, Speed speed);

/// What USB 2.0 asks of a whole configuration descriptor: lengths and counts agree, endpoint addresses are unique in a
/// setting, packet sizes and intervals are legal at `speed`, alternate setting 0 reserves no isochronous bandwidth
/// [5.5.3, 5.6.3, 5.7.3, 5.8.3, 9.6].
tl::expected<void, DescriptorError> check_configuration(std::span<const std::uint8_t> configuration, Speed speed);

}  // namespace isochio::usb
