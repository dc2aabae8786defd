// isochio: a description as a page for people, for a terminal.
#include <algorithm>
#include <array>
#include <iterator>

#include <fmt/format.h>

#include "description/detail.h"
#include "usb/descriptors.h"

namespace isochio::description {
namespace {

using usb::Speed;

/// Columns as wide as their widest cell.
class Columns {
 public:
  explicit Columns(std::vector<std::string> head) { add(std::move(head)); }
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }

  std::string text(std::string_view indent) const {
    std::vector<std::size_t> widths(rows_.front().size());
    for (const auto& row : rows_)
      for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], length(row[c]));
    std::string out;
    for (const auto& row : rows_) {
      std::string line(indent);
      for (std::size_t c = 0; c < row.size(); ++c) line += row[c] + std::string(widths[c] - length(row[c]) + 2, ' ');
      line.erase(line.find_last_not_of(' ') + 1);
      out += line + "\n";
    }
    return out;
  }

 private:
  /// Characters of UTF-8.
  static std::size_t length(const std::string& text) {
    return static_cast<std::size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
  }

  std::vector<std::vector<std::string>> rows_;
};

std::string time(unsigned microseconds) {
  return microseconds % 1000 == 0 ? fmt::format("{} ms", microseconds / 1000) : fmt::format("{} µs", microseconds);
}

std::string at_speed(const Endpoint& endpoint, Speed speed) {
  if (!endpoint.at(speed)) return "-";
  const EndpointAtSpeed& here = *endpoint.at(speed);
  std::string text = detail::size_name(here) + " B";
  const unsigned unit = speed == Speed::high ? 125 : 1000;
  if (endpoint.type != usb::TransferType::bulk)
    text += " / " + time(unit << usb::interval_log2(endpoint.type, here.interval, speed));
  if (here.size != 0) text += fmt::format(", sends {} B", here.size);
  if (endpoint.function == Function::feedback) {
    text += fmt::format(", {} over {}", detail::feedback_format_names[detail::index_of(here.feedback_format)],
                        time(unit << here.feedback_period));
  }
  return text;
}

std::string kind(const Endpoint& endpoint) {
  std::string text = detail::type_names[detail::index_of(endpoint.type)];
  if (endpoint.synchronization != Synchronization::none)
    text += fmt::format(", {}", detail::synchronization_names[detail::index_of(endpoint.synchronization)]);
  if (endpoint.usage != Usage::data) text += fmt::format(", {}", detail::usage_names[detail::index_of(endpoint.usage)]);
  return text;
}

std::string function(const Endpoint& endpoint) {
  std::string text = detail::function_names[detail::index_of(endpoint.function)];
  if (endpoint.size_mode == SizeMode::sample_clock) text += fmt::format(", {} B a sample", endpoint.sample_bytes);
  if (endpoint.size_mode == SizeMode::list) text += ", sizes from a list";
  return text;
}

std::string class_text(std::uint8_t code, std::uint8_t subclass, std::uint8_t protocol) {
  const std::string name = detail::class_name(code);
  return fmt::format("{}{:02x}/{:02x}/{:02x}", name.empty() ? "" : name + " ", code, subclass, protocol);
}

std::string bcd(unsigned value) { return fmt::format("{:x}.{:02x}", value >> 8U, value & 0xffU); }

class Page {
 public:
  explicit Page(const Description& d) : d_(d) {}

  std::string run() {
    out_ = fmt::format("{}\n", d_.name.empty() ? text_of(d_.product, "a device") : d_.name);
    device();
    std::vector<std::uint8_t> done;
    for (const AlternateSetting& setting : d_.settings) {
      if (std::find(done.begin(), done.end(), setting.interface) != done.end()) continue;
      done.push_back(setting.interface);
      interface(setting);
    }
    requests();
    for (const std::string& note : d_.notes) out_ += fmt::format("\nnote: {}", note);
    if (!d_.notes.empty()) out_ += "\n";
    return std::move(out_);
  }

 private:
  std::string text_of(std::uint8_t index, const char* none) const {
    const auto found = d_.strings.find(index);
    return found == d_.strings.end() ? none : found->second;
  }

  void device() {
    const auto row = [&](const char* name, const std::string& value) {
      out_ += fmt::format("  {:<14}{}\n", name, value);
    };
    if (!d_.file.empty()) row("file", d_.file);
    row("identity", fmt::format("{:04x}:{:04x} version {}", d_.vendor_id, d_.product_id, bcd(d_.device_version)));
    row("USB", fmt::format("{}, {}", bcd(d_.usb_version), d_.speeds.high ? "full and high speed" : "full speed only"));
    row("class", class_text(d_.class_code, d_.subclass, d_.protocol));
    if (d_.manufacturer != 0) row("manufacturer", text_of(d_.manufacturer, "?"));
    if (d_.product != 0) row("product", text_of(d_.product, "?"));
    if (d_.serial != 0) row("serial", text_of(d_.serial, "?"));
    row("power", fmt::format("{} mA from the bus{}{}", d_.max_power_ma, d_.self_powered ? ", self-powered" : "",
                             d_.remote_wakeup ? ", remote wake-up" : ""));
    row("configuration",
        fmt::format(
            "{}{}, {} bytes at full speed{}", d_.configuration_value,
            d_.configuration_name == 0 ? "" : fmt::format(" {}", text_of(d_.configuration_name, "?")),
            configuration_descriptor(d_, Speed::full).size(),
            d_.speeds.high ? fmt::format(", {} at high speed", configuration_descriptor(d_, Speed::high).size()) : ""));
    row("sample clock",
        fmt::format("{} Hz, {}", d_.sample_rate, d_.asynchronous_clock ? "the device's own" : "locked to the frames"));
    const auto image = compile_image(d_);
    row("image", image ? fmt::format("{} bytes", image->size()) : image.error().message);
  }

  void interface(const AlternateSetting& first) {
    out_ += fmt::format("\nInterface {}  {}{}\n", first.interface,
                        class_text(first.class_code, first.subclass, first.protocol),
                        first.name == 0 ? "" : fmt::format("  {}", text_of(first.name, "?")));
    Columns table({"alternate", "endpoint", "type", "full speed", "high speed", "function", "engine"});
    if (!d_.speeds.high) table = Columns({"alternate", "endpoint", "type", "full speed", "function", "engine"});
    for (const AlternateSetting& setting : d_.settings) {
      if (setting.interface != first.interface) continue;
      std::string alternate = fmt::format("{}", setting.alternate);
      if (!(setting.speeds == d_.speeds)) alternate += fmt::format(" ({})", detail::speeds_name(setting.speeds));
      if (setting.name != first.name) alternate += fmt::format(" {}", text_of(setting.name, ""));
      if (setting.endpoints.empty()) table.add({alternate, "none"});
      for (const Endpoint& endpoint : setting.endpoints) {
        std::vector<std::string> row{alternate, detail::address_name(endpoint.address), kind(endpoint),
                                     at_speed(endpoint, Speed::full)};
        if (d_.speeds.high) row.push_back(at_speed(endpoint, Speed::high));
        row.push_back(function(endpoint));
        row.push_back(fmt::format("{} {}", endpoint.address.is_in() ? "IN" : "OUT", endpoint.engine));
        table.add(std::move(row));
        alternate.clear();
      }
    }
    out_ += table.text("  ");
  }

  static std::string match(std::uint16_t value, std::uint16_t mask) {
    if (mask == 0) return "any";
    return mask == 0xffff ? fmt::format("{:04x}", value) : fmt::format("{:04x} & {:04x}", value, mask);
  }

  void requests() {
    const auto rules = d_.all_rules();
    if (rules.empty()) return;
    out_ += "\nRequests beyond chapter 9\n";
    Columns table({"type", "request", "value", "index", "action", ""});
    for (const Rule& rule : rules) {
      std::string action = detail::action_names[detail::index_of(rule.action)];
      if (const auto data = d_.data.find(rule.data); data != d_.data.end()) {
        constexpr std::size_t shown = 8;
        const std::size_t bytes = data->second.size();
        action += fmt::format(" {}: {}{}", rule.data,
                              detail::hex_bytes(std::span(data->second).first(std::min(bytes, shown))),
                              bytes > shown ? fmt::format(" … ({} bytes)", bytes) : "");
      }
      if (rule.store_register != 0) {
        const std::string name = detail::register_name(rule.store_register);
        action += fmt::format(" → register {}", name.empty() ? fmt::format("{:#04x}", rule.store_register) : name);
      }
      const std::string type = detail::request_type_name(rule.request_type);
      table.add({type.empty() ? fmt::format("{:02x}", rule.request_type) : type, fmt::format("{:02x}", rule.request),
                 match(rule.value, rule.value_mask), match(rule.index, rule.index_mask), action, rule.name});
    }
    out_ += table.text("  ");
  }

  const Description& d_;
  std::string out_;
};

}  // namespace

std::string page(const Description& description) { return Page(description).run(); }

}  // namespace isochio::description
