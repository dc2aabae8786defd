// isochio: [[fault]] tables, read key by key and checked; docs/faults.md has them all.
#include <array>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "description/toml_table.h"
#include "fault/fault_plan.h"
#include "fault/kinds.h"

namespace isochio::fault {
namespace {

using config::Table;

constexpr std::int64_t most_frames = 1'000'000'000;
constexpr std::int64_t most_bytes = 4000;
constexpr double most_bits = 60'000;  // a microframe
constexpr std::int32_t most_ppm = 10'000;
constexpr std::uint32_t babble_bytes = 1200;  // more than any packet may have [5.6.3]
constexpr std::uint32_t last_frame_number = 2047;

const std::vector<std::string>& kind_words() {
  static const auto words = [] {
    std::vector<std::string> all;
    for (std::size_t i = 0; i < kind_count; ++i) all.emplace_back(kind_info(static_cast<Kind>(i)).word);
    return all;
  }();
  return words;
}

/// Position = PID, as in usb::Pid.
const std::vector<std::string>& pid_words() {
  static const std::vector<std::string> words{"reserved", "out", "ack", "data0", "ping", "sof",   "nyet",  "data2",
                                              "split",    "in",  "nak", "data1", "pre",  "setup", "stall", "mdata"};
  return words;
}

std::optional<double> read_number(Table& table, std::string_view name, double least, double most) {
  const auto* node = table.find(name);
  if (node == nullptr) return std::nullopt;
  const auto value = node->value<double>();
  if (node->is_number() && *value >= least && *value <= most) return value;
  table.fail(name, fmt::format("this has to be a number from {} to {}", least, most));
  return std::nullopt;
}

bool lists(std::string_view keys, std::string_view key, bool required) {
  for (std::size_t at = 0; at < keys.size();) {
    const auto end = keys.find(' ', at);
    auto word = keys.substr(at, end - at);
    const bool star = word.back() == '*';
    if (star) word.remove_suffix(1);
    if (word == key) return star || !required;
    at = end + 1;
  }
  return false;
}

/// Every key that only some kinds have.
void check_keys(Table& table, const KindInfo& info) {
  constexpr std::array keys{"place",   "bit",    "byte",  "bytes", "bits",  "pid",
                            "address", "number", "delta", "ppm",   "to_ppm"};
  for (const char* key : keys) {
    if (table.has(key) && !lists(info.keys, key, false))
      table.fail(key, fmt::format("has no meaning with kind = \"{}\"", info.word));
    if (!table.has(key) && lists(info.keys, key, true))
      table.fail(key, fmt::format("is missing: kind = \"{}\" needs it", info.word));
  }
}

void read_when(Table& table, When& when) {
  table.read("frame", when.frame, most_frames);
  table.read("microframe", when.microframe, 7);
  table.read("frames", when.frames, most_frames, 1);
  table.read("every", when.every, UINT32_MAX, 1);
  when.probability = read_number(table, "probability", 0, 1).value_or(1);
  const bool one = !table.has("frames") && !table.has("every") && !table.has("probability");
  when.count = one ? 1 : 0;
  table.read("count", when.count, INT64_MAX, 1);
  table.read("nth", when.nth, 1000, 1);
}

void read_packets(Table& table, PlannedFault& fault, const KindInfo& info) {
  fault.packets.bits = info.packets_default;
  if (fault.kind == Kind::bit_error) {
    constexpr std::uint8_t by_place[] = {PacketSet::data, PacketSet::data, PacketSet::token, PacketSet::data,
                                         PacketSet::data};
    fault.packets.bits = by_place[static_cast<std::size_t>(fault.place)];
  }
  if (const auto word = table.word("packet", {"sof", "token", "data", "handshake", "any"})) {
    fault.packets.bits = *word == 4 ? info.packets : static_cast<std::uint8_t>(1U << *word);
    if ((fault.packets.bits & info.packets) == 0)
      table.fail("packet", fmt::format("kind = \"{}\" can't be made with such a packet", info.word));
  }
  constexpr std::uint8_t has_place[] = {PacketSet::any, PacketSet::any, PacketSet::token | PacketSet::sof,
                                        PacketSet::data, PacketSet::any ^ PacketSet::handshake};
  if (fault.kind != Kind::bit_error) return;
  fault.packets.bits &= has_place[static_cast<std::size_t>(fault.place)];
  if (fault.packets.bits == 0) table.fail("place", "such a packet has no such part");
}

void read_endpoint(Table& table, PlannedFault& fault) {
  const auto* node = table.find("endpoint");
  if (node == nullptr) return;
  if (const auto* name = node->as_string()) {
    fault.stream = name->get();
  } else if (const auto* number = node->as_integer(); number != nullptr && (number->get() & ~0x8f) == 0) {
    fault.endpoint = usb::EndpointAddress{static_cast<std::uint8_t>(number->get())};
  } else {
    table.fail("endpoint", "must be the name of a stream or an address from 0x00 to 0x0f or 0x80 to 0x8f");
  }
  if (fault.packets.bits == PacketSet::sof) table.fail("endpoint", "an SOF is for no endpoint");
  if (fault.packets.bits == 0) table.fail("endpoint", "a clock is for no endpoint");
}

void read_sender(Table& table, PlannedFault& fault, const KindInfo& info) {
  if (info.sender != Sender::either) fault.from_host = info.sender == Sender::host;
  const auto word = table.word("from", {"host", "device"});
  if (!word) return;
  const bool host = *word == 0;
  if (fault.from_host && *fault.from_host != host && info.sender != Sender::device_unless_said)
    table.fail("from", fmt::format("kind = \"{}\" is a fault of the {}", info.word, host ? "device" : "host"));
  if (!host && !fault.packets.has(PacketSet::data | PacketSet::handshake))
    table.fail("from", "a device sends data and handshakes only");
  fault.from_host = host;
}

void read_values(Table& table, PlannedFault& fault) {
  const auto optional = [&](const char* key, std::int64_t most, auto& value) {
    if (const auto given = table.integer(key, 0, most))
      value = static_cast<typename std::decay_t<decltype(value)>::value_type>(*given);
  };
  optional("bit", 8 * most_bytes, fault.bit);
  optional("byte", most_bytes, fault.byte);
  optional("number", last_frame_number, fault.number);
  if (fault.kind == Kind::babble) fault.bytes = babble_bytes;
  table.read("bytes", fault.bytes, most_bytes, 1);
  fault.bits = read_number(table, "bits", 0, most_bits).value_or(0);
  if (const auto pid = table.word("pid", pid_words())) {
    fault.pid = static_cast<usb::Pid>(*pid);
    fault.pid_given = true;
  }
  table.read("address", fault.address, 127);
  fault.delta = static_cast<std::int32_t>(table.integer("delta", -1024, 1024).value_or(0));
  fault.ppm = static_cast<std::int32_t>(table.integer("ppm", -most_ppm, most_ppm).value_or(0));
  if (const auto to = table.integer("to_ppm", -most_ppm, most_ppm)) fault.to_ppm = static_cast<std::int32_t>(*to);
}

/// A bit or byte that no packet of that kind has would never be spoiled, and nobody would know.
void check_places(Table& table, const PlannedFault& fault) {
  constexpr std::uint32_t token_bits = 11, crc5_bits = 5, crc16_bits = 16, pid_bits = 8, payload_bits = 8 * 1024;
  constexpr std::uint32_t data_bytes = 1 + 1024 + 2, token_bytes = 3;
  const bool data = fault.packets.has(PacketSet::data);
  if (fault.kind == Kind::bit_error && fault.bit) {
    const auto count = fault.place == Place::pid     ? pid_bits
                       : fault.place == Place::token ? token_bits
                       : fault.place == Place::crc   ? (data ? crc16_bits : crc5_bits)
                                                     : payload_bits;
    if (fault.place == Place::sync) table.fail("bit", "has no meaning with place = \"sync\": leave it out");
    if (*fault.bit >= count)
      table.fail("bit", fmt::format("there are {} bits in that part of the packet, from 0 on", count));
  }
  const auto longest = data ? data_bytes : fault.packets.has(PacketSet::token | PacketSet::sof) ? token_bytes : 1;
  if (fault.kind == Kind::truncated && fault.bytes >= longest)
    table.fail("bytes", fmt::format("such a packet has at most {} bytes, and one has to be left", longest));
  if (fault.kind == Kind::stuffing_error && fault.byte && *fault.byte >= longest)
    table.fail("byte", fmt::format("such a packet has at most {} bytes, from 0 on", longest));
}

/// What the keys must be to one another.
void check_values(Table& table, const PlannedFault& fault) {
  const bool by_number = fault.kind == Kind::sof_number || fault.kind == Kind::frame_jump;
  if (by_number && table.has("number") == table.has("delta"))
    table.fail("delta", "either number (the frame number itself) or delta (how far off it is) has to be given");
  if (by_number && table.has("delta") && fault.delta == 0) table.fail("delta", "0 is no other frame number");
  if (fault.when.probability == 0) table.fail("probability", "0 means never: leave the fault out");
  if (fault.packets.bits == PacketSet::sof && fault.when.nth > 1)
    table.fail("nth", "there is one SOF in a (micro)frame");
  if (fault.name.empty()) table.fail("name", "is empty: leave it out, or write how reports are to call the fault");
  if (fault.kind == Kind::wrong_data_pid && fault.pid_given && usb::kind(fault.pid) != usb::PidKind::data)
    table.fail("pid", "must be \"data0\", \"data1\", \"data2\" or \"mdata\"");
  if (fault.kind == Kind::spurious_handshake && usb::kind(fault.pid) != usb::PidKind::handshake)
    table.fail("pid", "must be \"ack\", \"nak\", \"stall\" or \"nyet\"");
  if (fault.to_ppm && fault.when.frames == 0)
    table.fail("frames", "is missing: in how many frames the clock goes from ppm to to_ppm");
  const bool clock = fault.packets.bits == 0;
  for (const char* key : {"every", "probability", "count", "nth", "packet", "from"})
    if (clock && table.has(key)) table.fail(key, "a clock has frame and frames only");
  for (const char* key : {"frame", "microframe", "frames"})
    if (fault.kind == Kind::bus_clock && table.has(key))
      table.fail(key, "the clock of the bus is what it is for the whole run");
}

}  // namespace

PlannedFault read_fault(Table& table) {
  PlannedFault fault;
  fault.path = table.key();
  fault.line = table.source().line_of(table.key());
  const auto kind = table.word("kind", kind_words());
  if (!kind) {
    if (!table.has("kind")) table.fail("kind", "is missing: one of " + config::quoted_list(kind_words()));
    return fault;
  }
  fault.kind = static_cast<Kind>(*kind);
  const KindInfo& info = kind_info(fault.kind);
  fault.name = info.word;
  table.read("name", fault.name);
  check_keys(table, info);
  if (fault.kind == Kind::bit_error) table.read("place", fault.place, place_words);
  read_when(table, fault.when);
  read_packets(table, fault, info);
  read_endpoint(table, fault);
  read_sender(table, fault, info);
  read_values(table, fault);
  check_places(table, fault);
  check_values(table, fault);
  table.finish();
  return fault;
}

tl::expected<FaultPlan, InputError> parse_plan(std::string_view text, const std::filesystem::path& file) {
  const auto document = config::parse_toml(text, file.string());
  if (!document) return tl::unexpected(document.error());
  config::Source source(file.string(), *document);
  Table table(source, &*document, "");
  FaultPlan plan;
  table.read("seed", plan.seed, INT64_MAX);
  for (auto& fault : table.tables("fault")) plan.faults.push_back(read_fault(fault));
  table.finish();
  if (plan.empty()) table.fail("fault", "there is no fault: write at least one [[fault]]");
  if (const auto error = source.error()) return tl::unexpected(*error);
  return plan;
}

tl::expected<FaultPlan, InputError> load_plan(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) return tl::unexpected(InputError{file.string(), 0, "", "can't be read"});
  std::stringstream text;
  text << stream.rdbuf();
  return parse_plan(text.str(), file);
}

}  // namespace isochio::fault
