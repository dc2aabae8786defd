// isochio: a second witness for our descriptors: tshark dissects them from a capture of GET_DESCRIPTOR requests.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <set>

#include <fmt/format.h>

#include "shipped.h"

using namespace isochio;
using namespace isochio::description;
using isochio::description::testing::shipped;
using isochio::description::testing::shipped_names;
using usb::Speed;

namespace {

void put(Bytes& to, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) to.push_back(static_cast<std::uint8_t>(i < 8 ? value >> (8 * i) & 0xff : 0));
}

/// One event as Linux usbmon gives it (link type 220): 64 bytes of header, then the data.
void put_event(Bytes& file, char event, const Bytes& setup, const Bytes& data) {
  const std::size_t length = 64 + data.size();
  put(file, 0, 8);  // time
  put(file, length, 4);
  put(file, length, 4);
  put(file, 1, 8);  // URB
  put(file, static_cast<unsigned char>(event), 1);
  put(file, 2, 1);     // control
  put(file, 0x80, 1);  // endpoint 0 IN
  put(file, 5, 1);     // device
  put(file, 1, 2);     // bus
  put(file, event == 'S' ? 0 : '-', 1);
  put(file, data.empty() ? '<' : 0, 1);
  put(file, 0, 12);  // time
  put(file, 0, 4);   // status
  put(file, event == 'S' ? setup[6] | setup[7] << 8 : data.size(), 4);
  put(file, data.size(), 4);
  file.insert(file.end(), setup.begin(), setup.end());
  put(file, 0, 16);
  file.insert(file.end(), data.begin(), data.end());
}

void put_descriptor(Bytes& file, std::uint8_t type, const Bytes& bytes) {
  Bytes setup{0x80, 6, 0, type, 0, 0};
  put(setup, bytes.size(), 2);
  put_event(file, 'S', setup, {});
  put_event(file, 'C', Bytes(8, 0), bytes);
}

std::string output_of(const std::string& command) {
  std::string text;
  FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  char buffer[4096];
  while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, pipe)) text.append(buffer, n);
  REQUIRE(pclose(pipe) == 0);
  return text;
}

}  // namespace

TEST_CASE("tshark reads the endpoints we describe out of our descriptors and finds nothing malformed") {
  if (std::system("tshark --version >/dev/null 2>&1") != 0) {
    MESSAGE("tshark is not installed: nothing was checked");
    return;
  }
  for (const char* name : shipped_names) {
    const auto d = load(shipped(name));
    REQUIRE(d);
    for (const Speed speed : {Speed::full, Speed::high}) {
      if (!d->speeds.at(speed)) continue;
      INFO(std::string(name));
      Bytes file{0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0};
      put(file, 0, 8);
      put(file, 65535, 4);
      put(file, 220, 4);
      put_descriptor(file, 1, device_descriptor(*d, speed));
      put_descriptor(file, 2, configuration_descriptor(*d, speed));
      const auto path = std::filesystem::temp_directory_path() /
                        fmt::format("isochio-{}-{}-{}.pcap", name, usb::to_string(speed), getpid());
      std::ofstream(path, std::ios::binary)
          .write(reinterpret_cast<const char*>(file.data()), static_cast<std::streamsize>(file.size()));
      const std::string tshark = fmt::format("tshark -r '{}' ", path.string());
      CHECK(output_of(tshark + "-Y _ws.malformed 2>/dev/null").empty());
      const std::string ids =
          output_of(tshark + "-Y usb.idVendor -T fields -e usb.idVendor -e usb.idProduct 2>/dev/null");
      CHECK(ids == fmt::format("{:#06x}\t{:#06x}\n", d->vendor_id, d->product_id));
      std::string addresses, sizes, intervals;
      for (const AlternateSetting& setting : d->settings) {
        for (const Endpoint& endpoint : setting.endpoints) {
          if (!endpoint.at(speed)) continue;
          const char* comma = addresses.empty() ? "" : ",";
          addresses += fmt::format("{}{:#04x}", comma, endpoint.address.value);
          sizes +=
              fmt::format("{}{}", comma, endpoint.at(speed)->max_packet | (endpoint.at(speed)->transactions - 1) << 11);
          intervals += fmt::format("{}{}", comma, endpoint.at(speed)->interval);
        }
      }
      const std::string seen = output_of(tshark +
                                         "-Y usb.bEndpointAddress -T fields -e usb.bEndpointAddress "
                                         "-e usb.wMaxPacketSize -e usb.bInterval 2>/dev/null");
      CHECK(seen == addresses + "\t" + sizes + "\t" + intervals + "\n");
      std::filesystem::remove(path);
    }
  }
}
