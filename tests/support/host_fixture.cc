#include "support/host_fixture.h"

#include <stdexcept>

namespace isochio::test {

using usb::TransferType;

namespace {

Setting isochronous(std::uint16_t field, std::uint8_t interval) {
  return {{0x81, TransferType::isochronous, field, interval}, {0x01, TransferType::isochronous, field, interval}};
}

Setting others(std::uint16_t bulk, std::uint8_t interrupt_interval) {
  return {{0x82, TransferType::bulk, bulk, 0},
          {0x02, TransferType::bulk, bulk, 0},
          {0x83, TransferType::interrupt, 16, interrupt_interval}};
}

}  // namespace

ScriptedDeviceOptions test_device(bool high_speed) {
  ScriptedDeviceOptions options;
  options.high_speed = high_speed;
  options.configuration_full = configuration_bytes(
      {{{}, isochronous(192, 1), isochronous(500, 1), isochronous(192, 4), isochronous(192, 3), isochronous(192, 2)},
       {others(64, 4)}});
  options.configuration_high = configuration_bytes({{{},
                                                     isochronous(1024, 1),
                                                     {{0x81, TransferType::isochronous, packet_field(1024, 3), 1},
                                                      {0x01, TransferType::isochronous, packet_field(512, 3), 1}},
                                                     isochronous(1024, 4),
                                                     isochronous(512, 6),
                                                     isochronous(1024, 2)},
                                                    {others(512, 4)}});
  options.strings[1] = string_bytes("isochio");
  return options;
}

HostFixture::HostFixture(bool high_speed, controller::SimHostOptions options, ScriptedDeviceOptions device_options)
    : device(device_options.configuration_full.empty() ? test_device(high_speed) : std::move(device_options)),
      host(device, options) {
  device.set_observer(&log);
}

void HostFixture::configure(std::uint8_t alternate) {
  const auto enumerated = host.enumerate();
  if (!enumerated) throw std::runtime_error(enumerated.error());
  if (const auto done = host.set_configuration(1); !done) throw std::runtime_error(to_string(done.error()));
  if (alternate == 0) return;
  if (const auto done = host.set_interface(0, alternate); !done) throw std::runtime_error(to_string(done.error()));
}

}  // namespace isochio::test
