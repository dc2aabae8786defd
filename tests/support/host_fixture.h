// isochio: a SimHost over a scripted device, and clients and observers that note what they are told.
#pragma once

#include <memory>
#include <vector>

#include "controller/sim_host.h"
#include "support/scripted_device.h"

namespace isochio::test {

/// Notes entries and completions; may act on them.
struct RecordingClient : controller::IsochClient {
  struct Completion {
    std::uint64_t id;
    controller::Status overall;
    bus::BusTime at;
    std::uint64_t frame;  ///< GetFrameNumber at that moment
  };
  explicit RecordingClient(controller::Host& h) : host(h) {}
  void on_entry(controller::IsochRequest& request, std::size_t index) override {
    entries.push_back({request.id, index});
    if (entry_action) entry_action(request, index);
  }
  void on_complete(controller::IsochRequest& request, controller::Status overall) override {
    completions.push_back({request.id, overall, host.now(), host.frame_number()});
    if (complete_action) complete_action(request, overall);
  }

  controller::Host& host;
  std::vector<std::pair<std::uint64_t, std::size_t>> entries;
  std::vector<Completion> completions;
  std::function<void(controller::IsochRequest&, std::size_t)> entry_action;
  std::function<void(controller::IsochRequest&, controller::Status)> complete_action;
};

/// Every packet on the wire, as bytes.
struct PacketLog : bus::PacketObserver {
  struct Entry {
    Bytes bytes;
    bus::BusTime start, end;
    bool from_host;
    usb::Pid pid() const { return usb::pid_of(bytes.at(0)); }
  };
  void on_packet(const bus::Packet& packet, usb::Speed) override {
    packets.push_back({{packet.bytes.begin(), packet.bytes.end()}, packet.start, packet.end, packet.from_host});
  }
  void on_line(LineEvent event, bus::BusTime at) override { lines.push_back({event, at}); }
  std::vector<Entry> packets;
  std::vector<std::pair<LineEvent, bus::BusTime>> lines;
};

/// A request with its buffer.
struct OwnedRequest {
  OwnedRequest(usb::EndpointAddress endpoint, std::vector<std::uint32_t> sizes, controller::IsochClient* client,
               std::uint64_t first_frame = 0) {
    std::size_t bytes = 0;
    for (const auto size : sizes) {
      request.entries.push_back({.request = size});
      bytes += size;
    }
    buffer.resize(bytes);
    request.endpoint = endpoint;
    request.data = buffer;
    request.first_frame = first_frame;
    request.client = client;
  }
  OwnedRequest(const OwnedRequest&) = delete;
  controller::IsochRequest* operator->() { return &request; }

  Bytes buffer;
  controller::IsochRequest request;
};

/// The device of most tests. Interface 0: alternate 0 empty; 1: isochronous IN 0x81 and OUT 0x01 every (micro)frame;
/// 2: as 1 but three transactions (high speed); 3: interval 4 (one frame at high speed, 8 frames at full speed);
/// 4: interval 8 microframes × 4 (bInterval 6) or 4 frames; 5: bInterval 2. Interface 1: bulk 0x82 and 0x02, interrupt
/// 0x83.
ScriptedDeviceOptions test_device(bool high_speed = true);

class HostFixture {
 public:
  explicit HostFixture(bool high_speed = true, controller::SimHostOptions options = {},
                       ScriptedDeviceOptions device_options = {});

  /// Enumerated, configured, interface 0 at `alternate`.
  void configure(std::uint8_t alternate = 1);
  /// Runs the bus for some frames.
  void run_frames(std::uint64_t frames) { host.run_until(host.now() + static_cast<std::int64_t>(frames) * bus::frame); }

  PacketLog log;
  ScriptedDevice device;
  controller::SimHost host;
  RecordingClient client{host};

  static constexpr usb::EndpointAddress iso_in{0x81}, iso_out{0x01}, bulk_in{0x82}, bulk_out{0x02}, interrupt_in{0x83};
};

}  // namespace isochio::test
