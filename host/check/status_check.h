// isochio: statuses promised against statuses given: what the wire showed of a service interval fixes status and count
// of its entry, and the entries fix the status of the whole. Source: driverkit-facts 2.4; docs/checks.md. Rules:
// status, count.
#pragma once

#include <array>

#include "check/reporter.h"
#include "check/service_book.h"
#include "check/suite.h"

namespace isochio::check {

class StatusCheck {
 public:
  StatusCheck(Reporter& reporter, SuiteOptions::ShortPacket short_packet)
      : reporter_(reporter), short_packet_(short_packet) {}

  /// `config` may be null: sequence and size are then not looked at.
  void entry(const controller::IsochRequest& request, std::size_t index, ServiceWindow window, const Claim& claim,
             const usb::EndpointConfig* config, usb::Speed speed, bus::BusTime now);
  void complete(const controller::IsochRequest& request, controller::Status overall, bus::BusTime now);

 private:
  struct Where {
    const controller::IsochRequest& request;
    std::int64_t entry;
    usb::FrameTime at;
    bus::BusTime time;
  };
  void violate(Rule rule, const Where& where, std::string expected, std::string seen);
  void in_entry(const controller::IsochEntry& e, const Service& s, const usb::EndpointConfig* config, usb::Speed speed,
                const Where& where);
  void out_entry(const controller::IsochEntry& e, const Service& s, const Where& where);

  Reporter& reporter_;
  SuiteOptions::ShortPacket short_packet_;
  std::array<std::uint64_t, 32> last_completed_{};  ///< request id by endpoint
};

}  // namespace isochio::check
