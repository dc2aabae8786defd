// isochio: writes what passes on the wire to a pcapng file: link type 294 (USB 2.0 full speed) or 295 (high speed),
// nanosecond stamps, every packet from the bus reset on; and, if it is shown them, the requests of host software on an
// interface of their own: link type 266 (macOS, darwin_usb.h), same time base. The format: draft-ietf-opsawg-pcapng;
// docs/captures.md. The same run gives the same bytes.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "bus/link.h"
#include "capture/darwin_usb.h"
#include "controller/host.h"

namespace isochio::capture {

struct PcapngOptions {
  std::string comment{};  ///< opt_comment of the section header, e.g. scenario and seed; empty: none
  /// The IOReturn that host software sees for an entry or a request. Without it: 0, or kIOReturnError.
  std::function<std::uint32_t(controller::Status)> io_return{};
};

/// Hang it on the Link for packets and, if requests are wanted too, on the Host.
class PcapngWriter final : public bus::PacketObserver, public controller::RequestObserver {
 public:
  /// The error names the file and the reason.
  static tl::expected<std::unique_ptr<PcapngWriter>, std::string> create(const std::string& path,
                                                                         const PcapngOptions& options = {});
  ~PcapngWriter() override;  ///< flushes; errors are then lost, so call finish()
  PcapngWriter(const PcapngWriter&) = delete;
  PcapngWriter& operator=(const PcapngWriter&) = delete;

  void on_packet(const bus::Packet& packet, usb::Speed speed) override;
  void on_line(LineEvent event, bus::BusTime at) override;
  /// A comment on the next packet.
  void note(std::string comment);

  void on_submit(const controller::IsochRequest& request, bus::BusTime at) override;
  /// A refused request is a submit and, at the same time, a complete with the refusal as its status and no frames.
  void on_refused(const controller::IsochRequest& request, controller::Status why, bus::BusTime at) override;
  void on_complete(const controller::IsochRequest& request, controller::Status overall, bus::BusTime due,
                   bus::BusTime now) override;
  /// Known when they have ended only: both records stand there, each with its own time.
  void on_control(const controller::ControlSetup& setup, std::span<const std::uint8_t> data, controller::Status status,
                  bus::BusTime begin, bus::BusTime end) override;
  void on_bulk(const controller::BulkRequest& request, bus::BusTime begin, bus::BusTime end) override;
  void on_endpoints(std::span<const usb::EndpointConfig> endpoints, usb::Speed speed, bus::BusTime at) override;

  /// Writes what is buffered and closes. Whole blocks only are in the file, also after a failure. The error (disk full
  /// …) names the file; packets after the first failure are not written, and counted in lost().
  tl::expected<void, std::string> finish();

  std::uint64_t packets() const { return packets_; }    ///< of the wire
  std::uint64_t requests() const { return requests_; }  ///< records of requests: submit and complete
  std::uint64_t lost() const { return lost_; }

 private:
  enum class Interface : std::uint8_t { full_speed, high_speed, requests };
  /// A block's content apart from its bytes.
  struct Record {
    Interface interface {};
    bus::BusTime at;
    std::uint32_t flags = 0;
  };

  PcapngWriter(std::FILE* file, std::string path, const PcapngOptions& options);
  void section(const std::string& comment);
  std::uint32_t number_of(Interface interface);
  bool can_write();
  void enhanced_packet(const Record& record, std::span<const std::uint8_t> bytes);
  DarwinHeader header(usb::EndpointAddress endpoint) const;
  void isoch_record(const controller::IsochRequest& request, DarwinHeader header, bus::BusTime at);
  void request_record(bus::BusTime at);
  std::uint32_t io_return(controller::Status status) const;
  void fail(const char* what);
  void flush();

  std::FILE* file_;
  std::string path_, error_;
  std::vector<std::string> comments_;  ///< line events since the last packet
  std::vector<std::uint8_t> buffer_, record_;
  std::function<std::uint32_t(controller::Status)> io_return_;
  std::array<usb::EndpointConfig, 32> endpoints_{};  ///< [number + 16 for IN]
  usb::Speed speed_{};
  std::uint8_t address_ = 0;
  std::uint64_t controls_ = 0, refused_ = 0;
  std::array<std::uint32_t, 3> interface_{};  ///< by Interface: its number + 1, 0: not yet described
  std::uint32_t interfaces_ = 0;
  std::int64_t whole_bytes_ = 0;  ///< length of the file up to the last whole buffer
  std::uint64_t packets_ = 0, requests_ = 0, lost_ = 0;
};

}  // namespace isochio::capture
