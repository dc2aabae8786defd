// USB/IP messages against bytes written by hand from the protocol's document (Documentation/usb/usbip_protocol.rst),
// among them the capture that it shows.
#include "serve/usbip_wire.h"

#include <doctest/doctest.h>
#include <rapidcheck.h>

using namespace isochio::serve;

namespace {

Bytes hex(std::string_view text) {
  Bytes bytes;
  int high = -1;
  for (const char c : text) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) continue;
    if (high < 0) {
      high = digit;
    } else {
      bytes.push_back(static_cast<std::uint8_t>(high << 4 | digit));
      high = -1;
    }
  }
  return bytes;
}

template <typename Kind>
Kind command(const Bytes& bytes) {
  const auto parsed = parse_command(bytes);
  REQUIRE(parsed);
  REQUIRE(std::holds_alternative<Message<Submit, Unlink>>(*parsed));
  const auto& message = std::get<Message<Submit, Unlink>>(*parsed);
  CHECK(message.size == bytes.size());
  REQUIRE(std::holds_alternative<Kind>(message.content));
  return std::get<Kind>(message.content);
}

std::string problem(const Bytes& bytes) {
  const auto parsed = parse_command(bytes);
  REQUIRE_FALSE(parsed);
  return parsed.error();
}

/// Isochronous OUT: 6 bytes of data, packets of 4 bytes at 0 and 2 bytes at 4.
const Bytes iso_out =
    hex("00000001 00000007 00010002 00000000 00000002  00000002 00000006 00000000 00000002 00000001 0000000000000000"
        "010203040506"
        "00000000 00000004 00000000 00000000"
        "00000004 00000002 00000000 00000000");

Bytes changed(Bytes bytes, std::size_t at, std::uint32_t word) {
  for (std::size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<std::uint8_t>(word >> (24 - 8 * i));
  return bytes;
}

}  // namespace

TEST_CASE("USB/IP: the interrupt URBs of the protocol's document are read as it says") {
  const auto in = command<Submit>(hex(
      "00000001 00000d05 0001000f 00000001 00000001 00000200 00000040 ffffffff 00000000 00000004 00000000 00000000"));
  CHECK(in.seqnum == 0xd05);
  CHECK(in.devid == 0x1000f);
  CHECK(in.in);
  CHECK(in.endpoint == 1);
  CHECK(in.flags == 0x200);
  CHECK(in.length == 0x40);
  CHECK(in.interval == 4);
  CHECK(in.packets.empty());

  Bytes bytes =
      hex("00000001 00000d06 0001000f 00000000 00000001 00000000 00000040 ffffffff 00000000 00000004 00000000 00000000"
          "ffffffff860008a784ce5ae212376300");
  bytes.resize(48 + 0x40);
  const auto out = command<Submit>(bytes);
  CHECK_FALSE(out.in);
  CHECK(out.data.size() == 0x40);
  CHECK(out.data[4] == 0x86);
}

TEST_CASE("USB/IP: the reply of the protocol's document is written byte for byte") {
  Bytes out;
  build(out, SubmitReply{.seqnum = 0xd06, .actual_length = 0x40});
  // The document shows start_frame 0xffffffff, its table asks for 0 where nothing is isochronous.
  CHECK(out == hex("00000003 00000d06 00000000 00000000 00000000 00000000 00000040 00000000 00000000 00000000"
                   "00000000 00000000"));
}

TEST_CASE("USB/IP: the packets of an isochronous URB follow its data") {
  const auto urb = command<Submit>(iso_out);
  CHECK(urb.data.size() == 6);
  REQUIRE(urb.packets.size() == 2);
  CHECK(urb.packets[1] == IsoPacket{4, 2, 0, 0});
}

TEST_CASE("USB/IP: number_of_packets 0xffffffff means that an URB is not isochronous") {
  const auto urb = command<Submit>(hex(
      "00000001 00000001 00010002 00000001 00000000 00000200 00000012 00000000 ffffffff 00000000 80060001 00001200"));
  CHECK(urb.packets.empty());
  CHECK(urb.setup == std::array<std::uint8_t, 8>{0x80, 6, 0, 1, 0, 0, 0x12, 0});
}

TEST_CASE("USB/IP: an isochronous reply carries offset, length, actual length and status of each packet") {
  const Bytes data = {0xaa, 0xbb, 0xcc};
  const std::vector<IsoPacket> packets = {{0, 4, 3, 0}, {4, 2, 0, -71}};
  Bytes out;
  build(out, SubmitReply{7, 0, 3, 1001, 2, 1, data, packets});
  CHECK(out == hex("00000003 00000007 00000000 00000000 00000000 00000000 00000003 000003e9 00000002 00000001"
                   "00000000 00000000 aabbcc 00000000 00000004 00000003 00000000 00000004 00000002 00000000 ffffffb9"));
}

TEST_CASE("USB/IP: unlink and its reply") {
  const auto unlink = command<Unlink>(hex(
      "00000002 00000009 00010002 00000000 00000000 00000007 00000000 00000000 00000000 00000000 00000000 00000000"));
  CHECK(unlink.seqnum == 9);
  CHECK(unlink.unlink_seqnum == 7);
  Bytes out;
  build(out, UnlinkReply{9, -104});
  CHECK(out == hex("00000004 00000009 00000000 00000000 00000000 ffffff98 00000000 00000000 00000000 00000000"
                   "00000000 00000000"));
}

TEST_CASE("USB/IP: list and import requests, and their replies at the offsets of the document's tables") {
  const auto list = parse_operation(hex("0111 8005 00000000"));
  REQUIRE(list);
  CHECK(std::get<1>(*list).size == 8);
  Bytes import = hex("0111 8003 00000000 312d31");
  import.resize(40);
  const auto wanted = parse_operation(import);
  REQUIRE(wanted);
  CHECK(std::get<ImportRequest>(std::get<1>(*wanted).content).bus_id == "1-1");

  DeviceInfo device;
  device.path = "/sys/x";
  device.bus_id = "1-1";
  device.speed = 3;
  device.vendor_id = 0x1209;
  device.interfaces = {{1, 2, 3}, {0xff, 0, 0}};
  Bytes out;
  build_list_reply(out, {&device, 1});
  REQUIRE(out.size() == 0xc + 0x138 + 2 * 4);
  CHECK(Bytes(out.begin(), out.begin() + 12) == hex("0111 0005 00000000 00000001"));
  CHECK(out[0x0c] == '/');
  CHECK(out[0x10c] == '1');
  CHECK(out[0x137] == 3);     // speed
  CHECK(out[0x138] == 0x12);  // idVendor
  CHECK(out[0x143] == 2);     // bNumInterfaces
  CHECK(Bytes(out.begin() + 0x144, out.end()) == hex("01020300 ff000000"));
  Bytes reply;
  build_import_reply(reply, device);
  CHECK(reply.size() == 0x140);
  CHECK(reply[0x12f] == 2);  // devnum
  Bytes refusal;
  build_import_refusal(refusal);
  CHECK(refusal == hex("0111 0003 00000001"));
}

TEST_CASE("USB/IP: texts that are too long are cut and closed by a zero byte") {
  DeviceInfo device;
  device.path = std::string(1000, 'p');
  device.bus_id = std::string(100, 'b');
  Bytes out;
  build_import_reply(out, device);
  CHECK(out.size() == 0x140);
  CHECK(out[0x107] == 0);
  CHECK(out[0x127] == 0);
}

TEST_CASE("USB/IP: every part of a message that is cut short asks for more, and never reads behind its end") {
  for (std::size_t size = 0; size < iso_out.size(); ++size) {
    CAPTURE(size);
    const Bytes part(iso_out.begin(), iso_out.begin() + static_cast<std::ptrdiff_t>(size));
    const auto parsed = parse_command(part);
    REQUIRE(parsed);
    REQUIRE(std::holds_alternative<Incomplete>(*parsed));
    CHECK(std::get<Incomplete>(*parsed).needed > size);
    CHECK(std::get<Incomplete>(*parsed).needed <= iso_out.size());
  }
}

TEST_CASE("USB/IP: what has no place in the protocol is an error that says what is wrong") {
  CHECK(problem(changed(iso_out, 0, 9)).find("no USB/IP command") != std::string::npos);
  CHECK(problem(changed(iso_out, 12, 2)).find("direction 2") != std::string::npos);
  CHECK(problem(changed(iso_out, 16, 16)).find("endpoint 16") != std::string::npos);
  CHECK(problem(changed(iso_out, 24, 0x80000000)).find("at most") != std::string::npos);
  CHECK(problem(changed(iso_out, 32, 1025)).find("1025 isochronous packets") != std::string::npos);
  CHECK(problem(changed(iso_out, 32, 0xfffffffe)).find("isochronous packets") != std::string::npos);
  // packet 1: offset and length
  CHECK(problem(changed(iso_out, 70, 0xffffffff)).find("not in its buffer") != std::string::npos);
  CHECK(problem(changed(iso_out, 74, 3)).find("not in its buffer") != std::string::npos);
  CHECK(problem(changed(changed(iso_out, 70, 0), 74, 6)).find("overlap") != std::string::npos);
  CHECK_FALSE(parse_operation(hex("0106 8005 00000000")));
  CHECK_FALSE(parse_operation(hex("0111 8006 00000000")));
}

TEST_CASE("USB/IP: whatever bytes come, a message lies inside them and its parts inside its limits") {
  CHECK(rc::check("arbitrary bytes", [] {
    Bytes bytes = *rc::gen::arbitrary<Bytes>();
    if (bytes.size() >= 4 && *rc::gen::arbitrary<bool>())
      bytes = changed(bytes, 0, *rc::gen::inRange<std::uint32_t>(1, 3));
    const auto parsed = parse_command(bytes);
    if (!parsed || std::holds_alternative<Incomplete>(*parsed)) return;
    const auto& message = std::get<1>(*parsed);
    RC_ASSERT(message.size <= bytes.size());
    if (const auto* urb = std::get_if<Submit>(&message.content)) {
      for (const auto& packet : urb->packets) RC_ASSERT(packet.offset + packet.length <= urb->length);
    }
  }));
}
