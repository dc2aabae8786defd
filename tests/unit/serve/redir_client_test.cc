// A usbredir client's messages, written by hand from the protocol's document, against the scripted device.
#include "serve/redir_client.h"

#include <doctest/doctest.h>

#include "support/host_fixture.h"

using namespace isochio;
using namespace isochio::serve;
using isochio::test::HostFixture;

namespace {

struct TestDesk final : Desk {
  explicit TestDesk(controller::SimHost& h) : host(h) {}
  tl::expected<std::unique_ptr<Session>, std::string> attach(UrbClient& client) override {
    auto session = Session::begin(host, client);
    info = describe(host);
    return session;
  }
  const DeviceInfo& device() const override { return info; }
  void say(const std::string& line) override { said.push_back(line); }

  controller::SimHost& host;
  DeviceInfo info;
  std::vector<std::string> said;
};

void put(Bytes& out, std::uint64_t value, int size) {
  for (int i = 0; i < size; ++i) out.push_back(static_cast<std::uint8_t>(value >> 8 * i & 0xffU));
}

struct Message {
  std::uint32_t type = 0;
  std::uint64_t id = 0;
  Bytes body;
};

/// A client that has 64-bit numbers, packet sizes and long bulk transfers, as QEMU has.
struct Conversed {
  explicit Conversed(HostFixture& fixture) : desk(fixture.host) {
    Bytes hello;
    put(hello, usb_redir_hello, 4);
    put(hello, 68, 4);
    put(hello, 0, 4);
    hello.resize(hello.size() + 64);
    put(hello, 0x72, 4);
    REQUIRE(client.take(hello));
    messages.erase(messages.begin(), messages.end());
    client.output().erase(client.output().begin(), client.output().begin() + 12 + 68);  // its own hello, narrow
    receive();
    REQUIRE(messages.size() == 3);
    CHECK(messages[0].type == usb_redir_ep_info);
    CHECK(messages[1].type == usb_redir_interface_info);
    CHECK(messages[2].type == usb_redir_device_connect);
    send(usb_redir_set_configuration, {1});
    until(usb_redir_configuration_status);
  }

  void send(std::uint32_t type, const Bytes& body, std::uint64_t id = 1) {
    Bytes bytes;
    put(bytes, type, 4);
    put(bytes, body.size(), 4);
    put(bytes, id, 8);
    bytes.insert(bytes.end(), body.begin(), body.end());
    const auto used = client.take(bytes);
    REQUIRE(used);
    CHECK(*used == bytes.size());
  }
  void receive() {
    Bytes& out = client.output();
    std::size_t at = 0;
    while (at + 16 <= out.size()) {
      const auto number = [&](std::size_t from, int size) {
        std::uint64_t value = 0;
        for (int i = 0; i < size; ++i) value |= std::uint64_t{out[at + from + static_cast<std::size_t>(i)]} << 8 * i;
        return value;
      };
      const auto length = static_cast<std::size_t>(number(4, 4));
      const auto begin = out.begin() + static_cast<std::ptrdiff_t>(at + 16);
      messages.push_back({static_cast<std::uint32_t>(number(0, 4)), number(8, 8),
                          Bytes(begin, begin + static_cast<std::ptrdiff_t>(length))});
      at += 16 + length;
    }
    CHECK(at == out.size());
    out.clear();
  }
  /// Lets the bus run until a message of this type is there, and takes it out.
  Message until(std::uint32_t type) {
    for (int i = 0; i < 5000; ++i) {
      receive();
      for (auto m = messages.begin(); m != messages.end(); ++m) {
        if (m->type != type) continue;
        Message found = *m;
        messages.erase(messages.begin(), m + 1);
        return found;
      }
      client.advance(std::chrono::steady_clock::now());
    }
    FAIL("no message of type ", type);
    return {};
  }

  TestDesk desk;
  RedirClient client{desk, Limits{}};
  std::vector<Message> messages;
};

}  // namespace

TEST_CASE("an interrupt endpoint is polled until it is stopped, and each packet is numbered") {
  HostFixture fixture;
  int given = 0;
  fixture.device.set_source(HostFixture::interrupt_in, [&](std::uint16_t) {
    return test::ScriptedDevice::Packets{{static_cast<std::uint8_t>(given++), 7}};
  });
  Conversed c(fixture);
  c.send(usb_redir_start_interrupt_receiving, {0x83});
  CHECK(c.until(usb_redir_interrupt_receiving_status).body == Bytes{usb_redir_success, 0x83});
  for (std::uint8_t i = 0; i < 5; ++i) {
    const Message packet = c.until(usb_redir_interrupt_packet);
    CHECK(packet.id == i);
    CHECK(packet.body == Bytes{0x83, usb_redir_success, 2, 0, i, 7});
  }
  c.send(usb_redir_start_interrupt_receiving, {0x83});
  CHECK(c.until(usb_redir_interrupt_receiving_status).body == Bytes{usb_redir_inval, 0x83});
  c.send(usb_redir_stop_interrupt_receiving, {0x83});
  CHECK(c.until(usb_redir_interrupt_receiving_status).body == Bytes{usb_redir_success, 0x83});
  c.client.advance(std::chrono::steady_clock::now());
  c.client.advance(std::chrono::steady_clock::now());
  CHECK(c.client.session()->in_flight() == 0);
}

TEST_CASE("a halted interrupt endpoint stops its stream with a stall, and begins anew when the halt is cleared") {
  HostFixture fixture;
  Conversed c(fixture);
  fixture.device.halt(HostFixture::interrupt_in);
  c.send(usb_redir_start_interrupt_receiving, {0x83});
  CHECK(c.until(usb_redir_interrupt_receiving_status).body == Bytes{usb_redir_success, 0x83});
  CHECK(c.until(usb_redir_interrupt_receiving_status).body == Bytes{usb_redir_stall, 0x83});
  c.send(usb_redir_control_packet, {0x00, 1, 0x02, 0, 0, 0, 0x83, 0, 0, 0}, 5);
  CHECK(c.until(usb_redir_control_packet).body[3] == usb_redir_success);
  c.send(usb_redir_start_interrupt_receiving, {0x83});
  CHECK(c.until(usb_redir_interrupt_receiving_status).body == Bytes{usb_redir_success, 0x83});
}

TEST_CASE("isochronous OUT packets go into consecutive service intervals, in the order in which they came") {
  HostFixture fixture;
  std::vector<std::pair<std::uint16_t, std::uint8_t>> sunk;
  fixture.device.set_sink(HostFixture::iso_out, [&](std::uint16_t stamp, usb::Pid, std::span<const std::uint8_t> data) {
    sunk.emplace_back(stamp, data.empty() ? 0 : data[0]);
  });
  Conversed c(fixture);
  c.send(usb_redir_set_alt_setting, {0, 1});
  CHECK(c.until(usb_redir_alt_setting_status).body == Bytes{usb_redir_success, 0, 1});
  c.send(usb_redir_start_iso_stream, {0x01, 8, 4});
  CHECK(c.until(usb_redir_iso_stream_status).body == Bytes{usb_redir_success, 0x01});
  for (std::uint8_t i = 0; i < 15; ++i) c.send(usb_redir_iso_packet, {0x01, 0, 1, 0, i}, 0);
  CHECK(c.client.session()->in_flight() == 0);  // half of the buffer is not there yet
  for (std::uint8_t i = 15; i < 40; ++i) c.send(usb_redir_iso_packet, {0x01, 0, 1, 0, i}, 0);
  // Without grace: the client sends no more.
  for (int i = 0; i < 100 && sunk.size() < 40; ++i)
    c.client.advance(std::chrono::steady_clock::now() + std::chrono::milliseconds(200 * i));
  REQUIRE(sunk.size() == 40);
  for (std::uint8_t i = 0; i < 40; ++i) {
    CHECK(sunk[i].second == i);
    CHECK(sunk[i].first == ((sunk[0].first + i) & 0x3fff));
  }
}

TEST_CASE("too many OUT packets make the client wait, and nothing is lost") {
  HostFixture fixture;
  std::size_t sunk = 0;
  fixture.device.set_sink(HostFixture::iso_out,
                          [&](std::uint16_t, usb::Pid, std::span<const std::uint8_t>) { ++sunk; });
  Conversed c(fixture);
  c.send(usb_redir_set_alt_setting, {0, 1});
  c.until(usb_redir_alt_setting_status);
  c.send(usb_redir_start_iso_stream, {0x01, 8, 4});
  Bytes many;
  for (int i = 0; i < 3000; ++i) {
    put(many, usb_redir_iso_packet, 4);
    put(many, 5, 4);
    put(many, 0, 8);
    many.insert(many.end(), {0x01, 0, 1, 0, 42});
  }
  auto used = c.client.take(many);
  REQUIRE(used);
  CHECK(*used < many.size());
  CHECK(*used > many.size() / 4);
  std::size_t at = *used;
  for (int i = 0; i < 5000 && sunk < 3000; ++i) {
    c.client.advance(std::chrono::steady_clock::now() + std::chrono::milliseconds(200 * i));
    used = c.client.take(ByteView(many).subspan(at));
    REQUIRE(used);
    at += *used;
  }
  CHECK(at == many.size());
  CHECK(sunk == 3000);
}

TEST_CASE("the length of a usbredir message is judged before anything is kept for it") {
  const auto header = [](std::uint32_t type, std::uint32_t length) {
    Bytes bytes;
    put(bytes, type, 4);
    put(bytes, length, 4);
    return bytes;
  };
  const RedirState greeted{true, true};
  CHECK(*redir_message(header(usb_redir_hello, 68), {}) == 0);
  CHECK_FALSE(redir_message(header(usb_redir_hello, 4096), {}));
  CHECK_FALSE(redir_message(header(usb_redir_reset, 0), {}));
  CHECK_FALSE(redir_message(header(usb_redir_hello, 68), greeted));
  CHECK_FALSE(redir_message(header(usb_redir_filter_filter, 5000), greeted));
  CHECK_FALSE(redir_message(header(usb_redir_bulk_packet, 0xffffffff), greeted));
  CHECK_FALSE(redir_message(header(usb_redir_bulk_packet, (1U << 24U) + 100), greeted));
  Bytes whole = header(usb_redir_reset, 0);
  whole.resize(16);
  CHECK(*redir_message(whole, greeted) == 16);
  CHECK(*redir_message(ByteView(whole).first(15), greeted) == 0);
  CHECK(*redir_message(ByteView(whole).first(12), {true, false}) == 12);
}

TEST_CASE("statuses are told apart as the protocol has them") {
  CHECK(redir_status(0) == usb_redir_success);
  CHECK(redir_status(-32) == usb_redir_stall);
  CHECK(redir_status(-110) == usb_redir_timeout);
  CHECK(redir_status(-75) == usb_redir_babble);
  CHECK(redir_status(-71) == usb_redir_ioerror);
  CHECK(redir_status(-18) == usb_redir_ioerror);
  CHECK(redir_status(-104) == usb_redir_cancelled);
  CHECK(redir_status(-22) == usb_redir_inval);
}
