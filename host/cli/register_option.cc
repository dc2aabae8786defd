#include "cli/register_option.h"

#include <array>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "description/toml_table.h"
#include "scenario/register_names.h"

namespace isochio::cli {
namespace {

constexpr std::uint8_t vendor_out = 0x40;
constexpr bus::Duration patience = 500 * bus::millisecond;

std::optional<std::uint32_t> number(std::string_view text) {
  const bool hex = text.starts_with("0x");
  if (hex) text.remove_prefix(2);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, hex ? 16 : 10);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (value < INT32_MIN || value > UINT32_MAX) return std::nullopt;
  return static_cast<std::uint32_t>(value);
}

}  // namespace

tl::expected<RegisterWrites, std::string> parse_registers(const std::vector<std::string>& texts) {
  RegisterWrites writes;
  for (const auto& text : texts) {
    const auto equals = text.find('=');
    const auto name = text.substr(0, equals);
    const auto where = scenario::register_number(name);
    if (!where) {
      const auto near = config::nearest(name, scenario::register_names());
      return tl::unexpected(fmt::format("--register {}: no such register (docs/registers.md){}", text,
                                        near ? fmt::format("; did you mean {}?", *near) : ""));
    }
    const auto right = equals == std::string::npos ? std::string() : text.substr(equals + 1);
    auto value = number(right);
    if (!value) value = scenario::register_word(*where, right);
    if (!value)
      return tl::unexpected(fmt::format(
          "--register {}: write NAME=VALUE with a whole number of 32 bits, or a word where docs/registers.md has one",
          text));
    writes.emplace_back(*where, *value);
  }
  return writes;
}

tl::expected<void, std::string> write_registers(controller::Host& host, std::uint8_t request,
                                                const RegisterWrites& writes) {
  for (const auto& [where, value] : writes) {
    std::array<std::uint8_t, 4> bytes{};
    for (unsigned i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(value >> (8 * i));
    if (const auto done = host.control({vendor_out, request, 0, where, 4}, bytes, patience); !done)
      return tl::unexpected(fmt::format("the device did not take a value for its register 0x{:03x}", where));
  }
  return {};
}

}  // namespace isochio::cli
