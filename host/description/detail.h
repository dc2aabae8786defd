// isochio: what the files of this folder share and nobody else needs.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "description/description.h"

namespace isochio::description::detail {

/// Line of a dotted key in the file; 0 = unknown.
using Locator = std::function<int(const std::string& key)>;

tl::expected<void, InputError> check_located(const Description& description, const Limits& limits,
                                             const Locator& line_of);

/// Which engines were given by the user: one flag per endpoint, in the order of settings and endpoints.
using GivenEngines = std::vector<std::vector<bool>>;
/// Gives every other endpoint an engine; a loopback pair shares the number. An endpoint that finds none keeps
/// `no_engine`, which the check then reports.
void assign_engines(Description& description, const GivenEngines& given, const Limits& limits);
inline constexpr std::uint8_t no_engine = 0xff;

/// Two endpoints (of settings `a` and `b`) can be open at once.
bool active_together(const AlternateSetting& a, const Endpoint& endpoint_a, const AlternateSetting& b,
                     const Endpoint& endpoint_b);

/// Function and feedback period that an endpoint has if the file or dump does not say.
Function default_function(const AlternateSetting& setting, const Endpoint& endpoint);
std::uint8_t default_feedback_period(usb::TransferType type, std::uint8_t interval, usb::Speed speed);
FeedbackFormat default_feedback_format(std::uint16_t max_packet);
/// Sets both if the endpoint sends feedback.
void fill_feedback(const Endpoint& endpoint, std::optional<EndpointAtSpeed>& at, usb::Speed speed);

/// UTF-16 units of a UTF-8 text; empty if it is not valid UTF-8.
std::optional<std::vector<std::uint16_t>> utf16(std::string_view text);

/// Names used in files and on the page.
std::string key_of(std::size_t setting);                        // "interface[2]"
std::string key_of(std::size_t setting, std::size_t endpoint);  // "interface[2].endpoint[0]"
std::string address_name(usb::EndpointAddress address);         // "IN 1"
std::string class_name(std::uint8_t class_code);                // "audio", empty if it has none
std::optional<std::uint8_t> class_named(std::string_view name);
std::string request_type_name(std::uint8_t request_type);  // "in class interface", empty if reserved bits are set
std::string register_name(std::uint8_t number);            // "SAMPLE_RATE", empty if it has none
std::optional<std::uint8_t> register_named(std::string_view name);
std::string hex_bytes(std::span<const std::uint8_t> bytes);  // "09 24 01"
std::string speeds_name(Speeds speeds);                      // "fs", "hs" or "both"
std::string size_name(const EndpointAtSpeed& at);            // "192" or "3x1024"

inline constexpr const char* type_names[] = {"control", "isochronous", "bulk", "interrupt"};
inline constexpr const char* synchronization_names[] = {"none", "asynchronous", "adaptive", "synchronous"};
inline constexpr const char* usage_names[] = {"data", "feedback", "implicit-feedback", "reserved"};
inline constexpr const char* function_names[] = {"none", "pattern", "zeros", "mod63", "loopback", "feedback"};
inline constexpr const char* size_mode_names[] = {"fixed", "list", "sample-clock"};
inline constexpr const char* feedback_format_names[] = {"10.14", "16.16"};
inline constexpr const char* action_names[] = {"answer", "store", "registers", "log", "stall", "acknowledge"};

template <typename Enum>
constexpr std::size_t index_of(Enum value) {
  return static_cast<std::size_t>(value);
}

}  // namespace isochio::description::detail
