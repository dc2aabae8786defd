// isochio: the times a host controller keeps, each with its section of USB 2.0. Figures of the wire itself (packet
// lengths, response limits) are in usb/bandwidth.h.
#pragma once

#include <cstdint>

#include "bus/bus_time.h"
#include "usb/bandwidth.h"
#include "usb/types.h"

namespace isochio::controller::timing {

constexpr bus::Duration bits(usb::Speed speed, std::int64_t n) {
  return n * (speed == usb::Speed::high ? bus::hs_bit : bus::fs_bit);
}

/// From a (micro)frame's start to the next.
constexpr bus::Duration frame_interval(usb::Speed speed) {
  return speed == usb::Speed::high ? bus::microframe : bus::frame;
}

/// Between two packets that the host sends one after the other: 2 bit times, high speed 88 [7.1.18.1, 7.1.18.2].
constexpr bus::Duration same_sender_gap(usb::Speed speed) { return bits(speed, usb::inter_packet_bits(speed)); }

/// From a device's packet to the host's next: allowed are 2 … 7.5 bit times, high speed 8 … 192 [7.1.18.1, 7.1.18.2].
constexpr bus::Duration turnaround_gap(usb::Speed speed) { return bits(speed, speed == usb::Speed::high ? 40 : 3); }

/// How long the host waits for an answer to begin: 16 … 18 bit times, high speed 736 … 816 [7.1.19.1, 7.1.19.2].
constexpr bus::Duration response_timeout(usb::Speed speed) { return bits(speed, speed == usb::Speed::high ? 776 : 17); }

/// No packet may be on the bus in the last bit times of a (micro)frame: hubs reach EOF1 32 bits before the next SOF,
/// with skew up to 41 bits [11.2.5, 11.3]; at high speed 560 bits [11.2.5].
constexpr bus::Duration end_of_frame_guard(usb::Speed speed) {
  return bits(speed, speed == usb::Speed::high ? 560 : 42);
}

/// One packet of `bytes` (PID to CRC) with as many stuffed bits as there can be: one in six [7.1.9].
constexpr bus::Duration longest_packet(usb::Speed speed, std::int64_t bytes) {
  return bits(speed, usb::sync_bits(speed) + (bytes * 8 * 7 + 5) / 6 + usb::eop_bits(speed));
}

/// A data packet of `payload` bytes.
constexpr bus::Duration longest_data(usb::Speed speed, std::int64_t payload) {
  return longest_packet(speed, payload + 3);
}

/// What an isochronous transaction may take until the bus is quiet again.
constexpr bus::Duration longest_isochronous_out(usb::Speed speed, std::int64_t payload) {
  return longest_packet(speed, 3) + same_sender_gap(speed) + longest_data(speed, payload);
}
constexpr bus::Duration longest_isochronous_in(usb::Speed speed, std::int64_t payload) {
  return longest_packet(speed, 3) + response_timeout(speed) + longest_data(speed, payload);
}
/// With handshake: control, bulk, interrupt; either direction.
constexpr bus::Duration longest_acknowledged(usb::Speed speed, std::int64_t payload) {
  return longest_packet(speed, 3) + longest_data(speed, payload) + response_timeout(speed) + same_sender_gap(speed) +
         turnaround_gap(speed) + longest_packet(speed, 1);
}

// Root port [7.1.7.5].
inline constexpr bus::Duration device_chirp_latest = 7 * bus::millisecond;  ///< TUCHEND, from the start of the reset
inline constexpr bus::Duration chirp_filter = {1200};                       ///< TFILT: K for 2.5 us is a chirp
inline constexpr bus::Duration chirp_pause = 20 * bus::microsecond;         ///< TWTDCH: within 100 us of the device's K
inline constexpr bus::Duration chirp_state = 50 * bus::microsecond;         ///< TDCHBIT: 40 … 60 us for each K and J
inline constexpr bus::Duration chirp_end = 200 * bus::microsecond;  ///< TDCHSE0: 100 … 500 us before the end of reset
inline constexpr bus::Duration reset_recovery = 10 * bus::millisecond;       ///< TRSTRCY
inline constexpr bus::Duration set_address_recovery = 2 * bus::millisecond;  ///< [9.2.6.3]
inline constexpr bus::Duration suspend_after = 3 * bus::millisecond;         ///< of idle a device suspends [7.1.7.6]
/// A port stays suspended at least so long before it is resumed, so that its device is suspended, too: after 10 ms of
/// idle it has to be [7.1.7.6; EHCI 4.3.1].
inline constexpr bus::Duration suspended_least = 10 * bus::millisecond;
inline constexpr bus::Duration resume_signal = 20 * bus::millisecond;    ///< TDRSMDN [7.1.7.7]
inline constexpr bus::Duration resume_recovery = 10 * bus::millisecond;  ///< TRSMRCY [7.1.7.7]
/// SE0 of a low-speed EOP that ends resume: two low-speed bits [7.1.7.7].
inline constexpr bus::Duration resume_end = {640};

/// Attempts that fail by timeout, CRC, bit stuffing or PID in a row before a control, bulk or interrupt transfer is
/// given up [8.7; EHCI, xHCI: CErr].
inline constexpr unsigned attempts = 3;

}  // namespace isochio::controller::timing
