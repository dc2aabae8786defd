// isochio: packets built and parsed; the bytes are those that analysers show for well-known packets.
#include "usb/packet.h"

#include <vector>

#include <doctest/doctest.h>
#include <rapidcheck.h>

using namespace isochio::usb;

namespace {
std::vector<std::uint8_t> bytes_of(std::span<const std::uint8_t> bytes) { return {bytes.begin(), bytes.end()}; }
using Bytes = std::vector<std::uint8_t>;
}  // namespace

TEST_CASE("PID bytes are those of table 8-1 with the complement above") {
  CHECK(pid_byte(Pid::out) == 0xe1);
  CHECK(pid_byte(Pid::in) == 0x69);
  CHECK(pid_byte(Pid::sof) == 0xa5);
  CHECK(pid_byte(Pid::setup) == 0x2d);
  CHECK(pid_byte(Pid::data0) == 0xc3);
  CHECK(pid_byte(Pid::data1) == 0x4b);
  CHECK(pid_byte(Pid::data2) == 0x87);
  CHECK(pid_byte(Pid::mdata) == 0x0f);
  CHECK(pid_byte(Pid::ack) == 0xd2);
  CHECK(pid_byte(Pid::nak) == 0x5a);
  CHECK(pid_byte(Pid::stall) == 0x1e);
  CHECK(pid_byte(Pid::nyet) == 0x96);
  CHECK(pid_byte(Pid::ping) == 0xb4);
  CHECK(pid_byte(Pid::split) == 0x78);
  CHECK(pid_byte(Pid::pre_err) == 0x3c);
}

TEST_CASE("exactly sixteen of all bytes pass the PID check") {
  int good = 0;
  for (unsigned byte = 0; byte < 256; ++byte) good += pid_check_good(static_cast<std::uint8_t>(byte)) ? 1 : 0;
  CHECK(good == 16);
}

TEST_CASE("known packets come out byte for byte") {
  CHECK(bytes_of(make_token(Pid::setup, 0, 0)) == Bytes{0x2d, 0x00, 0x10});
  CHECK(bytes_of(make_token(Pid::in, 0, 0)) == Bytes{0x69, 0x00, 0x10});
  CHECK(bytes_of(make_sof(1)) == Bytes{0xa5, 0x01, 0xe8});
  CHECK(bytes_of(make_handshake(Pid::ack)) == Bytes{0xd2});
  const Bytes get_device_descriptor{0x80, 0x06, 0x00, 0x01, 0x00, 0x00, 0x40, 0x00};
  Bytes buffer(16);
  CHECK(bytes_of(make_data(Pid::data0, get_device_descriptor, buffer)) ==
        Bytes{0xc3, 0x80, 0x06, 0x00, 0x01, 0x00, 0x00, 0x40, 0x00, 0xdd, 0x94});
  CHECK(bytes_of(make_data(Pid::data1, {}, buffer)) == Bytes{0x4b, 0x00, 0x00});
}

TEST_CASE("a data packet that does not fit its buffer comes out empty") {
  Bytes buffer(6);
  CHECK(make_data(Pid::data0, Bytes(4), buffer).empty());
  CHECK(make_data(Pid::data0, Bytes(3), buffer).size() == 6);
}

TEST_CASE("a parser names what is wrong with a packet") {
  CHECK(parse({}).error() == PacketError::empty);
  CHECK(parse(Bytes{0xa6, 0x01, 0xe8}).error() == PacketError::pid_check);
  CHECK(parse(Bytes{0xf0}).error() == PacketError::pid_unknown);
  CHECK(parse(Bytes{0x3c}).error() == PacketError::pid_unknown);
  CHECK(parse(Bytes{0xa5, 0x01}).error() == PacketError::wrong_length);
  CHECK(parse(Bytes{0xd2, 0x00}).error() == PacketError::wrong_length);
  CHECK(parse(Bytes{0xc3, 0x00}).error() == PacketError::wrong_length);
  CHECK(parse(Bytes{0xa5, 0x02, 0xe8}).error() == PacketError::crc5);
  CHECK(parse(Bytes{0x4b, 0x01, 0x00}).error() == PacketError::crc16);
}

TEST_CASE("tokens and SOFs survive the round trip") {
  CHECK(rc::check([] {
    const auto address = *rc::gen::inRange<std::uint8_t>(0, 128);
    const auto endpoint = *rc::gen::inRange<std::uint8_t>(0, 16);
    const auto pid = *rc::gen::element(Pid::in, Pid::out, Pid::setup, Pid::ping);
    const auto packet = make_token(pid, address, endpoint);
    const auto token = parse(packet);
    RC_ASSERT(token.has_value());
    RC_ASSERT(token->pid == pid);
    RC_ASSERT(token->address == address);
    RC_ASSERT(token->endpoint == endpoint);
    const auto number = *rc::gen::inRange<std::uint16_t>(0, 2048);
    const auto frame = make_sof(number);
    RC_ASSERT(parse(frame)->frame_number == number);
  }));
}

TEST_CASE("data packets survive the round trip") {
  CHECK(rc::check([](const Bytes& payload) {
    const auto pid = *rc::gen::element(Pid::data0, Pid::data1, Pid::data2, Pid::mdata);
    Bytes buffer(payload.size() + data_overhead);
    const auto packet = parse(make_data(pid, payload, buffer));
    RC_ASSERT(packet.has_value());
    RC_ASSERT(packet->pid == pid);
    RC_ASSERT(bytes_of(packet->payload) == payload);
  }));
}
