// Reads a microframe's worth of isochronous data from the simulated device, the way a driver does: DriverKit's headers,
// IsochIO, and a look at each entry of the frame list.
#include <cstdio>
#include <cstdlib>

#include <DriverKit/IOBufferMemoryDescriptor.h>
#include <USBDriverKit/IOUSBHostDevice.h>
#include <USBDriverKit/IOUSBHostInterface.h>
#include <USBDriverKit/IOUSBHostPipe.h>

#include "controller/sim_host.h"
#include "description/description.h"
#include "driverkit/runtime.h"
#include "simulated_device.h"

namespace {

constexpr int entries = 16;  // two frames of eight microframes
constexpr unsigned bytes = 3072;

void must(kern_return_t code, const char* what) {
  if (code == kIOReturnSuccess) return;
  std::fprintf(stderr, "%s: 0x%08x\n", what, static_cast<unsigned>(code));
  std::exit(1);
}

/// What a driver's Start does: alternate setting 6 (3 x 1024 bytes IN in every microframe), then one request.
int read_stream(IOUSBHostInterface* interface, IOService* client) {
  must(interface->Open(client, 0, nullptr), "Open");
  must(interface->SelectAlternateSetting(6), "SelectAlternateSetting");
  IOUSBHostPipe* pipe = nullptr;
  must(interface->CopyPipe(0x81, &pipe), "CopyPipe");
  IOBufferMemoryDescriptor *data = nullptr, *list = nullptr;
  must(interface->CreateIOBuffer(kIOMemoryDirectionIn, entries * bytes, &data), "CreateIOBuffer");
  must(interface->CreateIOBuffer(kIOMemoryDirectionInOut, entries * sizeof(IOUSBIsochronousFrame), &list), "CreateIOBuffer");
  IOAddressSegment range{};
  must(list->GetAddressRange(&range), "GetAddressRange");
  auto* frames = reinterpret_cast<IOUSBIsochronousFrame*>(range.address);
  for (int i = 0; i < entries; ++i) frames[i] = {kIOReturnInvalid, bytes, 0, 0, 0};

  std::uint64_t now = 0;
  must(interface->GetFrameNumber(&now, nullptr), "GetFrameNumber");
  must(pipe->IsochIO(data, list, now + 4, nullptr), "IsochIO");
  std::uint64_t sum = 0;
  for (int i = 0; i < entries; ++i) {
    must(frames[i].status, "entry");
    sum += frames[i].completeCount;
  }
  std::printf("%d entries, %llu bytes\n", entries, static_cast<unsigned long long>(sum));
  OSSafeReleaseNULL(list);
  OSSafeReleaseNULL(data);
  OSSafeReleaseNULL(pipe);
  return sum == std::uint64_t{entries} * bytes ? 0 : 1;
}

}  // namespace

int main() {
  const auto device = isochio::description::load(DEVICE);
  const auto image = isochio::description::compile_image(device.value());
  const auto link = isochio::verilated::make_simulated_device({image.value()});
  isochio::controller::SimHost host(*link);
  if (const auto up = host.enumerate(); !up) {
    std::fprintf(stderr, "%s\n", up.error().c_str());
    return 1;
  }
  isochio::driverkit::Runtime runtime(host);
  must(runtime.configure(), "configure");
  return read_stream(runtime.interface(0), runtime.client());
}
