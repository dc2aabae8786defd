// isochio: a description as a TOML file. Written by hand rather than by a serializer: keys stand in the order in which
// docs/device-description.md explains them, numbers that people read in hex are in hex, and defaults are left out.
#include <iterator>

#include <fmt/format.h>

#include "description/detail.h"

namespace isochio::description {
namespace {

std::string toml_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (code < 0x20 || code == 0x7f) {
      out += fmt::format("\\u{:04X}", code);
    } else {
      out += c;
    }
  }
  return out + "\"";
}

class Writer {
 public:
  explicit Writer(const Description& d) : d_(d), automatic_engines_(engines_are_automatic()) {}

  std::string run() {
    for (const std::string& note : d_.notes) line("# {}", one_line(note));
    if (!d_.name.empty()) line("name = {}", toml_text(d_.name));
    write_device();
    write_configuration();
    for (const AlternateSetting& setting : d_.settings) write_interface(setting);
    write_behaviour();
    return std::move(text_);
  }

 private:
  template <typename... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
    text_ += '\n';
  }

  static std::string one_line(std::string text) {
    for (char& c : text)
      if (static_cast<unsigned char>(c) < 0x20) c = ' ';
    return text;
  }

  bool engines_are_automatic() const {
    Description copy = d_;
    detail::GivenEngines none;
    for (const AlternateSetting& setting : copy.settings) none.emplace_back(setting.endpoints.size(), false);
    detail::assign_engines(copy, none, Limits{});
    return copy.settings == d_.settings;
  }

  static std::string class_value(std::uint8_t code) {
    const std::string name = detail::class_name(code);
    return name.empty() ? fmt::format("{:#04x}", code) : toml_text(name);
  }

  void write_device() {
    line("\n[device]");
    line("vendor_id = {:#06x}", d_.vendor_id);
    line("product_id = {:#06x}", d_.product_id);
    line("version = {:#06x}", d_.device_version);
    line("usb_version = {:#06x}", d_.usb_version);
    line("class = {}", class_value(d_.class_code));
    if (d_.subclass != 0) line("subclass = {:#04x}", d_.subclass);
    if (d_.protocol != 0) line("protocol = {:#04x}", d_.protocol);
    write_string("manufacturer", d_.manufacturer);
    write_string("product", d_.product);
    write_string("serial", d_.serial);
    if (d_.language != 0x0409) line("language = {:#06x}", d_.language);
    line("high_speed = {}", d_.speeds.high);
    if (d_.sample_rate != 48000) line("sample_rate = {}", d_.sample_rate);
    if (d_.asynchronous_clock) line("sample_clock = \"asynchronous\"");
    if (!d_.test_requests) line("test_requests = false");
    if (d_.test_requests && *d_.test_requests != 1) line("test_requests = {}", *d_.test_requests);
    if (d_.strings.empty()) return;
    line("\n[strings]");
    for (const auto& [index, text] : d_.strings) line("{} = {}", index, toml_text(text));
  }

  void write_string(const char* key, std::uint8_t index) {
    if (index != 0) line("{} = {}  # string index", key, index);
  }

  void write_configuration() {
    line("\n[configuration]");
    if (d_.configuration_value != 1) line("value = {}", d_.configuration_value);
    write_string("name", d_.configuration_name);
    line("self_powered = {}", d_.self_powered);
    line("remote_wakeup = {}", d_.remote_wakeup);
    line("max_power_ma = {}", d_.max_power_ma);
    write_raw("descriptors", d_.configuration);
  }

  void write_raw(const char* key, const std::vector<RawDescriptors>& raws) {
    if (raws.empty()) return;
    line("{} = [", key);
    for (const RawDescriptors& raw : raws) {
      const std::string bytes = toml_text(detail::hex_bytes(raw.bytes));
      if (raw.speeds == Speeds{}) {
        line("  {},", bytes);
      } else {
        line("  {{ bytes = {}, speeds = \"{}\" }},", bytes, detail::speeds_name(raw.speeds));
      }
    }
    line("]");
  }

  void write_interface(const AlternateSetting& setting) {
    line("\n[[interface]]");
    line("number = {}", setting.interface);
    line("alternate = {}", setting.alternate);
    line("class = {}", class_value(setting.class_code));
    line("subclass = {:#04x}", setting.subclass);
    line("protocol = {:#04x}", setting.protocol);
    // 0 has to be said: an alternate setting takes the name of the one before.
    line("name = {}", setting.name);
    if (!(setting.speeds == d_.speeds)) line("speeds = \"{}\"", detail::speeds_name(setting.speeds));
    write_raw("descriptors_before", setting.before);
    write_raw("descriptors", setting.after);
    for (const Endpoint& endpoint : setting.endpoints) write_endpoint(setting, endpoint);
  }

  void write_endpoint(const AlternateSetting& setting, const Endpoint& endpoint) {
    line("\n[[interface.endpoint]]");
    line("address = \"{}\"", detail::address_name(endpoint.address));
    line("type = \"{}\"", detail::type_names[detail::index_of(endpoint.type)]);
    if (endpoint.synchronization != Synchronization::none)
      line("sync = \"{}\"", detail::synchronization_names[detail::index_of(endpoint.synchronization)]);
    if (endpoint.usage != Usage::data) line("usage = \"{}\"", detail::usage_names[detail::index_of(endpoint.usage)]);
    write_at("fs", endpoint, endpoint.full, setting.speeds.full);
    write_at("hs", endpoint, endpoint.high, setting.speeds.high);
    if (endpoint.audio) {
      line("refresh = {}", endpoint.audio->refresh);
      line("synch_address = {:#04x}", endpoint.audio->synch_address);
    }
    if (endpoint.function != detail::default_function(setting, endpoint))
      line("function = \"{}\"", detail::function_names[detail::index_of(endpoint.function)]);
    if (endpoint.sample_bytes != 0) line("sample_bytes = {}", endpoint.sample_bytes);
    const auto usual = endpoint.sample_bytes != 0 ? SizeMode::sample_clock : SizeMode::fixed;
    if (endpoint.size_mode != usual)
      line("size_mode = \"{}\"", detail::size_mode_names[detail::index_of(endpoint.size_mode)]);
    if (!automatic_engines_) line("engine = {}", endpoint.engine);
    write_raw("descriptors_before", endpoint.before);
    write_raw("descriptors", endpoint.after);
  }

  void write_at(const char* key, const Endpoint& endpoint, const std::optional<EndpointAtSpeed>& at, bool expected) {
    if (!at) {
      if (expected) line("{} = false", key);
      return;
    }
    const std::string size =
        at->transactions == 1 ? fmt::format("{}", at->max_packet) : toml_text(detail::size_name(*at));
    std::string rest = fmt::format(", interval = {}", at->interval);
    if (at->size != 0) rest += fmt::format(", size = {}", at->size);
    if (at->feedback_period != 0 || endpoint.function == Function::feedback)
      rest += fmt::format(", feedback_period = {}", 1U << at->feedback_period);
    const auto usual = endpoint.function == Function::feedback ? detail::default_feedback_format(at->max_packet)
                                                               : FeedbackFormat::q10_14;
    if (at->feedback_format != usual) {
      rest += fmt::format(", feedback_format = \"{}\"",
                          detail::feedback_format_names[detail::index_of(at->feedback_format)]);
    }
    line("{} = {{ max_packet = {}{} }}", key, size, rest);
  }

  void write_behaviour() {
    if (!d_.data.empty()) line("\n[data]");
    for (const auto& [name, bytes] : d_.data) line("{} = {}", toml_text(name), toml_text(detail::hex_bytes(bytes)));
    for (const Rule& rule : d_.rules) write_rule(rule);
    for (const NamedDescriptor& named : d_.descriptors) {
      line("\n[[descriptor]]");
      line("type = {:#04x}", named.type);
      line("index = {}", named.index);
      line("bytes = {}", toml_text(detail::hex_bytes(named.bytes)));
      if (!(named.speeds == Speeds{})) line("speeds = \"{}\"", detail::speeds_name(named.speeds));
    }
  }

  void write_rule(const Rule& rule) {
    line("\n[[request]]");
    if (!rule.name.empty()) line("name = {}", toml_text(rule.name));
    const std::string type = detail::request_type_name(rule.request_type);
    line("type = {}", type.empty() ? fmt::format("{:#04x}", rule.request_type) : toml_text(type));
    line("request = {:#04x}", rule.request);
    write_match("value", rule.value, rule.value_mask);
    write_match("index", rule.index, rule.index_mask);
    line("action = \"{}\"", detail::action_names[detail::index_of(rule.action)]);
    if (rule.store_register != 0) {
      const std::string name = detail::register_name(rule.store_register);
      line("register = {}", name.empty() ? fmt::format("{:#04x}", rule.store_register) : toml_text(name));
    }
    if (!rule.data.empty()) line("data = {}", toml_text(rule.data));
  }

  void write_match(const char* key, std::uint16_t value, std::uint16_t mask) {
    if (value != 0 || mask != 0) line("{} = {:#06x}", key, value);
    if (mask != 0xffff && (value != 0 || mask != 0)) line("{}_mask = {:#06x}", key, mask);
  }

  const Description& d_;
  bool automatic_engines_;
  std::string text_;
};

}  // namespace

std::string to_toml(const Description& description) { return Writer(description).run(); }

}  // namespace isochio::description
