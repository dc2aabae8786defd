#include "explore/generate.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "description/description.h"
#include "explore/trouble.h"
#include "scenario/catalogue.h"

namespace isochio::explore {

tl::expected<std::vector<Setting>, std::string> settings_of(const std::vector<std::string>& devices) {
  std::vector<Setting> all;
  for (const auto& name : devices) {
    const auto file = scenario::find(scenario::Shelf::devices, name);
    if (!file) return tl::unexpected(file.error().to_string());
    const auto device = description::load(*file);
    if (!device) return tl::unexpected(device.error().to_string());
    for (const auto speed : {usb::Speed::full, usb::Speed::high})
      for (const auto& setting : device->settings) {
        Setting one{name, speed, setting.alternate, {}, 1};
        for (const auto& endpoint : setting.endpoints) {
          const bool data = endpoint.type == usb::TransferType::isochronous &&
                            endpoint.usage == description::Usage::data && endpoint.at(speed);
          if (!data || setting.interface != 0) continue;
          one.endpoints.push_back(endpoint.config(speed));
          one.b_interval = endpoint.at(speed)->interval;
        }
        if (!one.endpoints.empty() && device->speeds.at(speed)) all.push_back(std::move(one));
      }
  }
  return all;
}

namespace {

/// One scenario in the making.
class Maker {
 public:
  Maker(Random& random, const std::vector<Setting>& settings, const Aim& aim)
      : random_(random), settings_(settings), aim_(aim) {}

  Document make();

 private:
  const std::string* aim(std::string_view dimension) const {
    const auto found = aim_.find(dimension);
    return found == aim_.end() ? nullptr : &found->second;
  }
  bool aims(std::string_view dimension, std::string_view value) const {
    const auto* wanted = aim(dimension);
    return wanted != nullptr && *wanted == value;
  }

  void choose_profile();
  void choose_setting();
  void choose_streams();
  void write_head();
  void write_stream(const usb::EndpointConfig& endpoint, bool main);
  void write_sizes(const usb::EndpointConfig& endpoint, bool main, Section& stream);
  void write_start(const usb::EndpointConfig& endpoint, bool main, Section& stream);
  std::uint64_t depth(bool main);
  std::uint64_t lead();
  void write_controller();
  void write_options();
  void write_troubles();
  void sharpen(Section& fault);
  void spare_sequences();
  /// Something that is known to lead to the status that is aimed at.
  void provoke(const std::string& status);

  Random& random_;
  const std::vector<Setting>& settings_;
  const Aim& aim_;
  Document document_;
  std::string profile_ = "neutral";
  std::vector<std::string> troubles_;
  const Setting* setting_ = nullptr;
  Circumstances now_;
  std::uint64_t step_ = 1, per_request_ = 4;  ///< frames
  bool detailed_ = false, underrun_ = false, small_request_ = false, short_size_ = false, near_ = false, far_ = false;
  bool past_ = false, few_entries_ = false, few_requests_ = false, no_zero_ = false;
};

/// Controllers drive the speeds that docs/profiles.md says.
void Maker::choose_profile() {
  std::vector<std::string> names{"neutral", "xhci", "ehci", "ohci", "uhci"};
  if (aims("speed", "fs")) std::erase(names, "ehci");
  const auto* transactions = aim("transactions");
  if (aims("speed", "hs") || (transactions != nullptr && *transactions != "1"))
    std::erase_if(names, [](const auto& name) { return name == "ohci" || name == "uhci"; });
  profile_ = random_.one_of(names);
  if (const auto* wanted = aim("profile"); wanted != nullptr && std::ranges::find(names, *wanted) != names.end())
    profile_ = *wanted;
}

void Maker::choose_setting() {
  const bool only_high = profile_ == "ehci", only_full = profile_ == "ohci" || profile_ == "uhci";
  const auto fits = [&](const Setting& s, bool strictly) {
    const bool high = s.speed == usb::Speed::high;
    if ((only_high && !high) || (only_full && high)) return false;
    if (!strictly) return true;
    const auto* interval = aim("interval");
    const auto* transactions = aim("transactions");
    const auto has = [&](const usb::EndpointConfig& e) {
      return (!aims("direction", "in") || e.address.is_in()) && (!aims("direction", "out") || !e.address.is_in()) &&
             (transactions == nullptr || *transactions == std::to_string(e.transactions));
    };
    return (!aims("speed", "fs") || !high) && (!aims("speed", "hs") || high) &&
           (interval == nullptr || *interval == (s.b_interval < 5 ? std::to_string(s.b_interval) : "5+")) &&
           std::ranges::any_of(s.endpoints, has);
  };
  for (const bool strictly : {true, false}) {
    std::vector<const Setting*> usable;
    for (const auto& one : settings_)
      if (fits(one, strictly)) usable.push_back(&one);
    if (usable.empty()) continue;
    setting_ = random_.one_of(usable);
    break;
  }
  now_.speed = setting_->speed;
  now_.alternate = setting_->alternate;
  const auto& first = setting_->endpoints.front();
  step_ = std::max<std::uint64_t>(1, first.interval / (now_.speed == usb::Speed::high ? 8U : 1U));
  per_request_ = step_ * random_.one_of({1, 1, 2, 2, 4, 4, 8});
}

void Maker::choose_streams() {
  auto endpoints = setting_->endpoints;
  const auto wanted = aims("direction", "in") ? 1 : aims("direction", "out") ? 2 : 0;
  if (endpoints.size() > 1 && random_.chance(60)) {
    const bool in = wanted == 1 || (wanted == 0 && random_.chance(50));
    std::erase_if(endpoints, [&](const auto& endpoint) { return endpoint.address.is_in() != in; });
  }
  now_.endpoints = endpoints;
  for (const auto& endpoint : endpoints) now_.streams.emplace_back(endpoint.address.is_in() ? "in" : "out");
}

void Maker::provoke(const std::string& status) {
  detailed_ = status == "crc_error" || status == "bit_stuff" || status == "pid_check" || status == "wrong_pid";
  underrun_ = short_size_ = status == "underrun";
  small_request_ = status == "overrun";
  near_ = status == "refused_too_old";
  far_ = status == "refused_too_new";
  past_ = status == "missed";
  few_entries_ = status == "refused_bad_argument";
  few_requests_ = status == "refused_no_resources";
  const auto trouble = status == "crc_error" || status == "pid_check" ? "bit_error"
                       : status == "bit_stuff"                        ? "stuffing_error"
                       : status == "wrong_pid"                        ? "wrong_pid"
                       : status == "not_responding"                   ? "no_answer"
                       : status == "aborted"                          ? "abort"
                                                                      : "";
  if (*trouble != '\0') troubles_.emplace_back(trouble);
}

void Maker::write_head() {
  // Long enough for a few requests, short enough for many runs.
  if (few_entries_) per_request_ = std::max(per_request_, 2 * step_);
  now_.frames = std::max<std::uint64_t>(random_.between(8, 40), 3 * per_request_);
  now_.frames = (now_.frames + step_ - 1) / step_ * step_;
  auto& head = document_.head();
  if (now_.speed == usb::Speed::full) head.word("speed", "fs");
  head.word("device", setting_->device);
  head.set("frames", now_.frames);
  head.set("seed", random_.between(1, 1'000'000));
}

std::uint64_t Maker::depth(bool main) {
  const auto* wanted = main ? aim("depth") : nullptr;
  if (wanted == nullptr) return random_.one_of({1, 2, 3, 4, 8, 8, 16});
  if (*wanted == "3-7") return random_.between(3, 7);
  return *wanted == "8+" ? random_.one_of({8, 16, 64}) : *wanted == "2" ? 2U : 1U;
}

std::uint64_t Maker::lead() {
  if (near_ || past_) return 0;
  if (far_) return random_.between(1025, 1500);
  switch (random_.below(10)) {
    case 0:
      return random_.below(3);
    case 1:
      return random_.between(890, 900);
    case 2:
      return random_.between(1020, 1030);
    default:
      return random_.between(2, 12);
  }
}

void Maker::write_sizes(const usb::EndpointConfig& endpoint, bool main, Section& stream) {
  const std::uint32_t capacity = endpoint.capacity();
  static const std::vector<std::string> classes{"full", "full", "part", "empty", "varying"};
  auto size = random_.one_of(classes);
  if (const auto* wanted = aim("size"); wanted != nullptr && main) size = *wanted;
  if (short_size_ && main) size = "part";
  const bool small = endpoint.address.is_in() && ((small_request_ && main) || random_.chance(8));
  if (small) {
    stream.set("request", random_.between(1, std::max(1U, capacity / 2)));
    stream.word("payload", "mod63");  // a packet of the pattern that is cut is damaged
  }
  if (size == "part") stream.set("size", random_.between(1, capacity - 1));
  // Nothing at all is written as a list: size = 0 is all that the endpoint can carry.
  if (size == "empty") stream.set("sizes", "[0]");
  if (size != "varying") return;
  // The most samples a second that the endpoint can carry, one byte each.
  const std::uint64_t most =
      std::uint64_t{capacity - 1} * (now_.speed == usb::Speed::high ? 8000 : 1000) / endpoint.interval;
  if (random_.chance(30)) {
    const auto audio = random_.one_of<std::uint64_t>({8000, 44'100, 48'000});
    stream.set("sample_rate", audio <= most ? audio : random_.between(1, most));
    stream.set("sample_bytes", 1);
    return;
  }
  std::vector<std::uint64_t> list(random_.between(2, 5));
  for (auto& one : list) one = random_.chance(25) ? 0 : random_.between(1, capacity);
  stream.set("sizes", fmt::format("[{}]", fmt::join(list, ", ")));
}

void Maker::write_start(const usb::EndpointConfig& endpoint, bool main, Section& stream) {
  const bool asks = main && aim("start") != nullptr;
  const auto start =
      asks ? *aim("start") : random_.one_of<std::string>({"explicit", "explicit", "explicit", "gaps", "zero", "sync"});
  if (start == "gaps") stream.set("gap", step_ * random_.between(1, 4));
  if (start == "zero" && asks && near_) no_zero_ = true;
  if (start == "zero" && asks && past_) troubles_.emplace_back("suspend");
  if (start == "zero" && (asks || !(near_ || far_ || past_))) {
    stream.word("start", "zero");
    if (!endpoint.address.is_in()) stream.word("payload", random_.one_of({"zeros", "mod63"}));
  }
  const auto* fault = aim("fault");
  const bool event = (fault != nullptr && is_event(*fault)) || aims("status", "aborted");
  if (start == "sync" && !now_.synchronous && !event) {
    stream.word("mode", "sync");
    now_.synchronous = true;
  } else if (const auto deep = depth(main); deep != 8) {
    stream.set("depth", deep);
  }
}

void Maker::write_stream(const usb::EndpointConfig& endpoint, bool main) {
  auto& stream = document_.add("stream");
  if (now_.alternate != 1) stream.set("alternate", now_.alternate);
  stream.word("endpoint", endpoint.address.is_in() ? "in" : "out");
  write_start(endpoint, main, stream);
  if (stream.find("payload") == nullptr && random_.chance(15))
    stream.word("payload", random_.one_of({"zeros", "mod63"}));
  write_sizes(endpoint, main, stream);
  if (per_request_ != 4) stream.set("frames_per_request", per_request_);
  const auto ahead = lead();
  if (ahead != 4) stream.set("lead", ahead);
}

void Maker::write_controller() {
  auto& controller = document_.table("controller");
  if (profile_ != "neutral") controller.word("profile", profile_);
  if (past_) controller.set("accept_past_frames", "true");
  if (few_requests_) controller.set("pipe_depth", 1);
  // Numbers near the places where counters of 11, 14 and 16 bits wrap.
  if (random_.chance(40))
    controller.set("first_frame", random_.one_of({2030, 2040, 16'370, 65'500}) + random_.below(20));
  if (!random_.chance(25)) return;
  switch (random_.below(6)) {
    case 0:
      return controller.set("keep_away_frames", random_.between(0, 6));
    case 1:
      return controller.set("threshold_microframes", random_.between(0, 20));
    case 2:
      return controller.set("horizon_frames", random_.between(4, 2000));
    case 3:
      return controller.set("accept_past_frames", random_.one_of({"true", "false"}));
    case 4:
      return controller.set("pipe_depth", random_.between(1, 4));
    default:
      return controller.set("ring_events", "true");
  }
}

void Maker::write_options() {
  auto& options = document_.table("driverkit");
  if (no_zero_) options.word("zero_start", "too_old");
  if (detailed_) options.word("wire_errors", "detailed");
  if (underrun_) options.word("short_in", "underrun");
  if (few_entries_) options.set("max_entries", 1);
  if (!random_.chance(25)) return;
  switch (random_.below(8)) {
    case 0:
      return options.word("short_in", random_.one_of({"success", "underrun"}));
    case 1:
      return options.word("missed_entry", random_.one_of({"not_sent", "overrun", "not_sent_2"}));
    case 2:
      return options.word("zero_start", random_.one_of({"next_frame", "too_old"}));
    case 3:
      return options.word("late_request", random_.one_of({"accumulated", "iso_too_old"}));
    case 4:
      return options.word("wire_errors", random_.one_of({"not_responding", "detailed"}));
    case 5:
      return options.word("overall_status", random_.one_of({"accumulated", "overrun_on_short", "always_overrun"}));
    case 6:
      return options.word("explicit_on_continuous", random_.one_of({"accepted", "bad_argument"}));
    default:
      return options.set("max_entries", random_.between(4, 64));
  }
}

void Maker::write_troubles() {
  if (const auto* wanted = aim("fault"); wanted != nullptr && *wanted != "none") troubles_ = {*wanted};
  const bool aimed = aim("fault") != nullptr || !troubles_.empty();
  if (!aimed) {
    const auto how_many = random_.one_of({0, 1, 1, 1, 2});
    for (int i = 0; i < how_many; ++i) troubles_.push_back(random_.one_of(troubles()));
  }
  std::ranges::sort(troubles_);
  troubles_.erase(std::unique(troubles_.begin(), troubles_.end()), troubles_.end());
  bool has_event = false;
  for (const auto& one : troubles_)
    if (possible(one, now_) && !(is_event(one) && std::exchange(has_event, true)))
      add_trouble(one, now_, random_, document_);
  sharpen(document_.sections.back());
}

/// A fault that is meant to lead to a status strikes a packet of the device, in the place that does, from the
/// beginning.
void Maker::sharpen(Section& fault) {
  const auto* status = aim("status");
  if (status == nullptr || fault.name != "fault" || fault.find("endpoint") == nullptr) return;
  const auto has_in = std::ranges::find(now_.streams, "in") != now_.streams.end();
  const auto is = [&](const char* kind) { return *fault.find("kind") == '"' + std::string(kind) + '"'; };
  if (has_in) fault.word("endpoint", "in");
  if (fault.find("from") != nullptr && has_in) fault.word("from", "device");
  if (fault.find("frame") != nullptr) fault.set("frame", 0);
  if (fault.find("packet") != nullptr) fault.word("packet", "data");
  if (is("bit_error")) fault.word("place", *status == "crc_error" ? "crc" : *status == "pid_check" ? "pid" : "sync");
  if (is("wrong_pid") && *status == "wrong_pid") fault.word("pid", now_.speed == usb::Speed::full ? "data2" : "data1");
  if (is("wrong_pid") && *status == "pid_check") fault.word("pid", "ack");
}

/// What an OUT stream plans for frames that pass without it is lost to the pattern's sequence, as it should be: where
/// that can happen, bytes without a sequence are sent.
void Maker::spare_sequences() {
  bool may_lose = false;
  for (const auto& section : document_.sections)
    may_lose = may_lose || section.name == "event" || section.find("accept_past_frames") != nullptr;
  if (!may_lose && (profile_ == "neutral" || profile_ == "xhci")) return;
  for (auto& section : document_.sections) {
    const auto* endpoint = section.name == "stream" ? section.find("endpoint") : nullptr;
    if (endpoint != nullptr && *endpoint == "\"out\"" && section.find("payload") == nullptr)
      section.word("payload", "mod63");
  }
}

Document Maker::make() {
  choose_profile();
  if (const auto* status = aim("status")) provoke(*status);
  choose_setting();
  choose_streams();
  write_head();
  bool main = true;
  for (const auto& endpoint : now_.endpoints) {
    const bool asked = (aims("direction", "in") && endpoint.address.is_in()) ||
                       (aims("direction", "out") && !endpoint.address.is_in()) || aim("direction") == nullptr;
    write_stream(endpoint, main && asked);
    if (asked) main = false;
  }
  write_controller();
  write_options();
  auto& checks = document_.table("checks");
  // A driver's mistakes are no broken promises; completions of a busy host are late.
  checks.set("driver", "false");
  checks.set("completion_latency_us", profile_ == "neutral" || profile_ == "xhci" ? 1000 : 2000);
  document_.table("expect").set("promised", "true");
  write_troubles();
  spare_sequences();
  return std::move(document_);
}

}  // namespace

Document generate(Random& random, const std::vector<Setting>& settings, const Aim& aim) {
  return Maker(random, settings, aim).make();
}

}  // namespace isochio::explore
