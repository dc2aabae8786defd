// isochio: a description from the descriptors of a real device.
#include <algorithm>

#include <fmt/format.h>

#include "description/detail.h"
#include "usb/descriptors.h"

namespace isochio::description {
namespace {

namespace type = usb::descriptor_type;
using usb::Speed;
using usb::TransferType;

/// The speed that the packet sizes speak of; empty if they are legal at both.
std::optional<Speed> guess_speed(std::span<const std::uint8_t> configuration, std::uint16_t usb_version) {
  if (usb_version < 0x0200) return Speed::full;
  usb::DescriptorWalker walker(configuration);
  while (const auto view = walker.next()) {
    const auto endpoint = usb::as_endpoint(view->bytes);
    if (!endpoint) continue;
    const unsigned bytes = endpoint->max_packet_field;
    if (endpoint->type() == TransferType::bulk) return bytes > 64 ? Speed::high : Speed::full;
    if (endpoint->type() == TransferType::isochronous && bytes > 1023) return Speed::high;
    // Feedback in 16.16 is for microframes [5.12.4.2].
    const bool feedback = (endpoint->attributes & 0x33U) == 0x11;
    if (feedback && bytes == 4) return Speed::high;
    if (endpoint->type() == TransferType::interrupt && bytes > 64) return Speed::high;
    if (endpoint->type() == TransferType::interrupt && endpoint->interval > 16) return Speed::full;
  }
  return std::nullopt;
}

/// What a high-speed endpoint becomes at full speed: the largest legal packet, the nearest service interval.
EndpointAtSpeed at_full_speed(TransferType transfer, const EndpointAtSpeed& high) {
  EndpointAtSpeed full;
  const unsigned most = transfer == TransferType::isochronous ? 1023 : 64;
  full.max_packet = static_cast<std::uint16_t>(std::min<unsigned>(high.max_packet, most));
  full.interval = high.interval;
  if (transfer == TransferType::bulk) return full;
  const int log2_frames = std::max(0, int{usb::interval_log2(transfer, high.interval, Speed::high)} - 3);
  full.interval = static_cast<std::uint8_t>(
      transfer == TransferType::isochronous ? log2_frames + 1 : std::min(255, 1 << std::min(log2_frames, 8)));
  return full;
}

class Importer {
 public:
  Importer(std::span<const std::uint8_t> dump, std::string file, const ImportOptions& options, const Limits& limits)
      : dump_(dump), options_(options), limits_(limits) {
    d_.file = std::move(file);
  }

  tl::expected<Description, InputError> run() {
    read_device();
    const auto configuration = error_ ? std::span<const std::uint8_t>{} : choose_configuration();
    if (!error_) choose_speed(configuration);
    if (!error_) read_configuration(configuration);
    if (error_) return tl::unexpected(*error_);
    finish();
    if (auto checked = check(d_, limits_); !checked) return tl::unexpected(checked.error());
    return std::move(d_);
  }

 private:
  void fail(std::size_t offset, std::string message) {
    if (!error_) error_ = InputError{d_.file, 0, fmt::format("byte {}", offset), std::move(message)};
  }

  void note(std::string text) { d_.notes.push_back(std::move(text)); }

  void read_device() {
    const auto device = usb::as_device(dump_);
    if (!device || dump_[0] != 18) {
      return fail(0,
                  "this is no 18-byte device descriptor; give the file `descriptors` of a device under "
                  "/sys/bus/usb/devices");
    }
    configurations_ = device->configurations;
    d_.usb_version = device->usb_version;
    d_.vendor_id = device->vendor_id;
    d_.product_id = device->product_id;
    d_.device_version = device->device_version;
    d_.class_code = device->class_code;
    d_.subclass = device->subclass;
    d_.protocol = device->protocol;
    use_string(d_.manufacturer = device->manufacturer);
    use_string(d_.product = device->product);
    use_string(d_.serial = device->serial);
    d_.name = fmt::format("imported {:04x}:{:04x}", d_.vendor_id, d_.product_id);
    if (device->max_packet_0 != 64)
      note(fmt::format("bMaxPacketSize0 was {}; the core's control endpoint has 64", device->max_packet_0));
  }

  /// The dump has no strings, only their indices.
  void use_string(std::uint8_t index) {
    if (index != 0) d_.strings.try_emplace(index, fmt::format("string {}", index));
  }

  std::span<const std::uint8_t> choose_configuration() {
    std::span<const std::uint8_t> chosen;
    unsigned seen = 0;
    std::string values;
    for (std::size_t at = 18; at < dump_.size();) {
      const auto header = usb::as_configuration(dump_.subspan(at));
      if (!header || dump_[at] != 9 || dump_[at + 1] != type::configuration) {
        fail(at, "a 9-byte configuration descriptor should begin here");
        return {};
      }
      if (header->total_length < 9 || header->total_length > dump_.size() - at) {
        fail(at + 2, fmt::format("wTotalLength is {} but {} bytes are left; the dump is cut off", header->total_length,
                                 dump_.size() - at));
        return {};
      }
      const bool wanted = options_.configuration ? header->value == *options_.configuration : seen == 0;
      if (wanted && chosen.empty()) {
        chosen = dump_.subspan(at, header->total_length);
        start_ = at;
      }
      values += fmt::format("{}{}", seen == 0 ? "" : ", ", header->value);
      ++seen;
      at += header->total_length;
    }
    if (seen == 0) {
      fail(18, "no configuration descriptor follows the device descriptor");
    } else if (chosen.empty()) {
      fail(18, fmt::format("there is no configuration {}; there are {}", *options_.configuration, values));
    } else if (seen > 1) {
      note(fmt::format("the dump has the configurations {}; this is {}", values, chosen[5]));
    } else if (configurations_ != 1) {
      note(fmt::format("bNumConfigurations was {}, but the dump has one", configurations_));
    }
    return chosen;
  }

  void choose_speed(std::span<const std::uint8_t> configuration) {
    auto speed = options_.speed ? options_.speed : guess_speed(configuration, d_.usb_version);
    if (!speed) {
      speed = Speed::full;
      note("packet sizes do not tell the speed of the dump; taken as full speed");
    }
    speed_ = *speed;
    d_.speeds = {true, speed_ == Speed::high};
    if (speed_ == Speed::high)
      note("the dump shows high speed; sizes at full speed are the largest that are legal there");
    if (auto checked = usb::check_configuration(configuration, speed_); !checked)
      fail(start_ + checked.error().offset, checked.error().message);
  }

  void read_configuration(std::span<const std::uint8_t> bytes) {
    usb::DescriptorWalker walker(bytes);
    read_header(*usb::as_configuration(walker.next()->bytes));
    while (const auto view = walker.next()) {
      if (const auto setting = usb::as_interface(view->bytes)) {
        expect_length(*view, {9});
        read_interface(*setting);
      } else if (const auto endpoint = usb::as_endpoint(view->bytes)) {
        expect_length(*view, {7, 9});
        read_endpoint(*endpoint);
      } else {
        keep(*view);
      }
    }
  }

  void expect_length(const usb::DescriptorView& view, std::initializer_list<std::size_t> lengths) {
    if (std::find(lengths.begin(), lengths.end(), view.bytes.size()) != lengths.end()) return;
    fail(start_ + view.offset,
         fmt::format("a descriptor of type {} with {} bytes can't be described", view.type(), view.bytes.size()));
  }

  void read_header(const usb::ConfigurationDescriptor& header) {
    d_.configuration_value = header.value;
    use_string(d_.configuration_name = header.name);
    d_.self_powered = (header.attributes & 0x40U) != 0;
    d_.remote_wakeup = (header.attributes & 0x20U) != 0;
    d_.max_power_ma = static_cast<std::uint16_t>(header.max_power * 2U);
    if ((header.attributes & 0x9fU) != 0x80U)
      note(fmt::format("bmAttributes of the configuration was {:#04x}; reserved bits are as USB 2.0 wants them",
                       header.attributes));
  }

  void read_interface(const usb::InterfaceDescriptor& from) {
    AlternateSetting setting;
    setting.interface = from.interface;
    setting.alternate = from.alternate;
    setting.class_code = from.class_code;
    setting.subclass = from.subclass;
    setting.protocol = from.protocol;
    use_string(setting.name = from.name);
    setting.speeds = d_.speeds;
    setting.before = std::move(pending_);
    pending_.clear();
    d_.settings.push_back(std::move(setting));
  }

  void read_endpoint(const usb::EndpointDescriptor& from) {
    if ((from.attributes & 0xc0U) != 0)
      fail(start_, "an endpoint has bits 7..6 of bmAttributes set; they are reserved");
    Endpoint endpoint;
    endpoint.address = from.address;
    endpoint.type = from.type();
    endpoint.synchronization = static_cast<Synchronization>(from.attributes >> 2U & 3U);
    endpoint.usage = static_cast<Usage>(from.attributes >> 4U & 3U);
    EndpointAtSpeed here;
    here.max_packet = from.max_packet_field & 0x7ffU;
    here.transactions = static_cast<std::uint8_t>((from.max_packet_field >> 11U & 3U) + 1U);
    here.interval = from.interval;
    if (speed_ == Speed::high) {
      endpoint.high = here;
      endpoint.full = at_full_speed(endpoint.type, here);
    } else {
      endpoint.full = here;
    }
    if (from.refresh) endpoint.audio = Endpoint::Audio{*from.refresh, *from.synch_address};
    endpoint.before = std::move(pending_);
    pending_.clear();
    d_.settings.back().endpoints.push_back(std::move(endpoint));
  }

  /// A descriptor goes behind the one it follows; an interface association belongs to the interface it precedes.
  void keep(const usb::DescriptorView& view) {
    RawDescriptors raw{Bytes(view.bytes.begin(), view.bytes.end()), {}};
    const bool leads = view.type() == type::interface_association;
    if (leads || !pending_.empty()) {
      pending_.push_back(std::move(raw));
    } else {
      trailing().push_back(std::move(raw));
    }
  }

  std::vector<RawDescriptors>& trailing() {
    if (d_.settings.empty()) return d_.configuration;
    AlternateSetting& setting = d_.settings.back();
    return setting.endpoints.empty() ? setting.after : setting.endpoints.back().after;
  }

  void finish() {
    for (RawDescriptors& raw : pending_) trailing().push_back(std::move(raw));
    detail::GivenEngines none;
    for (AlternateSetting& setting : d_.settings) {
      none.emplace_back(setting.endpoints.size(), false);
      for (Endpoint& endpoint : setting.endpoints) {
        endpoint.function = detail::default_function(setting, endpoint);
        detail::fill_feedback(endpoint, endpoint.full, Speed::full);
        detail::fill_feedback(endpoint, endpoint.high, Speed::high);
      }
    }
    if (!d_.strings.empty()) note("the dump has no strings; their texts are made up");
    detail::assign_engines(d_, none, limits_);
  }

  std::span<const std::uint8_t> dump_;
  const ImportOptions& options_;
  const Limits& limits_;
  Description d_;
  unsigned configurations_ = 0;
  std::size_t start_ = 0;  ///< of the chosen configuration in the dump
  Speed speed_ = Speed::full;
  std::vector<RawDescriptors> pending_;  ///< to go in front of the next interface or endpoint
  std::optional<InputError> error_;
};

}  // namespace

tl::expected<Description, InputError> import_descriptors(std::span<const std::uint8_t> dump, std::string file,
                                                         const ImportOptions& options, const Limits& limits) {
  return Importer(dump, std::move(file), options, limits).run();
}

}  // namespace isochio::description
