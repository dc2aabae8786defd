#include "explore/trouble.h"

#include <algorithm>

#include <fmt/format.h>

#include "fault/kinds.h"

namespace isochio::explore {
namespace {

using fault::Kind;
using Make = void (*)(const Circumstances&, Random&, Document&);

/// Checks of the wire tell of a wire that is spoiled on purpose; the promises to the caller are judged all the same.
void spoils_wire(Document& document) {
  auto& checks = document.table("checks");
  for (const char* group : {"frame_timing", "wire_timing", "payload", "pid_sequence", "device_log"})
    checks.set(group, "false");
}

void without_latency_limit(Document& document) { document.table("checks").set("completion_latency_us", 0); }

// --- on the wire ----------------------------------------------------------------------------------------------------

bool is_sof(Kind kind) { return (fault::kind_info(kind).packets_default & fault::PacketSet::sof) != 0; }
bool is_clock(Kind kind) { return kind == Kind::device_clock || kind == Kind::bus_clock; }

std::string half_bits(Random& random, std::uint64_t most) { return fmt::format("{}", random.between(1, most)); }

/// Keys that only some kinds have.
void add_details(Kind kind, const Circumstances& now, Random& random, bool token, Section& fault) {
  const bool high = now.speed == usb::Speed::high;
  switch (kind) {
    case Kind::bit_error:
      fault.word("place", token ? random.one_of({"sync", "pid", "token", "crc"})
                                : random.one_of({"sync", "pid", "payload", "crc"}));
      break;
    case Kind::wrong_pid:
      fault.word("pid", random.one_of({"data0", "data1", "data2", "mdata", "ack", "nak", "reserved"}));
      break;
    case Kind::truncated:
      fault.set("bytes", random.between(1, token ? 2 : 8));  // one byte is left
      break;
    case Kind::oversized:
      fault.set("bytes", random.between(1, 16));
      break;
    case Kind::late_answer:
      fault.set("bits", high ? random.one_of({100, 192, 700, 735, 737, 780, 815, 817, 1000})
                             : random.one_of({3, 6, 7, 15, 16, 17, 18, 19, 40}));
      break;
    case Kind::other_address:
      fault.set("address", 99);
      break;
    case Kind::sof_early:
    case Kind::sof_late:
    case Kind::sof_jitter:
      fault.set("bits", half_bits(random, high ? 500 : 30));
      break;
    case Kind::sof_number:
    case Kind::frame_jump:
      fault.set("delta", fmt::format("{}", static_cast<int>(random.between(1, 2048)) - 1024));
      break;
    case Kind::device_clock:
      fault.set("ppm", fmt::format("{}", static_cast<int>(random.below(high ? 1001 : 5001)) - (high ? 500 : 2500)));
      break;
    case Kind::bus_clock:
      fault.set("ppm", fmt::format("{}", static_cast<int>(random.below(1001)) - 500));
      break;
    default:
      break;
  }
}

/// Whose packets: data IN by the device, else those of the host; tokens of either way.
void add_packets(Kind kind, const Circumstances& now, Random& random, Section& fault) {
  const auto& info = fault::kind_info(kind);
  if (is_sof(kind) || is_clock(kind)) return;
  const bool device_only = info.sender == fault::Sender::device;
  std::vector<std::size_t> usable;
  for (std::size_t i = 0; i < now.endpoints.size(); ++i)
    if (!device_only || now.endpoints[i].address.is_in()) usable.push_back(i);
  const std::size_t stream = random.one_of(usable);
  const bool in = now.endpoints[stream].address.is_in();
  fault.word("endpoint", now.streams[stream]);
  if (kind == Kind::spurious_handshake) fault.word("from", random.one_of({"host", "device"}));
  if (info.sender == fault::Sender::device_unless_said && !in) fault.word("from", "host");
  if (info.sender != fault::Sender::either || kind == Kind::spurious_handshake) return;
  const bool token = (info.packets & fault::PacketSet::token) != 0 && random.chance(30);
  if (token) fault.word("packet", "token");
  fault.word("from", in && !token ? "device" : "host");
}

void add_when(Kind kind, const Circumstances& now, Random& random, Section& fault) {
  if (kind == Kind::bus_clock) return;
  if (random.chance(70)) fault.set("frame", random.below(std::max<std::uint64_t>(2, now.frames / 2)));
  if (is_clock(kind) || kind == Kind::frame_jump) {
    if (random.chance(50)) fault.set("frames", random.between(1, 8));
    return;
  }
  // A device that sees no SOF for 3 ms may suspend [7.1.7.6], and then needs more than another SOF.
  switch (kind == Kind::sof_lost ? 0 : random.below(4)) {
    case 0:
      fault.set("every", random.between(2, 17));
      break;
    case 1:
      fault.set("probability", "0." + std::to_string(random.between(1, 9)));
      break;
    case 2:
      fault.set("frames", random.between(1, 6));
      break;
    default:
      fault.set("count", random.between(1, 3));
      break;
  }
}

void add_fault(Kind kind, const Circumstances& now, Random& random, Document& document) {
  spoils_wire(document);
  auto& fault = document.add("fault");
  fault.word("kind", fault::to_string(kind));
  add_packets(kind, now, random, fault);
  const auto* from = fault.find("from");
  const bool to_device = from != nullptr && *from == "\"host\"" && kind != Kind::spurious_handshake;
  const auto* packet = fault.find("packet");
  const bool packet_is_token = packet != nullptr;
  add_details(kind, now, random, packet_is_token, fault);
  add_when(kind, now, random, fault);
  // An OUT entry says what it sent, whatever the cable makes of that. And of several transactions, the wire does not
  // show the one whose token was lost, or which of two belongs to the entry.
  const bool several = std::ranges::any_of(now.endpoints, [](const auto& one) { return one.transactions > 1; });
  const bool to_tokens = fault::kind_info(kind).sender == fault::Sender::host || packet_is_token;
  if (to_device || (several && to_tokens)) document.table("checks").set("status", "false");
}

// --- host software --------------------------------------------------------------------------------------------------

void late_interrupts(const Circumstances&, Random& random, Document& document) {
  auto& software = document.table("software");
  const auto least = random.between(0, 300);
  software.set("interrupt_latency_us", least);
  software.set("interrupt_latency_max_us", least + random.between(200, 6000));
  if (random.chance(50)) {
    software.word("interrupt_latency", "uniform");
  } else {
    software.word("interrupt_latency", "long_tail");
    software.set("interrupt_tail_us", random.between(50, 800));
  }
  without_latency_limit(document);
}

void coalesced_interrupts(const Circumstances&, Random& random, Document& document) {
  document.table("software").set("interrupt_coalesce_us", random.one_of({125, 500, 1000, 2000, 8000}));
  without_latency_limit(document);
}

void stalled_interrupts(const Circumstances&, Random& random, Document& document) {
  const auto stall = random.between(1, 20) * 1000;
  document.table("software").set("interrupt_stall_us", stall);
  document.table("software").set("interrupt_stall_every_us", stall + random.between(1, 20) * 1000);
  without_latency_limit(document);
}

void blocked_queue(const Circumstances&, Random& random, Document& document) {
  const auto block = random.between(1, 30) * 1000;
  document.table("software").set("queue_block_us", block);
  document.table("software").set("queue_block_every_us", block + random.between(2, 30) * 1000);
  without_latency_limit(document);
}

// --- life -----------------------------------------------------------------------------------------------------------

std::string moment(std::uint64_t frame, Random& random) {
  if (random.chance(30)) return std::to_string(frame);
  return fmt::format("\"{}.{}.{}\"", frame, random.below(8), random.below(60'000));
}

Section& add_event(Document& document, const char* kind, std::uint64_t frame, Random& random) {
  auto& event = document.add("event");
  event.word("kind", kind);
  event.set("at", moment(frame, random));
  return event;
}

std::uint64_t some_frame(const Circumstances& now, Random& random) {
  return random.between(1, std::max<std::uint64_t>(2, now.frames / 2));
}

void abort(const Circumstances& now, Random& random, Document& document) {
  auto& event = add_event(document, "abort", some_frame(now, random), random);
  event.word("stream", random.one_of(now.streams));
  if (random.chance(50)) event.word("mode", "sync");
}

void block_queue(const Circumstances& now, Random& random, Document& document) {
  add_event(document, "block_queue", some_frame(now, random), random).set("duration_us", random.between(500, 40'000));
  without_latency_limit(document);
}

void bus_reset(const Circumstances& now, Random& random, Document& document) {
  add_event(document, "bus_reset", some_frame(now, random), random);
}

/// One that goes, and one that comes back a while later.
template <int first, int second>
void pair(const Circumstances& now, Random& random, Document& document) {
  constexpr const char* names[] = {"suspend", "resume", "unplug", "plug", "sleep", "wake"};
  without_latency_limit(document);
  const auto frame = some_frame(now, random);
  add_event(document, names[first], frame, random);
  add_event(document, names[second], frame + random.between(3, 30), random);
}

/// At waking the frame counter goes on, jumps, or starts anew.
void sleep(const Circumstances& now, Random& random, Document& document) {
  pair<4, 5>(now, random, document);
  auto& wake = document.sections.back();
  const auto how = random.below(4);
  if (how == 1) wake.set("frame", random.between(1, 5000));
  if (how == 2) wake.set("jump", random.between(1, 3000));
}

void alternate(const Circumstances& now, Random& random, Document& document) {
  const auto frame = some_frame(now, random);
  add_event(document, "alternate", frame, random).set("setting", 0);
  add_event(document, "alternate", frame + random.between(2, 10), random).set("setting", now.alternate);
}

struct Row {
  const char* name;
  Make make;
  bool event;
};

constexpr Row rows[] = {
    {"late_interrupts", late_interrupts, false},
    {"coalesced_interrupts", coalesced_interrupts, false},
    {"stalled_interrupts", stalled_interrupts, false},
    {"blocked_queue", blocked_queue, false},
    {"abort", abort, true},
    {"alternate", alternate, true},
    {"block_queue", block_queue, true},
    {"bus_reset", bus_reset, true},
    {"suspend", pair<0, 1>, true},
    {"unplug", pair<2, 3>, true},
    {"sleep", sleep, true},
};

const Row* row(const std::string& trouble) {
  const auto* found = std::ranges::find_if(rows, [&](const Row& one) { return one.name == trouble; });
  return found == std::end(rows) ? nullptr : found;
}

Kind kind_of(const std::string& word) {
  for (std::size_t i = 0; i < fault::kind_count; ++i)
    if (word == fault::to_string(static_cast<Kind>(i))) return static_cast<Kind>(i);
  return Kind::bit_error;
}

}  // namespace

const std::vector<std::string>& troubles() {
  static const auto all = [] {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < fault::kind_count; ++i) names.emplace_back(fault::to_string(static_cast<Kind>(i)));
    for (const auto& one : rows) names.emplace_back(one.name);
    return names;
  }();
  return all;
}

bool is_event(const std::string& trouble) { return row(trouble) != nullptr && row(trouble)->event; }

bool possible(const std::string& trouble, const Circumstances& now) {
  if (const Row* one = row(trouble)) return !one->event || !now.synchronous;
  const Kind kind = kind_of(trouble);
  if (fault::kind_info(kind).sender != fault::Sender::device || is_clock(kind)) return true;
  return std::ranges::any_of(now.endpoints, [](const auto& endpoint) { return endpoint.address.is_in(); });
}

void add_trouble(const std::string& trouble, const Circumstances& now, Random& random, Document& document) {
  if (const Row* one = row(trouble)) {
    // An event may come between the transactions of one microframe, and leave their sequence without its end. Not
    // suspend, which waits for the last.
    const bool several = std::ranges::any_of(now.endpoints, [](const auto& e) { return e.transactions > 1; });
    if (one->event && trouble != "suspend" && several)
      for (const char* group : {"pid_sequence", "device_log", "status"}) document.table("checks").set(group, "false");
    return one->make(now, random, document);
  }
  add_fault(kind_of(trouble), now, random, document);
}

}  // namespace isochio::explore
