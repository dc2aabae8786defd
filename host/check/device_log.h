// isochio: the device's event log and counters (docs/registers.md) against what the observer saw on the wire. Rules:
// device_log, and for what only the sink of an OUT stream knows, the payload rules. Memory is fixed: of a run whose log
// is not read in time, the oldest and the newest packets are kept, as the device keeps the oldest.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "check/reporter.h"
#include "check/statistics.h"
#include "check/wire.h"

namespace isochio::check {

class DeviceLog final : public WireListener {
 public:
  /// Without `wire`, only what the device counts by itself is looked at.
  explicit DeviceLog(Reporter& reporter, bool wire = true);

  void entries(std::span<const std::uint8_t> bytes);
  /// Events are missing behind the entries given so far: the next entry may lie behind a gap.
  void lost(std::uint32_t events) {
    if (events > 0) lose_step();
  }
  void mask(std::uint32_t kinds) { mask_ = kinds; }
  /// Entries compared and found on the wire, since the start.
  std::uint64_t matched() const { return matched_; }

  /// What the wire showed is counted from here on.
  void restart(usb::EndpointAddress endpoint);
  /// FUNCTION … TRUNCATED of the endpoint's engine; OUT: what its sink found goes to `found`. Without `exact_stamps`
  /// (intervals above 1 on a host that does not tell its schedule) MISTIMED is not looked at.
  void counters(usb::EndpointAddress endpoint, std::span<const std::uint32_t> registers, bus::BusTime now,
                bool exact_stamps, PayloadStatistics& found);

  void on_sof(const Sof& sof) override;
  void on_packet(const DecodedPacket& packet) override;
  void on_transaction(const Transaction& transaction) override;
  void on_break(bus::BusTime at) override;

 private:
  enum Kind : std::uint8_t { sof_kind = 0, token_kind = 2, data_in_kind = 3, data_out_kind = 4, handshake_kind = 5 };
  struct Record {
    std::uint16_t stamp = 0, length = 0;
    std::uint8_t kind = 0, pid = 0, endpoint = 0;  ///< endpoint: number only
    bus::BusTime time;                             ///< its end (SOF: its begin)
    bool says_same(const Record& other) const {
      return stamp == other.stamp && length == other.length && kind == other.kind && pid == other.pid &&
             endpoint == other.endpoint;
    }
  };
  /// A ring of fixed size.
  struct Ring {
    std::vector<Record> records;
    std::size_t first = 0, count = 0;
    const Record& operator[](std::size_t i) const { return records[(first + i) % records.size()]; }
    bool full() const { return count == records.size(); }
    void push(const Record& record);
    void drop(std::size_t n);
  };
  struct Totals {
    std::uint64_t packets = 0, bytes = 0, zero_length = 0;
    std::uint8_t last_pid = 0;
  };
  static constexpr std::size_t ring_size = 32768;

  void lose_step() {
    in_step_ = false;
    first_stamp_.reset();
    found_.reset();
  }
  void remember(const Record& record);
  void entry(std::span<const std::uint8_t> bytes);
  bool find(const Record& wanted, std::uint32_t clock);
  bool is_near(const Record& record, std::uint32_t clock) const;
  void skipped(std::size_t records, const Record& first);
  std::uint64_t full_frame(std::uint16_t stamp) const;
  void equal(usb::EndpointAddress endpoint, const char* name, std::uint64_t expected, std::uint32_t seen,
             bus::BusTime now);
  void none(Rule rule, usb::EndpointAddress endpoint, const char* name, std::uint32_t seen, bus::BusTime now,
            const std::string& more = {});

  Reporter& reporter_;
  Ring oldest_, newest_;
  std::array<Totals, 32> totals_{};
  std::uint32_t mask_ = 0xffffffffU;
  usb::FrameTime now_;
  bus::BusTime now_time_;
  usb::Speed now_speed_ = usb::Speed::full;
  usb::EndpointAddress token_endpoint_;
  std::uint8_t token_ = 0;
  bool wire_;
  bool in_step_ = false;                      ///< no record may be missing before the next entry
  std::optional<std::uint16_t> first_stamp_;  ///< of the first entry found since out of step
  /// The entry that was found last: the device's clock, and the time on the wire.
  struct Found {
    std::uint32_t clock = 0;
    bus::BusTime time;
  };
  std::optional<Found> found_;
  std::uint64_t matched_ = 0;
};

}  // namespace isochio::check
