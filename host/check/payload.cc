// isochio: the pattern of docs/payload.md.
#include "check/payload.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include <fmt/format.h>

#include "check/crc.h"

namespace isochio::check {
namespace {

constexpr std::uint32_t sequence_multiplier = 0x9E3779B1U;

std::uint32_t get32(std::span<const std::uint8_t> b, std::size_t i) {
  return std::uint32_t{b[i]} | std::uint32_t{b[i + 1]} << 8U | std::uint32_t{b[i + 2]} << 16U |
         std::uint32_t{b[i + 3]} << 24U;
}

void put(std::span<std::uint8_t> b, std::uint64_t value) {
  for (auto& byte : b) {
    byte = static_cast<std::uint8_t>(value);
    value >>= 8U;
  }
}

/// PRBS31. The recurrence bit[n] = bit[n-31] ^ bit[n-28], squared three times, holds for whole bytes too:
/// byte[n] = byte[n-31] ^ byte[n-28]; so only the first 31 bytes need the shift register.
void make_body(std::uint32_t seed, std::uint32_t sequence, std::span<std::uint8_t> body) {
  std::uint32_t state = ((seed ^ (sequence * sequence_multiplier)) & 0x7fffffffU) | 1U;
  const std::size_t start = std::min<std::size_t>(body.size(), 31);
  for (std::size_t i = 0; i < start; ++i) {
    const std::uint32_t next = ((state >> 23U) ^ (state >> 20U)) & 0xffU;
    state = ((state << 8U) | next) & 0x7fffffffU;
    body[i] = static_cast<std::uint8_t>(next);
  }
  std::size_t i = start;
  for (; i + 8 <= body.size(); i += 8) {
    std::uint64_t a = 0;
    std::uint64_t b = 0;
    std::memcpy(&a, &body[i - 31], 8);
    std::memcpy(&b, &body[i - 28], 8);
    a ^= b;
    std::memcpy(&body[i], &a, 8);
  }
  for (; i < body.size(); ++i) body[i] = body[i - 31] ^ body[i - 28];
}

void make_mod63(std::span<std::uint8_t> packet) {
  std::uint8_t value = 0;
  for (auto& byte : packet) {
    byte = value;
    value = value == 62 ? std::uint8_t{0} : static_cast<std::uint8_t>(value + 1);
  }
}

void make_prbs(std::uint32_t seed, std::uint32_t sequence, usb::FrameTime at, std::span<std::uint8_t> packet) {
  std::array<std::uint8_t, prbs_header_bytes> header{};
  put(std::span(header).subspan(0, 4), sequence);
  put(std::span(header).subspan(4, 2), at.stamp());
  put(std::span(header).subspan(6, 2), packet.size());
  if (packet.size() < prbs_least_bytes) {
    // "The first n bytes of the header and nothing else": 9 … 11 bytes carry zeros behind it.
    for (std::size_t i = 0; i < packet.size(); ++i) packet[i] = i < header.size() ? header[i] : std::uint8_t{0};
    return;
  }
  std::copy(header.begin(), header.end(), packet.begin());
  make_body(seed, sequence, packet.subspan(prbs_header_bytes, packet.size() - prbs_least_bytes));
  put(packet.last(4), crc32(packet.first(packet.size() - 4)));
}

constexpr std::size_t largest_packet = 1024;

}  // namespace

void make_packet(Pattern pattern, std::uint32_t seed, std::uint32_t sequence, usb::FrameTime at,
                 std::span<std::uint8_t> packet) {
  switch (pattern) {
    case Pattern::none:
      break;
    case Pattern::zeros:
      std::fill(packet.begin(), packet.end(), std::uint8_t{0});
      break;
    case Pattern::mod63:
      make_mod63(packet);
      break;
    case Pattern::prbs:
      make_prbs(seed, sequence, at, packet);
      break;
  }
}

bool prbs_intact(std::span<const std::uint8_t> packet) {
  return packet.size() < prbs_least_bytes || crc32(packet.first(packet.size() - 4)) == get32(packet, packet.size() - 4);
}

void PatternGenerator::packet(std::span<std::uint8_t> bytes, usb::FrameTime at) {
  if (bytes.empty()) return;
  make_packet(pattern_, seed_, sequence_++, at, bytes);
}

void PatternGenerator::interval(std::span<std::uint8_t> bytes, std::uint16_t max_packet, usb::FrameTime at) {
  while (!bytes.empty()) {
    const std::size_t n = std::min<std::size_t>(bytes.size(), max_packet == 0 ? bytes.size() : max_packet);
    packet(bytes.first(n), at);
    bytes = bytes.subspan(n);
  }
}

void PatternChecker::restart(bool any) {
  expected_ = 0;
  locked_ = !any;
}

bool PatternChecker::open(Rule rule, const PacketPlace& place, Violation& v) {
  if (!reporter_.count_only(rule)) return false;
  v = {rule, place.request, place.entry, place.endpoint, place.window.begin, place.time, {}, {}};
  return true;
}

void PatternChecker::interval(std::span<const std::uint8_t> bytes, std::uint16_t max_packet, const PacketPlace& place) {
  if (bytes.empty()) {
    packet(bytes, place);
    return;
  }
  while (!bytes.empty()) {
    const std::size_t n = std::min<std::size_t>(bytes.size(), max_packet == 0 ? bytes.size() : max_packet);
    packet(bytes.first(n), place);
    bytes = bytes.subspan(n);
  }
}

void PatternChecker::packet(std::span<const std::uint8_t> bytes, const PacketPlace& place) {
  if (pattern_ == Pattern::none) return;
  ++statistics_.packets;
  statistics_.bytes += bytes.size();
  if (bytes.empty()) {
    ++statistics_.zero_length;
  } else if (pattern_ == Pattern::prbs) {
    prbs(bytes, place);
  } else {
    plain(bytes, place);
  }
}

void PatternChecker::plain(std::span<const std::uint8_t> bytes, const PacketPlace& place) {
  std::size_t bad = 0;
  std::uint8_t want = 0;
  for (; bad < bytes.size(); ++bad) {
    if (bytes[bad] != want) break;
    if (pattern_ == Pattern::mod63) want = want == 62 ? std::uint8_t{0} : static_cast<std::uint8_t>(want + 1);
  }
  if (bad == bytes.size()) return;
  ++statistics_.corrupt;
  Violation v;
  if (!open(Rule::payload_corrupt, place, v)) return;
  v.expected = fmt::format("byte {} = 0x{:02x}", bad, want);
  v.seen = fmt::format("0x{:02x}", bytes[bad]);
  reporter_.forward(v);
}

void PatternChecker::prbs(std::span<const std::uint8_t> bytes, const PacketPlace& place) {
  if (bytes.size() < prbs_least_bytes) {
    short_packet(bytes, place);
    return;
  }
  const std::uint32_t stored = get32(bytes, bytes.size() - 4);
  const std::size_t length = bytes[6] | std::size_t{bytes[7]} << 8U;
  bool good = crc32(bytes.first(bytes.size() - 4)) == stored && length == bytes.size();
  if (good && bytes.size() <= largest_packet) {
    // A good CRC32 over a wrong body would be a fault of the source: the body is compared too.
    std::array<std::uint8_t, largest_packet> body;
    const std::size_t n = bytes.size() - prbs_least_bytes;
    make_body(seed_, get32(bytes, 0), std::span(body).first(n));
    good = std::memcmp(body.data(), bytes.data() + prbs_header_bytes, n) == 0;
  }
  if (!good) {
    damaged(bytes, place);
    return;
  }
  sequence(get32(bytes, 0), place);
  stamp(static_cast<std::uint16_t>(bytes[4] | bytes[5] << 8U), place);
}

/// Is the length field another than what came, and the packet as far as it goes the one that its header names? `bytes`
/// hold at least the header. Behind the header of a packet that says to be below 12 bytes only zeros may follow.
bool PatternChecker::length_differs(std::span<const std::uint8_t> bytes, std::uint32_t sequence) const {
  const std::size_t length = bytes[6] | std::size_t{bytes[7]} << 8U;
  std::array<std::uint8_t, 4096> made{};
  if (length == bytes.size() || length > made.size()) return false;
  const auto body = bytes.subspan(prbs_header_bytes);
  if (length < prbs_least_bytes) return std::ranges::all_of(body, [](std::uint8_t byte) { return byte == 0; });
  const auto whole = std::span(made).first(length);
  make_packet(Pattern::prbs, seed_, sequence, {std::uint64_t{bytes[4]} | std::uint64_t{bytes[5]} << 8U}, whole);
  return std::equal(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(std::min(length, bytes.size())),
                    whole.begin());
}

/// It is the packet of that number, cut or lengthened.
void PatternChecker::truncated(std::span<const std::uint8_t> bytes, std::uint32_t number, const PacketPlace& place) {
  ++statistics_.truncated;
  Violation v;
  if (open(Rule::payload_truncated, place, v)) {
    v.expected = fmt::format("{} bytes (sequence {})", bytes[6] | std::size_t{bytes[7]} << 8U, number);
    v.seen = fmt::format("{} bytes", bytes.size());
    reporter_.forward(v);
  }
  sequence(number, place);
}

/// CRC32, length or body is wrong: cut, lengthened, or which byte?
void PatternChecker::damaged(std::span<const std::uint8_t> bytes, const PacketPlace& place) {
  const std::size_t length = bytes[6] | std::size_t{bytes[7]} << 8U;
  const std::uint32_t seen_sequence = get32(bytes, 0);
  if (length_differs(bytes, seen_sequence)) {
    truncated(bytes, seen_sequence, place);
    return;
  }
  std::array<std::uint8_t, 4096> made{};
  ++statistics_.corrupt;
  // The packet's own stamp where it may be right, so that the first bad byte is not one that only time explains.
  const std::uint64_t width = place.window.end.value - place.window.begin.value;
  const usb::FrameTime own{std::uint64_t{bytes[4]} | std::uint64_t{bytes[5]} << 8U};
  const bool plausible = width == 0 || ((own.value - place.window.begin.value) & 0x3fffU) < width;
  const usb::FrameTime at = plausible ? own : place.window.begin;
  const auto regenerate = [&](std::uint32_t number) {
    const auto packet = std::span(made).first(std::min(bytes.size(), made.size()));
    make_packet(Pattern::prbs, seed_, number, at, packet);
    return static_cast<std::size_t>(std::mismatch(packet.begin(), packet.end(), bytes.begin()).first - packet.begin());
  };
  // A damaged sequence field must not make every later byte look wrong: take the number that explains more bytes.
  const auto matches = [&](std::uint32_t number) {
    regenerate(number);
    std::size_t same = 0;
    for (std::size_t i = 0; i < std::min(bytes.size(), made.size()); ++i) same += made[i] == bytes[i] ? 1U : 0U;
    return same;
  };
  const std::uint32_t number = matches(seen_sequence) > matches(expected_) ? seen_sequence : expected_;
  const std::size_t bad = regenerate(number);
  Violation v;
  if (open(Rule::payload_corrupt, place, v)) {
    if (bad < std::min(bytes.size(), made.size())) {
      const auto difference = static_cast<unsigned>(made[bad] ^ bytes[bad]);
      v.expected = fmt::format("sequence {} of {} bytes, byte {} = 0x{:02x}", number, bytes.size(), bad, made[bad]);
      v.seen = fmt::format("0x{:02x} (first bad byte {} bit {})", bytes[bad], bad, std::countr_zero(difference));
    } else {
      v.expected = "a good packet";
      v.seen = fmt::format("{} bytes, sequence {}, length field {}", bytes.size(), seen_sequence, length);
    }
    reporter_.forward(v);
  }
  // It is the packet of that number, damaged: neither lost nor seen twice.
  sequence(number, place);
}

void PatternChecker::short_packet(std::span<const std::uint8_t> bytes, const PacketPlace& place) {
  std::array<std::uint8_t, prbs_least_bytes> made{};
  const auto packet = std::span(made).first(bytes.size());
  // What the packet carries of sequence is compared modulo that; a gap is a loss as far as the bits tell.
  const std::size_t carried = std::min<std::size_t>(bytes.size(), 4);
  std::uint32_t seen = 0;
  for (std::size_t i = 0; i < carried; ++i) seen |= std::uint32_t{bytes[i]} << (8U * static_cast<unsigned>(i));
  if (!locked_) expected_ = seen;
  std::uint32_t number = seen;
  if (carried < 4) {
    const auto bits = 8U * static_cast<unsigned>(carried);
    const std::uint32_t mask = (1U << bits) - 1U;
    // The nearest number to the expected one that has these bits, half a period ahead or behind.
    const std::uint32_t ahead = (seen - expected_) & mask;
    number = ahead <= mask / 2U ? expected_ + ahead : expected_ - ((expected_ - seen) & mask);
  }
  if (bytes.size() >= prbs_header_bytes && length_differs(bytes, number)) {
    truncated(bytes, number, place);
    return;
  }
  usb::FrameTime at = place.window.begin;
  if (bytes.size() >= 6) at = {std::uint64_t{bytes[4]} | std::uint64_t{bytes[5]} << 8U};
  make_packet(Pattern::prbs, seed_, number, at, packet);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    // Half a stamp says nothing about time, half a length nothing about length.
    if ((i == 4 && bytes.size() < 6) || (i == 6 && bytes.size() < 8)) continue;
    if (bytes[i] == made[i]) continue;
    ++statistics_.corrupt;
    Violation v;
    if (open(Rule::payload_corrupt, place, v)) {
      v.expected = fmt::format("sequence {} of {} bytes, byte {} = 0x{:02x}", number, bytes.size(), i, made[i]);
      v.seen = fmt::format("0x{:02x} (first bad byte {} bit {})", bytes[i], i,
                           std::countr_zero(static_cast<unsigned>(made[i] ^ bytes[i])));
      reporter_.forward(v);
    }
    break;
  }
  sequence(number, place);
  if (bytes.size() >= 6) stamp(at.stamp(), place);
}

void PatternChecker::sequence(std::uint32_t seen, const PacketPlace& place) {
  if (!locked_) {
    expected_ = seen;
    locked_ = true;
  }
  const auto difference = static_cast<std::int32_t>(seen - expected_);
  if (difference == 0) {
    ++expected_;
    return;
  }
  Violation v;
  if (difference > 0) {
    statistics_.lost += static_cast<std::uint32_t>(difference);
    if (open(Rule::payload_lost, place, v)) {
      v.expected = fmt::format("sequence {}", expected_);
      v.seen = fmt::format("{}: {} packet{} lost", seen, difference, difference == 1 ? "" : "s");
      reporter_.forward(v);
    }
    expected_ = seen + 1;
    return;
  }
  const bool twice = difference == -1;
  ++(twice ? statistics_.duplicate : statistics_.reordered);
  if (open(twice ? Rule::payload_duplicate : Rule::payload_reordered, place, v)) {
    v.expected = fmt::format("sequence {}", expected_);
    v.seen = fmt::format("{}{}", seen, twice ? " again" : "");
    reporter_.forward(v);
  }
}

void PatternChecker::stamp(std::uint16_t seen, const PacketPlace& place) {
  const std::uint64_t width = place.window.end.value - place.window.begin.value;
  if (width == 0) return;
  // Modulo 2^14: how far behind the window's begin the stamp lies.
  if (((seen - place.window.begin.value) & 0x3fffU) < width) return;
  ++statistics_.mistimed;
  Violation v;
  if (!open(Rule::payload_mistimed, place, v)) return;
  const auto text = [](std::uint64_t stamp) { return fmt::format("{}.{}", (stamp >> 3U) & 0x7ffU, stamp & 7U); };
  v.expected = width <= 1
                   ? fmt::format("stamp {}", text(place.window.begin.value))
                   : fmt::format("stamp {} … {}", text(place.window.begin.value), text(place.window.end.value - 1));
  v.seen = text(seen);
  reporter_.forward(v);
}

}  // namespace isochio::check
