// isochio: device images (docs/device-image.md) written row by row, for what no description would ever ask for.
#pragma once

#include <algorithm>
#include <random>

#include "cosim/device/raw_bus.h"

namespace isochio::test {

/// 1 configuration, capable of high speed, no rows. Each kind of row has its place; from data_at on there are random
/// bytes to answer with.
class OwnImage {
 public:
  static constexpr unsigned size = 8192, header_size = 32, endpoint_size = 12, descriptor_size = 8, rule_size = 16;
  static constexpr unsigned descriptors_at = 1600, rules_at = 2640, data_at = 4800;
  static constexpr std::uint8_t bulk = 0x0e, isochronous = 0x0d;  ///< at both speeds, engine 0

  struct Rule {
    std::uint8_t type, request, action;
    unsigned at = 0, length = 0;
    std::uint8_t store = 0;
    unsigned value = 0, value_mask = 0, index = 0, index_mask = 0;
  };

  RawBus::Bytes bytes = RawBus::Bytes(size);

  OwnImage() {
    std::mt19937 random(1);
    for (unsigned i = data_at; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(random() >> 16U);
    std::copy_n("ISO1", 4, bytes.begin());
    put(4, size);
    bytes[9] = 1;
    bytes[10] = 4;
    put(12, descriptors_at);
    put(14, rules_at);
  }
  /// `kind`: transfer type, speeds and engine. Eight bytes a packet.
  void endpoint(unsigned address, unsigned kind, unsigned interface = 0, unsigned alternate = 0) {
    const unsigned at = header_size + endpoint_size * bytes[6]++;
    byte(at, address);
    byte(at + 1, kind);
    byte(at + 2, interface);
    byte(at + 3, alternate);
    put(at + 4, 8);
  }
  void descriptor(unsigned type, unsigned index, unsigned at, unsigned length) {
    const unsigned row = descriptors_at + descriptor_size * bytes[7]++;
    byte(row, type);
    byte(row + 1, index);
    byte(row + 2, 3);
    put(row + 4, at);
    put(row + 6, length);
  }
  void rule(const Rule& rule) {
    const unsigned row = rules_at + rule_size * bytes[8]++;
    byte(row, rule.type);
    byte(row + 1, rule.request);
    put(row + 2, rule.value);
    put(row + 4, rule.value_mask);
    put(row + 6, rule.index);
    put(row + 8, rule.index_mask);
    byte(row + 10, rule.action);
    byte(row + 11, rule.store);
    put(row + 12, rule.at);
    put(row + 14, rule.length);
  }
  /// Those of every device of rtl/devices: the registers, and the log.
  void test_requests() {
    rule({0xc0, 1, 2});
    rule({0x40, 1, 2});
    rule({0xc0, 2, 3});
  }
  /// Alternate settings of all eight interfaces, at both speeds.
  void settings(unsigned number) {
    for (unsigned i = 16; i < header_size; ++i) byte(i, number);
  }
  RawBus::Bytes part(unsigned at, unsigned length) const { return {bytes.begin() + at, bytes.begin() + at + length}; }

 private:
  void byte(unsigned at, unsigned value) { bytes[at] = static_cast<std::uint8_t>(value & 0xffU); }
  void put(unsigned at, unsigned value) {
    byte(at, value);
    byte(at + 1, value >> 8U);
  }
};

/// A request is answered by STALL, whatever the host tries then, up to the next SETUP.
inline bool stalls(RawBus& f, const RawBus::Setup& setup) {
  if (!f.send_setup(setup)) return false;
  for (const usb::Pid pid : {usb::Pid::data1, usb::Pid::data0}) {
    if (f.transact_in() != RawBus::Bytes{usb::pid_byte(usb::Pid::stall)}) return false;
    if (f.transact_out(pid, RawBus::Bytes(pid == usb::Pid::data0 ? 1 : 0)) != usb::Pid::stall) return false;
  }
  return true;
}

}  // namespace isochio::test
