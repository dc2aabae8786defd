// isochio: bus time that transactions take: exactly (for bytes on the wire), as the specification's tables count it,
// and by its worst-case formulas for admission. Integers throughout: bit times of the speed in question, bytes or
// picoseconds. Source: USB 2.0 sections 5.6.4, 5.11.3, 7.1.10, 7.1.13.2, tables 5-4 and 5-5.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "usb/bit_stuffing.h"
#include "usb/types.h"

namespace isochio::usb {

// --- on the wire, in bit times of the speed -------------------------------------------------------------------------

/// SYNC [7.1.10].
constexpr unsigned sync_bits(Speed speed) { return speed == Speed::high ? 32 : 8; }
/// EOP: full speed two bits of SE0 (the bit of J that follows already is idle), high speed 8, 40 after an SOF
/// [7.1.13.1, 7.1.13.2].
constexpr unsigned eop_bits(Speed speed, bool long_eop = false) {
  if (speed == Speed::full) return 2;
  return long_eop ? 40 : 8;
}
/// The least a sender leaves between two packets of its own [7.1.18].
constexpr unsigned inter_packet_bits(Speed speed) { return speed == Speed::high ? 88 : 2; }
/// The longest a device may take until its answer begins, no captive cable [7.1.18.1: 6.5 FS bits; 7.1.18.2], in half
/// bit times, so that it is an integer.
constexpr unsigned device_response_half_bits(Speed speed) { return speed == Speed::high ? 2 * 192 : 13; }
/// When a host may give up on an answer at the earliest and has to at the latest [7.1.19.1, 7.1.19.2].
constexpr unsigned host_timeout_min_bits(Speed speed) { return speed == Speed::high ? 736 : 16; }
constexpr unsigned host_timeout_max_bits(Speed speed) { return speed == Speed::high ? 816 : 18; }

/// One packet, PID to CRC in `bytes`, from the first bit of SYNC to the end of EOP, stuffing as it really falls.
constexpr std::size_t packet_bits(Speed speed, std::span<const std::uint8_t> bytes, bool long_eop = false) {
  return sync_bits(speed) + 8 * bytes.size() + stuffed_bits(bytes) + eop_bits(speed, long_eop);
}

// --- tables 5-4 and 5-5: nothing else on the bus, nothing stuffed, host delay 0 -------------------------------------

/// Bytes in a frame (full speed) or microframe (high speed).
constexpr std::uint32_t bytes_in_frame(Speed speed) { return speed == Speed::high ? 7500 : 1500; }

/// Bytes of bus time that an isochronous transaction takes beside its payload. Full speed 9: 2 SYNC, 2 PID,
/// 2 token + CRC5, 2 CRC16, 1 inter-packet delay. High speed 38: 2 × 4 SYNC, 2 PID, 2 token + CRC5, 2 CRC16,
/// 2 × (1 + 11) EOP and inter-packet delay.
constexpr std::uint32_t isochronous_overhead_bytes(Speed speed) { return speed == Speed::high ? 38 : 9; }

/// The most isochronous transactions of `payload` bytes in a (micro)frame.
constexpr std::uint32_t most_transactions(Speed speed, std::uint32_t payload) {
  return bytes_in_frame(speed) / (isochronous_overhead_bytes(speed) + payload);
}

// --- worst-case formulas of 5.11.3 ----------------------------------------------------------------------------------

/// floor(8 × 1.1667 × bytes): bits of a payload with the most stuffing there can be, on average.
constexpr std::uint64_t bit_stuff_time(std::uint64_t bytes) { return bytes * 8 * 11'667 / 10'000; }

/// Picoseconds that one transaction may take at worst, host delay included. Control and bulk transactions, and
/// interrupt ones, count as non-isochronous. An isochronous service interval takes `transactions` times this.
constexpr std::uint64_t transaction_ps(Speed speed, bool isochronous, Direction direction, std::uint32_t bytes,
                                       std::uint64_t host_delay_ps = 0) {
  const std::uint64_t bits = (3'167 + 1'000 * bit_stuff_time(bytes)) / 1'000;
  if (speed == Speed::high) return 2'083 * (std::uint64_t{isochronous ? 38U : 55U} * 8U + bits) + host_delay_ps;
  const std::uint64_t base = !isochronous ? 9'107'000 : direction == Direction::in ? 7'268'000 : 6'265'000;
  return base + 83'540 * bits + host_delay_ps;
}

/// One service interval of an endpoint: all its transactions at their largest.
constexpr std::uint64_t service_ps(Speed speed, const EndpointConfig& endpoint, std::uint64_t host_delay_ps = 0) {
  const bool isochronous = endpoint.type == TransferType::isochronous;
  return endpoint.transactions *
         transaction_ps(speed, isochronous, endpoint.address.direction(), endpoint.max_packet, host_delay_ps);
}

/// A frame or a microframe.
constexpr std::uint64_t frame_ps(Speed speed) { return speed == Speed::high ? 125'000'000 : 1'000'000'000; }

/// The share that periodic transfers may take: 90 % at full speed [5.6.4, 5.7.4], 80 % at high speed.
constexpr std::uint32_t periodic_percent(Speed speed) { return speed == Speed::high ? 80 : 90; }

/// `percent` 0 means the specification's share.
constexpr std::uint64_t periodic_limit_ps(Speed speed, std::uint32_t percent = 0) {
  return frame_ps(speed) / 100 * (percent == 0 ? periodic_percent(speed) : percent);
}

}  // namespace isochio::usb
