// What is kept for each endpoint, with as many endpoints at once as the device has engines: every two endpoint numbers
// and directions are there together in one of the devices. (Mutants that mix the bits of two endpoints lived on.)
#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <set>

#include "cosim/device/event_log.h"

using namespace isochio::test;
using isochio::usb::Pid;
namespace bus = isochio::bus;
namespace usb = isochio::usb;
namespace description = isochio::description;

namespace {

constexpr unsigned engines = 6, in_bit = 0x80;
constexpr unsigned sof = 0, token = 2, data_out = 4, error = 6, bad_sequence = 8, bad_toggle = 9;
constexpr std::uint16_t log_mask = 0x005;

using Random = std::mt19937;
using Addresses = std::vector<std::uint8_t>;

/// Endpoint addresses, as many at once as there are engines.
Addresses draw(Random& random, bool both_directions) {
  Addresses drawn;
  for (const unsigned direction : {0U, in_bit}) {
    if (direction != 0 && !both_directions) break;
    Addresses all(15);
    for (unsigned i = 0; i < 15; ++i) all[i] = static_cast<std::uint8_t>(direction | (i + 1));
    std::shuffle(all.begin(), all.end(), random);
    drawn.insert(drawn.end(), all.begin(), all.begin() + engines);
  }
  return drawn;
}

std::set<std::pair<std::uint8_t, std::uint8_t>> pairs_of(const Addresses& addresses) {
  std::set<std::pair<std::uint8_t, std::uint8_t>> pairs;
  for (const auto a : addresses) {
    for (const auto b : addresses) {
      if (a < b) pairs.emplace(a, b);
    }
  }
  return pairs;
}

/// Sets in which every two addresses are together at least once.
std::vector<Addresses> covering(bool both_directions) {
  Random random(3);
  const std::size_t all = both_directions ? 30 * 29 / 2 : 15 * 14 / 2;
  std::set<std::pair<std::uint8_t, std::uint8_t>> covered;
  std::vector<Addresses> sets;
  while (covered.size() < all) {
    Addresses best;
    std::size_t most = 0;
    for (int tries = 0; tries < 300 || most == 0; ++tries) {
      auto addresses = draw(random, both_directions);
      std::size_t fresh = 0;
      for (const auto& pair : pairs_of(addresses)) fresh += 1 - covered.count(pair);
      if (fresh > most) {
        most = fresh;
        best = std::move(addresses);
      }
    }
    covered.merge(pairs_of(best));
    sets.push_back(best);
  }
  return sets;
}

/// One alternate setting of interface 0 with these endpoints, the n-th of each direction on engine n.
template <typename Make>
RawBusOptions with_endpoints(const Addresses& addresses, Make make) {
  return {.edit = [=](description::Description& description) {
    const auto model = *description.setting(0, 5);
    std::erase_if(description.settings, [](const auto& s) { return s.interface != 0 || s.alternate > 1; });
    auto& setting = description.settings.back();
    setting.endpoints.clear();
    unsigned next[2] = {0, 0};
    for (const auto address : addresses) {
      auto endpoint = model.endpoints[(address & in_bit) != 0 ? 1 : 0];
      endpoint.address = {address};
      endpoint.engine = static_cast<std::uint8_t>(next[(address & in_bit) != 0 ? 1 : 0]++);
      make(endpoint);
      setting.endpoints.push_back(endpoint);
    }
  }};
}

/// What endpoints get in a microframe; each is left alone, or its interval is finished, broken or not finished.
enum class Fate { none, whole, in_two, broken, broken_late, unfinished };

std::vector<Pid> pids_of(Fate fate) {
  switch (fate) {
    case Fate::none:
      return {};
    case Fate::whole:
      return {Pid::data0};
    case Fate::in_two:
      return {Pid::mdata, Pid::data1};
    case Fate::broken:
      return {Pid::data2};
    case Fate::broken_late:
      return {Pid::mdata, Pid::data2};
    default:
      return {Pid::mdata};
  }
}

/// A microframe in which these endpoints get packets, in turn; the unfinished ones, in order of their numbers.
std::vector<unsigned> microframe(RawBus& f, const std::vector<std::pair<std::uint8_t, Fate>>& fates, Random& random) {
  const RawBus::Bytes payload(8, 0);
  std::vector<std::pair<std::uint8_t, std::vector<Pid>>> waiting;
  std::vector<unsigned> unfinished;
  for (const auto& [endpoint, fate] : fates) {
    if (fate != Fate::none) waiting.emplace_back(endpoint, pids_of(fate));
    if (fate == Fate::unfinished) unfinished.push_back(endpoint);
  }
  f.next_frame();
  f.pass(bus::microsecond);  // the device looks at its endpoints between packets
  while (!waiting.empty()) {
    const auto at = waiting.begin() + static_cast<std::ptrdiff_t>(random() % waiting.size());
    f.out(at->first, at->second.front(), payload);
    at->second.erase(at->second.begin());
    if (at->second.empty()) waiting.erase(at);
  }
  std::sort(unfinished.begin(), unfinished.end());
  return unfinished;
}

/// After each SOF the entries of the intervals that it ended: one for each endpoint, in order, each at its clock. The
/// device looks at an endpoint number a clock, and at an unfinished one for two more.
void check_discards(RawBus& f, const std::vector<std::vector<unsigned>>& expected) {
  constexpr unsigned first = 3;
  const auto entries = take_log(f);
  std::size_t at = 0;
  while (at < entries.size() && entries[at].kind != error) ++at;
  REQUIRE(at > 0);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(i);
    if (expected[i].empty()) continue;
    while (at < entries.size() && entries[at].kind == sof) ++at;
    const auto begins = entries[at - 1].stamp;
    unsigned later = 0;
    for (const unsigned endpoint : expected[i]) {
      REQUIRE(at < entries.size());
      CHECK(entries[at].kind == error);
      CHECK(entries[at].endpoint == endpoint);
      CHECK(entries[at].status == bad_sequence);
      CHECK(entries[at].length == 0);
      CHECK(entries[at].stamp - begins == first + endpoint + 2 * later++);
      ++at;
    }
  }
  while (at < entries.size()) CHECK(entries[at++].kind == sof);
}

/// GET_STATUS: 0 or 1, or -1.
int halted(RawBus& f, std::uint8_t address) {
  const auto status = f.control({0x82, 0, 0, address, 2});
  return status && status->size() == 2 ? (*status)[0] : -1;
}

/// A bulk pair's traffic by a host that repeats and forgets, with what the device has to make of it.
class Traffic {
 public:
  Traffic(RawBus& f, const Addresses& bulk) : f_(f), bulk_(bulk) {}

  void step(Random& random) {
    const auto address = bulk_[random() % bulk_.size()];
    CAPTURE(int(address));
    (address & in_bit) != 0 ? in(address, random() % 2 != 0) : out(address, random() % 4 == 0);
  }
  std::vector<std::pair<unsigned, unsigned>> expected;  ///< endpoint and status of TOKEN and DATA_OUT entries

 private:
  void out(std::uint8_t address, bool repeated) {
    const bool right = !repeated;
    const bool toggle = odd_[address] == right;
    f_.token(Pid::out, address);
    f_.data(toggle ? Pid::data1 : Pid::data0, RawBus::Bytes(4, address));
    CHECK(f_.answer() == Pid::ack);
    if (right) odd_[address] = !odd_[address];
    expected.emplace_back(address, 0);
    expected.emplace_back(address, right ? 0 : bad_toggle);
  }
  void in(std::uint8_t address, bool acknowledged) {
    f_.token(Pid::in, address & 0xfU);
    const auto packet = f_.receive();
    REQUIRE(packet.size() == 7 + 3);
    CHECK(usb::pid_of(packet[0]) == (odd_[address] ? Pid::data1 : Pid::data0));
    if (acknowledged) {
      f_.send(usb::make_handshake(Pid::ack));
      odd_[address] = !odd_[address];
    } else {
      f_.pass(10 * bus::microsecond);
    }
    expected.emplace_back(address, 0);
  }

  RawBus& f_;
  Addresses bulk_;
  bool odd_[256] = {};
};

}  // namespace

TEST_CASE("of several endpoints each unfinished interval is discarded at its clock, whatever happens to the others") {
  Random random(5);
  for (const auto& numbers : covering(false)) {
    CAPTURE(int(numbers[0]));
    RawBus f(with_endpoints(numbers, [](auto&) {}));
    REQUIRE(f.configure(1));
    REQUIRE(f.write(log_mask, 1U << sof | 1U << error));
    const auto run = [&](const std::vector<std::vector<std::pair<std::uint8_t, Fate>>>& microframes) {
      REQUIRE(clear_log(f));
      // So that the first entry that counts is known.
      std::vector<std::vector<unsigned>> expected = {microframe(f, {{numbers[0], Fate::unfinished}}, random)};
      for (const auto& fates : microframes) expected.push_back(microframe(f, fates, random));
      f.next_frame();
      f.next_frame();
      check_discards(f, expected);
    };
    // One alone, one and another that is not unfinished, two, and anything.
    std::vector<std::vector<std::pair<std::uint8_t, Fate>>> planned;
    for (const auto a : numbers) {
      planned.push_back({{a, Fate::unfinished}});
      for (const auto b : numbers) {
        if (a < b) planned.push_back({{a, Fate::unfinished}, {b, Fate::unfinished}});
      }
    }
    run(planned);
    planned.clear();
    for (const auto a : numbers) {
      for (const auto b : numbers) {
        if (a != b) planned.push_back({{a, Fate::unfinished}, {b, random() % 2 != 0 ? Fate::broken : Fate::in_two}});
      }
    }
    for (int i = 0; i < 20; ++i) {
      auto& fates = planned.emplace_back();
      for (const auto number : numbers) fates.emplace_back(number, static_cast<Fate>(random() % 6));
    }
    run(planned);
  }
}

TEST_CASE("halt, type and toggle of each endpoint are its own, whatever those of eleven others are") {
  Random random(9);
  for (const auto& addresses : covering(true)) {
    CAPTURE(int(addresses[0]));
    Addresses bulk, isochronous;
    for (const auto address : addresses) (random() % 4 != 0 ? bulk : isochronous).push_back(address);
    RawBus f(with_endpoints(addresses, [&](auto& endpoint) {
      const bool is_bulk = std::count(bulk.begin(), bulk.end(), endpoint.address.value) != 0;
      endpoint.type = is_bulk ? usb::TransferType::bulk : usb::TransferType::isochronous;
      endpoint.high->max_packet = 512;
      endpoint.high->transactions = 1;
      endpoint.high->interval = is_bulk ? 0 : 1;
      endpoint.high->size = 7;
      endpoint.full.reset();
      endpoint.function = endpoint.address.is_in() ? description::Function::zeros : description::Function::none;
    }));
    REQUIRE(f.configure(1));
    std::vector<int> expected(addresses.size(), 0);
    const auto check_all = [&] {
      for (std::size_t i = 0; i < addresses.size(); ++i) {
        CAPTURE(int(addresses[i]));
        CHECK(halted(f, addresses[i]) == expected[i]);
      }
    };
    const auto set = [&](std::size_t i, bool halts) {
      const bool is_bulk = std::count(bulk.begin(), bulk.end(), addresses[i]) != 0;
      const auto request = static_cast<std::uint8_t>(halts ? 3 : 1);
      CHECK(f.control({0x02, request, 0, addresses[i], 0}).has_value() == (is_bulk || !halts));
      expected[i] = is_bulk && halts ? 1 : 0;
    };
    for (std::size_t i = 0; i < addresses.size(); ++i) {
      set(i, true);
      check_all();
      set(i, false);
    }
    std::vector<std::size_t> order(addresses.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), random);
    for (const bool halts : {true, false}) {
      for (const auto i : order) {
        set(i, halts);
        if (i % 3 == 0) check_all();
      }
    }
    // Traffic, once with all toggles at DATA0 and once with whatever they have become.
    REQUIRE(f.write(log_mask, 1U << token | 1U << data_out));
    REQUIRE(clear_log(f));
    Traffic traffic(f, bulk);
    for (int i = 0; i < 80; ++i) traffic.step(random);
    std::vector<std::pair<unsigned, unsigned>> got;
    for (const auto& e : take_log(f)) {
      if ((e.endpoint & 0xfU) != 0) got.emplace_back(e.endpoint, e.status);
    }
    CHECK(got == traffic.expected);
  }
}

TEST_CASE("an interval that is discarded does not count as an answer of another endpoint") {
  constexpr std::uint16_t out0 = 0x200, fault = 24, fault_every = 26;
  RawBus f(with_endpoints({1, 2}, [](auto& endpoint) {
    endpoint.full.reset();
    if (endpoint.address.value != 1) return;
    endpoint.type = usb::TransferType::bulk;
    endpoint.high->max_packet = 512;
    endpoint.high->transactions = 1;
  }));
  REQUIRE(f.configure(1));
  REQUIRE(f.write(out0 + fault, 1));
  REQUIRE(f.write(out0 + fault_every, 4));
  Pid pid = Pid::data0;
  for (unsigned n = 1; n < 20; ++n) {
    CAPTURE(n);
    f.next_frame();
    f.token(Pid::out, 1);
    f.data(pid, RawBus::Bytes(8, 1));
    CHECK(f.answer().has_value() == (n % 4 != 0));
    pid = pid == Pid::data0 ? Pid::data1 : Pid::data0;
    f.out(2, Pid::mdata, RawBus::Bytes(8, 1));
    REQUIRE(f.control({0x80, 0, 0, 0, 2}));
    f.next_frame();
    f.pass(5 * bus::microsecond);
  }
}
