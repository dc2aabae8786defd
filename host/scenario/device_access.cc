#include "scenario/device_access.h"

#include <fmt/format.h>

#include "driverkit/return_words.h"
namespace isochio::scenario {
namespace {

constexpr std::uint8_t vendor_in = 0xc0, vendor_out = 0x40;
constexpr std::uint32_t timeout_ms = 5000;  // what a device may take [9.2.6.4], and a busy machine behind libusb
constexpr std::size_t log_piece = 4092;     // the most LOG gives at once, in whole entries
constexpr int most_pieces = 4096;           // 16 MB; no device has such a log

}  // namespace

tl::expected<std::vector<std::uint8_t>, std::string> DeviceAccess::request(bool in, std::uint8_t request,
                                                                           std::uint16_t index,
                                                                           std::vector<std::uint8_t> data) {
  IOBufferMemoryDescriptor* raw = nullptr;
  auto code = IOBufferMemoryDescriptor::Create(in ? kIOMemoryDirectionIn : kIOMemoryDirectionOut, data.size(), 0, &raw);
  const OSSharedPtr<IOBufferMemoryDescriptor> buffer(raw, OSNoRetain);
  std::uint16_t moved = 0;
  if (code == kIOReturnSuccess) {
    buffer->WriteBytes(0, data);
    code = runtime_.device()->DeviceRequest(runtime_.client(), in ? vendor_in : vendor_out, request, 0, index,
                                            static_cast<std::uint16_t>(data.size()), buffer.get(), &moved, timeout_ms);
  }
  if (code != kIOReturnSuccess)
    return tl::unexpected(
        driverkit::failed_with(fmt::format("vendor request 0x{:02x} for index 0x{:03x}", request, index), code));
  data.resize(moved);
  if (in) buffer->ReadBytes(0, data);
  return data;
}

tl::expected<void, std::string> DeviceAccess::write(std::uint16_t number, std::uint32_t value) {
  std::vector<std::uint8_t> bytes(4);
  for (unsigned i = 0; i < 4; ++i) bytes[i] = static_cast<std::uint8_t>(value >> (8 * i));
  const auto done = request(false, request_, number, std::move(bytes));
  if (!done) return tl::unexpected(done.error());
  return {};
}

tl::expected<std::vector<std::uint32_t>, std::string> DeviceAccess::read(std::uint16_t first, std::size_t count) {
  const auto bytes = request(true, request_, first, std::vector<std::uint8_t>(4 * count));
  if (!bytes) return tl::unexpected(bytes.error());
  if (bytes->size() != 4 * count)
    return tl::unexpected(
        fmt::format("register 0x{:03x}: {} bytes came instead of {}", first, bytes->size(), 4 * count));
  std::vector<std::uint32_t> values(count);
  for (std::size_t i = 0; i < bytes->size(); ++i) values[i / 4] |= std::uint32_t{(*bytes)[i]} << (8 * (i % 4));
  return values;
}

tl::expected<void, std::string> DeviceAccess::take_log(const std::function<void(std::span<const std::uint8_t>)>& take) {
  for (int piece = 0; piece < most_pieces; ++piece) {
    const auto bytes = request(true, static_cast<std::uint8_t>(request_ + 1), 0, std::vector<std::uint8_t>(log_piece));
    if (!bytes) return tl::unexpected(bytes.error());
    if (bytes->empty()) return {};
    take(*bytes);
  }
  return tl::unexpected<std::string>("the device's log has no end; is it isochio's test device?");
}

}  // namespace isochio::scenario
