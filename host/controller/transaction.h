// isochio: transactions on the wire, one at a time: tokens, data, handshakes, gaps, timeouts and what can be wrong with
// an answer. Knows nothing of pipes and schedules. Source: USB 2.0 sections 8.4 … 8.7, 7.1.18, 7.1.19.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "bus/link.h"
#include "controller/host.h"
#include "usb/packet.h"

namespace isochio::controller {

struct HostCounters;

/// What came back for a token or a data packet.
struct Answer {
  /// ok: a data packet or handshake that may come here. Else no_response, crc_error, bit_stuff, pid_error.
  Status status = Status::no_response;
  usb::Pid pid = usb::Pid::reserved;
  std::span<const std::uint8_t> payload{};  ///< of a data packet; valid until the next transaction

  bool is(usb::Pid wanted) const { return status == Status::ok && pid == wanted; }
  bool is_data() const { return status == Status::ok && usb::kind(pid) == usb::PidKind::data; }
};

class TransactionEngine {
 public:
  TransactionEngine(bus::Link& link, HostCounters& counters) : link_(link), counters_(counters) {}

  /// The least time at which the next packet of the host may begin.
  bus::BusTime earliest() const { return earliest_; }

  /// SOF at now(); the caller is there in time.
  void start_of_frame(std::uint64_t frame);

  /// IN token and what comes. No handshake is sent; acknowledge() does that.
  Answer in(std::uint8_t address, std::uint8_t endpoint);
  void acknowledge();
  /// SETUP, OUT or PING token; `payload` follows unless it is PING. `answered` false (isochronous): nothing is waited
  /// for and the status is ok.
  Answer out(usb::Pid token, std::uint8_t address, std::uint8_t endpoint, usb::Pid data,
             std::span<const std::uint8_t> payload, bool answered);
  Answer ping(std::uint8_t address, std::uint8_t endpoint);

 private:
  void send(std::span<const std::uint8_t> bytes);
  Answer receive();

  bus::Link& link_;
  HostCounters& counters_;
  bus::BusTime earliest_{};
  bus::BusTime sent_{};  ///< end of the packet that an answer may follow
  std::array<std::uint8_t, usb::max_payload + usb::data_overhead> buffer_{};
};

}  // namespace isochio::controller
