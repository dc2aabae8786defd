// isochio: captures, as tshark reads them.
#include <doctest/doctest.h>

#include <array>
#include <cstdio>
#include <memory>
#include <sstream>

#include "capture/pcapng.h"
#include "support/bus_script.h"
#include "support/read_file.h"

using namespace isochio;
using namespace isochio::test;
using usb::Pid;
using Bytes = BusScript::Bytes;

namespace {

std::string run(const std::string& command) {
  std::FILE* p = ::popen(command.c_str(), "r");
  REQUIRE(p != nullptr);
  std::string text;
  std::array<char, 4096> buffer{};
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), p)) text.append(buffer.data(), n);
  CHECK(::pclose(p) == 0);
  return text;
}

bool have_tshark() { return std::system("tshark --version >/dev/null 2>&1") == 0; }

/// A reset at full speed, two frames there, then three microframes at high speed; `bad` spoils the CRC of the last data
/// packet.
void write_capture(const std::string& path, bool bad) {
  capture::PcapngOptions options;
  options.comment = "test, seed 1";
  auto writer = capture::PcapngWriter::create(path, options);
  REQUIRE(writer);
  BusScript fs(**writer, usb::Speed::full);
  fs.line(bus::PacketObserver::LineEvent::reset_begin);
  fs.line(bus::PacketObserver::LineEvent::reset_end);
  fs.sof(usb::FrameTime::of(10));
  fs.token(Pid::setup, 0);
  fs.host_data(Pid::data0, {0x80, 6, 0, 1, 0, 0, 8, 0});
  fs.device_handshake(Pid::ack);
  fs.sof(usb::FrameTime::of(11));
  BusScript hs(**writer, usb::Speed::high);
  hs.idle(20 * bus::millisecond);
  const auto sof = usb::make_sof(12);
  hs.put({sof.begin(), sof.end()}, true);
  hs.token(Pid::in, 1);
  hs.device_data(Pid::data0, Bytes(1024, 0xA7));
  hs.token(Pid::in, 1);
  Bytes b = BusScript::data_bytes(Pid::data0, {1, 2, 3});
  if (bad) b[2] ^= 1U;
  hs.device_raw(b);
  CHECK((*writer)->packets() == 10);
  REQUIRE((*writer)->finish());
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> all;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) all.push_back(line);
  return all;
}

}  // namespace

TEST_CASE("a capture is the same bytes each time") {
  write_capture("one.pcapng", false);
  write_capture("two.pcapng", false);
  CHECK(read_file("one.pcapng") == read_file("two.pcapng"));
  CHECK(read_file("one.pcapng").size() > 1500);
  std::remove("one.pcapng");
  std::remove("two.pcapng");
}

TEST_CASE("tshark dissects every packet of a capture and flags nothing") {
  if (!have_tshark()) {
    MESSAGE("tshark is not installed: not tested");
    return;
  }
  write_capture("good.pcapng", false);
  const auto rows =
      lines(run("tshark -r good.pcapng -T fields -E separator=, -e frame.encap_type -e usbll.pid -e frame.time_epoch "
                "2>/dev/null"));
  REQUIRE(rows.size() == 10);
  CHECK(rows[0].find(",0xa5,0.002083333") != std::string::npos);  // SOF at 1 000 000 bit times
  CHECK(rows[1].find(",0x2d,") != std::string::npos);
  CHECK(rows[2].find(",0xc3,") != std::string::npos);
  CHECK(rows[3].find(",0xd2,") != std::string::npos);
  // The link type changes with the speed.
  const auto encapsulation = [&](std::size_t i) { return rows[i].substr(0, rows[i].find(',')); };
  CHECK(encapsulation(0) == encapsulation(4));
  CHECK(encapsulation(5) == encapsulation(9));
  CHECK(encapsulation(4) != encapsulation(5));
  // Our comments are "expert information" of the lowest kind; everything above it would be a complaint.
  CHECK(run("tshark -r good.pcapng -Y '_ws.malformed || _ws.expert.severity >= 0x200000' 2>/dev/null") == "");
  CHECK(run("tshark -r good.pcapng -T fields -e usbll.data -Y 'frame.number==8' 2>/dev/null").size() > 2000);
  CHECK(run("tshark -r good.pcapng -T fields -e frame.comment -Y frame.number==1 2>/dev/null").find("bus reset") !=
        std::string::npos);
  std::remove("good.pcapng");
}

TEST_CASE("tshark flags the one packet whose CRC is bad") {
  if (!have_tshark()) return;
  write_capture("bad.pcapng", true);
  const auto flagged =
      lines(run("tshark -r bad.pcapng -Y 'usbll.crc16.status == Bad || _ws.expert.severity >= 0x200000' 2>/dev/null"));
  CHECK(flagged.size() == 1);
  std::remove("bad.pcapng");
}

TEST_CASE("a capture that can't be opened or written names file and reason") {
  const auto none = capture::PcapngWriter::create("no/such/folder/x.pcapng");
  REQUIRE(!none);
  CHECK(none.error() == "no/such/folder/x.pcapng: the capture can't be opened: No such file or directory");
  if (std::FILE* full = std::fopen("/dev/full", "wb")) {
    std::fclose(full);
    const auto writer = capture::PcapngWriter::create("/dev/full");
    REQUIRE(!writer);
    CHECK(writer.error() == "/dev/full: the capture can't be written: No space left on device");
  }
}
