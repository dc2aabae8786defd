#include "support/descriptor_bytes.h"

#include <cstring>

namespace isochio::test {

namespace {

void append(Bytes& to, std::initializer_list<unsigned> bytes) {
  for (const unsigned byte : bytes) to.push_back(static_cast<std::uint8_t>(byte));
}

void append_setting(Bytes& bytes, std::size_t interface, std::size_t alternate, const Setting& setting) {
  append(bytes, {9, 4, unsigned(interface), unsigned(alternate), unsigned(setting.size()), 0xff, 0, 0, 0});
  for (const EndpointSpec& endpoint : setting) {
    append(bytes, {7, 5, endpoint.address, unsigned(endpoint.type), endpoint.max_packet_field & 0xffU,
                   unsigned(endpoint.max_packet_field) >> 8U, endpoint.interval});
  }
}

}  // namespace

Bytes configuration_bytes(const std::vector<Interface>& interfaces) {
  Bytes bytes;
  append(bytes, {9, 2, 0, 0, unsigned(interfaces.size()), 1, 0, 0x80, 50});
  for (std::size_t i = 0; i < interfaces.size(); ++i) {
    for (std::size_t a = 0; a < interfaces[i].size(); ++a) append_setting(bytes, i, a, interfaces[i][a]);
  }
  bytes[2] = static_cast<std::uint8_t>(bytes.size() & 0xffU);
  bytes[3] = static_cast<std::uint8_t>(bytes.size() >> 8U);
  return bytes;
}

Bytes device_bytes(std::uint8_t max_packet_0) {
  return {18, 1, 0x00, 0x02, 0xff, 0, 0, max_packet_0, 0x09, 0x12, 0x01, 0x00, 0x00, 0x01, 1, 2, 3, 1};
}

Bytes string_bytes(const char* text) {
  Bytes bytes;
  append(bytes, {2 + 2 * unsigned(std::strlen(text)), 3});
  for (; *text != 0; ++text) append(bytes, {static_cast<std::uint8_t>(*text), 0});
  return bytes;
}

}  // namespace isochio::test
