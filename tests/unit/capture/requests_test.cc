// isochio: the requests in a capture, as tshark reads them.
#include <doctest/doctest.h>

#include <unistd.h>

#include <array>
#include <cstdio>
#include <sstream>

#include "capture/pcapng.h"
#include "support/bus_script.h"

using namespace isochio;
using controller::Status;

namespace {

constexpr std::uint32_t not_responding = 0xe00002ed, too_old = 0xe00002ee;

/// Of this process, because ctest runs the cases of this file side by side.
const std::string capture_file = "requests-" + std::to_string(::getpid()) + ".pcapng";

std::vector<std::string> tshark(const std::string& arguments) {
  std::FILE* p = ::popen(("tshark -r " + capture_file + " " + arguments + " 2>/dev/null").c_str(), "r");
  REQUIRE(p != nullptr);
  std::string text;
  std::array<char, 4096> buffer{};
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), p)) text.append(buffer.data(), n);
  CHECK(::pclose(p) == 0);
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

bool have_tshark() { return std::system("tshark --version >/dev/null 2>&1") == 0; }

/// SET_ADDRESS 5 and a descriptor read; eight IN entries of which the sixth was not answered, a refused request, and a
/// bulk transfer; one packet with a stuffing error and one with a bad CRC between them.
void write_capture() {
  capture::PcapngOptions options;
  options.io_return = [](Status status) {
    return status == Status::too_old ? too_old : status == Status::no_response ? not_responding : 0U;
  };
  auto writer = capture::PcapngWriter::create(capture_file, options);
  REQUIRE(writer);
  auto& w = **writer;
  w.on_line(bus::PacketObserver::LineEvent::high_speed, {100});
  w.on_control({0x00, 5, 5, 0, 0}, {}, Status::ok, {480'000}, {490'000});
  const std::array<std::uint8_t, 18> descriptor{18, 1, 0, 2, 0, 0, 0, 64, 0x34, 0x12, 0x78, 0x56, 0, 1, 0, 0, 0, 1};
  w.on_control({0x80, 6, 0x0100, 0, 18}, descriptor, Status::ok, {500'000}, {520'000});
  const std::array<usb::EndpointConfig, 2> endpoints{
      {{{0x81}, usb::TransferType::isochronous, 1024, 1, 1}, {{0x02}, usb::TransferType::bulk, 512, 1, 1}}};
  w.on_endpoints(endpoints, usb::Speed::high, {600'000});

  std::vector<std::uint8_t> data(80, 0xab);
  controller::IsochRequest request;
  request.id = 7;
  request.endpoint = {0x81};
  request.data = data;
  request.first_frame = 1002;
  request.entries.assign(8, {10, 0, Status::pending, {}});
  w.on_submit(request, {960'000});

  test::BusScript bus(w, usb::Speed::high);
  bus.idle(3 * bus::millisecond);
  bus.sof(usb::FrameTime::of(1002));
  bus.token(usb::Pid::in, 1);
  auto bad = test::BusScript::data_bytes(usb::Pid::data0, {1, 2, 3});
  bad[1] ^= 4U;
  bus.device_raw(bad);
  bus.token(usb::Pid::in, 1);
  bus.device_raw(test::BusScript::data_bytes(usb::Pid::data0, {4, 5, 6}), true);

  for (std::size_t i = 0; i < 8; ++i)
    request.entries[i] = {10,
                          i == 5   ? 0U
                          : i == 6 ? 4U
                                   : 10U,
                          i == 5 ? Status::no_response : Status::ok,
                          {static_cast<std::int64_t>(2'000'000 + i * 60'000)}};
  w.on_complete(request, Status::no_response, {2'420'000}, {2'422'400});
  w.on_refused(request, Status::too_old, {2'500'000});
  controller::BulkRequest bulk;
  bulk.id = 7;
  bulk.endpoint = {0x02};
  bulk.data = std::span(data).first(31);
  bulk.complete = 31;
  bulk.status = Status::ok;
  w.on_bulk(bulk, {2'600'000}, {2'700'000});
  CHECK(w.requests() == 10);
  REQUIRE(w.finish());
}

}  // namespace

TEST_CASE("tshark dissects the requests of a capture: submit and complete, status of each frame") {
  if (!have_tshark()) {
    MESSAGE("tshark is not installed: not tested");
    return;
  }
  write_capture();
  const auto rows = tshark(
      "-Y usb.darwin.request_type -T fields -E separator=, -E aggregator=+ -e usb.darwin.request_type -e "
      "usb.darwin.endpoint_address -e usb.darwin.endpoint_type -e usb.darwin.device_address -e usb.darwin.io_len -e "
      "usb.darwin.io_status -e usb.darwin.io_frame_count -e frame.time_epoch");
  REQUIRE(rows.size() == 10);
  CHECK(rows[0] == "0,0x00,0,0,0,0x00000000,0,0.001000000");
  CHECK(rows[3] == "1,0x80,0,5,18,0x00000000,0,0.001083333");
  CHECK(rows[4] == "0,0x81,1,5,80,0x00000000,8,0.002000000");
  CHECK(rows[5] == "1,0x81,1,5,64,0xe00002ed,8,0.005046667");
  CHECK(rows[6] == "0,0x81,1,5,80,0x00000000,8,0.005208333");
  CHECK(rows[7] == "1,0x81,1,5,0,0xe00002ee,0,0.005208333");
  CHECK(rows[9] == "1,0x02,2,5,31,0x00000000,0,0.005625000");

  const auto frames = tshark(
      "-Y 'usb.darwin.iso.status' -T fields -E separator=, -E aggregator=+ -e usb.darwin.iso.status -e usb.iso.data "
      "-e usb.darwin.iso.frame_number -e usb.darwin.iso.timestamp");
  REQUIRE(frames.size() == 1);
  CHECK(frames[0].starts_with("0x00000000+0x00000000+0x00000000+0x00000000+0x00000000+0xe00002ed+0x00000000+"));
  CHECK(frames[0].find("+abababab+") != std::string::npos);                             // the short one
  CHECK(frames[0].find("0x00000000000003ea+0x00000000000003ea") != std::string::npos);  // frame 1002
  CHECK(frames[0].find("0x00000000003f940b") != std::string::npos);                     // 4 166 667 ns
  // A complete is matched with its submit, and standard requests are understood.
  CHECK(tshark("-Y 'usb.request_in' -T fields -e frame.number").size() >= 3);
  CHECK(tshark("-Y 'usb.idVendor == 0x1234' -T fields -e frame.number").size() == 1);
  std::remove(capture_file.c_str());
}

TEST_CASE("tshark flags exactly the packets that were spoilt, among packets and requests") {
  if (!have_tshark()) return;
  write_capture();
  CHECK(tshark("-Y 'usbll.crc16.status == Bad || usbll.crc5.status == Bad'").size() == 1);
  CHECK(tshark("-Y 'frame.packet_flags_symbol_error == 1'").size() == 1);
  CHECK(tshark("-Y '_ws.malformed'").empty());
  CHECK(tshark("-Y '_ws.expert.severity >= 0x600000 && !usbll'").empty());
  CHECK(tshark("-Y usbll").size() == 5);
  CHECK(tshark("-T fields -e frame.interface_name | sort | uniq -c").size() == 2);
  std::remove(capture_file.c_str());
}
