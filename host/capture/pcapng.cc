// isochio: a small pcapng writer.
#include "capture/pcapng.h"

#include <unistd.h>

#include <algorithm>
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

/// Of each interface: the registered link types LINKTYPE_USB_2_0_FULL_SPEED, LINKTYPE_USB_2_0_HIGH_SPEED and
/// LINKTYPE_USB_DARWIN.
struct InterfaceKind {
  std::uint16_t linktype;
  const char* name;
};
constexpr std::array<InterfaceKind, 3> interface_kinds{{{294, "full speed"}, {295, "high speed"}, {266, "requests"}}};

// Flags of an enhanced packet. Bits 1..0: direction as the host sees it; bit 31: symbol error.
constexpr std::uint32_t inbound = 1, outbound = 2, symbol_error = 0x8000'0000U;

constexpr std::uint32_t io_return_error = 0xe000'02bcU;  // kIOReturnError, "general error"

// Numbers of requests are counted apart for each kind; the top byte of an I/O ID keeps them apart.
constexpr unsigned kind_shift = 56;
constexpr std::uint64_t kind_isoch = 1ULL << kind_shift, kind_bulk = 2ULL << kind_shift,
                        kind_control = 3ULL << kind_shift, kind_refused = 4ULL << kind_shift;

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

PcapngWriter::PcapngWriter(std::FILE* file, std::string path, const PcapngOptions& options)
    : file_(file), path_(std::move(path)), io_return_(options.io_return) {
  buffer_.reserve(buffer_bytes + 8192);
  std::setvbuf(file_, nullptr, _IONBF, 0);
}

tl::expected<std::unique_ptr<PcapngWriter>, std::string> PcapngWriter::create(const std::string& path,
                                                                              const PcapngOptions& options) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr)
    return tl::unexpected(fmt::format("{}: the capture can't be opened: {}", path, std::strerror(errno)));
  std::unique_ptr<PcapngWriter> writer(new PcapngWriter(file, path, options));
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

std::uint32_t PcapngWriter::number_of(Interface interface) {
  std::uint32_t& known = interface_[static_cast<std::size_t>(interface)];
  if (known != 0) return known - 1;
  const InterfaceKind& kind = interface_kinds[static_cast<std::size_t>(interface)];
  Block b(buffer_, interface_block);
  b.u16(kind.linktype);
  b.u16(0);
  b.u32(0);  // no limit to a packet's length
  b.option(if_name, kind.name);
  b.option(if_tsresol, "\x09");  // 10^-9 s
  b.option(opt_end, "");
  b.end();
  known = ++interfaces_;
  return known - 1;
}

/// After the first failure nothing is written any more, only counted.
bool PcapngWriter::can_write() {
  if (error_.empty() && file_ != nullptr) return true;
  ++lost_;
  return false;
}

void PcapngWriter::enhanced_packet(const Record& record, std::span<const std::uint8_t> bytes) {
  const std::uint32_t interface = number_of(record.interface);
  const auto ns = static_cast<std::uint64_t>(bus::to_ns(record.at));
  const auto size = static_cast<std::uint32_t>(bytes.size());
  Block b(buffer_, enhanced_packet_block);
  b.u32(interface);
  b.u32(static_cast<std::uint32_t>(ns >> 32U));
  b.u32(static_cast<std::uint32_t>(ns));
  b.u32(size);
  b.u32(size);
  b.bytes(bytes.data(), size);
  if (record.interface != Interface::requests) {
    for (const auto& comment : comments_) b.option(opt_comment, comment);
    comments_.clear();
  }
  b.u16(epb_flags);
  b.u16(4);
  b.u32(record.flags);
  b.option(opt_end, "");
  b.end();
  if (buffer_.size() >= buffer_bytes) flush();
}

void PcapngWriter::on_packet(const bus::Packet& packet, usb::Speed speed) {
  if (!can_write()) return;
  enhanced_packet({speed == usb::Speed::full ? Interface::full_speed : Interface::high_speed, packet.start,
                   (packet.from_host ? outbound : inbound) | (packet.rx_error ? symbol_error : 0U)},
                  packet.bytes);
  ++packets_;
}

// --- requests -------------------------------------------------------------------------------------------------------

std::uint32_t PcapngWriter::io_return(controller::Status status) const {
  if (io_return_) return io_return_(status);
  return status == controller::Status::ok || status == controller::Status::short_packet ? 0 : io_return_error;
}

DarwinHeader PcapngWriter::header(usb::EndpointAddress endpoint) const {
  DarwinHeader h;
  h.speed = speed_;
  h.address = address_;
  h.endpoint = endpoint;
  h.type = endpoints_[endpoint.number() + (endpoint.is_in() ? 16U : 0U)].type;
  return h;
}

/// What stands in record_, as a packet.
void PcapngWriter::request_record(bus::BusTime at) {
  const bool complete = record_[3] == 1;
  enhanced_packet({Interface::requests, at, complete ? inbound : outbound}, record_);
  ++requests_;
}

void PcapngWriter::isoch_record(const controller::IsochRequest& request, DarwinHeader h, bus::BusTime at) {
  const auto& config = endpoints_[request.endpoint.number() + (request.endpoint.is_in() ? 16U : 0U)];
  const std::uint64_t step = std::uint64_t{config.interval} * (speed_ == usb::Speed::full ? 8U : 1U);
  h.type = usb::TransferType::isochronous;
  h.frames = static_cast<std::uint32_t>(request.entries.size());
  for (const auto& entry : request.entries) h.length += h.complete ? entry.complete : entry.request;
  record_.clear();
  append(record_, h);
  std::size_t offset = 0;
  for (std::size_t i = 0; i < request.entries.size(); ++i) {
    const auto& entry = request.entries[i];
    DarwinFrame frame;
    frame.number = usb::FrameTime{request.start().value + i * step}.frame();
    frame.length = h.complete ? entry.complete : entry.request;
    if (h.complete) {
      frame.status = io_return(entry.status);
      frame.time = static_cast<std::uint64_t>(bus::to_ns(entry.time));
      if (offset + frame.length <= request.data.size()) frame.data = request.data.subspan(offset, frame.length);
    }
    append(record_, frame);
    offset += entry.request;
  }
  request_record(at);
}

void PcapngWriter::on_submit(const controller::IsochRequest& request, bus::BusTime at) {
  if (!can_write()) return;
  DarwinHeader h = header(request.endpoint);
  h.id = kind_isoch | request.id;
  isoch_record(request, h, at);
}

void PcapngWriter::on_refused(const controller::IsochRequest& request, controller::Status why, bus::BusTime at) {
  if (!can_write()) return;
  DarwinHeader h = header(request.endpoint);
  h.id = kind_refused | ++refused_;
  isoch_record(request, h, at);
  h.complete = true;
  h.type = usb::TransferType::isochronous;
  h.status = io_return(why);
  record_.clear();
  append(record_, h);
  request_record(at);
}

void PcapngWriter::on_complete(const controller::IsochRequest& request, controller::Status overall, bus::BusTime,
                               bus::BusTime now) {
  if (!can_write()) return;
  DarwinHeader h = header(request.endpoint);
  h.complete = true;
  h.id = kind_isoch | request.id;
  h.status = io_return(overall);
  isoch_record(request, h, now);
}

void PcapngWriter::on_control(const controller::ControlSetup& setup, std::span<const std::uint8_t> data,
                              controller::Status status, bus::BusTime begin, bus::BusTime end) {
  constexpr std::uint8_t set_address = 5;
  const bool in = (setup.request_type & 0x80U) != 0;
  if (can_write()) {
    DarwinHeader h = header({static_cast<std::uint8_t>(in ? 0x80 : 0)});
    h.id = kind_control | ++controls_;
    h.length = setup.length;
    record_.clear();
    append(record_, h);
    for (const std::uint16_t word :
         {static_cast<std::uint16_t>(setup.request_type | setup.request << 8U), setup.value, setup.index, setup.length})
      record_.insert(record_.end(), {static_cast<std::uint8_t>(word), static_cast<std::uint8_t>(word >> 8U)});
    if (!in) record_.insert(record_.end(), data.begin(), data.end());
    request_record(begin);
    h.complete = true;
    h.status = io_return(status);
    h.length = static_cast<std::uint32_t>(data.size());
    record_.clear();
    append(record_, h);
    if (in) record_.insert(record_.end(), data.begin(), data.end());
    request_record(end);
  }
  if (setup.request_type == 0 && setup.request == set_address && status == controller::Status::ok)
    address_ = static_cast<std::uint8_t>(setup.value);
}

void PcapngWriter::on_bulk(const controller::BulkRequest& request, bus::BusTime begin, bus::BusTime end) {
  if (!can_write()) return;
  DarwinHeader h = header(request.endpoint);
  const bool in = request.endpoint.is_in();
  if (h.type != usb::TransferType::interrupt) h.type = usb::TransferType::bulk;
  h.id = kind_bulk | request.id;
  h.length = static_cast<std::uint32_t>(request.data.size());
  record_.clear();
  append(record_, h);
  if (!in) record_.insert(record_.end(), request.data.begin(), request.data.end());
  request_record(begin);
  const std::size_t moved = std::min(request.complete, request.data.size());
  h.complete = true;
  h.status = io_return(request.status);
  h.length = static_cast<std::uint32_t>(moved);
  record_.clear();
  append(record_, h);
  if (in)
    record_.insert(record_.end(), request.data.begin(), request.data.begin() + static_cast<std::ptrdiff_t>(moved));
  request_record(end);
}

void PcapngWriter::on_endpoints(std::span<const usb::EndpointConfig> endpoints, usb::Speed speed, bus::BusTime) {
  speed_ = speed;
  for (const auto& e : endpoints) endpoints_[e.address.number() + (e.address.is_in() ? 16U : 0U)] = e;
}

void PcapngWriter::on_line(LineEvent event, bus::BusTime at) {
  if (event == LineEvent::reset_begin) address_ = 0;
  if (event == LineEvent::high_speed) speed_ = usb::Speed::high;
  if (event == LineEvent::full_speed) speed_ = usb::Speed::full;
  const std::int64_t ns = bus::to_ns(at);
  note(fmt::format("{} at {}.{:09d} s", describe(event), ns / 1'000'000'000, ns % 1'000'000'000));
}

void PcapngWriter::note(std::string comment) {
  // Only what stands right before the next packet is wanted.
  if (comments_.size() == 16) comments_.erase(comments_.begin());
  comment.resize(std::min(comment.size(), longest_comment));
  comments_.push_back(std::move(comment));
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
