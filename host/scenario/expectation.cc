#include "scenario/expectation.h"

#include <algorithm>

#include <fmt/format.h>

#include "driverkit/return_words.h"

namespace isochio::scenario {
namespace {

using config::Table;

constexpr std::int64_t most = 1'000'000'000'000;

class Reader {
 public:
  Reader(const std::vector<std::string>& streams, const char* type) : streams_(streams), type_(type) {}

  Expectation::Entry entry(Table& table) const {
    Expectation::Entry rule;
    common(table, rule);
    if (table.has("request")) rule.request = number(table, "request");
    rule.placed = table.has("entries") || rule.request;
    set(table, "entries", rule.entries);
    rule.status = code(table, "status");
    rule.bytes = bytes(table);
    count(table, rule);
    if (!rule.status && rule.bytes.empty()) table.fail("status", "is missing: status, bytes or both");
    table.finish();
    return rule;
  }

  Expectation::Refusal refusal(Table& table) const {
    Expectation::Refusal rule;
    common(table, rule);
    rule.placed = table.has("call");
    set(table, "call", rule.calls);
    count(table, rule);
    const auto given = code(table, "code");
    if (!given || *given == kIOReturnSuccess)
      table.fail("code", "has to be what IsochIO returns, such as \"iso_too_old\"");
    rule.code = given.value_or(kIOReturnError);
    table.finish();
    return rule;
  }

  Expectation::Request request(Table& table) const {
    Expectation::Request rule;
    common(table, rule);
    if (!table.has("request")) table.fail("request", "is missing: which requests, such as \"0\" or \"1..\"");
    set(table, "request", rule.requests);
    rule.overall = code(table, "overall");
    rule.lead = table.integer("lead", -most, most);
    rule.gap = table.integer("gap", -most, most);
    if (rule.gap && rule.requests.contains(0) && !rule.requests.contains(1))
      table.fail("gap", "request 0 is the first: there is no gap before it");
    if (!rule.overall && !rule.lead && !rule.gap) table.fail("overall", "is missing: overall, lead or gap");
    table.finish();
    return rule;
  }

  Expectation::Totals totals(Table& table) const {
    Expectation::Totals rule;
    common(table, rule);
    rule.requests = number(table, "requests");
    rule.entries = number(table, "entries");
    rule.bytes = number(table, "bytes");
    if (!rule.requests && !rule.entries && !rule.bytes) table.fail("entries", "is missing: requests, entries or bytes");
    table.finish();
    return rule;
  }

  Expectation::Bulk bulk(Table& table) const {
    Expectation::Bulk rule;
    common(table, rule);
    const auto given = number(table, "bytes");
    if (!given) table.fail("bytes", "is missing: how many bytes the stream moves in the whole run");
    rule.bytes = given.value_or(0);
    table.finish();
    return rule;
  }

 private:
  static std::optional<std::uint64_t> number(Table& table, const char* key) {
    const auto value = table.integer(key, 0, most);
    return value ? std::optional(static_cast<std::uint64_t>(*value)) : std::nullopt;
  }

  template <typename Rule>
  void common(Table& table, Rule& rule) const {
    if constexpr (requires { rule.line; }) rule.line = table.source().line_of(table.key());
    if (streams_.size() == 1) rule.stream = streams_.front();
    table.read("stream", rule.stream);
    if (std::find(streams_.begin(), streams_.end(), rule.stream) == streams_.end())
      table.fail("stream", rule.stream.empty()
                               ? "is missing: there are several streams; name one of " + config::quoted_list(streams_)
                               : fmt::format("there is no {} stream \"{}\"", type_, rule.stream));
  }

  /// A number, or a text that IndexSet understands.
  static void set(Table& table, const char* key, IndexSet& value) {
    const auto* node = table.find(key);
    if (node == nullptr) return;
    if (const auto index = node->value_exact<std::int64_t>(); index && *index >= 0) {
      value = IndexSet::one(static_cast<std::uint64_t>(*index));
      return;
    }
    const auto text = node->value_exact<std::string>();
    const auto parsed = text ? IndexSet::parse(*text) : std::nullopt;
    if (parsed) {
      value = *parsed;
    } else {
      table.fail(key, "this has to be a number or a text such as \"3\", \"12..15\", \"8..\", \"7../8\" or \"1, 4..6\"");
    }
  }

  static std::optional<IOReturn> code(Table& table, const char* key) {
    std::string word;
    table.read(key, word);
    if (!table.has(key)) return std::nullopt;
    const auto value = driverkit::return_code(word);
    if (value) return value;
    const auto near = config::nearest(word, driverkit::return_words());
    table.fail(key, near ? fmt::format("\"{}\" is not known; do you mean \"{}\"?", word, *near)
                         : "one of " + config::quoted_list(driverkit::return_words()));
    return std::nullopt;
  }

  static std::vector<std::uint32_t> bytes(Table& table) {
    std::vector<std::uint32_t> values;
    const auto* node = table.find("bytes");
    if (node == nullptr) return values;
    bool good = true;
    const auto add = [&](const toml::node& one) {
      const auto value = one.value_exact<std::int64_t>();
      good = good && value && *value >= 0 && *value <= 3072;
      if (good) values.push_back(static_cast<std::uint32_t>(*value));
    };
    if (const auto* array = node->as_array()) {
      good = !array->empty();
      for (const auto& one : *array) add(one);
    } else {
      add(*node);
    }
    if (!good) table.fail("bytes", "this has to be a number from 0 to 3072, or a list of such numbers");
    return values;
  }

  template <typename Rule>
  static void count(Table& table, Rule& rule) {
    const auto given = number(table, "count");
    if (rule.placed && given) table.fail("count", "counts entries or calls wherever they are; leave it out");
    if (!rule.placed && !given) table.fail("count", "is missing: how many, if it is not said which");
    if (given && *given == 0) table.fail("count", "0 of them is what holds without this item: leave it out");
    rule.count = given.value_or(0);
  }

  const std::vector<std::string>& streams_;
  const char* type_;
};

void read_violations(Table table, Expectation& expectation) {
  for (std::size_t i = 0; i < check::rule_count; ++i) {
    const auto rule = static_cast<check::Rule>(i);
    if (check::group_of(rule) == check::Group::driver) continue;  // those are diagnoses
    if (const auto count = table.integer(check::to_string(rule), 1, most))
      expectation.violations[rule] = static_cast<std::uint64_t>(*count);
  }
  table.finish();
}

void read_faults(Table table, const std::vector<std::string>& names, Expectation& expectation) {
  if (names.empty() && !table.empty())
    return table.fail(table.raw()->begin()->first.str(), "there is no [[fault]] in this scenario");
  for (const auto& name : names)
    if (const auto count = table.integer(name, 0, most)) expectation.faults[name] = static_cast<std::uint64_t>(*count);
  table.finish();
}

void read_diagnoses(Table& table, Expectation& expectation) {
  std::vector<std::string> names;
  for (const auto rule : driver_rules()) names.emplace_back(check::to_string(rule));
  const auto* node = table.find("diagnosis");
  if (node == nullptr) return;
  const auto add = [&](const toml::node& one) {
    const auto name = one.value_exact<std::string>();
    if (!name || std::find(names.begin(), names.end(), *name) == names.end()) {
      const auto near = name ? config::nearest(*name, names) : std::nullopt;
      table.fail("diagnosis", near ? fmt::format("\"{}\" is not known; do you mean \"{}\"?", *name, *near)
                                   : "has to be a name or a list of names: " + config::quoted_list(names));
    } else {
      expectation.diagnoses.push_back(*name);
    }
  };
  const auto* array = node->as_array();
  if (array == nullptr) return add(*node);
  for (const auto& one : *array) add(one);
}

}  // namespace

std::vector<check::Rule> driver_rules() {
  std::vector<check::Rule> rules;
  for (std::size_t i = 0; i < check::rule_count; ++i)
    if (check::group_of(static_cast<check::Rule>(i)) == check::Group::driver)
      rules.push_back(static_cast<check::Rule>(i));
  return rules;
}

Expectation read_expectation(Table& table, const Names& names) {
  Expectation expectation;
  table.read("promised", expectation.promised);
  for (const char* other :
       {"entry", "refused", "request", "stream", "bulk", "violations", "diagnosis", "faults", "error"})
    if (expectation.promised && table.has(other))
      table.fail(other, "with promised = true the reference says what has to come; leave this out");
  const Reader reader(names.streams, "isochronous");
  const Reader bulk_reader(names.bulk, "bulk");
  for (auto& rule : table.tables("entry")) expectation.entries.push_back(reader.entry(rule));
  for (auto& rule : table.tables("refused")) expectation.refusals.push_back(reader.refusal(rule));
  for (auto& rule : table.tables("request")) expectation.requests.push_back(reader.request(rule));
  for (auto& rule : table.tables("stream")) expectation.totals.push_back(reader.totals(rule));
  for (auto& rule : table.tables("bulk")) expectation.bulk.push_back(bulk_reader.bulk(rule));
  read_violations(table.table("violations"), expectation);
  read_faults(table.table("faults"), names.faults, expectation);
  read_diagnoses(table, expectation);
  table.read("error", expectation.error);
  if (table.has("error") && expectation.error.empty())
    table.fail("error", "is empty: write a part of the message with which the run ends, or leave it out");
  return expectation;
}

}  // namespace isochio::scenario
