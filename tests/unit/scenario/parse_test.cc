#include <doctest/doctest.h>

#include "scenario/register_names.h"
#include "scenario/scenario.h"

using namespace isochio;
using scenario::parse_scenario;

namespace {

std::string error_of(std::string_view text) {
  const auto result = parse_scenario(text, "dir/x.toml");
  REQUIRE_FALSE(result.has_value());
  return result.error().to_string();
}

}  // namespace

TEST_CASE("a scenario needs no more than one stream with an endpoint") {
  const auto result = parse_scenario("[[stream]]\nendpoint = \"in\"\n", "dir/x.toml");
  REQUIRE(result.has_value());
  CHECK(result->name == "x");
  CHECK(result->device == "test");
  CHECK(result->speed == usb::Speed::high);
  REQUIRE(result->streams.size() == 1);
  const auto& stream = result->streams[0];
  CHECK(stream.name == "in");
  CHECK(stream.endpoint.first);
  CHECK(stream.endpoint.is_in());
  CHECK(stream.alternate == 1);
  CHECK(stream.depth == 8);
  CHECK(stream.payload == scenario::Payload::pattern);
  CHECK(stream.size.kind == scenario::SizePlan::Kind::fixed);
  CHECK(stream.size.bytes == 0);
}

TEST_CASE("every key of a scenario arrives in its field") {
  const auto result = parse_scenario(R"(
name = "all"
description = "words"
device = "uac1-audio"
speed = "fs"
frames = 25
seed = 77
[[stream]]
name = "play"
interface = 1
alternate = 2
endpoint = 0x03
payload = "mod63"
sample_rate = 44100
sample_bytes = 6
depth = 3
frames_per_request = 5
lead = 7
start = "zero"
[[stream]]
endpoint = 0x84
payload = "loopback"
source = "play"
request = 100
sizes = [1, 2, 3]
mode = "sync"
[[bulk]]
name = "noise"
endpoint = "out"
bytes = 64
depth = 9
[registers]
SAMPLE_RATE = 44100
"IN1.SEED" = 5
"0x00B" = 1
[controller]
interrupt_latency_us = 12.5
keep_away_frames = 3
first_frame = 5000
[checks]
payload = false
completion_latency_us = 50
)",
                                     "dir/x.toml");
  REQUIRE(result.has_value());
  CHECK(result->name == "all");
  CHECK(result->description == "words");
  CHECK(result->device == "uac1-audio");
  CHECK(result->speed == usb::Speed::full);
  CHECK(result->frames == 25);
  CHECK(result->seed == 77);
  REQUIRE(result->streams.size() == 2);
  const auto& play = result->streams[0];
  CHECK(play.interface == 1);
  CHECK(play.alternate == 2);
  CHECK_FALSE(play.endpoint.first);
  CHECK(play.endpoint.address.value == 0x03);
  CHECK(play.payload == scenario::Payload::mod63);
  CHECK(play.size.kind == scenario::SizePlan::Kind::rate);
  CHECK(play.size.sample_rate == 44100);
  CHECK(play.size.sample_bytes == 6);
  CHECK(play.depth == 3);
  CHECK(play.frames_per_request == 5);
  CHECK(play.lead == 7);
  CHECK_FALSE(play.explicit_start);
  CHECK_FALSE(play.synchronous);
  const auto& back = result->streams[1];
  CHECK(back.source == "play");
  CHECK(back.request_bytes == 100);
  CHECK(back.size.list == std::vector<std::uint32_t>{1, 2, 3});
  CHECK(back.synchronous);
  CHECK(back.depth == 1);
  REQUIRE(result->bulk.size() == 1);
  CHECK(result->bulk[0].bytes == 64);
  CHECK(result->bulk[0].depth == 9);
  CHECK(result->registers.at(0x00a) == 44100);
  CHECK(result->registers.at(0x121) == 5);
  CHECK(result->registers.at(0x00b) == 1);
  CHECK(result->controller.interrupt_latency.bits == 6000);
  CHECK(result->controller.keep_away_frames == 3);
  CHECK(result->controller.first_frame == 5000);
  CHECK_FALSE(result->checks.payload);
  CHECK(result->checks.completion_latency.bits == 24'000);
}

TEST_CASE("a misspelt key is named with file, line and the key that was meant") {
  CHECK(error_of("[[stream]]\nendpoint = \"in\"\nframes_per_requst = 4\n") ==
        "dir/x.toml:3: stream[0].frames_per_requst: there is no such key; do you mean \"frames_per_request\"?");
  CHECK(error_of("spead = \"hs\"\n[[stream]]\nendpoint = \"in\"\n")
            .starts_with("dir/x.toml:1: spead: there is no such key; do you mean \"speed\""));
}

TEST_CASE("a value of the wrong kind or out of range says what would be right") {
  CHECK(error_of("speed = \"ss\"\n").find("x.toml:1: speed: \"ss\" is not known; do you mean \"") != std::string::npos);
  CHECK(error_of("frames = 0\n").find("frames: this has to be a number from 1") != std::string::npos);
  CHECK(error_of("[[stream]]\nendpoint = 0x80\n").find(":2: stream[0].endpoint: must be") != std::string::npos);
  CHECK(error_of("[[stream]]\nendpoint = \"in\"\nsizes = [4000]\n").find("sizes: this has to be a list of 1 to 16") !=
        std::string::npos);
  CHECK(error_of("[stream]\nendpoint = \"in\"\n").find("[[stream]]") != std::string::npos);
  CHECK(error_of("frames = \n").find("dir/x.toml:1: not valid TOML") != std::string::npos);
}

TEST_CASE("keys that contradict one another are refused") {
  const std::string in = "[[stream]]\nendpoint = \"in\"\n", out = "[[stream]]\nendpoint = \"out\"\n";
  CHECK(error_of(in + "size = 4\nsizes = [4]\n").find("only one of") != std::string::npos);
  CHECK(error_of(out + "payload = \"loopback\"\n").find("stream[0].payload") != std::string::npos);
  CHECK(error_of(in + "payload = \"file\"\nfile = \"a\"\n").find("is an OUT stream") != std::string::npos);
  CHECK(error_of(out + "payload = \"file\"\n").find("stream[0].file: is missing") != std::string::npos);
  CHECK(error_of(out + "request = 8\n").find("stream[0].request") != std::string::npos);
  CHECK(error_of(in + "mode = \"sync\"\ndepth = 4\n").find("stream[0].depth") != std::string::npos);
  CHECK(error_of(in + in).find("name of another stream") != std::string::npos);
  CHECK(error_of(in + "payload = \"loopback\"\nsource = \"nobody\"\n").find("no OUT stream named \"nobody\"") !=
        std::string::npos);
  CHECK(error_of(out + "size_from = \"fb\"\n").find("no stream \"fb\"") != std::string::npos);
  CHECK(error_of("seed = 3\n").find("nothing to run") != std::string::npos);
  CHECK(error_of(in + "clock_ppm = 100\n").find("stream[0].clock_ppm: is for the stream with payload = \"feedback\"") !=
        std::string::npos);
  CHECK(error_of(in + "payload = \"feedback\"\nclock_ppm = 3000\n").find("from -2000 to 2000") != std::string::npos);
  CHECK(error_of(out + "tolerance_ppm = 5\n").find("stream[0].tolerance_ppm: has a meaning only") != std::string::npos);
}

TEST_CASE("registers are known by the names of docs/registers.md") {
  CHECK(scenario::register_number("SAMPLE_RATE") == 0x00a);
  CHECK(scenario::register_number("IN0.FUNCTION") == 0x100);
  CHECK(scenario::register_number("OUT5.SEED") == 0x2a1);
  CHECK(scenario::register_number("LIST3.5") == 0x335);
  CHECK(scenario::register_number("FEEDBACK_FAULT") == 0x00e);
  CHECK(scenario::register_number("IN0.FAULT") == 0x118);
  CHECK(scenario::register_number("OUT1.FAULT_FRAME") == 0x23b);
  CHECK(scenario::register_word(0x118, "none") == 0);
  CHECK(scenario::register_word(0x238, "crc") == 5);
  CHECK(scenario::register_word(0x118, "feedback") == 10);
  CHECK_FALSE(scenario::register_word(0x118, "late").has_value());
  CHECK_FALSE(scenario::register_word(0x119, "crc").has_value());
  CHECK_FALSE(scenario::register_word(0x018, "crc").has_value());
  CHECK(scenario::register_number("0x2A1") == 0x2a1);
  for (const char* wrong : {"SAMPLERATE", "IN8.SEED", "IN.SEED", "LIST0.16", "0x400", "0xzz", "IN0.", "MID0.SEED", ""})
    CHECK_FALSE(scenario::register_number(wrong).has_value());
  CHECK(error_of("[[stream]]\nendpoint = \"in\"\n[registers]\nSAMPEL_RATE = 1\n").find("did you mean SAMPLE_RATE") !=
        std::string::npos);
}
