// Every sequence of data PIDs in an isochronous OUT interval [5.9.2], and what makes an interval a new one.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <random>

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

/// Interface 0 with 15 alternate settings: one endpoint 1 IN each, with these largest packets and transactions.
RawBusOptions with_packets(const std::array<std::pair<unsigned, unsigned>, 15>& packets) {
  return {.edit = [=](isochio::description::Description& description) {
    const auto found = std::find_if(description.settings.begin(), description.settings.end(), [](const auto& setting) {
      return setting.interface == 0 && setting.alternate == 2;
    });
    const auto model = *found;
    std::erase_if(description.settings, [](const auto& s) { return s.interface == 0 && s.alternate != 0; });
    for (std::size_t i = 0; i < packets.size(); ++i) {
      auto setting = model;
      setting.alternate = static_cast<std::uint8_t>(i + 1);
      setting.endpoints[0].high->max_packet = static_cast<std::uint16_t>(packets[i].first);
      setting.endpoints[0].high->transactions = static_cast<std::uint8_t>(packets[i].second);
      setting.endpoints[0].full.reset();
      description.settings.push_back(setting);
    }
  }};
}

/// Four OUT endpoints of two transactions a microframe in alternate 5, at these numbers.
RawBusOptions with_outputs(const std::array<unsigned, 4>& numbers) {
  return {.edit = [=](isochio::description::Description& description) {
    for (auto& setting : description.settings) {
      for (auto& endpoint : setting.endpoints) {
        // The bulk pair makes room.
        if (setting.interface == 1) endpoint.engine = 5;
        if (setting.interface == 1)
          endpoint.address = {static_cast<std::uint8_t>((endpoint.address.is_in() ? 0x80U : 0U) | numbers[3])};
      }
      if (setting.interface != 0 || setting.alternate != 5) continue;
      const auto model = setting.endpoints[0];
      setting.endpoints.clear();
      for (std::size_t i = 0; i < 3; ++i) {
        setting.endpoints.push_back(model);
        setting.endpoints[i].address = {static_cast<std::uint8_t>(numbers[i])};
        setting.endpoints[i].engine = static_cast<std::uint8_t>(i);
      }
    }
  }};
}

}  // namespace

TEST_CASE(
    "an IN interval's bytes are shared out over packets as large as they can be, whatever size and largest packet "
    "are") {
  constexpr std::uint16_t function = 0x100, size = 0x103;
  constexpr unsigned zeros = 2;
  std::mt19937 random(7);
  for (int round = 0; round < 2; ++round) {
    std::array<std::pair<unsigned, unsigned>, 15> packets;
    for (auto& [largest, transactions] : packets) {
      transactions = 1 + random() % 3;
      largest = transactions == 1   ? 1 + random() % 1024
                : transactions == 2 ? 513 + random() % 512
                                    : 683 + random() % 342;
    }
    RawBus f(with_packets(packets));
    REQUIRE(f.configure(0));
    for (std::uint16_t alternate = 1; alternate < 16; ++alternate) {
      const auto [largest, transactions] = packets[alternate - 1];
      CAPTURE(largest);
      CAPTURE(transactions);
      REQUIRE(f.control({0x01, 11, alternate, 0, 0}));
      REQUIRE(f.write(function, zeros));
      for (unsigned i = 0; i < 16; ++i) {
        // Near a whole number of packets, and anywhere.
        const unsigned near = largest * (1 + i % transactions) + (1U << i / 3) - (i % 2 == 0 ? 1U << (i / 3 + 1) : 0U);
        const unsigned wanted = i < 14 ? near & 0xfffU : 1 + random() % (largest * transactions);
        CAPTURE(wanted);
        REQUIRE(f.write(size, wanted));
        unsigned left = wanted == 0 || wanted > largest * transactions ? largest * transactions : wanted;
        f.next_frame();
        for (unsigned count = left == 0 ? 1 : (left + largest - 1) / largest; count > 0; --count) {
          f.token(Pid::in, 1);
          const auto packet = f.receive();
          REQUIRE(packet.size() == std::min(left, largest) + 3);
          CHECK(usb::pid_of(packet[0]) == (count == 1 ? Pid::data0 : count == 2 ? Pid::data1 : Pid::data2));
          left -= std::min(left, largest);
        }
        f.token(Pid::in, 1);
        CHECK(f.receive().size() == 3);
      }
    }
  }
}

TEST_CASE("several endpoints whose intervals were not complete are each discarded once") {
  for (unsigned first = 1; first < 16; ++first) {
    CAPTURE(first);
    std::array<unsigned, 4> numbers = {first, (first + 2) % 15 + 1, (first + 6) % 15 + 1, 2};
    while (std::count(numbers.begin(), numbers.end() - 1, numbers[3]) != 0) ++numbers[3];
    RawBus f(with_outputs(numbers));
    REQUIRE(f.configure(5));
    REQUIRE(f.write(0x004, 1U | 1U << 8U));
    f.pass(20 * isochio::bus::microsecond);
    const RawBus::Bytes payload(30, 0);
    f.next_frame();
    for (std::size_t i = 0; i < 3; ++i) f.out(static_cast<std::uint8_t>(numbers[i]), Pid::mdata, payload);
    f.next_frame();
    f.next_frame();
    CHECK(f.read(sequence_errors) == 3);
    CHECK(f.read(discarded) == 3);
    for (std::uint16_t engine = 0; engine < 3; ++engine) CHECK(f.read(0x200 + 0x20 * engine + 16) == 1);
    // Complete ones are not.
    f.next_frame();
    for (std::size_t i = 0; i < 3; ++i) {
      f.out(static_cast<std::uint8_t>(numbers[i]), Pid::mdata, payload);
      f.out(static_cast<std::uint8_t>(numbers[i]), Pid::data1, payload);
    }
    f.next_frame();
    f.next_frame();
    CHECK(f.read(sequence_errors) == 3);
  }
}

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
