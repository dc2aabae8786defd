// isochio: bandwidth arithmetic against the specification's tables and formulas.
#include "usb/bandwidth.h"

#include <array>
#include <vector>

#include <doctest/doctest.h>

#include "usb/packet.h"

using namespace isochio::usb;

TEST_CASE("table 5-4: isochronous transactions in a full-speed frame") {
  constexpr std::array<std::array<std::uint32_t, 2>, 11> rows{
      {{1, 150}, {2, 136}, {4, 115}, {8, 88}, {16, 60}, {32, 36}, {64, 20}, {128, 10}, {256, 5}, {512, 2}, {1023, 1}}};
  for (const auto& [payload, count] : rows) CHECK(most_transactions(Speed::full, payload) == count);
}

TEST_CASE("table 5-5: isochronous transactions in a high-speed microframe") {
  constexpr std::array<std::array<std::uint32_t, 2>, 11> rows{{{1, 192},
                                                               {2, 187},
                                                               {4, 178},
                                                               {8, 163},
                                                               {16, 138},
                                                               {32, 107},
                                                               {64, 73},
                                                               {128, 45},
                                                               {256, 25},
                                                               {512, 13},
                                                               {1024, 7}}};
  for (const auto& [payload, count] : rows) CHECK(most_transactions(Speed::high, payload) == count);
}

TEST_CASE("worst-case transaction times follow 5.11.3") {
  CHECK(bit_stuff_time(0) == 0);
  CHECK(bit_stuff_time(1) == 9);        // 9.3336
  CHECK(bit_stuff_time(192) == 1792);   // 1792.0512
  CHECK(bit_stuff_time(1024) == 9557);  // 9557.6064
  // HS: 2.083 * (304 + 3 + 9557)
  CHECK(transaction_ps(Speed::high, true, Direction::in, 1024) == 20'546'712);
  // FS: 7268 (IN) or 6265 (OUT) + 83.54 * (3 + 1792)
  CHECK(transaction_ps(Speed::full, true, Direction::in, 192) == 157'222'300);
  CHECK(transaction_ps(Speed::full, true, Direction::out, 192) == 156'219'300);
  CHECK(transaction_ps(Speed::full, false, Direction::in, 64) == 9'107'000 + 83'540 * 600);
  CHECK(transaction_ps(Speed::high, false, Direction::out, 512) == 2'083 * (440 + 3 + 4778));
  CHECK(transaction_ps(Speed::full, true, Direction::in, 0, 5'000) == 7'268'000 + 3 * 83'540 + 5'000);
}

TEST_CASE("one 3 x 1024 endpoint fits a microframe's 80 %, a second one does not") {
  const EndpointConfig endpoint{
      .address = {0x81}, .type = TransferType::isochronous, .max_packet = 1024, .transactions = 3, .interval = 1};
  CHECK(periodic_limit_ps(Speed::high) == 100'000'000);
  CHECK(service_ps(Speed::high, endpoint) <= periodic_limit_ps(Speed::high));
  CHECK(2 * service_ps(Speed::high, endpoint) > periodic_limit_ps(Speed::high));
}

TEST_CASE("the share of a frame can be chosen") {
  CHECK(periodic_limit_ps(Speed::full) == 900'000'000);
  CHECK(periodic_limit_ps(Speed::full, 50) == 500'000'000);
  CHECK(periodic_limit_ps(Speed::high, 100) == 125'000'000);
}

TEST_CASE("packets take their bits on the wire") {
  const auto ack = make_handshake(Pid::ack);  // d2: no run of six
  CHECK(packet_bits(Speed::high, ack) == 32 + 8 + 8);
  CHECK(packet_bits(Speed::full, ack) == 8 + 8 + 2);
  const auto sof = make_sof(0);
  CHECK(packet_bits(Speed::high, sof, true) == 32 + 24 + 40);
  std::vector<std::uint8_t> buffer(8);
  const std::array<std::uint8_t, 2> ones{0xff, 0xff};
  const auto data = make_data(Pid::data0, ones, buffer);
  REQUIRE(data[3] == 0xff);
  REQUIRE(data[4] == 0xff);
  // c3 ends in two ones: a run of 2 + 32 takes five zeros
  CHECK(packet_bits(Speed::full, data) == 8 + 5 * 8 + 5 + 2);
}
