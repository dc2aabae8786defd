// isochio: byte streams and files, held against each other.
#include "check/byte_stream.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <memory>

#include <fmt/format.h>

namespace isochio::check {
namespace {

/// So many bytes must agree before a place counts as the stream's continuation.
constexpr std::size_t anchor_bytes = 16;

}  // namespace

StreamComparator::StreamComparator(Reporter& reporter, std::size_t capacity)
    : reporter_(reporter), ring_(std::bit_ceil(std::max<std::size_t>(capacity, 64))), mask_(ring_.size() - 1) {}

void StreamComparator::report(Rule rule, const PacketPlace& place, const std::function<Text()>& text) {
  ++(rule == Rule::payload_lost        ? statistics_.lost
     : rule == Rule::payload_duplicate ? statistics_.duplicate
                                       : statistics_.corrupt);
  if (!reporter_.count_only(rule)) return;
  auto [expected, seen] = text();
  reporter_.forward({rule, place.request, place.entry, place.endpoint, place.window.begin, place.time,
                     std::move(expected), std::move(seen)});
}

void StreamComparator::sent(std::span<const std::uint8_t> bytes, const PacketPlace& place) {
  for (const auto byte : bytes) ring_[head_++ & mask_] = byte;
  if (head_ - tail_ <= ring_.size()) return;
  const std::uint64_t over = head_ - tail_ - ring_.size();
  tail_ += over;
  lost_ += over;
  report(Rule::payload_lost, place, [&] {
    return Text{fmt::format("at most {} bytes on their way", ring_.size()),
                fmt::format("{} more, given up as lost", over)};
  });
}

std::size_t StreamComparator::matching(std::span<const std::uint8_t> bytes) const {
  std::size_t n = 0;
  const std::size_t most = std::min<std::uint64_t>(bytes.size(), head_ - tail_);
  while (n < most && at(tail_ + n) == bytes[n]) ++n;
  return n;
}

void StreamComparator::received(std::span<const std::uint8_t> bytes, const PacketPlace& place) {
  received_ += bytes.size();
  while (!bytes.empty()) {
    const std::size_t same = matching(bytes);
    tail_ += same;
    bytes = bytes.subspan(same);
    if (!bytes.empty()) differs(bytes, place);
  }
}

/// The first byte of `bytes` is not what was sent at `tail_`. Consumes bytes or moves `tail_` to where they match.
void StreamComparator::differs(std::span<const std::uint8_t>& bytes, const PacketPlace& place) {
  const bool damaged = in_place(bytes);
  if (!damaged && (skipped(bytes, place) || repeated(bytes, place))) return;
  if (tail_ == head_) {
    report(Rule::payload_duplicate, place, [&] {
      return Text{fmt::format("nothing: all {} bytes sent have come back", head_),
                  fmt::format("{} bytes more", bytes.size())};
    });
    bytes = {};
    return;
  }
  // Damaged in place: up to where the stream goes on for good, at most to the end of what was sent. Damaged bytes
  // that are right by chance don't end it.
  const std::uint64_t first = tail_;
  const std::uint8_t want = at(tail_);
  const std::uint8_t got = bytes[0];
  const std::size_t most = std::min<std::uint64_t>(bytes.size(), head_ - tail_);
  std::size_t end = 0;
  std::size_t bad = 0;
  for (std::size_t i = 0; i < most && i < end + anchor_bytes; ++i) {
    if (at(tail_ + i) == bytes[i]) continue;
    end = i + 1;
    ++bad;
  }
  tail_ += end;
  bytes = bytes.subspan(end);
  corrupt_ += bad;
  report(Rule::payload_corrupt, place, [&] {
    return Text{fmt::format("byte {} of the stream = 0x{:02x}", first, want),
                fmt::format("0x{:02x} (bit {}), {}", got, std::countr_zero(static_cast<unsigned>(want ^ got)),
                            bad == 1 ? "1 byte differs" : fmt::format("{} bytes differ", bad))};
  });
}

/// Damage in place leaves most of what follows where it should be; a loss or a repetition does not.
bool StreamComparator::in_place(std::span<const std::uint8_t> bytes) const {
  const std::size_t most = std::min<std::uint64_t>(bytes.size(), head_ - tail_);
  std::size_t same = 0;
  for (std::size_t i = 0; i < most; ++i) same += at(tail_ + i) == bytes[i] ? 1U : 0U;
  return bytes.size() < anchor_bytes || same * 2 > most;
}

bool StreamComparator::anchored(std::span<const std::uint8_t> bytes, std::uint64_t start) const {
  std::size_t n = 0;
  while (n < anchor_bytes && at(start + n) == bytes[n]) ++n;
  return n == anchor_bytes;
}

/// Bytes that are missing leave a later part of the stream here. True if such a place was found (and counted as loss).
bool StreamComparator::skipped(std::span<const std::uint8_t> bytes, const PacketPlace& place) {
  for (std::uint64_t start = tail_ + 1; start + anchor_bytes <= head_; ++start) {
    if (!anchored(bytes, start)) continue;
    const std::uint64_t gap = start - tail_;
    lost_ += gap;
    report(Rule::payload_lost, place, [&] {
      return Text{fmt::format("byte {} of the stream", tail_), fmt::format("byte {}: {} bytes lost", start, gap)};
    });
    tail_ = start;
    return true;
  }
  return false;
}

/// An earlier part of the stream, again: passed over, the stream is expected where it was. True if it was that.
bool StreamComparator::repeated(std::span<const std::uint8_t>& bytes, const PacketPlace& place) {
  const std::uint64_t oldest = head_ > ring_.size() ? head_ - ring_.size() : 0;
  for (std::uint64_t start = tail_; start-- > oldest;) {
    if (start + anchor_bytes > tail_ || !anchored(bytes, start)) continue;
    std::size_t n = anchor_bytes;
    while (n < bytes.size() && start + n < tail_ && at(start + n) == bytes[n]) ++n;
    report(Rule::payload_duplicate, place, [&] {
      return Text{fmt::format("byte {} of the stream", tail_), fmt::format("{} bytes from byte {} on again", n, start)};
    });
    bytes = bytes.subspan(n);
    return true;
  }
  return false;
}

void StreamComparator::finish(std::uint64_t still_inside, const PacketPlace& place) {
  const std::uint64_t waiting = head_ - tail_;
  if (waiting <= still_inside) return;
  lost_ += waiting - still_inside;
  report(Rule::payload_lost, place, [&] {
    return Text{fmt::format("{} bytes back", head_ - still_inside),
                fmt::format("{}: the last {} have not come", tail_, waiting)};
  });
}

tl::expected<FileDifference, std::string> compare_files(const std::string& expected, const std::string& seen) {
  using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;
  const auto failed = [](const std::string& name) {
    return tl::unexpected(fmt::format("{}: {}", name, std::strerror(errno)));
  };
  const File a(std::fopen(expected.c_str(), "rb"), &std::fclose);
  if (!a) return failed(expected);
  const File b(std::fopen(seen.c_str(), "rb"), &std::fclose);
  if (!b) return failed(seen);

  FileDifference d;
  bool differs = false;
  std::vector<std::uint8_t> x(65536);
  std::vector<std::uint8_t> y(65536);
  while (true) {
    const std::size_t nx = std::fread(x.data(), 1, x.size(), a.get());
    if (std::ferror(a.get()) != 0) return failed(expected);
    const std::size_t ny = std::fread(y.data(), 1, y.size(), b.get());
    if (std::ferror(b.get()) != 0) return failed(seen);
    const std::size_t both = std::min(nx, ny);
    if (!differs) {
      std::size_t i = 0;
      while (i < both && x[i] == y[i]) ++i;
      if (i < both || nx != ny) {
        differs = true;
        d.first_difference = d.expected_bytes + i;
        d.expected = i < nx ? x[i] : std::uint8_t{0};
        d.seen = i < ny ? y[i] : std::uint8_t{0};
      }
    }
    d.expected_bytes += nx;
    d.seen_bytes += ny;
    if (nx == 0 && ny == 0) break;
  }
  d.same = !differs;
  return d;
}

}  // namespace isochio::check
