// isochio: a small pcapng writer.
#include "capture/pcapng.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include <fmt/format.h>

namespace isochio::capture {
namespace {

constexpr std::size_t buffer_bytes = std::size_t{256} * 1024;
constexpr std::uint32_t section_header_block = 0x0A0D0D0A, interface_block = 1, enhanced_packet_block = 6;
constexpr std::uint32_t byte_order_magic = 0x1A2B3C4D;
constexpr std::uint16_t opt_end = 0, opt_comment = 1, shb_userappl = 4, if_name = 2, if_tsresol = 9, epb_flags = 2;
// The registered link types LINKTYPE_USB_2_0_FULL_SPEED and LINKTYPE_USB_2_0_HIGH_SPEED.
constexpr std::uint16_t linktype_full = 294, linktype_high = 295;

/// Appends one block, little endian; its length is known when it ends.
class Block {
 public:
  Block(std::vector<std::uint8_t>& out, std::uint32_t type) : out_(out), begin_(out.size()) {
    u32(type);
    u32(0);
  }
  void u16(std::uint32_t value) { little_endian(value, 2); }
  void u32(std::uint32_t value) { little_endian(value, 4); }
  void bytes(const void* data, std::size_t size) {
    const auto* first = static_cast<const std::uint8_t*>(data);
    out_.insert(out_.end(), first, first + size);
    while ((out_.size() - begin_) % 4 != 0) out_.push_back(0);
  }
  void option(std::uint16_t code, std::string_view value) {
    u16(code);
    u16(static_cast<std::uint16_t>(value.size()));
    bytes(value.data(), value.size());
  }
  void end() {
    const auto length = static_cast<std::uint32_t>(out_.size() - begin_ + 4);
    u32(length);
    for (std::size_t i = 0; i < 4; ++i) out_[begin_ + 4 + i] = static_cast<std::uint8_t>(length >> (8 * i));
  }

 private:
  void little_endian(std::uint32_t value, unsigned count) {
    for (unsigned i = 0; i < count; ++i) out_.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
  }
  std::vector<std::uint8_t>& out_;
  std::size_t begin_;
};

const char* describe(bus::PacketObserver::LineEvent event) {
  using Event = bus::PacketObserver::LineEvent;
  switch (event) {
    case Event::attach:
      return "device attached";
    case Event::detach:
      return "device detached";
    case Event::reset_begin:
      return "bus reset begins";
    case Event::reset_end:
      return "bus reset ends";
    case Event::device_chirp:
      return "device chirps";
    case Event::high_speed:
      return "high speed";
    case Event::full_speed:
      return "full speed";
    case Event::suspend:
      return "suspend";
    case Event::resume:
      return "resume";
  }
  return "?";
}

constexpr std::size_t longest_comment = 1000;

}  // namespace

PcapngWriter::PcapngWriter(std::FILE* file, std::string path) : file_(file), path_(std::move(path)) {
  buffer_.reserve(buffer_bytes + 8192);
  std::setvbuf(file_, nullptr, _IONBF, 0);
}

tl::expected<std::unique_ptr<PcapngWriter>, std::string> PcapngWriter::create(const std::string& path,
                                                                              const PcapngOptions& options) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr)
    return tl::unexpected(fmt::format("{}: the capture can't be opened: {}", path, std::strerror(errno)));
  std::unique_ptr<PcapngWriter> writer(new PcapngWriter(file, path));
  writer->section(options.comment);
  writer->flush();
  if (!writer->error_.empty()) return tl::unexpected(writer->error_);
  return writer;
}

PcapngWriter::~PcapngWriter() { (void)finish(); }

void PcapngWriter::section(const std::string& comment) {
  Block b(buffer_, section_header_block);
  b.u32(byte_order_magic);
  b.u16(1);
  b.u16(0);
  b.u32(0xffffffffU);  // section length unknown
  b.u32(0xffffffffU);
  if (!comment.empty()) b.option(opt_comment, std::string_view(comment).substr(0, longest_comment));
  b.option(shb_userappl, "isochio");
  b.option(opt_end, "");
  b.end();
}

std::uint32_t PcapngWriter::interface_of(usb::Speed speed) {
  std::uint32_t& known = interface_[speed == usb::Speed::full ? 0 : 1];
  if (known != 0) return known - 1;
  Block b(buffer_, interface_block);
  b.u16(speed == usb::Speed::full ? linktype_full : linktype_high);
  b.u16(0);
  b.u32(0);  // no limit to a packet's length
  b.option(if_name, speed == usb::Speed::full ? "full speed" : "high speed");
  b.option(if_tsresol, "\x09");  // 10^-9 s
  b.option(opt_end, "");
  b.end();
  known = ++interfaces_;
  return known - 1;
}

void PcapngWriter::enhanced_packet(std::uint32_t interface, const bus::Packet& packet) {
  const auto ns = static_cast<std::uint64_t>(bus::to_ns(packet.start));
  const auto size = static_cast<std::uint32_t>(packet.bytes.size());
  Block b(buffer_, enhanced_packet_block);
  b.u32(interface);
  b.u32(static_cast<std::uint32_t>(ns >> 32U));
  b.u32(static_cast<std::uint32_t>(ns));
  b.u32(size);
  b.u32(size);
  b.bytes(packet.bytes.data(), size);
  for (const auto& comment : comments_) b.option(opt_comment, comment);
  b.u16(epb_flags);
  b.u16(4);
  // Bits 1..0: inbound (1) or outbound (2) as the host sees it; bit 31: symbol error.
  b.u32((packet.from_host ? 2U : 1U) | (packet.rx_error ? 0x80000000U : 0U));
  b.option(opt_end, "");
  b.end();
}

void PcapngWriter::on_packet(const bus::Packet& packet, usb::Speed speed) {
  if (!error_.empty() || file_ == nullptr) {
    ++lost_;
    return;
  }
  enhanced_packet(interface_of(speed), packet);
  comments_.clear();
  ++packets_;
  if (buffer_.size() >= buffer_bytes) flush();
}

void PcapngWriter::on_line(LineEvent event, bus::BusTime at) {
  const std::int64_t ns = bus::to_ns(at);
  // Only what stands right before the next packet is wanted.
  if (comments_.size() == 16) comments_.erase(comments_.begin());
  comments_.push_back(fmt::format("{} at {}.{:09d} s", describe(event), ns / 1'000'000'000, ns % 1'000'000'000));
}

void PcapngWriter::fail(const char* what) {
  if (error_.empty()) error_ = fmt::format("{}: the capture can't be {}: {}", path_, what, std::strerror(errno));
}

void PcapngWriter::flush() {
  if (error_.empty() && !buffer_.empty()) {
    if (std::fwrite(buffer_.data(), 1, buffer_.size(), file_) == buffer_.size()) {
      whole_bytes_ += static_cast<std::int64_t>(buffer_.size());
    } else {
      fail("written");
      // Leave whole blocks only. If that fails too, the first error is the one to tell.
      if (::ftruncate(::fileno(file_), whole_bytes_) != 0) errno = 0;
    }
  }
  buffer_.clear();
}

tl::expected<void, std::string> PcapngWriter::finish() {
  if (file_ != nullptr) {
    flush();
    if (std::fclose(file_) != 0) fail("closed");
    file_ = nullptr;
  }
  if (!error_.empty()) return tl::unexpected(error_);
  return {};
}

}  // namespace isochio::capture
