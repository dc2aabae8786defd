// isochio: every kind of fault on the wire, made once in the middle of two isochronous streams: what the device counted
// and logged, which status the host gave, which check found it; and that nothing else went wrong, so that the device
// answered the next good token [design]. Rows hold for both speeds unless they say otherwise.
#include <doctest/doctest.h>

#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cosim/fault/fault_fixture.h"

using namespace isochio;
using namespace isochio::test;
using controller::Status;

namespace {

constexpr std::uint64_t struck_frame = 5;
constexpr std::uint8_t struck_microframe = 2;

enum class Speeds : std::uint8_t { both, full, high };

struct Row {
  const char* toml;
  Status in;  ///< of the IN entry that is struck; OUT entries are ok whatever happens [USB 2.0 5.6.5]
  std::map<std::string, std::uint32_t> counters;  ///< the device's, of what went wrong: these and no other
  std::set<std::string> rules;                    ///< found by these checks and no other
  Speeds speeds = Speeds::both;
};

std::string joined(const std::map<std::string, std::uint32_t>& counters) { return fmt::format("{}", counters); }

void check_row(const Row& row, bool full) {
  const auto toml =
      fmt::format("[[fault]]\nframe = {}\nmicroframe = {}\n{}\n", struck_frame, struck_microframe, row.toml);
  CAPTURE(toml);
  CAPTURE(full);
  FaultFixture f(full, toml, 1);
  f.run();
  REQUIRE(f.witness.made.size() == 1);
  const std::size_t struck = full ? struck_frame : struck_frame * 8 + struck_microframe;
  CHECK(f.status(FaultFixture::in, struck) == row.in);
  CHECK(f.bad(FaultFixture::in).size() == (row.in == Status::ok ? 0 : 1));
  CHECK(f.bad(FaultFixture::out).empty());
  CHECK(joined(f.counters) == joined(row.counters));
  CHECK(fmt::format("{}", f.rules()) == fmt::format("{}", row.rules));
  // What is left of the streams, and the log read by control transfers, went well: the device answers.
  CHECK(f.get(0) == 0x4F495349);
}

void check_rows(const std::vector<Row>& rows) {
  for (const auto& row : rows) {
    if (row.speeds != Speeds::full) check_row(row, false);
    if (row.speeds != Speeds::high) check_row(row, true);
  }
}

#define TOKEN_IN "packet = 'token'\nendpoint = 0x81\n"
#define TOKEN_OUT "packet = 'token'\nendpoint = 0x01\n"
#define DATA_IN "endpoint = 0x81\n"
#define DATA_OUT "endpoint = 0x01\n"

}  // namespace

TEST_CASE("faults of tokens: the device counts them, stays silent, and answers the next one") {
  check_rows({
      {"kind = 'bit_error'\nplace = 'sync'\n" TOKEN_IN, Status::no_response, {}, {"missed"}},
      {"kind = 'bit_error'\nplace = 'pid'\n" TOKEN_IN, Status::no_response, {{"PID", 1}}, {"missed", "packet_error"}},
      {"kind = 'bit_error'\nplace = 'token'\n" TOKEN_IN, Status::no_response, {{"CRC5", 1}}, {"crc", "missed"}},
      {"kind = 'bit_error'\nplace = 'crc'\n" TOKEN_IN, Status::no_response, {{"CRC5", 1}}, {"crc", "missed"}},
      {"kind = 'bit_error'\nplace = 'token'\n" TOKEN_OUT,
       Status::ok,
       {{"CRC5", 1}, {"OUT LOST", 1}},
       {"crc", "device_log", "missed", "payload_lost"}},
      {"kind = 'wrong_pid'\npid = 'reserved'\n" TOKEN_IN, Status::no_response, {}, {"missed", "packet_error"}},
      {"kind = 'wrong_pid'\npid = 'setup'\n" TOKEN_OUT,
       Status::ok,
       {{"OUT LOST", 1}, {"TOKEN_OTHER", 1}},
       {"device_log", "payload_lost"}},
      {"kind = 'truncated'\n" TOKEN_OUT,
       Status::ok,
       {{"OUT LOST", 1}, {"TRUNCATED", 1}},
       {"device_log", "missed", "packet_error", "payload_lost"}},
      {"kind = 'oversized'\n" TOKEN_IN, Status::no_response, {{"OVERSIZED", 1}}, {"missed", "packet_error"}},
      {"kind = 'missing_eop'\n" TOKEN_IN, Status::no_response, {{"RX_ERROR", 1}}, {"missed", "packet_error"}},
      {"kind = 'stuffing_error'\n" TOKEN_IN, Status::no_response, {{"RX_ERROR", 1}}, {"missed", "packet_error"}},
      {"kind = 'lost'\n" TOKEN_IN, Status::no_response, {}, {"missed"}},
      {"kind = 'other_address'\naddress = 77\n" TOKEN_IN,
       Status::no_response,
       {{"TOKEN_OTHER", 1}},
       {"device_log", "response_time"}},
      {"kind = 'other_address'\naddress = 77\n" TOKEN_OUT,
       Status::ok,
       {{"OUT LOST", 1}, {"TOKEN_OTHER", 1}},
       {"device_log", "payload_lost"}},
      {"kind = 'repeated_token'\n" TOKEN_IN,
       Status::ok,
       {{"IN DUPLICATE", 1}},
       {"duplicate", "pid_sequence"},
       Speeds::high},
      {"kind = 'repeated_token'\n" TOKEN_IN, Status::ok, {{"IN DUPLICATE", 1}}, {"duplicate"}, Speeds::full},
      {"kind = 'repeated_token'\n" TOKEN_OUT,
       Status::ok,
       {{"TIMEOUT", 1}},
       {"packet_error", "pid_sequence"},
       Speeds::high},
      {"kind = 'repeated_token'\n" TOKEN_OUT, Status::ok, {{"TIMEOUT", 1}}, {"packet_error"}, Speeds::full},
  });
}

TEST_CASE("faults of the host's data: the device discards them and takes the next") {
  check_rows({
      {"kind = 'bit_error'\nplace = 'sync'\n" DATA_OUT,
       Status::ok,
       {{"OUT LOST", 1}, {"TIMEOUT", 1}},
       {"packet_error", "payload_lost"}},
      {"kind = 'bit_error'\nplace = 'pid'\n" DATA_OUT,
       Status::ok,
       {{"OUT LOST", 1}, {"PID", 1}},
       {"packet_error", "payload_lost"}},
      {"kind = 'bit_error'\n" DATA_OUT,
       Status::ok,
       {{"CRC16", 1}, {"DISCARDED", 1}, {"OUT LOST", 1}},
       {"crc", "payload_lost"}},
      {"kind = 'bit_error'\nplace = 'crc'\n" DATA_OUT,
       Status::ok,
       {{"CRC16", 1}, {"DISCARDED", 1}, {"OUT LOST", 1}},
       {"crc", "payload_lost"}},
      {"kind = 'wrong_pid'\npid = 'ack'\n" DATA_OUT,
       Status::ok,
       {{"OUT LOST", 1}, {"TIMEOUT", 1}},
       {"packet_error", "payload_lost"}},
      {"kind = 'wrong_data_pid'\n" DATA_OUT,
       Status::ok,
       {{"DISCARDED", 1}, {"OUT LOST", 1}, {"SEQUENCE", 1}},
       {"device_log", "payload_lost", "pid_sequence"},
       Speeds::high},
      // A full-speed device takes DATA1 for DATA0 [8.5.5].
      {"kind = 'wrong_data_pid'\n" DATA_OUT, Status::ok, {}, {"pid_sequence"}, Speeds::full},
      {"kind = 'wrong_data_pid'\npid = 'mdata'\n" DATA_OUT,
       Status::ok,
       {{"DISCARDED", 1}, {"OUT LOST", 1}, {"SEQUENCE", 1}},
       {"device_log", "payload_lost", "pid_sequence"}},
      {"kind = 'truncated'\n" DATA_OUT,
       Status::ok,
       {{"CRC16", 1}, {"DISCARDED", 1}, {"OUT LOST", 1}},
       {"crc", "payload_lost"}},
      {"kind = 'truncated'\nbytes = 194\n" DATA_OUT,
       Status::ok,
       {{"DISCARDED", 1}, {"OUT LOST", 1}, {"TRUNCATED", 1}},
       {"packet_error", "payload_lost"}},
      {"kind = 'oversized'\n" DATA_OUT,
       Status::ok,
       {{"DISCARDED", 1}, {"OUT LOST", 1}, {"OVERSIZED", 1}},
       {"count", "device_log", "packet_error", "payload_lost", "payload_truncated"}},
      {"kind = 'oversized'\nbytes = 1000\n" DATA_OUT,
       Status::ok,
       {{"DISCARDED", 1}, {"OUT LOST", 1}, {"OVERSIZED", 1}},
       {"count", "device_log", "packet_error", "payload_lost", "payload_truncated"},
       Speeds::high},
      // At full speed that is more than nine tenths of a frame.
      {"kind = 'oversized'\nbytes = 1000\n" DATA_OUT,
       Status::ok,
       {{"DISCARDED", 1}, {"OUT LOST", 1}, {"OVERSIZED", 1}},
       {"bandwidth", "count", "device_log", "packet_error", "payload_lost", "payload_truncated"},
       Speeds::full},
      {"kind = 'babble'\n" DATA_OUT,
       Status::ok,
       {{"CRC16", 1}, {"DISCARDED", 1}, {"OUT LOST", 1}},
       {"packet_error", "payload_lost"},
       Speeds::high},
      // A full-speed frame has no room left for the IN transaction behind it.
      {"kind = 'babble'\n" DATA_OUT,
       Status::missed,
       {{"CRC16", 1}, {"DISCARDED", 1}, {"OUT LOST", 1}},
       {"missed", "packet_error", "payload_lost"},
       Speeds::full},
      {"kind = 'missing_eop'\n" DATA_OUT,
       Status::ok,
       {{"DISCARDED", 1}, {"OUT LOST", 1}, {"RX_ERROR", 1}},
       {"packet_error", "payload_lost"}},
      {"kind = 'stuffing_error'\n" DATA_OUT,
       Status::ok,
       {{"DISCARDED", 1}, {"OUT LOST", 1}, {"RX_ERROR", 1}},
       {"packet_error", "payload_lost"}},
      {"kind = 'lost'\npacket = 'data'\n" DATA_OUT,
       Status::ok,
       {{"OUT LOST", 1}, {"TIMEOUT", 1}},
       {"packet_error", "payload_lost"}},
      {"kind = 'spurious_handshake'\nfrom = 'device'\n" DATA_OUT, Status::ok, {}, {"device_log", "packet_error"}},
  });
}

TEST_CASE("faults of the device's data: the host says which, and the device's log bears witness of what it sent") {
  check_rows({
      {"kind = 'bit_error'\nplace = 'sync'\n" DATA_IN,
       Status::no_response,
       {},
       {"device_log", "payload_lost", "response_time"}},
      {"kind = 'bit_error'\nplace = 'pid'\n" DATA_IN,
       Status::pid_error,
       {},
       {"device_log", "packet_error", "payload_lost"}},
      {"kind = 'bit_error'\n" DATA_IN, Status::crc_error, {}, {"crc", "device_log", "payload_lost"}},
      {"kind = 'bit_error'\nplace = 'crc'\n" DATA_IN, Status::crc_error, {}, {"crc", "device_log", "payload_lost"}},
      {"kind = 'wrong_pid'\npid = 'nak'\n" DATA_IN,
       Status::pid_error,
       {},
       {"device_log", "packet_error", "payload_lost"}},
      {"kind = 'wrong_data_pid'\n" DATA_IN,
       Status::sequence_error,
       {},
       {"device_log", "payload_lost", "pid_sequence"},
       Speeds::high},
      // A full-speed host takes DATA1 for DATA0 [8.5.5].
      {"kind = 'wrong_data_pid'\n" DATA_IN, Status::ok, {}, {"device_log"}, Speeds::full},
      {"kind = 'wrong_data_pid'\npid = 'data2'\n" DATA_IN,
       Status::sequence_error,
       {},
       {"device_log", "payload_lost", "pid_sequence"}},
      {"kind = 'truncated'\n" DATA_IN, Status::crc_error, {}, {"crc", "device_log", "payload_lost"}},
      {"kind = 'oversized'\n" DATA_IN, Status::overrun, {}, {"device_log", "packet_error"}},
      {"kind = 'babble'\n" DATA_IN, Status::overrun, {}, {"device_log", "packet_error", "payload_lost"}, Speeds::high},
      // At full speed it goes on beyond the frame: the next SOF is late.
      {"kind = 'babble'\n" DATA_IN,
       Status::overrun,
       {{"SOF_MISSED", 1}},
       {"bandwidth", "device_log", "end_of_frame", "packet_error", "payload_lost", "sof_interval"},
       Speeds::full},
      {"kind = 'missing_eop'\n" DATA_IN, Status::bit_stuff, {}, {"device_log", "packet_error", "payload_lost"}},
      {"kind = 'stuffing_error'\n" DATA_IN, Status::bit_stuff, {}, {"device_log", "packet_error", "payload_lost"}},
      {"kind = 'no_answer'\n" DATA_IN, Status::no_response, {}, {"device_log", "payload_lost", "response_time"}},
      {"kind = 'spurious_handshake'\nfrom = 'host'\n" DATA_IN, Status::ok, {}, {"device_log", "packet_error"}},
      {"kind = 'spurious_handshake'\nfrom = 'device'\n" DATA_IN,
       Status::pid_error,
       {},
       {"device_log", "packet_error", "payload_lost"}},
  });
}

TEST_CASE("late answers: within the device's limit in time, within the host's patience late, beyond it none") {
  check_rows({
      {"kind = 'late_answer'\nbits = 192\n" DATA_IN, Status::ok, {}, {}, Speeds::high},
      {"kind = 'late_answer'\nbits = 193\n" DATA_IN, Status::ok, {}, {"response_time"}, Speeds::high},
      {"kind = 'late_answer'\nbits = 735\n" DATA_IN, Status::ok, {}, {"response_time"}, Speeds::high},
      {"kind = 'late_answer'\nbits = 775\n" DATA_IN, Status::ok, {}, {"response_time"}, Speeds::high},
      {"kind = 'late_answer'\nbits = 777\n" DATA_IN,
       Status::no_response,
       {},
       {"payload_lost", "response_time"},
       Speeds::high},
      {"kind = 'late_answer'\nbits = 817\n" DATA_IN,
       Status::no_response,
       {},
       {"payload_lost", "response_time"},
       Speeds::high},
      {"kind = 'late_answer'\nbits = 6.5\n" DATA_IN, Status::ok, {}, {}, Speeds::full},
      {"kind = 'late_answer'\nbits = 7\n" DATA_IN, Status::ok, {}, {"response_time"}, Speeds::full},
      {"kind = 'late_answer'\nbits = 16.5\n" DATA_IN, Status::ok, {}, {"response_time"}, Speeds::full},
      {"kind = 'late_answer'\nbits = 17.5\n" DATA_IN,
       Status::no_response,
       {},
       {"payload_lost", "response_time"},
       Speeds::full},
      {"kind = 'late_answer'\nbits = 18.5\n" DATA_IN,
       Status::no_response,
       {},
       {"payload_lost", "response_time"},
       Speeds::full},
  });
}

TEST_CASE("within a high-bandwidth interval the n-th packet can be struck: the interval is lost, the next is whole") {
  FaultFixture f(false, "[[fault]]\nkind = 'bit_error'\nendpoint = 0x81\nframe = 5\nmicroframe = 2\nnth = 2\n", 6);
  f.run();
  CHECK(f.bad(FaultFixture::in) == std::map<std::size_t, Status>{{42, Status::crc_error}});
  REQUIRE(f.witness.made.size() == 1);
  CHECK(f.witness.made[0].pid == usb::Pid::data1);
  CHECK(f.requests.at(FaultFixture::in)->request.entries[42].complete == 1024);
}

TEST_CASE("the same seed strikes the same packets, another seed others") {
  const auto struck = [](std::uint64_t seed) {
    FaultFixture f(false, "[[fault]]\nkind = 'stuffing_error'\nendpoint = 0x81\nprobability = 0.05\n", 1, seed);
    f.run();
    return f.witness.texts;
  };
  const auto first = struck(1);
  CHECK(first.size() > 3);
  CHECK(first.size() < 20);
  CHECK(struck(1) == first);
  CHECK(struck(2) != first);
}
