// Every sequence of data PIDs in an isochronous OUT interval [5.9.2], and what makes an interval a new one.
#include <doctest/doctest.h>

#include <array>

#include "cosim/device/event_log.h"

using namespace isochio::test;
using isochio::usb::Pid;
namespace usb = isochio::usb;

namespace {

constexpr std::uint16_t log_mask = 0x005, sequence_errors = 0x01b, discarded = 0x01c, packets = 0x208;
constexpr unsigned data_out = 4, error = 6, bad_sequence = 8;
constexpr std::array all_pids = {Pid::data0, Pid::data1, Pid::data2, Pid::mdata};

/// Statuses that the log has to show, and how many packets are handed on.
struct Judge {
  std::vector<unsigned> statuses;
  unsigned handed_on = 0, wrong = 0;

  /// `transactions` a microframe; 0: full speed.
  void interval(const std::vector<Pid>& pids, unsigned transactions) {
    unsigned accepted = 0;
    bool done = false, bad = false;
    for (const Pid pid : pids) {
      if (done || !fits(pid, accepted, transactions)) {
        statuses.push_back(bad_sequence);
        ++wrong;
        bad = bad || !done;
        continue;
      }
      statuses.push_back(0);
      ++accepted;
      done = pid != Pid::mdata;
      if (done && !bad) handed_on += accepted;
    }
    if (accepted != 0 && !done && !bad) {
      statuses.push_back(bad_sequence);  // when the interval ends
      ++wrong;
    }
  }

 private:
  static bool fits(Pid pid, unsigned accepted, unsigned transactions) {
    if (transactions == 0) return pid == Pid::data0 || pid == Pid::data1;
    if (pid == Pid::mdata) return accepted + 1 < transactions;
    return accepted == (pid == Pid::data0 ? 0U : pid == Pid::data1 ? 1U : 2U);
  }
};

/// All of length 0 … 3.
std::vector<std::vector<Pid>> all_sequences() {
  std::vector<std::vector<Pid>> sequences = {{}};
  for (std::size_t i = 0; i < sequences.size() && sequences[i].size() < 3; ++i) {
    for (const Pid pid : all_pids) {
      sequences.push_back(sequences[i]);
      sequences.back().push_back(pid);
    }
  }
  return sequences;
}

std::vector<unsigned> logged(RawBus& f) {
  std::vector<unsigned> statuses;
  for (const auto& e : take_log(f)) {
    if ((e.endpoint & 0xfU) == 1 && (e.kind == data_out || e.kind == error)) statuses.push_back(e.status);
  }
  return statuses;
}

std::size_t in_length(RawBus& f) {
  f.token(Pid::in, 1);
  return f.receive().size();
}

void next_whole_frame(RawBus& f) {
  do {
    f.next_frame();
  } while (f.microframe() != 0);
}

/// Alternate 8 is asked every 8 (micro)frames; let it have two transactions.
void two_transactions(isochio::description::Description& description) {
  for (auto& setting : description.settings) {
    for (auto& endpoint : setting.endpoints) {
      if (setting.alternate == 8 && endpoint.high) endpoint.high->transactions = 2;
    }
  }
}

}  // namespace

TEST_CASE("of all sequences of data PIDs in an interval the complete ones are taken, and each wrong packet is logged") {
  const auto check = [](bool fs_only, std::uint8_t alternate, unsigned transactions) {
    CAPTURE(fs_only);
    CAPTURE(transactions);
    RawBus f({.fs_only = fs_only});
    REQUIRE(f.configure(alternate));
    REQUIRE(f.write(log_mask, 1U << data_out | 1U << error));
    REQUIRE(f.write(0x004, 1U | 1U << 8U | 1U << 9U));
    f.pass(20 * isochio::bus::microsecond);
    const RawBus::Bytes payload(20, 0);
    Judge total;
    for (const auto& sequence : all_sequences()) {
      Judge judge;
      f.next_frame();
      for (const Pid pid : sequence) f.out(1, pid, payload);
      judge.interval(sequence, transactions);
      total.interval(sequence, transactions);
      f.next_frame();
      CAPTURE(sequence.size());
      CAPTURE(sequence.empty() ? 0 : int(sequence[0]));
      CAPTURE(sequence.size() < 2 ? 0 : int(sequence[1]));
      CAPTURE(sequence.size() < 3 ? 0 : int(sequence[2]));
      CHECK(logged(f) == judge.statuses);
    }
    CHECK(f.read(packets) == total.handed_on);
    CHECK(f.read(sequence_errors) == total.wrong);
  };
  check(false, 3, 1);
  check(false, 5, 2);
  check(false, 7, 3);
  check(true, 3, 0);
}

TEST_CASE("an endpoint that is set up again begins a new interval, and what waited there is gone") {
  RawBus f({.edit = two_transactions});
  REQUIRE(f.configure(8));
  next_whole_frame(f);
  CHECK(in_length(f) == 1024 + 3);
  CHECK(in_length(f) == 1024 + 3);
  CHECK(in_length(f) == 3);
  f.next_frame();
  CHECK(in_length(f) == 3);  // the interval has 8 microframes
  const auto number = f.frame_number();
  REQUIRE(f.control({0x01, 11, 0, 0, 0}));
  REQUIRE(f.control({0x01, 11, 8, 0, 0}));
  REQUIRE(f.frame_number() == number);
  CHECK(in_length(f) == 1024 + 3);
  const RawBus::Bytes payload(1024, 0);
  REQUIRE(f.write(0x004, 1U | 1U << 8U));
  next_whole_frame(f);
  f.out(1, Pid::mdata, payload);
  const auto next = f.frame_number();
  REQUIRE(f.control({0x01, 11, 8, 0, 0}));
  f.out(1, Pid::mdata, payload);
  f.out(1, Pid::data1, payload);
  REQUIRE(f.frame_number() == next);
  CHECK(f.read(packets) == 2);
  CHECK(f.read(sequence_errors) == 0);
  // A bulk packet that the host did not acknowledge.
  const RawBus::Bytes bulk(512, 3);
  f.token(Pid::out, 2);
  f.data(Pid::data0, bulk);
  REQUIRE(f.answer() == Pid::ack);
  f.token(Pid::in, 2);
  REQUIRE(f.receive().size() == 512 + 3);
  f.pass(20 * isochio::bus::microsecond);
  REQUIRE(f.control({0x01, 11, 0, 1, 0}));
  f.token(Pid::in, 2);
  CHECK(f.answer() == Pid::nak);
}

TEST_CASE("an interval is over when any bit of the count of microframes above it has changed") {
  RawBus f({});
  REQUIRE(f.configure(8));
  next_whole_frame(f);
  auto number = static_cast<std::uint16_t>(f.frame_number());
  const auto jump = [&](unsigned frames) {
    number = static_cast<std::uint16_t>((number + frames) & 0x7ffU);
    f.send(usb::make_sof(number), true);
  };
  const auto in_now = [&] {
    f.send(usb::make_token(Pid::in, f.address, 1));
    return f.receive().size();
  };
  REQUIRE(in_now() == 1024 + 3);
  REQUIRE(in_now() == 3);
  for (unsigned bit = 3; bit < 24; ++bit) {
    CAPTURE(bit);
    // A frame has 8 microframes; a jump of 1024 frames adds 2^13 to the count.
    if (bit < 14) jump(1U << (bit - 3));
    for (unsigned i = 0; bit >= 14 && i < 1U << (bit - 13); ++i) jump(1024);
    CHECK(in_now() == 1024 + 3);
    CHECK(in_now() == 3);
  }
}
