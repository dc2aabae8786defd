// isochio: data PIDs in their order: high-bandwidth IN and OUT [5.9.2], full-speed isochronous [8.5.5], toggles of
// bulk, interrupt and control [8.6]; and packets that are bad by themselves or come where none may. Rules:
// pid_sequence, crc, packet_error.
#pragma once

#include <array>

#include "check/reporter.h"
#include "check/wire.h"

namespace isochio::check {

class PidSequence final : public WireListener {
 public:
  explicit PidSequence(Reporter& reporter) : reporter_(reporter) {}

  /// Endpoints that were not there before begin with DATA0; of those that were, the next PID is taken as it comes,
  /// because the setting of another interface leaves their toggle alone.
  void endpoints(std::span<const usb::EndpointConfig> endpoints);
  /// Judges service intervals that are still open.
  void finish();

  void on_sof(const Sof& sof) override;
  void on_data(const Transaction& transaction, std::span<const std::uint8_t> bytes) override;
  void on_transaction(const Transaction& transaction) override;
  void on_break(bus::BusTime at) override;

 private:
  enum class Toggle : std::uint8_t { any, data0, data1 };
  struct Slot {
    usb::EndpointConfig config;
    bool present = false;
    Toggle toggle = Toggle::any;
    // the service interval that is running
    usb::FrameTime at;
    bus::BusTime time;
    std::uint8_t count = 0;
    bool spoilt = false;
    std::array<std::uint8_t, 4> pids{};
  };
  static std::size_t index(usb::EndpointAddress endpoint) { return endpoint.number() + (endpoint.is_in() ? 16U : 0U); }
  void isochronous(const Transaction& t);
  void close(Slot& slot);
  void toggled(const Transaction& t);
  void control(const Transaction& t);
  void violate(usb::EndpointAddress endpoint, usb::FrameTime at, bus::BusTime time, std::string expected,
               std::string seen);

  Reporter& reporter_;
  std::array<Slot, 32> slots_{};
  std::uint32_t open_ = 0;  ///< bit per slot with a running interval
  bool control_in_ = false, control_data_ = false, control_known_ = false;
  Toggle control_toggle_ = Toggle::any;
};

/// Packets that are bad by themselves, and packets of the device where none may come.
class PacketCheck final : public WireListener {
 public:
  explicit PacketCheck(Reporter& reporter) : reporter_(reporter) {}

  void endpoints(std::span<const usb::EndpointConfig> endpoints);
  void on_packet(const DecodedPacket& packet) override;
  void on_break(bus::BusTime) override { last_pid_ = 0; }

 private:
  const char* misplaced(const DecodedPacket& packet) const;
  const usb::EndpointConfig& config() const { return configs_[endpoint_.number() + (endpoint_.is_in() ? 16U : 0U)]; }

  Reporter& reporter_;
  usb::EndpointAddress endpoint_;                  ///< of the last token
  std::array<usb::EndpointConfig, 32> configs_{};  ///< by number, IN behind OUT
  std::uint8_t last_pid_ = 0;
  bool last_from_host_ = false;
};

}  // namespace isochio::check
