#include "serve/usbip_wire.h"

#include <algorithm>

#include <fmt/format.h>

namespace isochio::serve {

namespace {

enum Code : std::uint16_t {
  req_import = 0x8003,
  rep_import = 0x0003,
  req_devlist = 0x8005,
  rep_devlist = 0x0005,
};
enum CommandCode : std::uint32_t { cmd_submit = 1, cmd_unlink = 2, ret_submit = 3, ret_unlink = 4 };

constexpr std::size_t operation_header = 8;
constexpr std::size_t command_header = 48;
constexpr std::size_t descriptor_size = 16;
constexpr std::size_t path_size = 256;
constexpr std::uint32_t no_packets = 0xffffffff;

/// Big-endian integers one after the other. The caller has checked that there are enough bytes.
class Reader {
 public:
  explicit Reader(ByteView bytes) : bytes_(bytes) {}
  std::uint32_t u32() { return std::uint32_t{u16()} << 16U | u16(); }
  std::uint16_t u16() {
    const auto value = static_cast<std::uint16_t>(bytes_[at_] << 8U | bytes_[at_ + 1]);
    at_ += 2;
    return value;
  }
  ByteView take(std::size_t size) {
    const auto part = bytes_.subspan(at_, size);
    at_ += size;
    return part;
  }

 private:
  ByteView bytes_;
  std::size_t at_ = 0;
};

void put8(Bytes& out, std::uint8_t value) { out.push_back(value); }
void put16(Bytes& out, std::uint16_t value) {
  put8(out, static_cast<std::uint8_t>(value >> 8U));
  put8(out, static_cast<std::uint8_t>(value & 0xffU));
}
void put32(Bytes& out, std::uint32_t value) {
  put16(out, static_cast<std::uint16_t>(value >> 16U));
  put16(out, static_cast<std::uint16_t>(value & 0xffffU));
}
void put32(Bytes& out, std::int32_t value) { put32(out, static_cast<std::uint32_t>(value)); }
/// Cut so that a zero byte ends it, filled with zeros.
void put_text(Bytes& out, const std::string& text, std::size_t size) {
  const auto length = std::min(text.size(), size - 1);
  out.insert(out.end(), text.begin(), text.begin() + static_cast<std::ptrdiff_t>(length));
  out.insert(out.end(), size - length, 0);
}
void put_operation(Bytes& out, Code code, std::uint32_t status) {
  put16(out, usbip_version);
  put16(out, code);
  put32(out, status);
}
void put_device(Bytes& out, const DeviceInfo& device) {
  put_text(out, device.path, path_size);
  put_text(out, device.bus_id, bus_id_size);
  put32(out, device.bus);
  put32(out, device.device);
  put32(out, device.speed);
  put16(out, device.vendor_id);
  put16(out, device.product_id);
  put16(out, device.version);
  for (const std::uint8_t byte : {device.class_code, device.subclass, device.protocol, device.configuration_value,
                                  device.configurations, static_cast<std::uint8_t>(device.interfaces.size())})
    put8(out, byte);
}
/// devid, direction and endpoint are 0 in what a server sends.
void put_reply(Bytes& out, CommandCode code, std::uint32_t seqnum) {
  put32(out, std::uint32_t{code});
  put32(out, seqnum);
  for (int i = 0; i < 3; ++i) put32(out, 0U);
}

tl::unexpected<std::string> wrong(std::string what) { return tl::unexpected(std::move(what)); }

bool isochronous(const Submit& submit) { return submit.packets_as_sent != 0 && submit.packets_as_sent != no_packets; }

/// The packets lie inside the buffer, and together they are not more than it.
tl::expected<void, std::string> read_packets(Reader& reader, Submit& submit) {
  std::uint64_t sum = 0;
  submit.packets.resize(submit.packets_as_sent);
  for (IsoPacket& packet : submit.packets) {
    packet.offset = reader.u32();
    packet.length = reader.u32();
    reader.take(8);  // actual_length and status are the server's to say
    if (std::uint64_t{packet.offset} + packet.length > submit.length)
      return wrong(fmt::format("URB {}: an isochronous packet of {} bytes at {} is not in its buffer of {} bytes",
                               submit.seqnum, packet.length, packet.offset, submit.length));
    sum += packet.length;
  }
  if (sum > submit.length) return wrong(fmt::format("URB {}: its isochronous packets overlap", submit.seqnum));
  return {};
}

tl::expected<Command, std::string> parse_submit(ByteView bytes, Submit submit, Reader reader, const Limits& limits) {
  submit.flags = reader.u32();
  submit.length = reader.u32();
  submit.start_frame = reader.u32();
  submit.packets_as_sent = reader.u32();
  submit.interval = reader.u32();
  std::ranges::copy(reader.take(8), submit.setup.begin());
  if (submit.length > limits.transfer_bytes)
    return wrong(fmt::format("URB {} has a buffer of {} bytes; at most {} are taken", submit.seqnum, submit.length,
                             limits.transfer_bytes));
  std::size_t size = command_header + (submit.in ? 0 : submit.length);
  if (isochronous(submit)) {
    if (submit.packets_as_sent > limits.packets)
      return wrong(fmt::format("URB {} has {} isochronous packets; at most {} are taken", submit.seqnum,
                               submit.packets_as_sent, limits.packets));
    size += submit.packets_as_sent * descriptor_size;
  }
  if (bytes.size() < size) return Incomplete{size};
  if (!submit.in) submit.data = reader.take(submit.length);
  if (isochronous(submit)) {
    if (const auto read = read_packets(reader, submit); !read) return wrong(read.error());
  }
  return Message<Submit, Unlink>{std::move(submit), size};
}

}  // namespace

tl::expected<Operation, std::string> parse_operation(ByteView bytes) {
  if (bytes.size() < operation_header) return Incomplete{operation_header};
  Reader reader(bytes);
  const std::uint16_t version = reader.u16(), code = reader.u16();
  reader.u32();
  if (code == req_devlist || code == req_import) {
    if (version != usbip_version)
      return wrong(fmt::format("the client speaks USB/IP version 0x{:04x}; this server speaks 0x{:04x}", version,
                               usbip_version));
    if (code == req_devlist) return Message<ListRequest, ImportRequest>{ListRequest{}, operation_header};
    constexpr std::size_t size = operation_header + bus_id_size;
    if (bytes.size() < size) return Incomplete{size};
    const auto id = reader.take(bus_id_size);
    return Message<ListRequest, ImportRequest>{ImportRequest{{id.begin(), std::ranges::find(id, 0)}}, size};
  }
  return wrong(fmt::format("0x{:04x} is no USB/IP request to list or import devices", code));
}

tl::expected<Command, std::string> parse_command(ByteView bytes, const Limits& limits) {
  if (bytes.size() < command_header) return Incomplete{command_header};
  Reader reader(bytes);
  const std::uint32_t code = reader.u32();
  const std::uint32_t seqnum = reader.u32(), devid = reader.u32(), direction = reader.u32(), endpoint = reader.u32();
  if (code == cmd_unlink) return Message<Submit, Unlink>{Unlink{seqnum, devid, reader.u32()}, command_header};
  if (code != cmd_submit) return wrong(fmt::format("0x{:08x} is no USB/IP command for a device", code));
  if (direction > 1) return wrong(fmt::format("URB {}: direction {}; there are 0 and 1", seqnum, direction));
  if (endpoint > 15) return wrong(fmt::format("URB {}: endpoint {}; there are 0 to 15", seqnum, endpoint));
  Submit submit;
  submit.seqnum = seqnum;
  submit.devid = devid;
  submit.in = direction == 1;
  submit.endpoint = static_cast<std::uint8_t>(endpoint);
  return parse_submit(bytes, std::move(submit), reader, limits);
}

void build_list_reply(Bytes& out, std::span<const DeviceInfo> devices) {
  put_operation(out, rep_devlist, 0);
  put32(out, static_cast<std::uint32_t>(devices.size()));
  for (const DeviceInfo& device : devices) {
    put_device(out, device);
    for (const InterfaceClass& interface : device.interfaces)
      for (const std::uint8_t byte : {interface.class_code, interface.subclass, interface.protocol, std::uint8_t{0}})
        put8(out, byte);
  }
}

void build_import_reply(Bytes& out, const DeviceInfo& device) {
  put_operation(out, rep_import, 0);
  put_device(out, device);
}

void build_import_refusal(Bytes& out) { put_operation(out, rep_import, 1); }

void build(Bytes& out, const SubmitReply& reply) {
  put_reply(out, ret_submit, reply.seqnum);
  put32(out, reply.status);
  put32(out, reply.actual_length);
  put32(out, reply.start_frame);
  put32(out, reply.packets_as_sent);
  put32(out, reply.error_count);
  out.insert(out.end(), 8, 0);
  out.insert(out.end(), reply.data.begin(), reply.data.end());
  for (const IsoPacket& packet : reply.packets) {
    put32(out, packet.offset);
    put32(out, packet.length);
    put32(out, packet.actual_length);
    put32(out, packet.status);
  }
}

void build(Bytes& out, const UnlinkReply& reply) {
  put_reply(out, ret_unlink, reply.seqnum);
  put32(out, reply.status);
  out.insert(out.end(), 24, 0);
}

}  // namespace isochio::serve
