#include "explore/shrink.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace isochio::explore {
namespace {

/// What has to stand there: without it the scenario is another one or none, or it becomes longer.
bool is_needed(const Section& section, std::string_view key) {
  if (section.name.empty()) return key == "frames" || key == "device" || key == "speed";
  return section.name == "expect" || key == "endpoint" || key == "kind";
}

std::optional<std::int64_t> number(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Smaller values of a key, the boldest first.
std::vector<std::string> smaller(const std::string& text) {
  std::vector<std::string> all;
  if (const auto value = number(text)) {
    for (const auto less : {std::int64_t{0}, std::int64_t{1}, *value / 2, *value - 1})
      if (std::abs(less) < std::abs(*value)) all.push_back(std::to_string(less));
    all.erase(std::unique(all.begin(), all.end()), all.end());
  } else if (const auto comma = text.find(','); text.front() == '[' && comma != std::string::npos) {
    all = {text.substr(0, comma) + "]", "[" + text.substr(comma + 1), text.substr(0, text.rfind(',')) + "]"};
  } else if (const auto dot = text.rfind('.'); text.front() == '"' && dot != std::string::npos) {
    all = {text.substr(0, dot) + '"'};  // a moment: without its bits, its microframe
  }
  return all;
}

class Shrinker {
 public:
  Shrinker(Document document, std::size_t most, const std::function<bool(const Document&)>& still_fails,
           const std::function<bool()>& stop)
      : best_(std::move(document)), most_(most), still_fails_(still_fails), stop_(stop) {}

  Shrunk run() {
    bool better = true;
    while (better && !over()) {
      better = leave_out_sections();
      better = leave_out_pairs() || better;
      better = leave_out_keys() || better;
      better = lessen() || better;
    }
    return {best_, tries_};
  }

 private:
  bool over() const { return tries_ >= most_ || stop_(); }

  bool accept(Document candidate) {
    if (over()) return false;
    ++tries_;
    if (!still_fails_(candidate)) return false;
    best_ = std::move(candidate);
    return true;
  }

  static Document without(const Document& document, std::size_t section) {
    Document less = document;
    less.sections.erase(less.sections.begin() + static_cast<std::ptrdiff_t>(section));
    return less;
  }

  bool leave_out_sections() {
    bool any = false;
    for (std::size_t i = best_.sections.size(); i-- > 1;)
      if (best_.sections[i].name != "expect" && accept(without(best_, i))) any = true;
    return any;
  }

  /// Events come in pairs: neither can be left out alone.
  bool leave_out_pairs() {
    bool any = false;
    for (std::size_t i = best_.sections.size(); i-- > 2;)
      if (best_.sections[i].name == "event" && best_.sections[i - 1].name == "event" &&
          accept(without(without(best_, i), i - 1))) {
        any = true;
        --i;
      }
    return any;
  }

  bool leave_out_keys() {
    bool any = false;
    for (std::size_t i = 0; i < best_.sections.size(); ++i)
      for (std::size_t k = best_.sections[i].keys.size(); k-- > 0;) {
        if (is_needed(best_.sections[i], best_.sections[i].keys[k].first)) continue;
        Document less = best_;
        less.sections[i].keys.erase(less.sections[i].keys.begin() + static_cast<std::ptrdiff_t>(k));
        any = accept(std::move(less)) || any;
      }
    return any;
  }

  bool lessen() {
    bool any = false;
    for (std::size_t i = 0; i < best_.sections.size(); ++i)
      for (std::size_t k = 0; k < best_.sections[i].keys.size(); ++k)
        for (const auto& value : smaller(best_.sections[i].keys[k].second)) {
          Document less = best_;
          less.sections[i].keys[k].second = value;
          if (!accept(std::move(less))) continue;
          any = true;
          break;
        }
    return any;
  }

  Document best_;
  std::size_t most_, tries_ = 0;
  const std::function<bool(const Document&)>& still_fails_;
  const std::function<bool()>& stop_;
};

}  // namespace

Shrunk shrink(Document document, std::size_t most_tries, const std::function<bool(const Document&)>& still_fails,
              const std::function<bool()>& stop) {
  return Shrinker(std::move(document), most_tries, still_fails, stop).run();
}

}  // namespace isochio::explore
