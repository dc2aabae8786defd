// isochio: a description from TOML, docs/device-description.md.
#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "description/detail.h"
#include "description/toml_table.h"

namespace isochio::description {
namespace {

using config::Source;
using config::Table;
using usb::Speed;

/// "09 24 01", "092401" or "09,24": pairs of hex digits.
std::optional<Bytes> hex(std::string_view text) {
  Bytes bytes;
  int digits = 0;
  unsigned value = 0;
  for (const char c : text) {
    unsigned digit = 0;
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == ',') {
      if (digits != 0) return std::nullopt;
      continue;
    }
    if (std::from_chars(&c, &c + 1, digit, 16).ec != std::errc{}) return std::nullopt;
    value = value << 4U | digit;
    if (++digits < 2) continue;
    bytes.push_back(static_cast<std::uint8_t>(value));
    value = 0;
    digits = 0;
  }
  if (digits != 0) return std::nullopt;
  return bytes;
}

/// A hex string or a list of numbers 0 … 255.
Bytes read_bytes(Source& source, const std::string& key, const toml::node& node) {
  if (const auto text = node.value_exact<std::string>()) {
    if (auto bytes = hex(*text)) return std::move(*bytes);
    source.fail(key, "bytes are pairs of hex digits: \"09 24 01\"");
    return {};
  }
  Bytes bytes;
  const toml::array* array = node.as_array();
  if (array == nullptr) source.fail(key, "bytes are a hex text, \"09 24 01\", or a list of numbers, [9, 0x24, 1]");
  for (std::size_t i = 0; array != nullptr && i < array->size(); ++i) {
    const auto value = (*array)[i].value_exact<std::int64_t>();
    if (!value || *value < 0 || *value > 255) {
      source.fail(fmt::format("{}[{}]", key, i), "a byte is a number from 0 to 255");
      return {};
    }
    bytes.push_back(static_cast<std::uint8_t>(*value));
  }
  return bytes;
}

void read_speeds(Table& table, Speeds& speeds) {
  if (const auto word = table.word("speeds", {"fs", "hs", "both"})) speeds = {*word != 1, *word != 0};
}

/// A list whose items are bytes, or { bytes = …, speeds = "hs" }.
void read_raw(Table& table, std::string_view name, std::vector<RawDescriptors>& raws) {
  const toml::node* node = table.find(name);
  if (node == nullptr) return;
  const toml::array* array = node->as_array();
  if (array == nullptr) {
    table.fail(name, "this has to be a list: [\"09 24 01 …\", …]");
    return;
  }
  for (std::size_t i = 0; i < array->size(); ++i) {
    const std::string key = fmt::format("{}[{}]", table.key(name), i);
    RawDescriptors raw;
    if (const toml::table* item = (*array)[i].as_table()) {
      Table reader(table.source(), item, key);
      if (const toml::node* bytes = reader.find("bytes")) {
        raw.bytes = read_bytes(table.source(), key + ".bytes", *bytes);
      } else {
        reader.fail("bytes", "give the bytes");
      }
      read_speeds(reader, raw.speeds);
      reader.finish();
    } else {
      raw.bytes = read_bytes(table.source(), key, (*array)[i]);
    }
    raws.push_back(std::move(raw));
  }
}

/// "IN 1", "OUT 2" or 0x81.
void read_address(Table& table, std::string_view name, usb::EndpointAddress& address) {
  const toml::node* node = table.find(name);
  if (node == nullptr) {
    table.fail(name, "give the address: \"IN 1\", \"OUT 1\" or 0x81");
    return;
  }
  if (!node->is_string()) {
    table.read(name, address.value);
    return;
  }
  const std::string text = node->value_exact<std::string>().value();
  const bool in = text.starts_with("IN ");
  unsigned number = 0;
  if (in || text.starts_with("OUT ")) {
    const char* first = text.data() + (in ? 3 : 4);
    const char* last = text.data() + text.size();
    if (std::from_chars(first, last, number).ptr != last) number = 0;
  }
  if (number < 1 || number > 15) {
    table.fail(name, fmt::format("\"{}\" is no address; write \"IN 1\" … \"IN 15\", \"OUT 1\" … or 0x81", text));
    return;
  }
  address = usb::endpoint(static_cast<std::uint8_t>(number), in ? usb::Direction::in : usb::Direction::out);
}

/// 192 or "3x1024".
bool read_packet_size(const toml::node& node, EndpointAtSpeed& at) {
  std::int64_t bytes = -1;
  if (const auto number = node.value_exact<std::int64_t>()) bytes = *number;
  if (const auto text = node.value_exact<std::string>()) {
    const bool shaped = text->size() > 2 && (*text)[0] >= '1' && (*text)[0] <= '3' && (*text)[1] == 'x';
    const char* last = text->data() + text->size();
    if (!shaped || std::from_chars(text->data() + 2, last, bytes).ptr != last) return false;
    at.transactions = static_cast<std::uint8_t>((*text)[0] - '0');
  }
  if (bytes < 0 || bytes > 1024) return false;
  at.max_packet = static_cast<std::uint16_t>(bytes);
  return true;
}

class Reader {
 public:
  Reader(const toml::table& root, const std::string& file, const Limits& limits)
      : source_(file, root), root_(source_, &root, ""), limits_(limits) {
    d_.file = file;
  }

  tl::expected<Description, InputError> run() {
    root_.read("name", d_.name);
    read_strings();
    read_device();
    read_configuration();
    for (Table& table : root_.tables("interface")) read_interface(table);
    read_data();
    for (Table& table : root_.tables("request")) read_rule(table);
    for (Table& table : root_.tables("descriptor")) read_named_descriptor(table);
    root_.finish();
    if (source_.error()) return tl::unexpected(*source_.error());
    finish_endpoints();
    const auto line_of = [this](const std::string& key) { return source_.line_of(key); };
    if (auto checked = detail::check_located(d_, limits_, line_of); !checked) return tl::unexpected(checked.error());
    return std::move(d_);
  }

 private:
  void read_strings() {
    Table table = root_.table("strings");
    if (table.raw() == nullptr) return;
    for (const auto& [name, node] : *table.raw()) {
      unsigned index = 0;
      const std::string_view text = name.str();
      const char* last = text.data() + text.size();
      if (std::from_chars(text.data(), last, index).ptr != last || index < 1 || index > 255) {
        table.fail(text, "strings are named by their index, 1 to 255");
        continue;
      }
      table.read(text, d_.strings[static_cast<std::uint8_t>(index)]);
    }
  }

  /// A text gets the index of the same text, or the first that is free; a number is an index.
  void read_string(Table& table, std::string_view name, std::uint8_t& index) {
    const toml::node* node = table.find(name);
    if (node == nullptr) return;
    if (!node->is_string()) {
      table.read(name, index);
      return;
    }
    const std::string text = node->value_exact<std::string>().value();
    index = 0;
    if (text.empty()) return;
    for (const auto& [known, same] : d_.strings)
      if (same == text) index = known;
    if (index != 0) return;
    for (index = 1; d_.strings.contains(index); ++index)
      if (index == 255) return table.fail(name, "there are 255 strings already");
    d_.strings[index] = text;
  }

  void read_class(Table& table, std::uint8_t& code) {
    const toml::node* node = table.find("class");
    if (node == nullptr || !node->is_string()) return table.read("class", code);
    const std::string text = node->value_exact<std::string>().value();
    if (const auto named = detail::class_named(text)) {
      code = *named;
    } else {
      table.fail("class", fmt::format("the class \"{}\" has no name here; write its number", text));
    }
  }

  void read_device() {
    Table table = root_.table("device");
    for (const char* key : {"vendor_id", "product_id"})
      if (!table.has(key)) table.fail(key, "give the device's number, such as 0x1209");
    table.read("vendor_id", d_.vendor_id);
    table.read("product_id", d_.product_id);
    table.read("version", d_.device_version);
    table.read("usb_version", d_.usb_version);
    read_class(table, d_.class_code);
    table.read("subclass", d_.subclass);
    table.read("protocol", d_.protocol);
    read_string(table, "manufacturer", d_.manufacturer);
    read_string(table, "product", d_.product);
    read_string(table, "serial", d_.serial);
    table.read("language", d_.language);
    table.read("high_speed", d_.speeds.high);
    table.read("sample_rate", d_.sample_rate);
    d_.asynchronous_clock = table.word("sample_clock", {"synchronous", "asynchronous"}).value_or(0) == 1;
    read_test_requests(table);
    table.finish();
  }

  void read_test_requests(Table& table) {
    const toml::node* node = table.find("test_requests");
    if (node == nullptr) return;
    if (const auto on = node->value_exact<bool>()) {
      if (!*on) d_.test_requests.reset();
    } else if (const auto base = table.integer("test_requests", 0, 254)) {
      d_.test_requests = static_cast<std::uint8_t>(*base);
    }
  }

  void read_configuration() {
    Table table = root_.table("configuration");
    table.read("value", d_.configuration_value);
    read_string(table, "name", d_.configuration_name);
    table.read("self_powered", d_.self_powered);
    table.read("remote_wakeup", d_.remote_wakeup);
    table.read("max_power_ma", d_.max_power_ma);
    read_raw(table, "descriptors", d_.configuration);
    table.finish();
  }

  /// The numbers continue from the interface before; class and name of an alternate setting are those of setting 0.
  void number_interface(Table& table, AlternateSetting& setting) {
    const AlternateSetting* last = d_.settings.empty() ? nullptr : &d_.settings.back();
    const bool new_number = !table.has("number") && !table.has("alternate");
    if (last != nullptr) setting.interface = static_cast<std::uint8_t>(last->interface + (new_number ? 1 : 0));
    table.read("number", setting.interface, 7);
    const AlternateSetting* same = nullptr;
    for (const AlternateSetting& earlier : d_.settings)
      if (earlier.interface == setting.interface) same = &earlier;
    if (same != nullptr) {
      setting.alternate = static_cast<std::uint8_t>(same->alternate + 1);
      setting.class_code = same->class_code;
      setting.subclass = same->subclass;
      setting.protocol = same->protocol;
      setting.name = same->name;
    }
    table.read("alternate", setting.alternate, 15);
  }

  void read_interface(Table& table) {
    AlternateSetting setting;
    setting.speeds = d_.speeds;
    number_interface(table, setting);
    read_class(table, setting.class_code);
    table.read("subclass", setting.subclass);
    table.read("protocol", setting.protocol);
    read_string(table, "name", setting.name);
    read_speeds(table, setting.speeds);
    read_raw(table, "descriptors_before", setting.before);
    read_raw(table, "descriptors", setting.after);
    std::vector<EndpointKeys> keys;
    for (Table& endpoint : table.tables("endpoint")) keys.push_back(read_endpoint(endpoint, setting));
    table.finish();
    d_.settings.push_back(std::move(setting));
    endpoint_keys_.push_back(std::move(keys));
  }

  /// Which keys the user gave: defaults of the rest depend on the other endpoints.
  struct FeedbackKeys {
    bool period = false, format = false;
  };
  struct EndpointKeys {
    bool engine = false, function = false, size_mode = false;
    FeedbackKeys full, high;
  };

  EndpointKeys read_endpoint(Table& table, AlternateSetting& setting) {
    Endpoint endpoint;
    EndpointKeys given;
    read_address(table, "address", endpoint.address);
    if (!table.has("type")) table.fail("type", "give the type: \"isochronous\", \"bulk\" or \"interrupt\"");
    if (const auto word = table.word("type", {"isochronous", "bulk", "interrupt"}))
      endpoint.type = static_cast<usb::TransferType>(*word + 1);
    table.read("sync", endpoint.synchronization, detail::synchronization_names);
    table.read("usage", endpoint.usage, detail::usage_names);
    EndpointAtSpeed defaults;
    defaults.interval = endpoint.type == usb::TransferType::bulk ? 0 : 1;
    table.read("interval", defaults.interval);
    table.read("size", defaults.size, 3072);
    given.full = given.high = read_feedback(table, defaults, {});
    if (setting.speeds.full || table.has("fs"))
      endpoint.full = read_at_speed(table, endpoint.type, defaults, given.full, Speed::full);
    if (setting.speeds.high || table.has("hs"))
      endpoint.high = read_at_speed(table, endpoint.type, defaults, given.high, Speed::high);
    read_audio(table, endpoint);
    table.read("function", endpoint.function, detail::function_names);
    table.read("sample_bytes", endpoint.sample_bytes);
    table.read("size_mode", endpoint.size_mode, detail::size_mode_names);
    table.read("engine", endpoint.engine, 15);
    read_raw(table, "descriptors_before", endpoint.before);
    read_raw(table, "descriptors", endpoint.after);
    given.engine = table.has("engine");
    given.function = table.has("function");
    given.size_mode = table.has("size_mode");
    table.finish();
    setting.endpoints.push_back(std::move(endpoint));
    return given;
  }

  void read_audio(Table& table, Endpoint& endpoint) {
    if (!table.has("refresh") && !table.has("synch_address")) return;
    Endpoint::Audio audio;
    table.read("refresh", audio.refresh);
    usb::EndpointAddress synch;
    if (table.has("synch_address") && table.find("synch_address")->is_string())
      read_address(table, "synch_address", synch);
    else
      table.read("synch_address", synch.value);
    audio.synch_address = synch.value;
    endpoint.audio = audio;
  }

  /// fs or hs: a size, a table, or false; bulk has a default.
  std::optional<EndpointAtSpeed> read_at_speed(Table& table, usb::TransferType type, EndpointAtSpeed at,
                                               FeedbackKeys& given, Speed speed) {
    const std::string name = usb::to_string(speed);
    const toml::node* node = table.find(name);
    const bool bulk = type == usb::TransferType::bulk;
    if (bulk) at.max_packet = speed == Speed::high ? 512 : 64;
    const toml::node* size = node;
    if (node == nullptr) {
      if (!bulk) {
        table.fail(name, fmt::format("give the packet size at {} speed, such as 192 or \"2x1024\"; or {} = false",
                                     speed == Speed::high ? "high" : "full", name));
      }
    } else if (const auto there = node->value_exact<bool>(); there && !*there) {
      return std::nullopt;
    } else if (node->is_table()) {
      Table inner = table.table(name);
      size = inner.find("max_packet");
      if (size == nullptr && !bulk) inner.fail("max_packet", "give the packet size, such as 192 or \"2x1024\"");
      inner.read("interval", at.interval);
      inner.read("size", at.size, 3072);
      given = read_feedback(inner, at, given);
      inner.finish();
    }
    if (size != nullptr && !read_packet_size(*size, at)) {
      table.fail(name,
                 "a packet size is 0 to 1024, or \"2x1024\", \"3x1024\" for several in a microframe; a speed at "
                 "which the endpoint does not exist is false");
    }
    return at;
  }

  static FeedbackKeys read_feedback(Table& table, EndpointAtSpeed& at, FeedbackKeys given) {
    table.read("feedback_format", at.feedback_format, detail::feedback_format_names);
    given.format = given.format || table.has("feedback_format");
    const auto frames = table.integer("feedback_period", 1, 32768);
    if (!frames) return given;
    if ((*frames & (*frames - 1)) != 0) table.fail("feedback_period", "a power of two of (micro)frames, 1 to 32768");
    at.feedback_period = 0;
    while ((std::int64_t{1} << at.feedback_period) < *frames) ++at.feedback_period;
    given.period = true;
    return given;
  }

  void finish_endpoints() {
    detail::GivenEngines engines;
    for (std::size_t s = 0; s < d_.settings.size(); ++s) {
      AlternateSetting& setting = d_.settings[s];
      engines.emplace_back();
      for (std::size_t e = 0; e < setting.endpoints.size(); ++e) {
        Endpoint& endpoint = setting.endpoints[e];
        const EndpointKeys& given = endpoint_keys_[s][e];
        if (!given.function) endpoint.function = detail::default_function(setting, endpoint);
        if (!given.size_mode && endpoint.sample_bytes != 0) endpoint.size_mode = SizeMode::sample_clock;
        finish_feedback(endpoint, endpoint.full, given.full, Speed::full);
        finish_feedback(endpoint, endpoint.high, given.high, Speed::high);
        engines.back().push_back(given.engine);
      }
    }
    detail::assign_engines(d_, engines, limits_);
  }

  static void finish_feedback(const Endpoint& endpoint, std::optional<EndpointAtSpeed>& at, FeedbackKeys given,
                              Speed speed) {
    if (!at) return;
    const EndpointAtSpeed said = *at;
    detail::fill_feedback(endpoint, at, speed);
    if (given.period) at->feedback_period = said.feedback_period;
    if (given.format) at->feedback_format = said.feedback_format;
  }

  void read_data() {
    Table table = root_.table("data");
    if (table.raw() == nullptr) return;
    for (const auto& [name, node] : *table.raw()) {
      const std::string key(name.str());
      table.find(key);
      d_.data[key] = read_bytes(source_, table.key(key), node);
    }
  }

  void read_request_type(Table& table, std::uint8_t& type) {
    const toml::node* node = table.find("type");
    if (node == nullptr) return table.fail("type", "give bmRequestType: \"in class interface\" or 0xa1");
    if (!node->is_string()) return table.read("type", type);
    const std::string text = node->value_exact<std::string>().value();
    for (unsigned value = 0; value < 256; ++value) {
      if (detail::request_type_name(static_cast<std::uint8_t>(value)) != text) continue;
      type = static_cast<std::uint8_t>(value);
      return;
    }
    table.fail("type", fmt::format("\"{}\" is no request type; write in or out, then standard, class or vendor, then "
                                   "device, interface, endpoint or other; or a number",
                                   text));
  }

  void read_rule(Table& table) {
    Rule rule;
    table.read("name", rule.name);
    read_request_type(table, rule.request_type);
    if (!table.has("request")) table.fail("request", "give bRequest");
    table.read("request", rule.request);
    // A value that is given has to match as a whole, one that is not given does not matter.
    if (table.has("value")) rule.value_mask = 0xffff;
    if (table.has("index")) rule.index_mask = 0xffff;
    table.read("value", rule.value);
    table.read("value_mask", rule.value_mask);
    table.read("index", rule.index);
    table.read("index_mask", rule.index_mask);
    if (!table.has("action")) table.fail("action", "give one of " + config::quoted_list(actions()));
    table.read("action", rule.action, detail::action_names);
    read_register(table, rule.store_register);
    table.read("data", rule.data);
    if (const toml::node* bytes = table.find("bytes")) {
      if (!rule.data.empty()) table.fail("bytes", "give either data or bytes");
      rule.data = free_data_name();
      d_.data[rule.data] = read_bytes(source_, table.key("bytes"), *bytes);
    }
    table.finish();
    d_.rules.push_back(std::move(rule));
  }

  static std::vector<std::string> actions() {
    return {std::begin(detail::action_names), std::end(detail::action_names)};
  }

  std::string free_data_name() const {
    for (std::size_t i = 1;; ++i)
      if (auto name = fmt::format("bytes_{}", i); !d_.data.contains(name)) return name;
  }

  void read_register(Table& table, std::uint8_t& number) {
    const toml::node* node = table.find("register");
    if (node == nullptr || !node->is_string()) return table.read("register", number);
    const std::string text = node->value_exact<std::string>().value();
    if (const auto named = detail::register_named(text)) {
      number = *named;
    } else {
      table.fail("register", fmt::format("the register \"{}\" has no name here; write its number", text));
    }
  }

  void read_named_descriptor(Table& table) {
    NamedDescriptor named;
    if (!table.has("type")) table.fail("type", "give the descriptor type");
    table.read("type", named.type);
    table.read("index", named.index);
    if (const toml::node* bytes = table.find("bytes")) named.bytes = read_bytes(source_, table.key("bytes"), *bytes);
    read_speeds(table, named.speeds);
    table.finish();
    d_.descriptors.push_back(std::move(named));
  }

  Source source_;
  Table root_;
  const Limits& limits_;
  Description d_;
  std::vector<std::vector<EndpointKeys>> endpoint_keys_;
};

}  // namespace

tl::expected<Description, InputError> parse(std::string_view text, const std::string& file, const Limits& limits) {
  const auto root = config::parse_toml(text, file);
  if (!root) return tl::unexpected(root.error());
  return Reader(*root, file, limits).run();
}

tl::expected<Description, InputError> load(const std::filesystem::path& file, const Limits& limits) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream || std::filesystem::is_directory(file))
    return tl::unexpected(InputError{file.string(), 0, "", "can't be read; give the path of a device description"});
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  return parse(text, file.string(), limits);
}

}  // namespace isochio::description
