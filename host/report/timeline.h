// isochio: what the HTML report draws: every SOF, transaction, frame-list entry, completion and feedback value of a
// run, in packed columns. Reads the wire for itself, as the checks do. Memory grows by a few bytes a microframe of
// irregular traffic and hardly at all with regular traffic; beyond `most_records` only what is not in order is kept.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bus/link.h"
#include "check/wire.h"
#include "controller/host.h"
#include "report/distribution.h"
#include "report/packed_column.h"

namespace isochio::report {

/// An explicit feedback stream, so that its values can be held against the ideal one.
struct FeedbackStream {
  usb::EndpointAddress endpoint;
  double ideal = 0;  ///< samples per frame (full speed) or microframe (high speed)
  /// The value that a packet carries, in the same unit; none if it carries none.
  std::function<std::optional<double>(std::span<const std::uint8_t>)> read;
};

class Timeline final : public bus::PacketObserver, public controller::RequestObserver, private check::WireListener {
 public:
  static constexpr std::uint64_t most_records = 4'000'000;

  /// `first_frame` as in check::SuiteOptions.
  explicit Timeline(std::uint64_t first_frame, std::uint64_t most = most_records);

  void add_feedback(FeedbackStream stream) { feedback_.push_back(std::move(stream)); }

  /// A table of equally long columns.
  struct Table {
    std::string name;
    std::vector<std::pair<std::string, PackedColumn>> columns;
    explicit Table(std::string table_name, std::initializer_list<const char*> column_names);
    void row(std::initializer_list<std::int64_t> values);
    std::uint64_t rows() const { return columns.front().second.size(); }
  };
  /// Ends the recording. Then the tables are complete: docs/reports.md says what is in them.
  void finish();
  std::vector<Table*> tables() { return {&sofs_, &transactions_, &entries_, &completions_, &values_}; }
  const std::vector<FeedbackStream>& feedback() const { return feedback_; }
  /// Rows that were left out because there were too many.
  std::uint64_t omitted() const { return omitted_; }

  /// In bits, of all there was, also of rows that were left out.
  struct Distributions {
    Distribution sof_interval;
    Distribution response;  ///< end of the host's packet to the device's
    Distribution latency;   ///< end of the last entry's (micro)frame to the completion of an isochronous request
  };
  const Distributions& distributions() const { return distributions_; }

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

 private:
  void on_sof(const check::Sof& sof) override;
  void on_packet(const check::DecodedPacket& packet) override;
  void on_transaction(const check::Transaction& transaction) override;
  void feedback_value(const controller::IsochRequest& request, std::size_t index, bus::BusTime at);
  bool keep(const Table& table, bool in_order);

  check::Wire wire_;
  std::uint64_t most_, omitted_ = 0;
  std::array<std::uint32_t, 32> intervals_{};  ///< in steps of usb::FrameTime
  std::map<std::uint64_t, bus::BusTime> submitted_;
  std::vector<FeedbackStream> feedback_;
  bus::BusTime host_end_;             ///< of the last packet of the host
  std::int64_t response_ = -1;        ///< of the device in the transaction under way, in bits; -1: none yet
  std::uint64_t offset_request_ = 0;  ///< where the data of an entry begins: kept from entry to entry
  std::size_t offset_index_ = 0, offset_ = 0;
  Distributions distributions_;
  Table sofs_, transactions_, entries_, completions_, values_;
};

}  // namespace isochio::report
