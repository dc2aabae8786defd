// isochio: the boundary between host controller and device. A Link moves packets and line states and owns bus time:
// whoever calls it spends time. Calls are per packet, so virtual dispatch costs nothing; the loop per clock lives
// inside a Link (verilator/utmi_link.h). Times are those at the host's connector. No call allocates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "bus/bus_time.h"
#include "usb/types.h"

namespace isochio::bus {

enum class LineState : std::uint8_t { se0, j, k };

/// A packet as it stood on the wire: PID byte first, CRC last; without SYNC and EOP.
struct Packet {
  std::span<const std::uint8_t> bytes;  ///< valid until the next call to the Link
  BusTime start;                        ///< first bit of SYNC
  BusTime end;                          ///< after the last bit of EOP (FS: the end of SE0)
  bool from_host = true;
  bool rx_error = false;  ///< bit stuffing or alignment violated
  bool cut = false;       ///< a pulled plug or a reset ended it (cut_link.h): nobody's fault
};

class PacketObserver {
 public:
  virtual ~PacketObserver() = default;
  virtual void on_packet(const Packet& packet, usb::Speed speed) = 0;
  /// Line events a capture shows: reset begins and ends, chirp, suspend, resume, attach, detach.
  enum class LineEvent : std::uint8_t {
    attach,
    detach,
    reset_begin,
    reset_end,
    device_chirp,
    high_speed,
    full_speed,
    suspend,
    resume
  };
  virtual void on_line(LineEvent event, BusTime at) {
    (void)event;
    (void)at;
  }
};

class Link {
 public:
  virtual ~Link() = default;

  virtual BusTime now() const = 0;

  /// Lets time pass up to `until` (no-op if that is past). A device packet that begins meanwhile is unexpected; it is
  /// received whole (now() may then be later than `until`) and only the observer sees it.
  virtual void advance(BusTime until) = 0;

  /// Sends one packet, first SYNC bit at now() (a few clocks later if the receiver at the other end could not keep a
  /// packet so close to the last one apart); returns after its EOP. `bytes` from PID to CRC, 1 … 1027 bytes (more is
  /// an oversized packet and allowed up to 4096). `long_eop` for a high-speed SOF (40 bits) [7.1.13.2].
  virtual Packet send(std::span<const std::uint8_t> bytes, bool long_eop = false) = 0;

  /// Waits for a device packet whose SYNC begins before `start_before`; false if none has begun by then (now() ==
  /// start_before). If one began, receives it whole and now() is its end. A packet longer than 4096 bytes is cut there
  /// (babble) and flagged rx_error.
  virtual bool receive(BusTime start_before, Packet& packet) = 0;

  /// Drives a line state from now on: se0 = reset, k = resume or chirp, j = idle/suspend (FS), as the host's
  /// transceiver would.
  virtual void drive(LineState state) = 0;
  /// Stops driving: idle for the current speed, that is SE0 at high speed, J by the device's pull-up at full speed. A
  /// suspended high-speed port goes to set_speed(full) and release(), so that the device finds J after its 3 ms.
  virtual void release() = 0;
  /// Waits until the device drives `state` (chirp K, remote wake-up) or `until`; true if seen, now() is then that
  /// moment.
  virtual bool wait_device_drives(LineState state, BusTime until) = 0;
  /// Waits until the device no longer drives the line, or `until`.
  virtual bool wait_device_releases(BusTime until) = 0;

  /// The speed at which the host's port drives and receives packets from now on.
  virtual void set_speed(usb::Speed speed) = 0;
  virtual usb::Speed speed() const = 0;

  /// Vbus and pull-up: a device that is not attached does not see anything and does not answer.
  virtual void set_attached(bool attached) = 0;
  virtual bool device_present() const = 0;  ///< its pull-up or, at high speed, its terminations are seen

  virtual void set_observer(PacketObserver* observer) = 0;

  // What only a simulated cable and a simulated clock can do; false: this Link can't.

  /// The receiver at the device's end finds bit stuffing violated in byte `byte` (0 = PID) of the next packet sent.
  virtual bool inject_rx_error(std::size_t byte) {
    (void)byte;
    return false;
  }
  /// From now on the device's clock is fast by `ppm` parts per million of bus time (slow: negative), at most 10 000.
  virtual bool set_device_clock(std::int32_t ppm) {
    (void)ppm;
    return false;
  }

  /// Device clocks that have passed / that were really evaluated (the rest was skipped). For perf figures only.
  struct Clocks {
    std::uint64_t elapsed = 0, evaluated = 0;
  };
  virtual Clocks clocks() const = 0;
};

}  // namespace isochio::bus
