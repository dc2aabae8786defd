// isochio: walking and checking USB descriptors.
#include "usb/descriptors.h"

#include <algorithm>
#include <bit>
#include <set>

namespace isochio::usb {
namespace {

constexpr std::uint16_t u16(std::span<const std::uint8_t> bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] | (bytes[at + 1] << 8));
}

bool is(std::span<const std::uint8_t> bytes, std::uint8_t type, std::size_t least) {
  return bytes.size() >= least && bytes[0] >= least && bytes[0] <= bytes.size() && bytes[1] == type;
}

constexpr const char* name(TransferType type) {
  constexpr const char* names[] = {"a control", "an isochronous", "a bulk", "an interrupt"};
  return names[static_cast<std::size_t>(type)];
}

constexpr const char* name(Speed speed) { return speed == Speed::full ? "full" : "high"; }

}  // namespace

std::optional<DescriptorView> DescriptorWalker::next() {
  if (error_ || at_ == bytes_.size()) return std::nullopt;
  const std::size_t left = bytes_.size() - at_;
  if (left < 2) {
    error_ = DescriptorError{at_, "one byte is left over behind the last descriptor"};
    return std::nullopt;
  }
  const std::size_t length = bytes_[at_];
  if (length < 2) {
    error_ = DescriptorError{at_, "bLength is " + std::to_string(length) + "; a descriptor has at least 2 bytes"};
    return std::nullopt;
  }
  if (length > left) {
    error_ = DescriptorError{at_, "bLength is " + std::to_string(length) + " but only " + std::to_string(left) +
                                      " bytes are left; the dump is cut off"};
    return std::nullopt;
  }
  const DescriptorView view{bytes_.subspan(at_, length), at_};
  at_ += length;
  return view;
}

std::optional<DeviceDescriptor> as_device(std::span<const std::uint8_t> b) {
  if (!is(b, descriptor_type::device, 18)) return std::nullopt;
  return DeviceDescriptor{.usb_version = u16(b, 2),
                          .vendor_id = u16(b, 8),
                          .product_id = u16(b, 10),
                          .device_version = u16(b, 12),
                          .class_code = b[4],
                          .subclass = b[5],
                          .protocol = b[6],
                          .max_packet_0 = b[7],
                          .manufacturer = b[14],
                          .product = b[15],
                          .serial = b[16],
                          .configurations = b[17]};
}

std::optional<ConfigurationDescriptor> as_configuration(std::span<const std::uint8_t> b) {
  if (!is(b, descriptor_type::configuration, 9) && !is(b, descriptor_type::other_speed_configuration, 9))
    return std::nullopt;
  return ConfigurationDescriptor{u16(b, 2), b[4], b[5], b[6], b[7], b[8]};
}

std::optional<InterfaceDescriptor> as_interface(std::span<const std::uint8_t> b) {
  if (!is(b, descriptor_type::interface, 9)) return std::nullopt;
  return InterfaceDescriptor{b[2], b[3], b[4], b[5], b[6], b[7], b[8]};
}

std::optional<EndpointDescriptor> as_endpoint(std::span<const std::uint8_t> b) {
  if (!is(b, descriptor_type::endpoint, 7)) return std::nullopt;
  EndpointDescriptor endpoint{{b[2]}, b[3], u16(b, 4), b[6], {}, {}};
  if (b[0] >= 9) {
    endpoint.refresh = b[7];
    endpoint.synch_address = b[8];
  }
  return endpoint;
}

std::uint8_t interval_log2(TransferType type, std::uint8_t interval, Speed speed) {
  if (type == TransferType::bulk || type == TransferType::control) return 0;
  if (type == TransferType::interrupt && speed == Speed::full)
    return static_cast<std::uint8_t>(std::bit_width(std::max<unsigned>(interval, 1)) - 1);
  return static_cast<std::uint8_t>(std::clamp<unsigned>(interval, 1, 16) - 1);
}

EndpointConfig endpoint_config(const EndpointDescriptor& endpoint, Speed speed) {
  EndpointConfig config;
  config.address = endpoint.address;
  config.type = endpoint.type();
  config.max_packet = endpoint.max_packet_field & 0x7ffU;
  const bool periodic = config.type == TransferType::isochronous || config.type == TransferType::interrupt;
  if (speed == Speed::high && periodic) {
    // The value 3 of bits 12..11 is reserved; a host that meets it does best with what the bus can carry.
    config.transactions = static_cast<std::uint8_t>(std::min((endpoint.max_packet_field >> 11U & 3U) + 1U, 3U));
  }
  config.interval = 1U << interval_log2(config.type, endpoint.interval, speed);
  return config;
}

std::string packet_size_problem(TransferType type, Speed speed, unsigned max_packet, unsigned transactions) {
  const bool high = speed == Speed::high;
  const auto problem = [&](const std::string& legal) {
    const std::string size =
        (transactions == 1 ? "" : std::to_string(transactions) + "x") + std::to_string(max_packet) + " bytes";
    return size + " do not fit " + name(type) + " endpoint at " + name(speed) + " speed; " + legal;
  };
  const bool periodic = type == TransferType::isochronous || type == TransferType::interrupt;
  if (transactions != 1 && (!high || !periodic)) return problem("only high-speed periodic endpoints have 2 or 3");
  if (transactions < 1 || transactions > 3) return problem("1, 2 or 3 transactions in a microframe");
  switch (type) {
    case TransferType::bulk:
      if (high && max_packet != 512) return problem("it has to be 512");
      if (!high && max_packet != 8 && max_packet != 16 && max_packet != 32 && max_packet != 64)
        return problem("8, 16, 32 or 64 are legal");
      break;
    case TransferType::interrupt:
      if (max_packet > (high ? 1024U : 64U)) return problem(high ? "at most 1024" : "at most 64");
      break;
    case TransferType::isochronous:
      if (max_packet > (high ? 1024U : 1023U)) return problem(high ? "at most 1024" : "at most 1023");
      break;
    case TransferType::control:
      return "only endpoint 0 is a control endpoint";
  }
  if (transactions == 2 && max_packet < 513) return problem("2 transactions have 513 to 1024 bytes each");
  if (transactions == 3 && max_packet < 683) return problem("3 transactions have 683 to 1024 bytes each");
  return {};
}

std::string interval_problem(TransferType type, Speed speed, unsigned interval) {
  if (interval > 255) return "bInterval is a byte, 0 to 255";
  const bool frames = type == TransferType::interrupt && speed == Speed::full;
  if (type == TransferType::bulk || type == TransferType::control) return {};
  if (frames && interval < 1) return "bInterval of a full-speed interrupt endpoint is 1 to 255 frames";
  if (!frames && (interval < 1 || interval > 16))
    return "bInterval is 1 to 16: every 2^(bInterval-1) " +
           std::string(speed == Speed::high ? "microframes" : "frames");
  return {};
}

tl::expected<std::vector<EndpointConfig>, DescriptorError> setting_endpoints(
    std::span<const std::uint8_t> configuration, std::uint8_t interface, std::uint8_t alternate, Speed speed) {
  std::vector<EndpointConfig> endpoints;
  bool found = false, inside = false;
  DescriptorWalker walker(configuration);
  while (const auto view = walker.next()) {
    if (const auto setting = as_interface(view->bytes)) {
      inside = setting->interface == interface && setting->alternate == alternate;
      found = found || inside;
    } else if (const auto endpoint = as_endpoint(view->bytes); endpoint && inside) {
      endpoints.push_back(endpoint_config(*endpoint, speed));
    }
  }
  if (walker.error()) return tl::unexpected(*walker.error());
  if (!found) {
    return tl::unexpected(DescriptorError{0, "there is no alternate setting " + std::to_string(alternate) +
                                                 " of interface " + std::to_string(interface)});
  }
  return endpoints;
}

namespace {

/// Holds what check_configuration has seen so far.
class ConfigurationCheck {
 public:
  explicit ConfigurationCheck(Speed speed) : speed_(speed) {}

  std::string on_interface(const InterfaceDescriptor& setting) {
    if (auto problem = end_of_setting(); !problem.empty()) return problem;
    if (!settings_.insert({setting.interface, setting.alternate}).second) {
      return "alternate setting " + std::to_string(setting.alternate) + " of interface " +
             std::to_string(setting.interface) + " is there twice";
    }
    interfaces_.insert(setting.interface);
    setting_ = setting;
    addresses_.clear();
    return {};
  }

  std::string on_endpoint(const EndpointDescriptor& endpoint) {
    if (!setting_) return "an endpoint descriptor stands before the first interface descriptor";
    if (endpoint.address.number() == 0 || (endpoint.address.value & 0x70U) != 0)
      return "bEndpointAddress is not 1 to 15, with bit 7 for IN";
    if (!addresses_.insert(endpoint.address.value).second) return "this endpoint address is there twice in a setting";
    if ((endpoint.max_packet_field & 0xe000U) != 0) return "bits 15..13 of wMaxPacketSize are not 0";
    const unsigned bytes = endpoint.max_packet_field & 0x7ffU;
    auto problem = packet_size_problem(endpoint.type(), speed_, bytes, (endpoint.max_packet_field >> 11U) + 1U);
    if (problem.empty()) problem = interval_problem(endpoint.type(), speed_, endpoint.interval);
    if (problem.empty() && endpoint.type() == TransferType::isochronous && setting_->alternate == 0 && bytes != 0)
      problem = "alternate setting 0 may not reserve isochronous bandwidth";
    return problem;
  }

  std::string end_of_setting() const {
    if (!setting_ || setting_->endpoints == addresses_.size()) return {};
    return "bNumEndpoints is " + std::to_string(setting_->endpoints) + " but " + std::to_string(addresses_.size()) +
           " endpoint descriptors follow, interface " + std::to_string(setting_->interface) + " alternate setting " +
           std::to_string(setting_->alternate);
  }

  std::size_t interfaces() const { return interfaces_.size(); }

 private:
  Speed speed_;
  std::optional<InterfaceDescriptor> setting_;
  std::set<std::pair<std::uint8_t, std::uint8_t>> settings_;
  std::set<std::uint8_t> interfaces_, addresses_;
};

}  // namespace

tl::expected<void, DescriptorError> check_configuration(std::span<const std::uint8_t> bytes, Speed speed) {
  const auto header = as_configuration(bytes);
  if (!header) return tl::unexpected(DescriptorError{0, "it does not begin with a configuration descriptor"});
  if (header->total_length != bytes.size()) {
    return tl::unexpected(DescriptorError{2, "wTotalLength is " + std::to_string(header->total_length) + " but " +
                                                 std::to_string(bytes.size()) + " bytes are there"});
  }
  ConfigurationCheck check(speed);
  DescriptorWalker walker(bytes);
  walker.next();
  while (const auto view = walker.next()) {
    std::string problem;
    if (const auto setting = as_interface(view->bytes)) {
      problem = check.on_interface(*setting);
    } else if (const auto endpoint = as_endpoint(view->bytes)) {
      problem = check.on_endpoint(*endpoint);
    } else if (view->type() == descriptor_type::interface || view->type() == descriptor_type::endpoint) {
      problem = "this interface or endpoint descriptor is too short";
    }
    if (!problem.empty()) return tl::unexpected(DescriptorError{view->offset, problem});
  }
  if (walker.error()) return tl::unexpected(*walker.error());
  if (auto problem = check.end_of_setting(); !problem.empty())
    return tl::unexpected(DescriptorError{bytes.size(), problem});
  if (check.interfaces() != header->interfaces) {
    return tl::unexpected(DescriptorError{4, "bNumInterfaces is " + std::to_string(header->interfaces) + " but " +
                                                 std::to_string(check.interfaces()) + " interfaces are there"});
  }
  return {};
}

}  // namespace isochio::usb
