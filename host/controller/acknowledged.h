// isochio: one attempt at a transaction with handshake, as control, bulk and interrupt pipes make it: data toggles,
// NAK, PING and NYET, retries. Source: USB 2.0 sections 8.5.1 … 8.5.4, 8.6, 8.7.
#pragma once

#include <cstdint>
#include <span>

#include "controller/transaction.h"

namespace isochio::controller {

/// What an endpoint with handshakes keeps between transactions.
struct Flow {
  bool toggle = false;        ///< the next data packet is DATA1
  bool ping = false;          ///< high-speed OUT: ask for room first [8.5.1]
  unsigned errors = 0;        ///< attempts that failed in a row
  Status error = Status::ok;  ///< of the last attempt that failed
};

enum class Outcome : std::uint8_t {
  moved,    ///< a data packet went over and was acknowledged
  nothing,  ///< nothing moved, but the next attempt may follow at once (room after PING, an error, a repeated packet)
  nak,      ///< the device asks for time
  stall,
  failed,  ///< too many errors in a row: Flow::error
};

/// SETUP or OUT with `payload`. `pinged`: bulk and control OUT at high speed, where PING and NYET exist.
Outcome attempt_out(TransactionEngine& engine, Flow& flow, usb::Pid token, std::uint8_t address, std::uint8_t endpoint,
                    std::span<const std::uint8_t> payload, bool pinged);

/// IN; on `moved`, the first `moved` bytes of `room` are what came, already acknowledged. A packet longer than `room`
/// or `max_packet` is babble: failed at once, with Status::overrun, and not acknowledged.
Outcome attempt_in(TransactionEngine& engine, Flow& flow, std::uint8_t address, std::uint8_t endpoint,
                   std::size_t max_packet, std::span<std::uint8_t> room, std::size_t& moved);

}  // namespace isochio::controller
