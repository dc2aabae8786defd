// isochio: a SimHost over the Verilated device, made from one of the shipped descriptions.
#pragma once

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

#include "check/payload.h"
#include "controller/sim_host.h"
#include "description/description.h"
#include "simulated_device.h"
#include "support/host_fixture.h"

namespace isochio::test {

struct DeviceFixtureOptions {
  const char* device = "test";
  bool fs_only = false;
  bool idle_skipping = true;
  std::function<void(description::Description&)> edit{};  ///< changes the description before it is compiled
  controller::SimHostOptions host{};
};

class DeviceFixture {
 public:
  explicit DeviceFixture(const DeviceFixtureOptions& options = {})
      : description(load(options)),
        image(compile(description)),
        link(verilated::make_simulated_device(
            {.image = image, .fs_only = options.fs_only, .idle_skipping = options.idle_skipping, .wave_path = {}})),
        host(*link, options.host) {
    link->set_observer(&log);
  }

  /// Enumerated, configured, interface 0 at `alternate`.
  void configure(std::uint8_t alternate = 0) {
    if (const auto done = host.enumerate(); !done) throw std::runtime_error(done.error());
    must(host.set_configuration(description.configuration_value));
    if (alternate != 0) must(host.set_interface(0, alternate));
  }
  void run_frames(std::uint64_t frames) { host.run_until(host.now() + static_cast<std::int64_t>(frames) * bus::frame); }

  /// A register of the test functions (docs/registers.md).
  std::uint32_t read(std::uint16_t number) { return read(host, number); }
  void write(std::uint16_t number, std::uint32_t value) { write(host, number, value); }
  /// The same by another host.
  static std::uint32_t read(controller::SimHost& host, std::uint16_t number) {
    std::array<std::uint8_t, 4> bytes{};
    must(host.control({0xc0, 1, 0, number, 4}, bytes, bus::second));
    return bytes[0] | bytes[1] << 8U | bytes[2] << 16U | std::uint32_t{bytes[3]} << 24U;
  }
  static void write(controller::SimHost& host, std::uint16_t number, std::uint32_t value) {
    std::array<std::uint8_t, 4> bytes{};
    for (unsigned i = 0; i < 4; ++i) bytes[i] = static_cast<std::uint8_t>(value >> 8U * i);
    must(host.control({0x40, 1, 0, number, 4}, bytes, bus::second));
  }

  template <typename T>
  static void must(const tl::expected<T, controller::Status>& done) {
    if (!done) throw std::runtime_error(to_string(done.error()));
  }

  description::Description description;
  description::Bytes image;
  PacketLog log;
  std::unique_ptr<verilated::SimulatedLink> link;
  controller::SimHost host;
  RecordingClient client{host};

 private:
  static description::Description load(const DeviceFixtureOptions& options) {
    auto loaded = description::load(std::string(ISOCHIO_SOURCE_DIR "/rtl/devices/") + options.device + ".toml");
    if (!loaded) throw std::runtime_error(loaded.error().to_string());
    if (options.edit) options.edit(*loaded);
    return *loaded;
  }
  static description::Bytes compile(const description::Description& description) {
    auto image = description::compile_image(description);
    if (!image) throw std::runtime_error(image.error().to_string());
    return *image;
  }
};

}  // namespace isochio::test
