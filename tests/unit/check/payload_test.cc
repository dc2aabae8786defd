// isochio: the pattern of docs/payload.md, and what happens to its packets.
#include <rapidcheck.h>

#include "check/byte_stream.h"
#include "check/crc.h"
#include "check_fixture.h"
#include "usb/crc.h"

using namespace isochio;
using namespace isochio::check;
using namespace isochio::test;

namespace {

/// PRBS31 bit by bit, straight from ITU-T O.150: each bit is the sum of those 28 and 31 before it.
Bytes prbs_by_bits(std::uint32_t state, std::size_t bytes) {
  Bytes out;
  for (std::size_t i = 0; i < bytes; ++i) {
    unsigned byte = 0;
    for (int b = 0; b < 8; ++b) {
      const std::uint32_t bit = ((state >> 30U) ^ (state >> 27U)) & 1U;
      state = ((state << 1U) | bit) & 0x7fffffffU;
      byte = byte << 1U | bit;
    }
    out.push_back(static_cast<std::uint8_t>(byte));
  }
  return out;
}

struct Stream {
  explicit Stream(Pattern pattern = Pattern::prbs) : reporter(sink), checker(reporter, pattern) {}
  void take(const Bytes& b, std::uint64_t frame = 100) {
    checker.packet(b, {3, 4, {0x81}, service_window(frame, 0, 1, usb::Speed::high), {}});
  }
  static Bytes make(std::uint32_t sequence, std::size_t size = 64, std::uint64_t frame = 100) {
    Bytes b(size);
    make_packet(Pattern::prbs, default_seed, sequence, usb::FrameTime::of(frame), b);
    return b;
  }
  KeptViolations sink;
  Reporter reporter;
  PatternChecker checker;
};

}  // namespace

TEST_CASE("the sliced CRCs agree with their published check values and with the host's own") {
  const std::string text = "123456789";
  const Bytes b(text.begin(), text.end());
  CHECK(crc32(b) == 0xCBF43926U);
  rc::check("sliced and plain CRCs agree", [](const Bytes& bytes) {
    RC_ASSERT(crc32(bytes) == usb::crc32(bytes));
    Bytes with = bytes;
    const std::uint16_t c = usb::crc16(bytes);
    with.push_back(static_cast<std::uint8_t>(c));
    with.push_back(static_cast<std::uint8_t>(c >> 8U));
    RC_ASSERT(crc16_good(with));
    with[0] ^= 1U;
    RC_ASSERT(!crc16_good(with));
  });
}

TEST_CASE("a packet has the layout of docs/payload.md, with the body of PRBS31 by bits") {
  Bytes b(1024);
  make_packet(Pattern::prbs, 0x12345678, 7, usb::FrameTime::of(0x7ff, 5), b);
  CHECK(Bytes(b.begin(), b.begin() + 8) == Bytes{7, 0, 0, 0, 0xfd, 0x3f, 0x00, 0x04});
  const std::uint32_t state = ((0x12345678U ^ 7U * 0x9E3779B1U) & 0x7fffffffU) | 1U;
  CHECK(Bytes(b.begin() + 8, b.end() - 4) == prbs_by_bits(state, 1012));
  const std::uint32_t crc = usb::crc32(std::span(b).first(1020));
  CHECK(b[1020] == (crc & 0xffU));
  CHECK(b[1023] == crc >> 24U);
}

TEST_CASE("what the generator makes, the checker finds good, at any size") {
  rc::check([](std::vector<std::uint16_t> sizes) {
    Stream s;
    PatternGenerator g;
    std::uint64_t frame = 100;
    for (const auto size : sizes) {
      Bytes b(size % 3073U);
      g.interval(b, 1024, usb::FrameTime::of(frame));
      s.checker.interval(b, 1024, {1, 0, {0x81}, service_window(frame, 0, 1, usb::Speed::high), {}});
      ++frame;
    }
    RC_ASSERT(s.sink.rules().empty());
  });
}

TEST_CASE("a missing packet is lost, and checking goes on behind it") {
  Stream s;
  for (const std::uint32_t n : {0U, 1U, 4U, 5U}) s.take(s.make(n));
  CHECK(s.sink.rules() == "payload_lost");
  CHECK(s.checker.statistics().lost == 2);
  CHECK(s.sink.all[0].request == 3);
  CHECK(s.sink.all[0].entry == 4);
  CHECK(s.sink.all[0].expected == "sequence 2");
}

TEST_CASE("a packet that comes twice is a duplicate, an older one reordered") {
  Stream s;
  for (const std::uint32_t n : {0U, 1U, 2U, 2U, 3U, 1U, 4U}) s.take(s.make(n));
  CHECK(s.sink.rules() == "payload_duplicate payload_reordered");
}

TEST_CASE("sequence numbers wrap") {
  Stream s;
  s.checker.restart(true);
  for (const std::uint32_t n : {0xfffffffeU, 0xffffffffU, 0U, 1U}) s.take(s.make(n));
  CHECK(s.sink.rules() == "");
}

TEST_CASE("a shortened packet is truncated, a lengthened one too, and no byte is called bad") {
  Stream s;
  Bytes b = s.make(0);
  b.resize(40);
  s.take(b);
  b = s.make(1);
  b.push_back(0);
  s.take(b);
  s.take(s.make(2));
  CHECK(s.sink.rules() == "payload_truncated payload_truncated");
  CHECK(s.sink.all[0].expected == "64 bytes (sequence 0)");
  CHECK(s.checker.statistics().corrupt == 0);
}

TEST_CASE("a flipped bit is corruption at that byte and bit, wherever it is, and nothing is lost") {
  for (std::size_t bad = 0; bad < 64; ++bad) {
    CAPTURE(bad);
    Stream s;
    s.take(s.make(0));
    Bytes b = s.make(1);
    b[bad] ^= 0x10U;
    s.take(b);
    s.take(s.make(2));
    REQUIRE(s.sink.rules() == "payload_corrupt");
    CHECK(s.sink.all[0].seen.find("(first bad byte " + std::to_string(bad) + " bit 4)") != std::string::npos);
  }
}

TEST_CASE("a body of another seed is corrupt although its CRC32 is good") {
  Stream s;
  Bytes b(64);
  make_packet(Pattern::prbs, default_seed ^ 0x100U, 0, usb::FrameTime::of(100), b);
  s.take(b);
  REQUIRE(s.sink.rules() == "payload_corrupt");
  CHECK(s.sink.all[0].seen.find("first bad byte ") != std::string::npos);
}

TEST_CASE("packets below 12 bytes are compared by what they carry") {
  for (std::size_t size = 1; size < 12; ++size) {
    CAPTURE(size);
    Stream s;
    s.take(s.make(0, size));
    s.take(s.make(2, size));
    CHECK(s.sink.rules() == "payload_lost");
    Bytes b = s.make(3, size);
    if (size < 7) continue;
    b[6] ^= 1U;
    s.take(b);
    CHECK(s.checker.statistics().corrupt == 0);
    CHECK(s.checker.statistics().truncated == (size < 8 ? 0U : 1U));  // half a length says nothing
  }
}

TEST_CASE("a packet below 12 bytes that is lengthened is oversized if only zeros follow its header, else corrupt") {
  for (const std::size_t longer : {9U, 11U, 12U, 40U}) {
    CAPTURE(longer);
    Stream s;
    Bytes b = s.make(0, 8);
    b.resize(longer, 0);
    s.take(b);
    CHECK(s.sink.rules() == "payload_truncated");
    Bytes c = s.make(1, 8);
    c.resize(longer, 0);
    c[8] = 1;
    s.take(c);
    CHECK(s.sink.rules() == "payload_truncated payload_corrupt");
    CHECK(s.checker.statistics().lost == 0);
  }
}

TEST_CASE("what is left of a long packet below 12 bytes is truncated if its body is right, else corrupt") {
  Stream s;
  Bytes b = s.make(0, 100);
  b.resize(11);
  s.take(b);
  CHECK(s.sink.rules() == "payload_truncated");
  Bytes c = s.make(1, 100);
  c.resize(11);
  c[9] ^= 1U;
  s.take(c);
  CHECK(s.sink.rules() == "payload_truncated payload_corrupt");
}

TEST_CASE("a stamp of another frame is mistimed and nothing else") {
  Stream s;
  s.take(s.make(0, 64, 101), 100);
  CHECK(s.sink.rules() == "payload_mistimed");
  CHECK(s.sink.all[0].expected == "stamp 100.0");
  CHECK(s.sink.all[0].seen == "101.0");
}

TEST_CASE("plain patterns are told from damaged ones") {
  Stream zeros(Pattern::zeros);
  zeros.take(Bytes(100, 0));
  CHECK(zeros.sink.rules() == "");
  Bytes b(100, 0);
  b[99] = 1;
  zeros.take(b);
  CHECK(zeros.sink.rules() == "payload_corrupt");

  Stream mod63(Pattern::mod63);
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = static_cast<std::uint8_t>(i % 63);
  mod63.take(b);
  CHECK(mod63.sink.rules() == "");
  b[63] = 63;
  mod63.take(b);
  REQUIRE(mod63.sink.rules() == "payload_corrupt");
  CHECK(mod63.sink.all[0].expected == "byte 63 = 0x00");
}

namespace {

struct Loop {
  Loop() : reporter(sink), compare(reporter, 4096) {
    std::uint32_t x = 1;  // no sixteen bytes come twice
    for (auto& byte : sent) byte = static_cast<std::uint8_t>((x = x * 1664525U + 1013904223U) >> 24U);
    compare.sent(sent);
  }
  void back(std::size_t from, std::size_t count) { compare.received(std::span(sent).subspan(from, count), place); }
  KeptViolations sink;
  Reporter reporter;
  StreamComparator compare;
  Bytes sent = Bytes(1000);
  PacketPlace place{1, 2, {0x81}, {}, {}};
};

}  // namespace

TEST_CASE("a loopback stream that comes back in other pieces is whole") {
  Loop l;
  for (std::size_t at = 0; at < 1000; at += 40) l.back(at, 40);
  l.compare.finish(0, l.place);
  CHECK(l.sink.rules() == "");
}

TEST_CASE("bytes that don't come back through the loop are lost, and the rest is compared on") {
  Loop l;
  l.back(0, 300);
  l.back(350, 650);
  l.compare.finish(0, l.place);
  CHECK(l.sink.rules() == "payload_lost");
  CHECK(l.compare.bytes_lost() == 50);
}

TEST_CASE("a damaged byte in the loop is corruption, not loss") {
  Loop l;
  l.back(0, 300);
  const std::uint8_t wrong = l.sent[300] ^ 2U;
  Bytes piece(l.sent.begin() + 300, l.sent.begin() + 400);
  piece[0] = wrong;
  l.compare.received(piece, l.place);
  l.back(400, 600);
  l.compare.finish(0, l.place);
  REQUIRE(l.sink.rules() == "payload_corrupt");
  CHECK(l.sink.all[0].seen.find("(bit 1)") != std::string::npos);
  CHECK(l.compare.bytes_corrupt() == 1);
}

TEST_CASE("bytes that come back twice are a duplicate, in place of others a loss too") {
  Loop l;
  l.back(0, 400);
  l.back(300, 100);
  l.back(400, 100);
  CHECK(l.sink.rules() == "payload_duplicate");
  l.back(400, 100);
  l.back(600, 400);
  l.compare.finish(0, l.place);
  CHECK(l.sink.rules() == "payload_duplicate payload_duplicate payload_lost");
  CHECK(l.compare.bytes_lost() == 100);
  CHECK(l.compare.statistics().duplicate == 2);
  CHECK(l.compare.statistics().lost == 1);
}

TEST_CASE("a run of damaged bytes is one corruption, though some of them are right by chance") {
  Loop l;
  Bytes piece(l.sent);
  for (std::size_t i = 100; i < 200; ++i) piece[i] ^= static_cast<std::uint8_t>(i % 10 == 7 ? 0 : 0x40);
  l.compare.received(piece, l.place);
  l.compare.finish(0, l.place);
  CHECK(l.sink.rules() == "payload_corrupt");
  CHECK(l.compare.bytes_corrupt() == 90);
}

TEST_CASE("bytes that nobody sent, and bytes that stay inside, are seen") {
  Loop l;
  l.back(0, 990);
  l.compare.finish(10, l.place);
  CHECK(l.sink.rules() == "");
  l.compare.finish(0, l.place);
  CHECK(l.sink.rules() == "payload_lost");
  Loop m;
  m.back(0, 1000);
  m.back(0, 10);
  CHECK(m.sink.rules() == "payload_duplicate");
}

TEST_CASE("a file is compared whole") {
  const std::string a = "compare_a.bin";
  const std::string b = "compare_b.bin";
  const auto write = [](const std::string& name, const Bytes& bytes) {
    std::FILE* f = std::fopen(name.c_str(), "wb");
    std::fwrite(bytes.data(), 1, bytes.size(), f);
    std::fclose(f);
  };
  Bytes bytes(200'000, 5);
  write(a, bytes);
  write(b, bytes);
  CHECK(compare_files(a, b)->same);
  bytes[150'000] = 6;
  write(b, bytes);
  const auto d = compare_files(a, b);
  CHECK(!d->same);
  CHECK(d->first_difference == 150'000);
  CHECK(d->seen == 6);
  bytes.resize(150'000);
  write(b, bytes);
  CHECK(!compare_files(a, b)->same);
  CHECK(compare_files(a, b)->first_difference == 150'000);
  CHECK(compare_files(a, "no/such/file").error() == "no/such/file: No such file or directory");
  std::remove(a.c_str());
  std::remove(b.c_str());
}
