// isochio: what a description has to satisfy: chapter 9, the limits of the core, and its own consistency.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "description/detail.h"
#include "usb/descriptors.h"

namespace isochio::description {
namespace {

namespace type = usb::descriptor_type;
using usb::Speed;

class Checker {
 public:
  Checker(const Description& d, const Limits& limits, const detail::Locator& line_of)
      : d_(d), limits_(limits), line_of_(line_of) {}

  tl::expected<void, InputError> run() {
    check_device();
    check_strings();
    check_configuration();
    for (std::size_t s = 0; s < d_.settings.size(); ++s) check_setting(s);
    check_alternates();
    check_together();
    check_named_descriptors();
    for (std::size_t r = 0; r < d_.rules.size(); ++r) check_rule(r);
    if (error_) return tl::unexpected(*error_);
    return {};
  }

 private:
  /// The first problem counts: later ones often follow from it.
  void fail(const std::string& key, std::string message) {
    if (!error_) error_ = InputError{d_.file, line_of_(key), key, std::move(message)};
  }

  void check_device() {
    if (!d_.speeds.full) fail("device", "every device works at full speed too");
    if (d_.speeds.high && d_.usb_version < 0x0200)
      fail("device.usb_version", "a high-speed capable device says 0x0200 or more; or set high_speed = false");
    if (d_.test_requests && *d_.test_requests == 0xff)
      fail("device.test_requests", "the two requests take this number and the next; use 0 to 254");
    const std::uint32_t rate = d_.sample_rate;
    const bool coded =
        rate != 0 && ((rate % 8000 == 0 && rate / 8000 < 128) || (rate % 11025 == 0 && rate / 11025 < 128));
    if (!coded) {
      fail("device.sample_rate",
           fmt::format(
               "{} is not a multiple of 8000 or 11025 Hz up to 1016000; set another rate at run time through the "
               "register SAMPLE_RATE",
               rate));
    }
  }

  void check_strings() {
    for (const auto& [index, text] : d_.strings) {
      const std::string key = fmt::format("strings.{}", index);
      const auto units = detail::utf16(text);
      if (index == 0) fail(key, "index 0 is the language list; strings have 1 to 255");
      if (!units) fail(key, "this is not UTF-8");
      if (units && (units->empty() || units->size() > 126)) fail(key, "a string has 1 to 126 UTF-16 units");
    }
    check_string("device.manufacturer", d_.manufacturer);
    check_string("device.product", d_.product);
    check_string("device.serial", d_.serial);
    check_string("configuration.name", d_.configuration_name);
  }

  void check_string(const std::string& key, std::uint8_t index) {
    if (index != 0 && !d_.strings.contains(index))
      fail(key, fmt::format("there is no string {}; add it under [strings]", index));
  }

  void check_configuration() {
    if (d_.configuration_value == 0) fail("configuration.value", "0 means not configured; use 1 to 255");
    if (d_.max_power_ma > 500 || d_.max_power_ma % 2 != 0)
      fail("configuration.max_power_ma", "an even number from 0 to 500");
    check_raw("configuration.descriptors", d_.configuration);
    if (d_.settings.empty()) fail("interface", "a device has at least one interface; add [[interface]]");
  }

  void check_raw(const std::string& key, const std::vector<RawDescriptors>& raws) {
    for (std::size_t i = 0; i < raws.size(); ++i) {
      const std::string here = fmt::format("{}[{}]", key, i);
      if (raws[i].bytes.empty()) fail(here, "there are no bytes");
      usb::DescriptorWalker walker(raws[i].bytes);
      while (const auto view = walker.next()) {
        const std::uint8_t t = view->type();
        if (t == type::device || t == type::configuration || t == type::interface || t == type::endpoint)
          fail(here, fmt::format("a descriptor of type {} is not written as bytes; it follows from the other keys", t));
      }
      if (walker.error()) fail(here, fmt::format("at byte {}: {}", walker.error()->offset, walker.error()->message));
    }
  }

  void check_setting(std::size_t s) {
    const AlternateSetting& setting = d_.settings[s];
    const std::string key = detail::key_of(s);
    if (setting.interface > 7) fail(key + ".number", "the core has interfaces 0 to 7");
    if (setting.alternate > 15) fail(key + ".alternate", "the core has alternate settings 0 to 15");
    if (!setting.speeds.full && !setting.speeds.high) fail(key + ".speeds", "it exists at neither speed");
    if (setting.speeds.high && !d_.speeds.high)
      fail(key + ".speeds", "the device is not high-speed capable (device.high_speed)");
    check_string(key + ".name", setting.name);
    check_raw(key + ".descriptors_before", setting.before);
    check_raw(key + ".descriptors", setting.after);
    for (std::size_t e = 0; e < setting.endpoints.size(); ++e) check_endpoint(s, e);
  }

  void check_endpoint(std::size_t s, std::size_t e) {
    const AlternateSetting& setting = d_.settings[s];
    const Endpoint& endpoint = setting.endpoints[e];
    const std::string key = detail::key_of(s, e);
    if (endpoint.address.number() == 0 || (endpoint.address.value & 0x70U) != 0)
      fail(key + ".address", "endpoint numbers are 1 to 15, with bit 7 for IN: \"IN 1\" or 0x81");
    if (!endpoint.full && !endpoint.high) fail(key, "it exists at neither speed; give fs or hs");
    if (endpoint.full && !setting.speeds.full) fail(key + ".fs", "its interface does not exist at full speed");
    if (endpoint.high && !setting.speeds.high) fail(key + ".hs", "its interface does not exist at high speed");
    for (const Speed speed : {Speed::full, Speed::high})
      if (endpoint.at(speed)) check_size(key, setting, endpoint, speed);
    check_function(key, endpoint);
    check_raw(key + ".descriptors_before", endpoint.before);
    check_raw(key + ".descriptors", endpoint.after);
    check_engine(key, endpoint);
  }

  void check_size(const std::string& endpoint_key, const AlternateSetting& setting, const Endpoint& endpoint,
                  Speed speed) {
    const std::string key = endpoint_key + "." + usb::to_string(speed);
    const EndpointAtSpeed& here = *endpoint.at(speed);
    const auto problem = usb::packet_size_problem(endpoint.type, speed, here.max_packet, here.transactions);
    if (!problem.empty()) fail(key, problem);
    const auto interval = usb::interval_problem(endpoint.type, speed, here.interval);
    if (!interval.empty()) fail(key + ".interval", interval);
    if (endpoint.type == usb::TransferType::isochronous && setting.alternate == 0 && here.max_packet != 0) {
      fail(key,
           "alternate setting 0 may not reserve isochronous bandwidth (USB 2.0 section 5.6.3); put the endpoint into "
           "alternate 1 and leave 0 without it");
    }
    const bool bulk = endpoint.type == usb::TransferType::bulk;
    const unsigned capacity = unsigned{here.max_packet} * (bulk ? 1U : here.transactions);
    if (here.size > capacity)
      fail(key + ".size", fmt::format("{} bytes, but the endpoint carries {}", here.size, capacity));
    if (here.feedback_period > 15) fail(key + ".feedback_period", "at most 32768 (micro)frames");
    const unsigned feedback_bytes = here.feedback_format == FeedbackFormat::q16_16 ? 4 : 3;
    if (endpoint.function == Function::feedback && here.max_packet < feedback_bytes)
      fail(key, fmt::format("a feedback value takes {} bytes", feedback_bytes));
  }

  void check_function(const std::string& key, const Endpoint& endpoint) {
    if (endpoint.type == usb::TransferType::control) fail(key + ".type", "isochronous, bulk or interrupt");
    if (endpoint.function == Function::feedback && !endpoint.address.is_in())
      fail(key + ".function", "only an IN endpoint sends feedback");
    if (endpoint.size_mode == SizeMode::sample_clock && endpoint.sample_bytes == 0)
      fail(key + ".sample_bytes", "sizes that follow the sample clock need the bytes of one sample of all channels");
  }

  void check_engine(const std::string& key, const Endpoint& endpoint) {
    const bool in = endpoint.address.is_in();
    const unsigned limit = std::min(in ? limits_.in_engines : limits_.out_engines, 16U);
    if (endpoint.engine == detail::no_engine) {
      fail(key, fmt::format("more than {} {} endpoints can be open at once, but the core is built with {} {} engines",
                            limit, in ? "IN" : "OUT", limit, in ? "IN" : "OUT"));
    } else if (endpoint.engine >= limit) {
      fail(key + ".engine",
           fmt::format("the core is built with {} {} engines, 0 to {}", limit, in ? "IN" : "OUT", limit - 1));
    }
  }

  void check_alternates() {
    for (const Speed speed : {Speed::full, Speed::high}) {
      std::map<std::uint8_t, std::set<std::uint8_t>> alternates;
      for (std::size_t s = 0; s < d_.settings.size(); ++s) {
        const AlternateSetting& setting = d_.settings[s];
        if (!setting.speeds.at(speed)) continue;
        if (!alternates[setting.interface].insert(setting.alternate).second) {
          fail(detail::key_of(s), fmt::format("alternate setting {} of interface {} is there twice", setting.alternate,
                                              setting.interface));
        }
      }
      for (const auto& [interface, numbers] : alternates) {
        if (*numbers.rbegin() + 1U == numbers.size()) continue;
        for (std::size_t s = 0; s < d_.settings.size(); ++s) {
          if (d_.settings[s].interface != interface || d_.settings[s].alternate != *numbers.rbegin()) continue;
          fail(detail::key_of(s) + ".alternate",
               fmt::format("alternate settings of interface {} are numbered 0, 1, 2 … without gaps at {} speed",
                           interface, speed == Speed::high ? "high" : "full"));
        }
      }
    }
  }

  /// Endpoints that can be open at once share neither address nor engine.
  void check_together() {
    struct Place {
      std::size_t s, e;
    };
    std::vector<Place> seen;
    for (std::size_t s = 0; s < d_.settings.size(); ++s) {
      for (std::size_t e = 0; e < d_.settings[s].endpoints.size(); ++e) {
        const Endpoint& endpoint = d_.settings[s].endpoints[e];
        for (const Place& other : seen) {
          const Endpoint& earlier = d_.settings[other.s].endpoints[other.e];
          if (!detail::active_together(d_.settings[s], endpoint, d_.settings[other.s], earlier)) continue;
          check_pair(detail::key_of(s, e), endpoint, detail::key_of(other.s, other.e), earlier);
        }
        seen.push_back({s, e});
      }
    }
  }

  void check_pair(const std::string& key, const Endpoint& endpoint, const std::string& other_key,
                  const Endpoint& other) {
    if (endpoint.address == other.address) {
      fail(key + ".address", fmt::format("endpoint {} is already that of {}, and both can be open at once; use another "
                                         "number",
                                         detail::address_name(endpoint.address), other_key));
    } else if (endpoint.engine == other.engine && endpoint.address.is_in() == other.address.is_in()) {
      fail(key + ".engine",
           fmt::format("engine {} is already that of {}, and both can be open at once; leave engine out "
                       "to have one assigned",
                       endpoint.engine, other_key));
    }
  }

  void check_named_descriptors() {
    for (std::size_t i = 0; i < d_.descriptors.size(); ++i) {
      const NamedDescriptor& named = d_.descriptors[i];
      const std::string key = fmt::format("descriptor[{}]", i);
      if (named.type <= type::string || named.type == type::device_qualifier ||
          named.type == type::other_speed_configuration)
        fail(key + ".type", "device, configuration, string and qualifier descriptors follow from the other keys");
      if (named.bytes.empty()) fail(key + ".bytes", "there are no bytes");
      for (std::size_t k = 0; k < i; ++k) {
        const NamedDescriptor& other = d_.descriptors[k];
        if (other.type == named.type && other.index == named.index && other.speeds.overlap(named.speeds))
          fail(key, fmt::format("descriptor[{}] has the same type and index", k));
      }
    }
  }

  void check_rule(std::size_t r) {
    const Rule& rule = d_.rules[r];
    const std::string key = fmt::format("request[{}]", r);
    const bool in = (rule.request_type & 0x80U) != 0;
    const bool wants_in = rule.action == Action::answer || rule.action == Action::log;
    if ((wants_in && !in) || (rule.action == Action::store && in)) {
      fail(key + ".action",
           fmt::format("\"{}\" needs an {} request, but the type is {:#04x}",
                       detail::action_names[detail::index_of(rule.action)], in ? "OUT" : "IN", rule.request_type));
    }
    const bool has_data = rule.action == Action::answer || rule.action == Action::store;
    const auto data = d_.data.find(rule.data);
    if (has_data && data == d_.data.end())
      fail(key + ".data", "say which bytes: data = \"name\" with the name under [data], or bytes = \"…\"");
    if (!has_data && !rule.data.empty()) fail(key + ".data", "only answer and store have bytes");
    if (has_data && data != d_.data.end() && data->second.size() > limits_.image_bytes)
      fail(key + ".data", fmt::format("{} bytes do not fit into an image", data->second.size()));
    if (rule.store_register != 0 && rule.action != Action::store)
      fail(key + ".register", "only a store writes a register");
    check_clash(key, rule);
  }

  void check_clash(const std::string& key, const Rule& rule) {
    if (!d_.test_requests) return;
    const bool vendor = (rule.request_type & 0x60U) == 0x40U && (rule.request_type & 0x1fU) <= 1U;
    const bool registers = rule.request == *d_.test_requests;
    const bool log = rule.request == *d_.test_requests + 1 && (rule.request_type & 0x80U) != 0;
    if (vendor && (registers || log)) {
      fail(key + ".request",
           fmt::format("bRequest {:#04x} is taken by the test requests; set device.test_requests to another number (it "
                       "takes that and the next), or to false",
                       rule.request));
    }
  }

  const Description& d_;
  const Limits& limits_;
  const detail::Locator& line_of_;
  std::optional<InputError> error_;
};

}  // namespace

tl::expected<void, InputError> detail::check_located(const Description& d, const Limits& limits,
                                                     const Locator& line_of) {
  return Checker(d, limits, line_of).run();
}

tl::expected<void, InputError> check(const Description& d, const Limits& limits) {
  return detail::check_located(d, limits, [](const std::string&) { return 0; });
}

}  // namespace isochio::description
