// isochio: a Runtime over a FakeHost, with interface 0 open on a chosen setting; buffers and lists for requests.
#pragma once

#include <cstring>
#include <initializer_list>

#include "driverkit/runtime.h"
#include "unit/driverkit/fake_host.h"

namespace isochio::test {

/// Interface 0: alternate 1 OUT 1 and IN 1 of 192 bytes every microframe, 2 IN 1 of 3 x 1024, 3 IN 1 bInterval 4,
/// 4 IN 1 bInterval 5, 5 IN 1 bInterval 2. Interface 1: bulk OUT 2, IN 2, interrupt IN 3.
inline std::vector<Interface> driverkit_interfaces() {
  using enum usb::TransferType;
  return {{{},
           {{0x01, isochronous, 192, 1}, {0x81, isochronous, 192, 1}},
           {{0x81, isochronous, packet_field(1024, 3), 1}},
           {{0x81, isochronous, 64, 4}},
           {{0x81, isochronous, 64, 5}},
           {{0x81, isochronous, 64, 2}}},
          {{{0x02, bulk, 512, 0}, {0x82, bulk, 512, 0}, {0x83, interrupt, 64, 4}}}};
}

/// A data buffer and a frame list.
struct Request {
  OSSharedPtr<IOBufferMemoryDescriptor> data, list;
  std::uint8_t* bytes = nullptr;
  IOUSBIsochronousFrame* frames = nullptr;

  Request(std::size_t entries, std::uint32_t each) : Request(std::vector<std::uint32_t>(entries, each)) {}
  explicit Request(const std::vector<std::uint32_t>& counts) {
    std::uint64_t sum = 0;
    for (const std::uint32_t count : counts) sum += count;
    data = make(std::max<std::uint64_t>(sum, 1), bytes);
    std::uint8_t* raw = nullptr;
    list = make(std::max<std::size_t>(counts.size(), 1) * sizeof(IOUSBIsochronousFrame), raw);
    list->SetLength(counts.size() * sizeof(IOUSBIsochronousFrame));
    frames = reinterpret_cast<IOUSBIsochronousFrame*>(raw);
    for (std::size_t i = 0; i < counts.size(); ++i) frames[i] = {kIOReturnInvalid, counts[i], 0, 0, 0};
  }

  /// A copy of an entry whose fields can be referred to, which those of a packed structure can't.
  struct Entry {
    IOReturn status;
    std::uint32_t requestCount, completeCount;
    std::uint64_t timeStamp;
  };
  Entry entry(std::size_t index) const {
    const IOUSBIsochronousFrame& frame = frames[index];
    return {frame.status, frame.requestCount, frame.completeCount, frame.timeStamp};
  }

  static OSSharedPtr<IOBufferMemoryDescriptor> make(std::uint64_t length, std::uint8_t*& bytes) {
    IOBufferMemoryDescriptor* memory = nullptr;
    IOBufferMemoryDescriptor::Create(kIOMemoryDirectionInOut, length, 0, &memory);
    IOAddressSegment range{};
    memory->GetAddressRange(&range);
    bytes = reinterpret_cast<std::uint8_t*>(range.address);
    return {memory, OSNoRetain};
  }
};

class DriverKitFixture {
 public:
  explicit DriverKitFixture(std::uint8_t alternate = 1, const driverkit::RuntimeOptions& options = quiet({}),
                            usb::Speed speed = usb::Speed::high)
      : host(driverkit_interfaces(), speed), runtime(host, options) {
    host.at_frame(1010);
    runtime.configure();
    interface = runtime.interface(0);
    interface->Open(runtime.client(), 0, nullptr);
    interface->SelectAlternateSetting(alternate);
    host.at_frame(1100);
  }

  static driverkit::RuntimeOptions quiet(driverkit::RuntimeOptions options) {
    options.log = [](std::string_view) {};
    return options;
  }

  OSSharedPtr<IOUSBHostPipe> pipe(std::uint8_t address) {
    IOUSBHostPipe* copied = nullptr;
    interface->CopyPipe(address, &copied);
    return {copied, OSNoRetain};
  }

  /// An action that notes the statuses it is called with.
  OSSharedPtr<OSAction> action() {
    OSAction* made = nullptr;
    runtime.create_isoch_action([this](OSAction*, IOReturn status) { completions.push_back(status); }, 0, &made);
    return {made, OSNoRetain};
  }

  void run_frames(std::int64_t frames) { runtime.run_for(bus::frame * frames); }

  FakeHost host;
  driverkit::Runtime runtime;
  IOUSBHostInterface* interface = nullptr;
  std::vector<IOReturn> completions;
};

}  // namespace isochio::test
