// isochio: the registers of docs/registers.md by name, as scenario files write them: "SAMPLE_RATE", "IN0.SEED",
// "OUT2.FUNCTION", "LIST3.5", or a number such as "0x00A".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace isochio::scenario {

std::optional<std::uint16_t> register_number(std::string_view name);
/// The value that a word stands for in this register: "crc" in FAULT.
std::optional<std::uint32_t> register_word(std::uint16_t number, std::string_view word);
/// The names there are (of engines only number 0), for suggestions.
const std::vector<std::string>& register_names();

namespace reg {
inline constexpr std::uint16_t id = 0x000, build = 0x002, control = 0x004, log_mask = 0x005, log_count = 0x006,
                               log_lost = 0x007;
inline constexpr std::uint16_t sample_rate = 0x00a, sample_mode = 0x00b, sample_ppm = 0x00f, counters = 0x010,
                               counter_count = 16;
inline constexpr std::uint32_t control_log_enabled = 1U << 0, control_clear_counters = 1U << 8,
                               control_clear_log = 1U << 9, control_restart = 1U << 10;
constexpr std::uint16_t in_engine(unsigned n) { return static_cast<std::uint16_t>(0x100 + 0x20 * n); }
constexpr std::uint16_t out_engine(unsigned n) { return static_cast<std::uint16_t>(0x200 + 0x20 * n); }
constexpr std::uint16_t size_list(unsigned n) { return static_cast<std::uint16_t>(0x300 + 0x10 * n); }
inline constexpr std::uint16_t function = 0, seed = 1, size_mode = 2, size = 3, sample_bytes = 4, list_length = 5;
inline constexpr std::uint16_t faults = 21, fault = 24, fault_argument = 25, fault_every = 26, fault_frame = 27;
inline constexpr std::uint16_t engine_registers = 21;  ///< FUNCTION … TRUNCATED
}  // namespace reg

}  // namespace isochio::scenario
