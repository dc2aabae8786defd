// isochio: queues, actions, timers, sessions, descriptors, control and bulk I/O of the DriverKit layer, in exact
// virtual time.
#include <doctest/doctest.h>

#include <DriverKit/DriverKit.h>

#include "unit/driverkit/fixture.h"

using namespace isochio;
using namespace isochio::test;
using controller::Status;
using driverkit::RuntimeOptions;

namespace {

OSSharedPtr<IODispatchQueue> make_queue(const char* name) {
  IODispatchQueue* queue = nullptr;
  IODispatchQueue::Create(name, 0, 0, &queue);
  return {queue, OSNoRetain};
}

/// A service whose Start does what the test says.
class ScriptedService : public IOService {
 public:
  using super = IOService;
  std::function<kern_return_t(ScriptedService&)> on_start;
  int stops = 0;
  bool* freed = nullptr;

 protected:
  kern_return_t Start_Impl(IOService* provider) override {
    const kern_return_t ret = Start(provider, SUPERDISPATCH);
    return ret == kIOReturnSuccess && on_start ? on_start(*this) : ret;
  }
  kern_return_t Stop_Impl(IOService* provider) override {
    ++stops;
    return Stop(provider, SUPERDISPATCH);
  }
  void free() override {
    if (freed != nullptr) *freed = true;
    super::free();
  }
};

}  // namespace

TEST_SUITE("driverkit") {
  TEST_CASE("a queue runs its tasks in order, each after the one before has returned, even if that one slept") {
    DriverKitFixture f;
    const auto queue = make_queue("work"), other = make_queue("other");
    std::vector<std::string> order;
    queue->DispatchAsync([&] {
      order.emplace_back("a begins");
      CHECK(queue->OnQueue());
      IOSleep(3);
      order.emplace_back("a ends");
    });
    queue->DispatchAsync([&] { order.emplace_back("b"); });
    other->DispatchAsync([&] {
      CHECK(!queue->OnQueue());
      order.emplace_back("other");
    });
    f.run_frames(1);
    CHECK(order == std::vector<std::string>{"a begins", "other", "a ends", "b"});
    queue->DispatchSync([&] { order.emplace_back("sync"); });
    CHECK(order.back() == "sync");
  }

  TEST_CASE("completions pile up behind a queue that is blocked and arrive as a burst") {
    DriverKitFixture f;
    std::vector<std::uint64_t> frames;
    OSAction* action = nullptr;
    f.runtime.create_isoch_action([&](OSAction*, IOReturn) { frames.push_back(f.host.frame_number()); }, 0, &action);
    Request a(8, 1), b(8, 1), c(8, 1);
    std::uint64_t frame = 1105;
    for (Request* r : {&a, &b, &c})
      REQUIRE(f.pipe(0x81)->IsochIO(r->data.get(), r->list.get(), frame++, action) == kIOReturnSuccess);
    IODispatchQueue* queue = nullptr;
    REQUIRE(f.runtime.client()->CopyDispatchQueue("Default", &queue) == kIOReturnSuccess);
    queue->DispatchAsync([] { IOSleep(20); });
    f.run_frames(30);
    CHECK(frames == std::vector<std::uint64_t>{1120, 1120, 1120});
    queue->release();
    action->release();
  }

  TEST_CASE("a deadlock hangs the queue, not the program, and says why") {
    DriverKitFixture f;
    const auto queue = make_queue("stuck");
    bool reached = false, later = false;
    queue->DispatchAsync([&] {
      queue->DispatchSync([] {});
      reached = true;
    });
    queue->DispatchAsync([&] { later = true; });
    f.run_frames(1);
    CHECK(!reached);
    CHECK(!later);
    CHECK(f.runtime.hung().find("\"stuck\"") != std::string::npos);
    CHECK(f.runtime.hung().find("deadlock") != std::string::npos);
  }

  TEST_CASE("a synchronous OUT IsochIO in Start hangs only with the option, and Start then never returns") {
    for (const bool hangs : {false, true}) {
      RuntimeOptions options;
      if (hangs) options.sync_out_on_queue = driverkit::SyncOutOnQueue::hangs;
      DriverKitFixture f(1, DriverKitFixture::quiet(options));
      Request in(8, 10), out(8, 10);
      const OSSharedPtr<ScriptedService> service(new ScriptedService(), OSNoRetain);
      IOReturn in_result = kIOReturnInvalid;
      service->on_start = [&](ScriptedService&) {
        in_result = f.pipe(0x81)->IsochIO(in.data.get(), in.list.get(), 0, nullptr);
        return f.pipe(0x01)->IsochIO(out.data.get(), out.list.get(), 0, nullptr);
      };
      CHECK(f.runtime.start(service.get(), f.interface) == (hangs ? kIOReturnTimeout : kIOReturnSuccess));
      CHECK(in_result == kIOReturnSuccess);
      CHECK(f.runtime.hung().empty() == !hangs);
    }
  }

  TEST_CASE("super calls reach exactly the base class's implementation") {
    DriverKitFixture f;
    const OSSharedPtr<ScriptedService> service(new ScriptedService(), OSNoRetain);
    REQUIRE(f.runtime.start(service.get(), f.interface) == kIOReturnSuccess);
    CHECK(service->GetProvider() == f.interface);
    CHECK(f.runtime.stop(service.get()) == kIOReturnSuccess);
    CHECK(service->stops == 1);
    CHECK(service->GetProvider() == nullptr);
    CHECK(f.runtime.stop(service.get()) == kIOReturnNotFound);
  }

  TEST_CASE("a driver is stopped when its device is unplugged, and freed when nobody holds it") {
    DriverKitFixture f;
    bool freed = false;
    auto* service = new ScriptedService();
    service->freed = &freed;
    REQUIRE(f.runtime.start(service, f.interface) == kIOReturnSuccess);
    service->release();
    CHECK(!freed);
    f.runtime.device_removed();
    f.run_frames(1);
    CHECK(freed);
  }

  TEST_CASE("an action's reference is zeroed memory of its own; without one GetReference kills the queue") {
    DriverKitFixture f;
    OSAction *with = nullptr, *without = nullptr;
    f.runtime.create_isoch_action([](OSAction*, IOReturn) {}, 16, &with);
    f.runtime.create_isoch_action([](OSAction*, IOReturn) {}, 0, &without);
    const auto* bytes = static_cast<const std::uint8_t*>(with->GetReference());
    CHECK(std::all_of(bytes, bytes + 16, [](std::uint8_t b) { return b == 0; }));
    const auto queue = make_queue("driver");
    queue->DispatchAsync([&] { without->GetReference(); });
    f.run_frames(1);
    CHECK(f.runtime.hung().find("reference size 0") != std::string::npos);
    with->release();
    without->release();
  }

  TEST_CASE("a cancelled action is never called again, its handler is, and it lets go of its target") {
    DriverKitFixture f;
    bool handled = false;
    Request request(8, 10);
    const auto action = f.action();
    const std::int32_t held = f.runtime.client()->GetRetainCount();
    REQUIRE(f.pipe(0x81)->IsochIO(request.data.get(), request.list.get(), 1110, action.get()) == kIOReturnSuccess);
    action->Cancel([&] { handled = true; });
    CHECK(!handled);
    f.run_frames(20);
    CHECK(handled);
    CHECK(f.completions.empty());
    CHECK(request.entry(7).status == kIOReturnSuccess);
    CHECK(f.runtime.client()->GetRetainCount() == held - 1);
  }

  TEST_CASE("a timer fires once at its deadline in mach ticks, a new deadline replaces the old one") {
    DriverKitFixture f;
    std::vector<std::uint64_t> fired;
    const auto queue = make_queue("timer");
    IOTimerDispatchSource* timer = nullptr;
    REQUIRE(IOTimerDispatchSource::Create(queue.get(), &timer) == kIOReturnSuccess);
    OSAction* action = nullptr;
    using Type = IOTimerDispatchSource::TimerOccurred_Type;
    OSAction::CreateWithInvoke(
        f.runtime.client(), Type::id, 0,
        [&](OSObject*, OSAction*, const void* arguments) {
          fired.push_back(std::get<0>(*static_cast<const Type::Arguments*>(arguments)));
        },
        &action);
    timer->SetHandler(action);
    mach_timebase_info_data_t timebase;
    mach_timebase_info(&timebase);
    CHECK(timebase.numer == 125);
    CHECK(timebase.denom == 3);
    const std::uint64_t now = mach_absolute_time();
    timer->WakeAtTime(kIOTimerClockMachAbsoluteTime, now + 24'000, 0);  // a millisecond
    timer->WakeAtTime(kIOTimerClockMachAbsoluteTime, now + 48'000, 0);
    f.run_frames(5);
    CHECK(fired == std::vector<std::uint64_t>{now + 48'000});
    timer->WakeAtTime(kIOTimerClockUptimeRaw, clock_gettime_nsec_np(CLOCK_UPTIME_RAW) + 1'000'000, 0);
    timer->SetEnable(false);
    f.run_frames(5);
    CHECK(fired.size() == 1);
    timer->SetEnable(true);
    f.run_frames(1);
    CHECK(fired.size() == 2);
    timer->Cancel(nullptr);
    timer->release();
    action->release();
  }

  TEST_CASE("GetFrameNumber counts frames in 64 bits with the time of the reading") {
    DriverKitFixture f;
    std::uint64_t frame = 0, time = 0;
    CHECK(f.interface->GetFrameNumber(&frame, &time) == kIOReturnSuccess);
    CHECK(frame == 1100);
    CHECK(time == mach_absolute_time());
    CHECK(f.runtime.device()->GetFrameNumber(&frame, nullptr) == kIOReturnSuccess);
  }

  TEST_CASE("an interface has one session; without it calls are NotOpen") {
    DriverKitFixture f;
    const OSSharedPtr<ScriptedService> other(new ScriptedService(), OSNoRetain);
    CHECK(f.interface->Open(other.get(), 0, nullptr) == kIOReturnExclusiveAccess);
    CHECK(f.interface->Close(other.get(), 0) == kIOReturnNotOpen);
    CHECK(f.interface->Close(f.runtime.client(), 0) == kIOReturnSuccess);
    IOUSBHostPipe* pipe = nullptr;
    CHECK(f.interface->CopyPipe(0x81, &pipe) == kIOReturnNotOpen);
    CHECK(f.interface->SelectAlternateSetting(1) == kIOReturnNotOpen);
    std::uint8_t alternate = 2;
    CHECK(f.interface->Open(other.get(), kUSBHostOpenOptionSelectAlternateSetting, &alternate) == kIOReturnSuccess);
    CHECK(f.host.alternate(0) == 2);
  }

  TEST_CASE("CopyPipe knows the endpoints of the current setting only, and gives the same object again") {
    DriverKitFixture f;
    CHECK(!f.pipe(0x82));
    CHECK(!f.pipe(0x02));
    const auto pipe = f.pipe(0x81);
    CHECK(f.pipe(0x81) == pipe);
    CHECK(pipe->GetRetainCount() == 2);
    std::uint8_t speed = 0, address = 0;
    CHECK(pipe->GetSpeed(&speed) == kIOReturnSuccess);
    CHECK(speed == kIOUSBHostConnectionSpeedHigh);
    CHECK(pipe->GetDeviceAddress(&address) == kIOReturnSuccess);
    CHECK(address == 5);
    IOUSBStandardEndpointDescriptors descriptors{};
    CHECK(pipe->GetDescriptors(&descriptors, kIOUSBGetEndpointDescriptorOriginal) == kIOReturnSuccess);
    CHECK(descriptors.descriptor.bEndpointAddress == 0x81);
    CHECK(IOUSBGetEndpointMaxPacketSize(speed, &descriptors.descriptor) == 192);
  }

  TEST_CASE("a setting that does not fit gives NoBandwidth, one that does not exist BadArgument") {
    DriverKitFixture f;
    f.host.on_set_interface = [](std::uint8_t, std::uint8_t) -> tl::expected<void, Status> {
      return tl::unexpected(Status::no_bandwidth);
    };
    CHECK(f.interface->SelectAlternateSetting(2) == kIOReturnNoBandwidth);
    CHECK(f.interface->SelectAlternateSetting(9) == kIOReturnBadArgument);
  }

  TEST_CASE("AdjustPipe lowers what an entry may ask for, and can't raise it") {
    DriverKitFixture f(2);
    const auto pipe = f.pipe(0x81);
    IOUSBStandardEndpointDescriptors descriptors{};
    pipe->GetDescriptors(&descriptors, kIOUSBGetEndpointDescriptorCurrentPolicy);
    descriptors.descriptor.wMaxPacketSize = packet_field(1024, 2);
    CHECK(pipe->AdjustPipe(&descriptors) == kIOReturnSuccess);
    Request large(8, 3072), fits(8, 2048);
    CHECK(pipe->IsochIO(large.data.get(), large.list.get(), 0, nullptr) == kIOReturnBadArgument);
    CHECK(pipe->IsochIO(fits.data.get(), fits.list.get(), 0, nullptr) == kIOReturnSuccess);
    descriptors.descriptor.bInterval = 2;
    CHECK(pipe->AdjustPipe(&descriptors) == kIOReturnUnsupported);
    descriptors.descriptor.bInterval = 1;
    descriptors.descriptor.wMaxPacketSize = packet_field(1024, 4);
    CHECK(pipe->AdjustPipe(&descriptors) == kIOReturnBadArgument);
  }

  TEST_CASE("device requests move data both ways, may come up short, and report a stall") {
    DriverKitFixture f;
    std::uint8_t* bytes = nullptr;
    const auto buffer = Request::make(8, bytes);
    f.host.on_control = [](const controller::ControlSetup& setup,
                           std::span<std::uint8_t> data) -> tl::expected<std::size_t, Status> {
      if (setup.request == 9) return tl::unexpected(Status::stall);
      if ((setup.request_type & 0x80) == 0) return data[0] == 0x77 ? setup.length : 0;
      std::fill(data.begin(), data.begin() + 5, std::uint8_t{0x42});
      return 5;
    };
    std::uint16_t transferred = 0;
    CHECK(f.interface->DeviceRequest(0xc0, 1, 0, 0, 8, buffer.get(), &transferred, 0) == kIOReturnSuccess);
    CHECK(transferred == 5);
    CHECK(bytes[4] == 0x42);
    bytes[0] = 0x77;
    CHECK(f.interface->DeviceRequest(0x40, 1, 0, 0, 8, buffer.get(), &transferred, 0) == kIOReturnSuccess);
    CHECK(transferred == 8);
    CHECK(f.interface->DeviceRequest(0x40, 9, 0, 0, 0, nullptr, nullptr, 0) == kUSBHostReturnPipeStalled);
    CHECK(f.interface->DeviceRequest(0xc0, 1, 0, 0, 9, buffer.get(), nullptr, 0) == kIOReturnBadArgument);
    IOUSBHostDevice* device = f.runtime.device();
    CHECK(device->DeviceRequest(f.runtime.client(), 0xc0, 1, 0, 0, 8, buffer.get(), nullptr, 0) == kIOReturnNotOpen);
    CHECK(device->Open(f.runtime.client(), 0, 0) == kIOReturnSuccess);
    CHECK(device->DeviceRequest(f.runtime.client(), 0xc0, 1, 0, 0, 8, buffer.get(), nullptr, 0) == kIOReturnSuccess);
  }

  TEST_CASE("asynchronous device requests complete in order, aborted ones too") {
    DriverKitFixture f;
    f.host.on_control = [](const controller::ControlSetup&, std::span<std::uint8_t>) { return std::size_t{0}; };
    std::vector<IOReturn> statuses;
    OSAction* action = nullptr;
    using Type = IOUSBHostDevice::CompleteAsyncDeviceRequest_Type;
    OSAction::CreateWithInvoke(
        f.runtime.client(), Type::id, 0,
        [&](OSObject*, OSAction*, const void* arguments) {
          statuses.push_back(std::get<0>(*static_cast<const Type::Arguments*>(arguments)));
        },
        &action);
    for (int i = 0; i < 2; ++i)
      REQUIRE(f.interface->AsyncDeviceRequest(0x40, 1, 0, 0, 0, nullptr, action, 0) == kIOReturnSuccess);
    f.run_frames(1);
    CHECK(statuses == std::vector<IOReturn>{kIOReturnSuccess, kIOReturnSuccess});
    f.interface->AsyncDeviceRequest(0x40, 1, 0, 0, 0, nullptr, action, 0);
    f.interface->AbortDeviceRequests(0, kIOReturnAborted);
    f.run_frames(1);
    CHECK(statuses.back() == kIOReturnAborted);
    action->release();
  }

  TEST_CASE("bulk I/O: synchronous, asynchronous, stalled and cleared; interrupt pipes take no timeout") {
    DriverKitFixture f;
    IOUSBHostInterface* bulk = f.runtime.interface(1);
    REQUIRE(bulk->Open(f.runtime.client(), 0, nullptr) == kIOReturnSuccess);
    IOUSBHostPipe *in = nullptr, *interrupt = nullptr;
    REQUIRE(bulk->CopyPipe(0x82, &in) == kIOReturnSuccess);
    REQUIRE(bulk->CopyPipe(0x83, &interrupt) == kIOReturnSuccess);
    std::uint8_t* bytes = nullptr;
    const auto buffer = Request::make(512, bytes);
    f.host.on_bulk = [](controller::BulkRequest& request) {
      request.complete = 100;
      request.data[99] = 0x55;
      return Status::ok;
    };
    std::uint32_t transferred = 0;
    CHECK(in->IO(buffer.get(), 512, &transferred, 0) == kIOReturnSuccess);
    CHECK(transferred == 100);
    CHECK(bytes[99] == 0x55);
    CHECK(in->IO(buffer.get(), 513, &transferred, 0) == kIOReturnBadArgument);
    CHECK(interrupt->IO(buffer.get(), 64, &transferred, 10) == kIOReturnBadArgument);
    CHECK(in->IsochIO(buffer.get(), buffer.get(), 0, nullptr) == kIOReturnBadArgument);

    IOReturn status = kIOReturnInvalid;
    OSAction* action = nullptr;
    f.runtime.create_io_action([&](OSAction*, IOReturn s, std::uint32_t, std::uint64_t) { status = s; }, 0, &action);
    f.host.on_bulk = [](controller::BulkRequest&) { return Status::stall; };
    CHECK(in->AsyncIO(buffer.get(), 512, action, 0) == kIOReturnSuccess);
    f.run_frames(1);
    CHECK(status == kUSBHostReturnPipeStalled);
    CHECK(in->ClearStall(true) == kIOReturnSuccess);
    CHECK(f.host.calls.back() == "clear_halt 130 with request");
    CHECK(f.pipe(0x81)->ClearStall(true) == kIOReturnUnsupported);
    in->SetIdlePolicy(100);
    std::uint32_t idle = 0;
    CHECK(in->GetIdlePolicy(&idle) == kIOReturnSuccess);
    CHECK(idle == 100);
    action->release();
    in->release();
    interrupt->release();
  }

  TEST_CASE("SetConfiguration needs a session, does nothing for the value that is set, and renews the interfaces") {
    FakeHost host(driverkit_interfaces());
    driverkit::Runtime runtime(host, DriverKitFixture::quiet({}));
    IOUSBHostDevice* device = runtime.device();
    CHECK(device->SetConfiguration(1, false) == kIOReturnNotOpen);
    REQUIRE(device->Open(runtime.client(), 0, 0) == kIOReturnSuccess);
    CHECK(device->SetConfiguration(7, false) == kIOReturnBadArgument);
    CHECK(device->SetConfiguration(1, false) == kIOReturnSuccess);
    CHECK(device->SetConfiguration(1, false) == kIOReturnSuccess);
    CHECK(host.calls == std::vector<std::string>{"set_configuration 1"});
    std::uintptr_t iterator = 0;
    REQUIRE(device->CreateInterfaceIterator(&iterator) == kIOReturnSuccess);
    IOUSBHostInterface* interface = nullptr;
    for (int i = 0; i < 2; ++i) {
      REQUIRE(device->CopyInterface(iterator, &interface) == kIOReturnSuccess);
      REQUIRE(interface != nullptr);
      interface->release();
    }
    CHECK(device->CopyInterface(iterator, &interface) == kIOReturnSuccess);
    CHECK(interface == nullptr);
    CHECK(device->DestroyInterfaceIterator(iterator) == kIOReturnSuccess);
    CHECK(device->DestroyInterfaceIterator(iterator) == kIOReturnBadArgument);
  }

  TEST_CASE("an interface may refuse to open for a while after SetConfiguration") {
    FakeHost host(driverkit_interfaces());
    RuntimeOptions options;
    options.interface_open_delay = bus::millisecond * 100;
    driverkit::Runtime runtime(host, DriverKitFixture::quiet(options));
    runtime.configure();
    CHECK(runtime.interface(0)->Open(runtime.client(), 0, nullptr) == kIOReturnNotOpen);
    runtime.run_for(bus::millisecond * 100);
    CHECK(runtime.interface(0)->Open(runtime.client(), 0, nullptr) == kIOReturnSuccess);
  }

  TEST_CASE("Reset ends the device object and gives the runtime a new one") {
    FakeHost host(driverkit_interfaces());
    driverkit::Runtime runtime(host, DriverKitFixture::quiet({}));
    const OSSharedPtr<IOUSBHostDevice> old(runtime.device(), OSRetain);
    old->Open(runtime.client(), 0, 0);
    CHECK(old->Reset() == kIOReturnSuccess);
    std::uint8_t speed = 0;
    CHECK(old->GetSpeed(&speed) == kIOReturnNoDevice);
    CHECK(runtime.device() != old.get());
    CHECK(runtime.device()->GetSpeed(&speed) == kIOReturnSuccess);
  }

  TEST_CASE("descriptor copies can be walked, and freed either way") {
    DriverKitFixture f;
    const auto* device = f.runtime.device()->CopyDeviceDescriptor();
    REQUIRE(device != nullptr);
    CHECK(device->idVendor == 0x1209);
    IOUSBHostFreeDescriptor(device);
    const auto* configuration = f.runtime.device()->CopyConfigurationDescriptor(static_cast<std::uint8_t>(0));
    REQUIRE(configuration != nullptr);
    const auto* setting = f.interface->GetInterfaceDescriptor(configuration);
    REQUIRE(setting != nullptr);
    CHECK(setting->bAlternateSetting == 1);
    int settings = 0;
    for (const auto* s = IOUSBGetNextInterfaceDescriptor(configuration, nullptr); s != nullptr;
         s = IOUSBGetNextInterfaceDescriptor(configuration, reinterpret_cast<const IOUSBDescriptorHeader*>(s)))
      ++settings;
    CHECK(settings == 7);
    std::vector<int> addresses;
    const IOUSBEndpointDescriptor* endpoint = nullptr;
    while ((endpoint = IOUSBGetNextEndpointDescriptor(
                configuration, setting, reinterpret_cast<const IOUSBDescriptorHeader*>(endpoint))) != nullptr) {
      addresses.push_back(IOUSBGetEndpointAddress(endpoint));
      CHECK(IOUSBGetEndpointType(endpoint) == kIOUSBEndpointTypeIsochronous);
    }
    CHECK(addresses == std::vector<int>{0x01, 0x81});
    IOFree(const_cast<IOUSBConfigurationDescriptor*>(configuration), configuration->wTotalLength);
  }

  TEST_CASE("log lines reach the sink, privacy markers understood, %% kept") {
    std::vector<std::string> lines;
    FakeHost host(driverkit_interfaces());
    RuntimeOptions options;
    options.log = [&](std::string_view line) { lines.emplace_back(line); };
    driverkit::Runtime runtime(host, options);
    os_log(OS_LOG_DEFAULT, "%{public}s is %u%% of %llu", "this", 50U, 1ULL << 40);
    IOLog("plain 0x%08x\n", static_cast<unsigned>(kIOReturnAborted));
    CHECK(lines == std::vector<std::string>{"this is 50% of 1099511627776", "plain 0xe00002eb"});
  }

  TEST_CASE("two runtimes may follow one another, and objects of the first stay harmless") {
    FakeHost host(driverkit_interfaces());
    OSSharedPtr<IOUSBHostPipe> pipe;
    OSSharedPtr<IOUSBHostDevice> device;
    Request request(8, 10);
    {
      driverkit::Runtime first(host, DriverKitFixture::quiet({}));
      device.reset(first.device(), OSRetain);
      first.configure();
      first.interface(0)->Open(first.client(), 0, nullptr);
      first.interface(0)->SelectAlternateSetting(1);
      IOUSBHostPipe* copied = nullptr;
      first.interface(0)->CopyPipe(0x81, &copied);
      pipe.reset(copied, OSNoRetain);
      OSAction* action = nullptr;
      first.create_isoch_action([](OSAction*, IOReturn) {}, 0, &action);
      REQUIRE(pipe->IsochIO(request.data.get(), request.list.get(), 0, action) == kIOReturnSuccess);
      action->release();
    }
    CHECK(host.in_flight() == 0);
    CHECK(driverkit::Runtime::current() == nullptr);
    driverkit::Runtime second(host, DriverKitFixture::quiet({}));
    CHECK(pipe->IsochIO(request.data.get(), request.list.get(), 0, nullptr) == kIOReturnNoDevice);
    std::uint8_t speed = 0;
    CHECK(device->GetSpeed(&speed) == kIOReturnNoDevice);
    CHECK(second.configure() == kIOReturnSuccess);
    CHECK(second.interface(0)->Open(second.client(), 0, nullptr) == kIOReturnSuccess);
  }

  TEST_CASE("memory: length is the capacity until set, sub descriptors and mappings view the same bytes") {
    std::uint8_t* bytes = nullptr;
    const auto buffer = Request::make(100, bytes);
    std::uint64_t length = 0;
    CHECK(buffer->GetLength(&length) == kIOReturnSuccess);
    CHECK(length == 100);
    CHECK(buffer->SetLength(101) == kIOReturnBadArgument);
    IOMemoryDescriptor* part = nullptr;
    REQUIRE(IOMemoryDescriptor::CreateSubMemoryDescriptor(0, 40, 20, buffer.get(), &part) == kIOReturnSuccess);
    IOMemoryMap* map = nullptr;
    REQUIRE(part->CreateMapping(0, 0, 5, 0, 0, &map) == kIOReturnSuccess);
    CHECK(map->GetAddress() == reinterpret_cast<std::uint64_t>(bytes + 45));
    CHECK(map->GetLength() == 15);
    CHECK(IOMemoryDescriptor::CreateSubMemoryDescriptor(0, 90, 20, buffer.get(), &part) == kIOReturnBadArgument);
    IOBufferMemoryDescriptor* aligned = nullptr;
    REQUIRE(IOBufferMemoryDescriptor::Create(kIOMemoryDirectionIn, 10, 4096, &aligned) == kIOReturnSuccess);
    IOAddressSegment range{};
    aligned->GetAddressRange(&range);
    CHECK(range.address % 4096 == 0);
    aligned->release();
    map->release();
    part->release();
  }
}
