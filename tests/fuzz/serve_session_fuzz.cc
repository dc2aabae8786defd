// isochio: a whole hostile client for libFuzzer, of USB/IP or usbredir: its bytes go through message boundaries, parser
// and session onto a host model with a device double, in pieces of any size, with bus time in between. Nothing may
// crash, and what is in flight stays inside its limits.
#include <cstdlib>
#include <memory>

#include "serve/redir_client.h"
#include "serve/usbip_client.h"
#include "support/host_fixture.h"

using namespace isochio;
using namespace isochio::serve;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

struct FuzzDesk final : Desk {
  explicit FuzzDesk(controller::SimHost& h) : host(h), info(describe(h)) {}
  tl::expected<std::unique_ptr<Session>, std::string> attach(UrbClient& client) override {
    return Session::begin(host, client, {.urbs = 64, .bytes = 1U << 20U});
  }
  const DeviceInfo& device() const override { return info; }
  void say(const std::string&) override {}

  controller::SimHost& host;
  DeviceInfo info;
};

/// The client's words so far, then what it sends now. false: the connection is over.
bool converse(Conversation& client, Bytes& in, ByteView more, int turns) {
  in.insert(in.end(), more.begin(), more.end());
  const auto used = client.take(in);
  if (!used) return false;
  require(*used <= in.size());
  in.erase(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(*used));
  for (int i = 0; i < turns && client.session() != nullptr; ++i) {
    // Wall-clock time jumps, so that bus time never waits for long.
    static auto now = std::chrono::steady_clock::now();
    now += std::chrono::milliseconds(40);
    client.advance(now);
    require(client.session()->in_flight() <= 64);
    require(client.output().size() < (1U << 24U));
    client.output().clear();
  }
  return !client.closing();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  static test::HostFixture fixture;  // attached once: that is most of the time
  static FuzzDesk desk = [] {
    require(fixture.host.enumerate().has_value());
    return FuzzDesk(fixture.host);
  }();
  fixture.log.packets.clear();
  const Limits limits{.transfer_bytes = 4096, .packets = 64};
  const bool redir = (data[0] & 1U) != 0;
  std::unique_ptr<Conversation> client;
  if (redir) {
    client = std::make_unique<RedirClient>(desk, limits);
  } else {
    client = std::make_unique<UsbipClient>(desk, limits, 64);
  }
  // Pieces: one of 1 to 255 bytes after the other, or all at once.
  const std::size_t piece = data[1] == 0 ? size : data[1];
  ByteView rest(data + 2, size - 2);
  Bytes in;
  while (!rest.empty()) {
    const auto next = rest.first(std::min(piece, rest.size()));
    rest = rest.subspan(next.size());
    if (!converse(*client, in, next, 2)) break;
  }
  for (int i = 0; i < 4 && client->session() != nullptr; ++i) converse(*client, in, {}, 2);
  return 0;
}
