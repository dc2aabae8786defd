// isochio: arbitrary bytes as the network may bring them, for libFuzzer. Checks what the session relies on: what was
// parsed lies inside the bytes given and inside the limits.
#include <cstdlib>
#include <numeric>

#include "serve/usbip_wire.h"

using namespace isochio::serve;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check_submit(const Submit& urb, std::size_t size, const Limits& limits) {
  require(urb.length <= limits.transfer_bytes);
  require(urb.data.size() == (urb.in ? 0 : urb.length));
  require(urb.data.size() <= size);
  require(urb.packets.size() <= limits.packets);
  std::uint64_t sum = 0;
  for (const auto& packet : urb.packets) {
    require(std::uint64_t{packet.offset} + packet.length <= urb.length);
    sum += packet.length;
  }
  require(sum <= urb.length);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Limits limits{.transfer_bytes = 4096, .packets = 64};
  ByteView rest(data, size);
  if (const auto first = parse_operation(rest); first && !std::holds_alternative<Incomplete>(*first)) {
    require(std::get<1>(*first).size <= size);
    rest = rest.subspan(std::get<1>(*first).size);
  }
  for (;;) {
    const auto parsed = parse_command(rest, limits);
    if (!parsed) return 0;
    if (const auto* more = std::get_if<Incomplete>(&*parsed)) {
      require(more->needed > rest.size());
      return 0;
    }
    const auto& message = std::get<1>(*parsed);
    require(message.size >= 48 && message.size <= rest.size());
    if (const auto* urb = std::get_if<Submit>(&message.content)) check_submit(*urb, rest.size(), limits);
    rest = rest.subspan(message.size);
  }
}
