// isochio: how long the modelled transceiver takes. Everything in high-speed bit times (bus/bus_time.h), as a fixed
// value from the range that the transceiver specifications allow: UTMI 1.05 section 5, and the same figures in clocks
// in ULPI 1.1 table "PHY pipeline delays" (a ULPI transceiver is a UTMI one behind a wrapper).
#pragma once

#include <cstdint>

#include "bus/bus_time.h"
#include "bus/tick_clock.h"
#include "usb/bandwidth.h"

namespace isochio::verilated {

/// One UTMI clock, 60 MHz at 8 bits.
inline constexpr std::int64_t clock_bits = bus::utmi_clock.bits;

/// A change on the wire → line_state. 2 to 4 clocks (ULPI: RXCMD delay); the squelch detector, which is what tells J
/// from SE0 in a high-speed packet, takes the longer time.
inline constexpr std::int64_t line_latency = 2 * clock_bits;
inline constexpr std::int64_t squelch_latency = 4 * clock_bits;

/// End of a byte, of SYNC or of EOP on the wire → rx_valid, rx_active up or down; rounded up to the next clock.
/// High speed 3 to 8 clocks (ULPI: RX start delay, RX end delay).
inline constexpr std::int64_t hs_rx_latency = 4 * clock_bits;
/// Full speed: rx_active falls 17 to 18 clocks after EOP began, that is 7 to 8 clocks after its two bits of SE0.
inline constexpr std::int64_t fs_rx_latency = 7 * clock_bits;

/// The clock at which tx_valid is seen → first bit of SYNC on the wire; and a byte taken by tx_ready → its first bit.
/// High speed 1 to 2 clocks, full speed 1 to 10 clocks (ULPI: TX start delay).
inline constexpr std::int64_t hs_tx_latency = 1 * clock_bits;
inline constexpr std::int64_t fs_tx_latency = 5 * clock_bits;

/// Everything above for one speed, and the length of a bit.
struct WireTiming {
  std::int64_t bit;  ///< in high-speed bit times
  std::int64_t sync, rx_latency, tx_latency;

  constexpr std::int64_t eop(bool long_eop) const {
    return bit * usb::eop_bits(bit == 1 ? usb::Speed::high : usb::Speed::full, long_eop);
  }
};

constexpr WireTiming wire_timing(usb::Speed speed) {
  return speed == usb::Speed::high
             ? WireTiming{1, usb::sync_bits(speed), hs_rx_latency, hs_tx_latency}
             : WireTiming{bus::fs_bit.bits, bus::fs_bit.bits * usb::sync_bits(speed), fs_rx_latency, fs_tx_latency};
}

/// When the device's clock edges come. Edge n is at bus time 8 n unless the clock is made to run fast or slow.
using DeviceClock = bus::TickClock<clock_bits>;

}  // namespace isochio::verilated
