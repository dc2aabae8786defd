// isochio: all checks of a run behind one object: hang it on the Link (packets) and on the Host (requests), name the
// streams, and read the figures at the end.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "bus/link.h"
#include "check/payload.h"
#include "check/reporter.h"
#include "check/statistics.h"
#include "controller/host.h"

namespace isochio::check {

struct StreamOptions {
  usb::EndpointAddress endpoint;
  /// IN: what the entries' data is checked against. OUT: what the packets on the wire are checked against.
  Pattern pattern = Pattern::none;
  std::uint32_t seed = default_seed;
  bool allow_missed = false;  ///< missed entries are counted, no violation
};

struct SuiteOptions {
  /// Number of a frame within 1000 of the first SOF's, to extend the wire's 11 bits (SimHostOptions::first_frame).
  std::uint64_t first_frame = 1000;
  std::uint64_t violation_cap = 1000;  ///< reported a rule; the rest is counted
  /// A completion later than this after the last entry is a violation; 0: no limit.
  bus::Duration completion_latency_limit{};
  /// Full-speed response limit: 6.5 bit times at a detachable cable, 7.5 at a captive one [7.1.18.1].
  bus::Duration fs_response_limit{260};
  /// IN entries with less than they asked for: ok, or short_packet, or either [driverkit-facts 2.4].
  enum class ShortPacket : std::uint8_t { either, ok, short_packet } short_packet = ShortPacket::either;
  /// Share of a (micro)frame that periodic transfers may take; 0: the specification's 90 (full speed) and 80 (high
  /// speed) [5.6.4], 100: not checked.
  std::uint32_t periodic_percent = 0;
  bool frame_timing = true, wire_timing = true, payload = true, pid_sequence = true, status = true, device_log = true;
  /// false: a real host, no packet is ever shown. Frame timing is then judged from the device's stamps and log
  /// (device_timing.h), entries from their status alone, the engines' BYTES from what the host was told.
  bool wire = true;
  /// Without a wire: and between host and device stands a buffer (QEMU's usb-redir), which gives empty packets while it
  /// has none, ends OUT packets when it has taken them, and keeps some at the end. IN entries that brought nothing are
  /// not looked at, only counted (zero_length); entries' statuses and BYTES are not judged.
  bool buffered = false;
};

class Suite final : public bus::PacketObserver, public controller::RequestObserver {
 public:
  /// `sink` must outlive the suite.
  Suite(const SuiteOptions& options, ViolationSink& sink);
  ~Suite() override;
  Suite(const Suite&) = delete;
  Suite& operator=(const Suite&) = delete;

  /// Call before the stream starts. Isochronous endpoints that are not named are checked all the same, but for payload.
  void watch(const StreamOptions& stream);
  /// The device's functions were restarted (CONTROL bit 10, alternate setting): sequences begin anew. Alternate
  /// settings are noticed without this.
  void restart(usb::EndpointAddress endpoint);

  /// Gets the packets too (a capture): one Link has one observer.
  void also_show(bus::PacketObserver* observer);

  /// The LOG_MASK in force: kinds that the device does not log are not looked for.
  void device_log_mask(std::uint32_t kinds);
  /// What the device recorded, as read by LOG (12-byte entries, in order, in any number of pieces)…
  void device_log(std::span<const std::uint8_t> entries);
  /// … LOG_LOST: if it is not 0, events are missing behind the entries given so far (a full log keeps the oldest), and
  /// the next entry may lie behind a gap …
  void device_log_lost(std::uint32_t events);
  /// … and an engine's counters: the registers FUNCTION … TRUNCATED (21 numbers) from its base on, read after the last
  /// packet. They cover what moved since on_endpoints or restart() for that endpoint.
  void device_counters(usb::EndpointAddress endpoint, std::span<const std::uint32_t> registers);

  /// Ends the run: what is still open is judged now.
  void finish(bus::BusTime now);

  const Reporter& reporter() const;
  Reporter& reporter();
  const SofStatistics& sof() const;
  /// One for each isochronous or bulk endpoint seen or watched, ordered by address.
  std::vector<StreamStatistics> streams() const;
  /// Groups of which this host shows too little to say "passed"; violations may have been found all the same.
  std::array<bool, group_count> not_observable() const;
  /// Entries of the device's log found on the wire.
  std::uint64_t log_entries_matched() const;
  /// Completion latency of all streams.
  const Histogram& latency() const;

  // observers
  void on_packet(const bus::Packet& packet, usb::Speed speed) override;
  void on_line(LineEvent event, bus::BusTime at) override;
  void on_submit(const controller::IsochRequest& request, bus::BusTime at) override;
  void on_refused(const controller::IsochRequest& request, controller::Status why, bus::BusTime at) override;
  void on_entry(const controller::IsochRequest& request, std::size_t index, bus::BusTime at) override;
  void on_complete(const controller::IsochRequest& request, controller::Status overall, bus::BusTime due,
                   bus::BusTime now) override;
  void on_bulk(const controller::BulkRequest& request, bus::BusTime begin, bus::BusTime end) override;
  void on_endpoints(std::span<const usb::EndpointConfig> endpoints, usb::Speed speed, bus::BusTime at) override;
  void on_frame_number(std::uint64_t frame, bus::BusTime at) override;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace isochio::check
