// isochio: writes what passes on the wire to a pcapng file: link type 294 (USB 2.0 full speed) or 295 (high speed),
// nanosecond stamps, every packet from the bus reset on. The format: draft-ietf-opsawg-pcapng; docs/captures.md. The
// same run gives the same bytes.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "bus/link.h"

namespace isochio::capture {

struct PcapngOptions {
  std::string comment;  ///< opt_comment of the section header, e.g. scenario and seed; empty: none
};

class PcapngWriter final : public bus::PacketObserver {
 public:
  /// The error names the file and the reason.
  static tl::expected<std::unique_ptr<PcapngWriter>, std::string> create(const std::string& path,
                                                                         const PcapngOptions& options = {});
  ~PcapngWriter() override;  ///< flushes; errors are then lost, so call finish()
  PcapngWriter(const PcapngWriter&) = delete;
  PcapngWriter& operator=(const PcapngWriter&) = delete;

  void on_packet(const bus::Packet& packet, usb::Speed speed) override;
  void on_line(LineEvent event, bus::BusTime at) override;

  /// Writes what is buffered and closes. Whole blocks only are in the file, also after a failure. The error (disk full
  /// …) names the file; packets after the first failure are not written, and counted in lost().
  tl::expected<void, std::string> finish();

  std::uint64_t packets() const { return packets_; }
  std::uint64_t lost() const { return lost_; }

 private:
  PcapngWriter(std::FILE* file, std::string path);
  void section(const std::string& comment);
  std::uint32_t interface_of(usb::Speed speed);
  void enhanced_packet(std::uint32_t interface, const bus::Packet& packet);
  void fail(const char* what);
  void flush();

  std::FILE* file_;
  std::string path_, error_;
  std::vector<std::string> comments_;  ///< line events since the last packet
  std::vector<std::uint8_t> buffer_;
  std::array<std::uint32_t, 2> interface_{};  ///< by speed: interface number + 1, 0: not yet described
  std::uint32_t interfaces_ = 0;
  std::int64_t whole_bytes_ = 0;  ///< length of the file up to the last whole buffer
  std::uint64_t packets_ = 0, lost_ = 0;
};

}  // namespace isochio::capture
