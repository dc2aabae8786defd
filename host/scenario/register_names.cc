#include "scenario/register_names.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace isochio::scenario {
namespace {

using Name = std::pair<std::string_view, std::uint16_t>;

constexpr std::array global_names{
    Name{"ID", 0x000},        Name{"VERSION", 0x001},           Name{"BUILD", 0x002},
    Name{"STATUS", 0x003},    Name{"CONTROL", 0x004},           Name{"LOG_MASK", 0x005},
    Name{"LOG_COUNT", 0x006}, Name{"LOG_LOST", 0x007},          Name{"FRAME", 0x008},
    Name{"STAMP", 0x009},     Name{"SAMPLE_RATE", 0x00a},       Name{"SAMPLE_MODE", 0x00b},
    Name{"FEEDBACK", 0x00c},  Name{"FEEDBACK_OVERRIDE", 0x00d}, Name{"FEEDBACK_FAULT", 0x00e},
    Name{"SAMPLE_PPM", 0x00f}};

constexpr std::array engine_names{Name{"FUNCTION", 0},
                                  Name{"SEED", 1},
                                  Name{"SIZE_MODE", 2},
                                  Name{"SIZE", 3},
                                  Name{"SAMPLE_BYTES", 4},
                                  Name{"LIST_LENGTH", 5},
                                  Name{"FAULT", reg::fault},
                                  Name{"FAULT_ARGUMENT", reg::fault_argument},
                                  Name{"FAULT_EVERY", reg::fault_every},
                                  Name{"FAULT_FRAME", reg::fault_frame}};

/// Values of FAULT: the place is the number.
constexpr std::array<std::string_view, 11> fault_names{"none",  "silent", "delay", "pid-check", "pid",     "crc",
                                                       "short", "long",   "empty", "payload",   "feedback"};

template <std::size_t N>
std::optional<std::uint16_t> look_up(const std::array<Name, N>& names, std::string_view name) {
  const auto at = std::find_if(names.begin(), names.end(), [&](const Name& item) { return item.first == name; });
  if (at == names.end()) return std::nullopt;
  return at->second;
}

std::optional<unsigned> whole_number(std::string_view text, int base = 10) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

std::optional<std::uint16_t> register_number(std::string_view name) {
  if (const auto number = look_up(global_names, name)) return number;
  if (name.starts_with("0x")) {
    const auto number = whole_number(name.substr(2), 16);
    return number && *number < 0x400 ? std::optional(static_cast<std::uint16_t>(*number)) : std::nullopt;
  }
  const auto dot = name.find('.');
  const auto digit = name.find_first_of("0123456789");
  if (dot == std::string_view::npos || digit == std::string_view::npos || digit > dot) return std::nullopt;
  const auto bank = name.substr(0, digit);
  const auto engine = whole_number(name.substr(digit, dot - digit));
  const auto rest = name.substr(dot + 1);
  if (!engine || *engine > 7) return std::nullopt;
  if (bank == "LIST") {
    const auto entry = whole_number(rest);
    if (!entry || *entry > 15) return std::nullopt;
    return static_cast<std::uint16_t>(reg::size_list(*engine) + *entry);
  }
  const auto offset = look_up(engine_names, rest);
  if (!offset || (bank != "IN" && bank != "OUT")) return std::nullopt;
  return static_cast<std::uint16_t>((bank == "IN" ? reg::in_engine(*engine) : reg::out_engine(*engine)) + *offset);
}

std::optional<std::uint32_t> register_word(std::uint16_t number, std::string_view word) {
  const bool of_engine = number >= reg::in_engine(0) && number < reg::size_list(0);
  if (!of_engine || number % 0x20 != reg::fault) return std::nullopt;
  const auto at = std::find(fault_names.begin(), fault_names.end(), word);
  if (at == fault_names.end()) return std::nullopt;
  return static_cast<std::uint32_t>(at - fault_names.begin());
}

const std::vector<std::string>& register_names() {
  static const auto names = [] {
    std::vector<std::string> result;
    result.reserve(std::size(global_names));
    for (const auto& [name, number] : global_names) result.emplace_back(name);
    for (const char* bank : {"IN0.", "OUT0."})
      for (const auto& [name, number] : engine_names) result.push_back(bank + std::string(name));
    return result;
  }();
  return names;
}

}  // namespace isochio::scenario
