// isochio: the words that stand for numbers in description files and on the page.
#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "description/detail.h"

namespace isochio::description::detail {
namespace {

struct Word {
  std::uint8_t value;
  const char* name;
};

constexpr Word classes[] = {
    {0x00, "per-interface"}, {0x01, "audio"},         {0x02, "communications"}, {0x03, "hid"},   {0x06, "image"},
    {0x07, "printer"},       {0x08, "mass-storage"},  {0x0a, "cdc-data"},       {0x0e, "video"}, {0xdc, "diagnostic"},
    {0xe0, "wireless"},      {0xef, "miscellaneous"}, {0xfe, "application"},    {0xff, "vendor"}};

// The registers a store may sensibly write (docs/registers.md).
constexpr Word registers[] = {{0x04, "CONTROL"},     {0x05, "LOG_MASK"},          {0x0a, "SAMPLE_RATE"},
                              {0x0b, "SAMPLE_MODE"}, {0x0d, "FEEDBACK_OVERRIDE"}, {0x0f, "SAMPLE_PPM"}};

template <std::size_t N>
std::string name_in(const Word (&words)[N], std::uint8_t value) {
  for (const Word& word : words)
    if (word.value == value) return word.name;
  return {};
}

template <std::size_t N>
std::optional<std::uint8_t> value_in(const Word (&words)[N], std::string_view name) {
  for (const Word& word : words)
    if (word.name == name) return word.value;
  return std::nullopt;
}

}  // namespace

std::string class_name(std::uint8_t class_code) { return name_in(classes, class_code); }
std::optional<std::uint8_t> class_named(std::string_view name) { return value_in(classes, name); }
std::string register_name(std::uint8_t number) { return name_in(registers, number); }
std::optional<std::uint8_t> register_named(std::string_view name) { return value_in(registers, name); }

std::string key_of(std::size_t setting) { return fmt::format("interface[{}]", setting); }
std::string key_of(std::size_t setting, std::size_t endpoint) {
  return fmt::format("interface[{}].endpoint[{}]", setting, endpoint);
}

std::string address_name(usb::EndpointAddress address) {
  return fmt::format("{} {}", address.is_in() ? "IN" : "OUT", address.number());
}

std::string request_type_name(std::uint8_t request_type) {
  constexpr const char* kinds[] = {"standard", "class", "vendor"};
  constexpr const char* recipients[] = {"device", "interface", "endpoint", "other"};
  const unsigned kind = request_type >> 5U & 3U, recipient = request_type & 0x1fU;
  if (kind > 2 || recipient > 3) return {};
  return fmt::format("{} {} {}", (request_type & 0x80U) != 0 ? "in" : "out", kinds[kind], recipients[recipient]);
}

std::string hex_bytes(std::span<const std::uint8_t> bytes) {
  return fmt::format("{:02x}", fmt::join(bytes.begin(), bytes.end(), " "));
}

std::string speeds_name(Speeds speeds) {
  if (speeds.full && speeds.high) return "both";
  return speeds.high ? "hs" : "fs";
}

std::string size_name(const EndpointAtSpeed& at) {
  return at.transactions == 1 ? fmt::format("{}", at.max_packet) : fmt::format("{}x{}", at.transactions, at.max_packet);
}

std::optional<std::vector<std::uint16_t>> utf16(std::string_view text) {
  std::vector<std::uint16_t> units;
  for (std::size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    const unsigned extra = first < 0x80   ? 0
                           : first < 0xc2 ? 4
                           : first < 0xe0 ? 1
                           : first < 0xf0 ? 2
                           : first < 0xf5 ? 3
                                          : 4;
    if (extra == 4 || i + extra >= text.size()) return std::nullopt;
    std::uint32_t point = extra == 0 ? first : first & (0x3fU >> extra);
    for (unsigned k = 1; k <= extra; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xc0U) != 0x80U) return std::nullopt;
      point = point << 6U | (next & 0x3fU);
    }
    constexpr std::uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    if (point < least[extra] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return std::nullopt;
    if (point >= 0x10000) {
      units.push_back(static_cast<std::uint16_t>(0xd800U + ((point - 0x10000U) >> 10U)));
      units.push_back(static_cast<std::uint16_t>(0xdc00U + ((point - 0x10000U) & 0x3ffU)));
    } else {
      units.push_back(static_cast<std::uint16_t>(point));
    }
    i += extra + 1;
  }
  return units;
}

}  // namespace isochio::description::detail
