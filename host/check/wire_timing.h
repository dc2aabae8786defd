// isochio: when packets may be on the wire: SOF interval and jitter, gaps, response time, the end-of-frame guard. The
// limits stand here with their sections. Rules: sof_interval, sof_number, inter_packet_gap, response_time,
// end_of_frame.
#pragma once

#include "check/reporter.h"
#include "check/statistics.h"
#include "check/wire.h"

namespace isochio::check {

struct WireLimits {
  bus::Duration sof_nominal, sof_tolerance;  ///< 7.1.12: 1 ms ± 500 ns, 125 us ± 62.5 ns
  bus::Duration sof_jitter;                  ///< between consecutive intervals: TRFI 42 ns, THSRFI 4 bit times [7.3.2]
  bus::Duration same_sender_gap;             ///< 7.1.18.2
  bus::Duration host_after_device;           ///< 7.1.18.2
  bus::Duration host_most;                   ///< the host's data after its token, its handshake after data, 7.1.18
  bus::Duration response_least, response_most;  ///< device after host, 7.1.18.1, 7.1.19.2
  bus::Duration give_up;                        ///< the host waits at least so long for an answer, 7.1.19
  bus::Duration guard;  ///< EOF1 of a hub, with its skew: no traffic later before the next SOF, 11.2.5, 11.3
};
WireLimits wire_limits(usb::Speed speed, bus::Duration fs_response_limit);

class WireTiming final : public WireListener {
 public:
  WireTiming(Reporter& reporter, bus::Duration fs_response_limit);

  const SofStatistics& sof() const { return sof_; }

  void on_sof(const Sof& sof) override;
  void on_packet(const DecodedPacket& packet) override;
  void on_transaction(const Transaction& transaction) override;
  void on_break(bus::BusTime at) override;

 private:
  void gap(const DecodedPacket& packet, const WireLimits& limits);
  void end_of_frame(const DecodedPacket& sof, const WireLimits& limits);
  void violate(Rule rule, usb::FrameTime at, bus::BusTime time, std::string expected, std::string seen);
  const WireLimits& limits(usb::Speed speed) const { return speed == usb::Speed::full ? full_ : high_; }

  Reporter& reporter_;
  WireLimits full_, high_;
  SofStatistics sof_;
  bool have_interval_ = false, have_last_ = false, last_from_host_ = false, answer_due_ = false;
  bus::Duration last_interval_{};
  std::uint8_t last_pid_ = 0;
  bus::BusTime last_end_;
  usb::FrameTime last_at_;
  usb::EndpointAddress last_endpoint_;
};

}  // namespace isochio::check
