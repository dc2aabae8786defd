// isochio: the device description, the one truth for the core's image (docs/device-image.md), for what the host expects
// and for a page that people read. Files are TOML (docs/device-description.md). Everything here is pure but load().
// Source: USB 2.0 chapter 9; Audio Devices 1.0 section 4.4.2.1 (9-byte endpoint descriptors).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "description/input_error.h"
#include "usb/types.h"

namespace isochio::description {

using Bytes = std::vector<std::uint8_t>;

/// What the build of the core can hold.
struct Limits {
  unsigned in_engines = 6, out_engines = 6;  ///< at most 16 each
  std::size_t image_bytes = 8192;
};

/// The speeds at which something exists.
struct Speeds {
  bool full = true, high = true;

  constexpr bool at(usb::Speed speed) const { return speed == usb::Speed::high ? high : full; }
  constexpr bool overlap(Speeds other) const { return (full && other.full) || (high && other.high); }
  friend constexpr bool operator==(Speeds, Speeds) = default;
};

/// One or more descriptors kept as bytes, in place: class-specific ones, interface associations.
struct RawDescriptors {
  Bytes bytes;
  Speeds speeds;
  friend bool operator==(const RawDescriptors&, const RawDescriptors&) = default;
};

/// bmAttributes bits 3..2 and 5..4 of an isochronous endpoint [9.6.6].
enum class Synchronization : std::uint8_t { none, asynchronous, adaptive, synchronous };
enum class Usage : std::uint8_t { data, feedback, implicit_feedback, reserved };

/// FUNCTION register (docs/registers.md).
enum class Function : std::uint8_t { none, pattern, zeros, mod63, loopback, feedback };
/// SIZE_MODE register.
enum class SizeMode : std::uint8_t { fixed, list, sample_clock };
/// Byte 11 of an endpoint row of the image, bits 5..4.
enum class FeedbackFormat : std::uint8_t { q10_14, q16_16 };

/// What an endpoint is at one speed.
struct EndpointAtSpeed {
  std::uint16_t max_packet = 0;   ///< bytes in one transaction, 0 … 1024
  std::uint8_t transactions = 1;  ///< in a microframe: 1, 2 or 3
  std::uint8_t interval = 1;      ///< bInterval as in the descriptor
  std::uint16_t size = 0;  ///< SIZE register: bytes per service interval (bulk: per packet), 0 = all it can carry
  std::uint8_t feedback_period = 0;  ///< log2 of the (micro)frames over which feedback is measured, 0 … 15

  FeedbackFormat feedback_format = FeedbackFormat::q10_14;

  friend bool operator==(const EndpointAtSpeed&, const EndpointAtSpeed&) = default;
};

struct Endpoint {
  usb::EndpointAddress address;
  usb::TransferType type = usb::TransferType::isochronous;  ///< never control
  Synchronization synchronization = Synchronization::none;
  Usage usage = Usage::data;
  std::optional<EndpointAtSpeed> full, high;  ///< empty: the endpoint does not exist at that speed
  /// bRefresh and bSynchAddress: the descriptor then has 9 bytes (USB audio 1.0).
  struct Audio {
    std::uint8_t refresh = 0, synch_address = 0;
    friend bool operator==(const Audio&, const Audio&) = default;
  };
  std::optional<Audio> audio;
  Function function = Function::none;
  SizeMode size_mode = SizeMode::fixed;
  std::uint8_t sample_bytes = 0;       ///< SAMPLE_BYTES register
  std::uint8_t engine = 0;             ///< given or assigned; unique among endpoints active together in one direction
  std::vector<RawDescriptors> before;  ///< in front of the endpoint descriptor
  std::vector<RawDescriptors> after;   ///< behind it

  const std::optional<EndpointAtSpeed>& at(usb::Speed speed) const { return speed == usb::Speed::high ? high : full; }
  Speeds speeds() const { return {full.has_value(), high.has_value()}; }
  /// In the schedule's terms; the endpoint exists at `speed`.
  usb::EndpointConfig config(usb::Speed speed) const;
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

/// An interface descriptor and what follows it: one alternate setting of one interface. In the order of the
/// configuration descriptor.
struct AlternateSetting {
  std::uint8_t interface = 0;  ///< 0 … 7
  std::uint8_t alternate = 0;  ///< 0 … 15, without gaps at each speed
  std::uint8_t class_code = 0xff, subclass = 0, protocol = 0;
  std::uint8_t name = 0;  ///< string index, 0 = none
  Speeds speeds;
  std::vector<RawDescriptors> before, after;
  std::vector<Endpoint> endpoints;

  friend bool operator==(const AlternateSetting&, const AlternateSetting&) = default;
};

enum class Action : std::uint8_t { answer, store, registers, log, stall, acknowledge };

/// A request the device answers beyond chapter 9 (docs/device-image.md). The first that matches counts.
struct Rule {
  std::string name;  ///< for the page
  std::uint8_t request_type = 0, request = 0;
  std::uint16_t value = 0, value_mask = 0;  ///< bits of wValue that must match
  std::uint16_t index = 0, index_mask = 0;
  Action action = Action::stall;
  std::uint8_t store_register = 0;  ///< register to which a store also writes, 0 = none
  std::string data = {};            ///< key of Description::data: the bytes answered or stored into; empty = none

  friend bool operator==(const Rule&, const Rule&) = default;
};

/// A further descriptor that GET_DESCRIPTOR finds (not device, configuration, qualifier, other speed, or string).
struct NamedDescriptor {
  std::uint8_t type = 0, index = 0;
  Bytes bytes;
  Speeds speeds;
  friend bool operator==(const NamedDescriptor&, const NamedDescriptor&) = default;
};

struct Description {
  std::string name;  ///< one line for people
  std::string file;  ///< where it came from, for messages
  // device
  std::uint16_t usb_version = 0x0200, vendor_id = 0, product_id = 0, device_version = 0x0100;  ///< BCD where BCD
  std::uint8_t class_code = 0, subclass = 0, protocol = 0;
  std::uint8_t manufacturer = 0, product = 0, serial = 0;  ///< string indices, 0 = none
  Speeds speeds;                                           ///< full speed is always true, high as the device can
  std::uint16_t language = 0x0409;
  std::map<std::uint8_t, std::string> strings;  ///< UTF-8, 1 … 126 UTF-16 units each
  // configuration
  std::uint8_t configuration_value = 1, configuration_name = 0;
  bool self_powered = false, remote_wakeup = false;
  std::uint16_t max_power_ma = 100;           ///< even, 0 … 510 (bMaxPower × 2)
  std::vector<RawDescriptors> configuration;  ///< right behind the configuration descriptor
  std::vector<AlternateSetting> settings;
  // behaviour
  std::vector<NamedDescriptor> descriptors;
  std::map<std::string, Bytes> data;  ///< bytes that rules answer with and store into, by name
  std::vector<Rule> rules;            ///< the user's own
  /// bRequest of REGISTERS; LOG is the next one. Empty: the device has no test requests.
  std::optional<std::uint8_t> test_requests = std::uint8_t{1};
  std::uint32_t sample_rate = 48000;  ///< reset value of SAMPLE_RATE
  bool asynchronous_clock = false;    ///< reset value of SAMPLE_MODE
  /// What import had to say (a second configuration left out, a value the core can't have); comments in to_toml().
  std::vector<std::string> notes;

  /// The rules of the image: those for the test requests, then the user's.
  std::vector<Rule> all_rules() const;
  const AlternateSetting* setting(std::uint8_t interface, std::uint8_t alternate) const;
  /// Endpoints of one alternate setting in the schedule's terms; empty if it does not exist at that speed.
  std::vector<usb::EndpointConfig> endpoints(std::uint8_t interface, std::uint8_t alternate, usb::Speed speed) const;
};

/// Reads and checks a file; engines and string indices are assigned.
tl::expected<Description, InputError> load(const std::filesystem::path& file, const Limits& limits = {});
/// The same from text; `file` is for messages.
tl::expected<Description, InputError> parse(std::string_view text, const std::string& file, const Limits& limits = {});

/// Checks a description made in code, as load() does. Errors have no line.
tl::expected<void, InputError> check(const Description& description, const Limits& limits = {});

/// Image of docs/device-image.md. Fails only if it does not fit.
tl::expected<Bytes, InputError> compile_image(const Description& description, const Limits& limits = {});
/// $readmemh: one byte a line, lower-case hex.
std::string hex_image(std::span<const std::uint8_t> image);

Bytes device_descriptor(const Description& description, usb::Speed speed);
/// Whole, with interfaces and endpoints as they are at `speed`.
Bytes configuration_descriptor(const Description& description, usb::Speed speed);
/// As answered while running at `speed`: what the device is at the other one. Empty if it is not high-speed capable.
Bytes device_qualifier(const Description& description, usb::Speed speed);
Bytes other_speed_configuration(const Description& description, usb::Speed speed);
/// Index 0: the language list. Empty if there is no such string.
Bytes string_descriptor(const Description& description, std::uint8_t index);

/// For a terminal: aligned text, ends with a line feed. `isochio describe DEV`.
std::string page(const Description& description);
/// A file that parse() reads back to the same description.
std::string to_toml(const Description& description);

struct ImportOptions {
  /// bConfigurationValue to take; empty = the first.
  std::optional<std::uint8_t> configuration;
  /// The speed at which the dump was taken; empty = guessed from packet sizes and bcdUSB.
  std::optional<usb::Speed> speed;
};
/// A device descriptor followed by configurations, as in a Linux sysfs `descriptors` file. Descriptors that isochio
/// does not know stay as bytes in place. Functions: feedback for explicit feedback, loopback for a bulk pair, else
/// pattern. The dump shows one speed: at the other, endpoints get the largest size that is legal there.
tl::expected<Description, InputError> import_descriptors(std::span<const std::uint8_t> dump, std::string file,
                                                         const ImportOptions& options = {}, const Limits& limits = {});

}  // namespace isochio::description
