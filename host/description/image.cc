// isochio: the device image, docs/device-image.md.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "description/detail.h"
#include "usb/descriptors.h"

namespace isochio::description {
namespace {

namespace type = usb::descriptor_type;
constexpr std::size_t header_bytes = 32, endpoint_row_bytes = 12, descriptor_row_bytes = 8, rule_row_bytes = 16;

struct EndpointRow {
  std::array<std::uint8_t, endpoint_row_bytes> bytes{};
};

struct DescriptorRow {
  std::uint8_t type, index, speeds;
  Bytes bytes;
};

void put16(Bytes& image, std::size_t at, std::size_t value) {
  image[at] = static_cast<std::uint8_t>(value & 0xffU);
  image[at + 1] = static_cast<std::uint8_t>(value >> 8U & 0xffU);
}

EndpointRow endpoint_row(const AlternateSetting& setting, const Endpoint& endpoint, usb::Speed speed) {
  const EndpointAtSpeed& here = *endpoint.at(speed);
  const unsigned size = here.max_packet | (here.transactions - 1U) << 11U;
  const unsigned valid = speed == usb::Speed::high ? 8U : 4U;
  const auto byte = [](std::size_t value) { return static_cast<std::uint8_t>(value & 0xffU); };
  return {{endpoint.address.value, byte(detail::index_of(endpoint.type) | valid | endpoint.engine << 4U),
           setting.interface, setting.alternate, byte(size), byte(size >> 8U),
           usb::interval_log2(endpoint.type, here.interval, speed),
           byte(detail::index_of(endpoint.function) | detail::index_of(endpoint.size_mode) << 4U), byte(here.size),
           byte(here.size >> 8U), endpoint.sample_bytes,
           byte(here.feedback_period | detail::index_of(here.feedback_format) << 4U)}};
}

/// One row a speed; a single one where both are the same.
std::vector<EndpointRow> endpoint_rows(const Description& d) {
  std::vector<EndpointRow> rows;
  for (const AlternateSetting& setting : d.settings) {
    for (const Endpoint& endpoint : setting.endpoints) {
      const std::size_t first = rows.size();
      for (const auto speed : {usb::Speed::full, usb::Speed::high}) {
        if (!endpoint.at(speed)) continue;
        EndpointRow row = endpoint_row(setting, endpoint, speed);
        if (rows.size() > first) {
          EndpointRow both = rows.back();
          row.bytes[1] |= both.bytes[1];
          both.bytes[1] = row.bytes[1];
          if (both.bytes == row.bytes) {
            rows.back() = both;
            continue;
          }
          row = endpoint_row(setting, endpoint, speed);
        }
        rows.push_back(row);
      }
    }
  }
  return rows;
}

/// Bytes that are the same at both speeds share a row.
void add_rows(std::vector<DescriptorRow>& rows, std::uint8_t row_type, Bytes full, Bytes high) {
  if (!full.empty() && full == high) {
    rows.push_back({row_type, 0, 3, std::move(full)});
    return;
  }
  if (!full.empty()) rows.push_back({row_type, 0, 1, std::move(full)});
  if (!high.empty()) rows.push_back({row_type, 0, 2, std::move(high)});
}

std::vector<DescriptorRow> descriptor_rows(const Description& d) {
  using usb::Speed;
  std::vector<DescriptorRow> rows;
  const auto at_high = [&](Bytes bytes) { return d.speeds.high ? std::move(bytes) : Bytes{}; };
  add_rows(rows, type::device, device_descriptor(d, Speed::full), at_high(device_descriptor(d, Speed::high)));
  add_rows(rows, type::configuration, configuration_descriptor(d, Speed::full),
           at_high(configuration_descriptor(d, Speed::high)));
  add_rows(rows, type::device_qualifier, device_qualifier(d, Speed::full), device_qualifier(d, Speed::high));
  add_rows(rows, type::other_speed_configuration, other_speed_configuration(d, Speed::full),
           other_speed_configuration(d, Speed::high));
  if (!d.strings.empty()) rows.push_back({type::string, 0, 3, string_descriptor(d, 0)});
  for (const auto& [index, text] : d.strings) rows.push_back({type::string, index, 3, string_descriptor(d, index)});
  for (const NamedDescriptor& named : d.descriptors) {
    const auto speeds = static_cast<std::uint8_t>((named.speeds.full ? 1U : 0U) | (named.speeds.high ? 2U : 0U));
    rows.push_back({named.type, named.index, speeds, named.bytes});
  }
  return rows;
}

/// The default of registers.md is 0; the check has made sure that a rate has a code.
std::uint8_t sample_rate_code(std::uint32_t rate) {
  if (rate == 48000) return 0;
  if (rate % 8000 == 0) return static_cast<std::uint8_t>(rate / 8000);
  return static_cast<std::uint8_t>(0x80U | rate / 11025);
}

class Compiler {
 public:
  Bytes compile(const Description& d) {
    const auto endpoints = endpoint_rows(d);
    const auto descriptors = descriptor_rows(d);
    const auto rules = d.all_rules();
    counts_ = {endpoints.size(), descriptors.size(), rules.size()};
    const std::size_t descriptors_at = header_bytes + endpoints.size() * endpoint_row_bytes;
    const std::size_t rules_at = descriptors_at + descriptors.size() * descriptor_row_bytes;
    image_.assign(rules_at + rules.size() * rule_row_bytes, 0);
    put_endpoints(endpoints);
    put_descriptors(descriptors, descriptors_at);
    put_rules(d, rules, rules_at);
    put_header(d, descriptors_at, rules_at);
    return std::move(image_);
  }

  std::array<std::size_t, 3> counts() const { return counts_; }

 private:
  void put_header(const Description& d, std::size_t descriptors_at, std::size_t rules_at) {
    constexpr std::uint8_t magic[] = {'I', 'S', 'O', '1'};
    std::copy(std::begin(magic), std::end(magic), image_.begin());
    put16(image_, 4, image_.size());
    for (std::size_t i = 0; i < 3; ++i) image_[6 + i] = static_cast<std::uint8_t>(counts_[i]);
    image_[9] = d.configuration_value;
    image_[10] = static_cast<std::uint8_t>((d.self_powered ? 1U : 0U) | (d.remote_wakeup ? 2U : 0U) |
                                           (d.speeds.high ? 4U : 0U) | (d.asynchronous_clock ? 8U : 0U));
    image_[11] = sample_rate_code(d.sample_rate);
    put16(image_, 12, descriptors_at);
    put16(image_, 14, rules_at);
    for (const AlternateSetting& setting : d.settings) {
      if (setting.speeds.full) ++image_[16U + setting.interface];
      if (setting.speeds.high) ++image_[24U + setting.interface];
    }
  }

  void put_endpoints(const std::vector<EndpointRow>& rows) {
    auto at = image_.begin() + header_bytes;
    for (const EndpointRow& row : rows) at = std::copy(row.bytes.begin(), row.bytes.end(), at);
  }

  void put_descriptors(const std::vector<DescriptorRow>& rows, std::size_t at) {
    for (const DescriptorRow& row : rows) {
      image_[at] = row.type;
      image_[at + 1] = row.index;
      image_[at + 2] = row.speeds;
      put_bytes(row.bytes, at + 4);
      at += descriptor_row_bytes;
    }
  }

  void put_rules(const Description& d, const std::vector<Rule>& rules, std::size_t at) {
    std::map<std::string, std::size_t> places;
    for (const Rule& rule : rules) {
      image_[at] = rule.request_type;
      image_[at + 1] = rule.request;
      put16(image_, at + 2, rule.value);
      put16(image_, at + 4, rule.value_mask);
      put16(image_, at + 6, rule.index);
      put16(image_, at + 8, rule.index_mask);
      image_[at + 10] = static_cast<std::uint8_t>(rule.action);
      image_[at + 11] = rule.store_register;
      if (const auto data = d.data.find(rule.data); data != d.data.end()) {
        // Rules that name the same data share its bytes, so that what one stores the other answers.
        const auto [place, is_new] = places.try_emplace(rule.data, image_.size());
        if (is_new) image_.insert(image_.end(), data->second.begin(), data->second.end());
        put16(image_, at + 12, place->second);
        put16(image_, at + 14, data->second.size());
      }
      at += rule_row_bytes;
    }
  }

  void put_bytes(const Bytes& bytes, std::size_t row) {
    put16(image_, row, image_.size());
    put16(image_, row + 2, bytes.size());
    image_.insert(image_.end(), bytes.begin(), bytes.end());
  }

  Bytes image_;
  std::array<std::size_t, 3> counts_{};
};

}  // namespace

tl::expected<Bytes, InputError> compile_image(const Description& d, const Limits& limits) {
  if (auto checked = check(d, limits); !checked) return tl::unexpected(checked.error());
  Compiler compiler;
  Bytes image = compiler.compile(d);
  const auto fail = [&](std::string message) { return tl::unexpected(InputError{d.file, 0, "", std::move(message)}); };
  constexpr const char* rows[] = {"endpoint", "descriptor", "request"};
  for (std::size_t i = 0; i < 3; ++i) {
    if (compiler.counts()[i] > 255)
      return fail(
          fmt::format("the image has {} {} rows, at most 255 fit; leave some out", compiler.counts()[i], rows[i]));
  }
  if (image.size() > std::min<std::size_t>(limits.image_bytes, 0xffff)) {
    return fail(fmt::format("the image has {} bytes, {} fit; leave out alternate settings, strings or answers",
                            image.size(), limits.image_bytes));
  }
  return image;
}

std::string hex_image(std::span<const std::uint8_t> image) {
  std::string text;
  text.reserve(image.size() * 3);
  for (const std::uint8_t byte : image) fmt::format_to(std::back_inserter(text), "{:02x}\n", byte);
  return text;
}

}  // namespace isochio::description
