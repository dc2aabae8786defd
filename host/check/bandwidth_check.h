// isochio: periodic traffic takes no more than its share of a (micro)frame [5.6.4]. Rule: bandwidth.
#pragma once

#include "check/reporter.h"
#include "check/wire.h"

namespace isochio::check {

class BandwidthCheck final : public WireListener {
 public:
  /// `percent` 0: 90 at full speed, 80 at high speed.
  BandwidthCheck(Reporter& reporter, std::uint32_t percent) : reporter_(reporter), percent_(percent) {}

  void on_transaction(const Transaction& transaction) override;
  void on_sof(const Sof& sof) override;
  void on_break(bus::BusTime) override { busy_ = {}; }

 private:
  void judge(usb::Speed speed);

  Reporter& reporter_;
  std::uint32_t percent_;
  bus::Duration busy_{};
  usb::FrameTime at_;
  bus::BusTime last_;
};

}  // namespace isochio::check
