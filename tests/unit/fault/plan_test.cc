// isochio: [[fault]] tables: what is read, and what is refused with file, line and key.
#include <doctest/doctest.h>

#include <string>

#include "fault/fault_plan.h"

using namespace isochio;
using namespace isochio::fault;

namespace {

FaultPlan good(const std::string& text) {
  auto plan = parse_plan(text, "faults.toml");
  REQUIRE_MESSAGE(plan.has_value(), (plan ? "" : plan.error().to_string()));
  return *plan;
}

std::string error_of(const std::string& text) {
  auto plan = parse_plan(text, "faults.toml");
  if (!plan) return plan.error().to_string();
  const auto resolved = plan->resolve("faults.toml", {{"in", {0x81}}, {"out", {0x01}}});
  return resolved ? "" : resolved.error().to_string();
}

}  // namespace

TEST_CASE("a fault has what its table says, and for the rest what its kind brings along") {
  auto plan = good(
      "seed = 7\n[[fault]]\nname = \"x\"\nkind = \"bit_error\"\nplace = \"crc\"\nbit = 3\nendpoint = \"in\"\n"
      "frame = 12\nmicroframe = 3\n[[fault]]\nkind = \"sof_late\"\nbits = 6.5\nevery = 10\ncount = 2\n"
      "[[fault]]\nkind = \"device_clock\"\nppm = -500\nto_ppm = 500\nframes = 100\n");
  CHECK(plan.seed == 7);
  REQUIRE(plan.faults.size() == 3);
  REQUIRE(plan.resolve("faults.toml", {{"in", {0x81}}}).has_value());
  const auto& bit = plan.faults[0];
  CHECK(bit.name == "x");
  CHECK(bit.kind == Kind::bit_error);
  CHECK(bit.place == Place::crc);
  CHECK(bit.bit == 3);
  CHECK(bit.endpoint == usb::EndpointAddress{0x81});
  CHECK(bit.from_host == false);
  CHECK(bit.packets.bits == PacketSet::data);
  CHECK(bit.when.frame == 12);
  CHECK(bit.when.microframe == 3);
  CHECK(bit.when.count == 1);
  const auto& late = plan.faults[1];
  CHECK(late.name == "sof_late");
  CHECK(late.from_host == true);
  CHECK(late.packets.bits == PacketSet::sof);
  CHECK(late.bits == 6.5);
  CHECK(late.when.every == 10);
  CHECK(late.when.count == 2);
  CHECK(plan.faults[2].ppm == -500);
  CHECK(plan.needs_device_clock());
  CHECK(plan.bus_clock_ppm() == 0);
}

TEST_CASE("who sends the packet follows from the endpoint: data IN from the device, handshakes for it from the host") {
  auto plan = good(
      "[[fault]]\nkind = \"stuffing_error\"\nendpoint = 0x82\n"
      "[[fault]]\nkind = \"stuffing_error\"\nendpoint = 0x82\npacket = \"handshake\"\n"
      "[[fault]]\nkind = \"stuffing_error\"\nendpoint = 0x02\n"
      "[[fault]]\nkind = \"stuffing_error\"\npacket = \"token\"\n");
  REQUIRE(plan.resolve("faults.toml", {}).has_value());
  CHECK(plan.faults[0].from_host == false);
  CHECK(plan.faults[1].from_host == true);
  CHECK(plan.faults[2].from_host == true);
  CHECK(plan.faults[3].from_host == true);
}

TEST_CASE("a late answer is the device's, unless the host is said to keep the device waiting") {
  auto plan = good(
      "[[fault]]\nkind = \"late_answer\"\nbits = 193\nendpoint = 0x81\n"
      "[[fault]]\nkind = \"late_answer\"\nbits = 193\nendpoint = 0x01\nfrom = \"host\"\n"
      "[[fault]]\nkind = \"late_answer\"\nbits = 193\n");
  REQUIRE(plan.resolve("faults.toml", {}).has_value());
  CHECK(plan.faults[0].from_host == false);
  CHECK(plan.faults[1].from_host == true);
  CHECK(plan.faults[2].from_host == false);
}

TEST_CASE("a fault that can't be made is refused with file, line, key and what to do") {
  const auto one = [](const std::string& keys) { return error_of("[[fault]]\n" + keys); };
  CHECK(one("kind = \"bit_eror\"\n") ==
        "faults.toml:2: fault[0].kind: \"bit_eror\" is not known; do you mean \"bit_error\"?");
  CHECK(one("frame = 3\n").find("faults.toml:1: fault[0].kind: is missing: one of \"bit_error\"") == 0);
  CHECK(one("kind = \"wrong_pid\"\nendpoint = 1\n").find("fault[0].pid: is missing") != std::string::npos);
  CHECK(one("kind = \"sof_lost\"\nbits = 3\n") ==
        "faults.toml:3: fault[0].bits: has no meaning with kind = \"sof_lost\"");
  CHECK(one("kind = \"sof_lost\"\nframe = -1\n").find("faults.toml:3: fault[0].frame: ") == 0);
  CHECK(one("kind = \"sof_lost\"\nmicroframe = 8\n").find("fault[0].microframe") != std::string::npos);
  CHECK(one("kind = \"sof_lost\"\nprobability = 2\n").find("fault[0].probability") != std::string::npos);
  CHECK(one("kind = \"sof_lost\"\nendpoint = 0x81\n").find("an SOF is for no endpoint") != std::string::npos);
  CHECK(one("kind = \"truncated\"\n").find("fault[0].from: is missing") != std::string::npos);
  CHECK(one("kind = \"truncated\"\nendpoint = \"inn\"\n") ==
        "faults.toml:1: fault[0].endpoint: there is no stream \"inn\"; an address such as 0x81 works too");
  CHECK(one("kind = \"truncated\"\nendpoint = 0x91\n").find("fault[0].endpoint") != std::string::npos);
  CHECK(one("kind = \"lost\"\nfrom = \"device\"\n").find("is a fault of the host") != std::string::npos);
  CHECK(one("kind = \"no_answer\"\npacket = \"token\"\n").find("fault[0].packet") != std::string::npos);
  CHECK(one("kind = \"bit_error\"\nplace = \"payload\"\npacket = \"token\"\n").find("fault[0].place") !=
        std::string::npos);
  CHECK(one("kind = \"sof_number\"\n").find("either number") != std::string::npos);
  CHECK(one("kind = \"sof_number\"\nnumber = 1\ndelta = 2\n").find("either number") != std::string::npos);
  CHECK(one("kind = \"sof_number\"\nnumber = 2048\n").find("fault[0].number") != std::string::npos);
  CHECK(one("kind = \"device_clock\"\nppm = 10001\n").find("fault[0].ppm") != std::string::npos);
  CHECK(one("kind = \"device_clock\"\nppm = 1\nto_ppm = 5\n").find("fault[0].frames: is missing") != std::string::npos);
  CHECK(one("kind = \"device_clock\"\nppm = 1\nevery = 2\n").find("fault[0].every") != std::string::npos);
  CHECK(one("kind = \"bus_clock\"\nppm = 1\nframe = 2\n").find("fault[0].frame") != std::string::npos);
  CHECK(one("kind = \"spurious_handshake\"\npid = \"in\"\nendpoint = 1\n").find("fault[0].pid") != std::string::npos);
  CHECK(one("kind = \"wrong_data_pid\"\npid = \"in\"\nendpoint = 1\n").find("fault[0].pid") != std::string::npos);
  CHECK(one("kind = \"sof_lost\"\nfames = 2\n").find("do you mean \"frames\"?") != std::string::npos);
  // What no packet has could never be spoiled.
  const std::string bit = "kind = \"bit_error\"\nendpoint = 0x81\n";
  CHECK(one(bit + "place = \"pid\"\nbit = 7\n").empty());
  CHECK(one(bit + "place = \"pid\"\nbit = 8\n") ==
        "faults.toml:5: fault[0].bit: there are 8 bits in that part of the packet, from 0 on");
  CHECK(one(bit + "place = \"crc\"\nbit = 16\n").find("there are 16 bits") != std::string::npos);
  CHECK(one(bit + "place = \"crc\"\npacket = \"token\"\nbit = 5\n").find("there are 5 bits") != std::string::npos);
  CHECK(one(bit + "place = \"token\"\nbit = 11\n").find("there are 11 bits") != std::string::npos);
  CHECK(one(bit + "place = \"sync\"\nbit = 0\n").find("no meaning with place") != std::string::npos);
  CHECK(one("kind = \"truncated\"\nendpoint = 0x81\nbytes = 1027\n").find("fault[0].bytes") != std::string::npos);
  CHECK(one("kind = \"truncated\"\nendpoint = 0x81\nbytes = 1026\n").empty());
  CHECK(one("kind = \"stuffing_error\"\npacket = \"token\"\nbyte = 3\n").find("at most 3 bytes") != std::string::npos);
  CHECK(one("kind = \"frame_jump\"\ndelta = 0\n").find("fault[0].delta") != std::string::npos);
  CHECK(one("kind = \"sof_lost\"\nprobability = 0\n").find("means never") != std::string::npos);
  CHECK(one("kind = \"sof_lost\"\nnth = 2\n").find("fault[0].nth") != std::string::npos);
  CHECK(one("kind = \"sof_lost\"\nname = \"\"\n").find("fault[0].name: is empty") != std::string::npos);
  CHECK(error_of("seed = 3\n").find("write at least one [[fault]]") != std::string::npos);
  CHECK(error_of("[[fault]\n").find("faults.toml:1: not valid TOML") == 0);
}
