// isochio: a host that streams from or to the simulated device without end, for benchmarks.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "bus/link.h"
#include "controller/sim_host.h"
#include "description/description.h"

namespace isochio::bench {

inline std::vector<std::uint8_t> image_of(const std::string& device) {
  const auto description = description::load(ISOCHIO_SOURCE_DIR "/rtl/devices/" + device + ".toml");
  if (!description) throw std::runtime_error(description.error().to_string());
  const auto image = description::compile_image(*description);
  if (!image) throw std::runtime_error(image.error().to_string());
  return *image;
}

/// Keeps four requests of 8 ms in flight on one pipe.
class Stream final : public controller::IsochClient {
 public:
  Stream(controller::Host& host, const usb::EndpointConfig& endpoint) : host_(host) {
    const bool high = host.speed() == usb::Speed::high;
    const std::size_t entries = std::max<std::size_t>((high ? 64U : 8U) / endpoint.interval, 1);
    for (auto& slot : slots_) {
      slot.data.resize(entries * endpoint.capacity());
      slot.request.endpoint = endpoint.address;
      slot.request.data = slot.data;
      slot.request.entries.assign(entries, {.request = endpoint.capacity()});
      slot.request.client = this;
      submit(slot.request);
    }
  }
  void on_entry(controller::IsochRequest& request, std::size_t index) override {
    bytes += request.entries[index].complete;
    // An audio packet is seldom as long as the endpoint may send.
    const auto status = request.entries[index].status;
    if (status != controller::Status::ok && status != controller::Status::short_packet) ++not_ok;
  }
  void on_complete(controller::IsochRequest& request, controller::Status) override {
    for (auto& entry : request.entries) entry = {.request = entry.request};
    request.first_frame = 0;
    request.explicit_start = false;
    submit(request);
  }

  std::uint64_t bytes = 0, not_ok = 0;

 private:
  struct Slot {
    std::vector<std::uint8_t> data;
    controller::IsochRequest request;
  };
  void submit(controller::IsochRequest& request) {
    if (const auto done = host_.submit(request); !done) throw std::runtime_error(to_string(done.error()));
  }
  controller::Host& host_;
  Slot slots_[4];
};

/// Enumerated, configured, streaming on every isochronous endpoint of the given alternate settings.
class Session {
 public:
  struct Setting {
    std::uint8_t interface, alternate;
  };
  Session(bus::Link& link, std::initializer_list<Setting> settings) : host(link, short_times()) {
    if (const auto done = host.enumerate(); !done) throw std::runtime_error(done.error());
    must(host.set_configuration(1));
    for (const auto& setting : settings) must(host.set_interface(setting.interface, setting.alternate));
    for (const auto& endpoint : host.endpoints()) {
      if (endpoint.type == usb::TransferType::isochronous) streams.push_back(std::make_unique<Stream>(host, endpoint));
    }
  }
  void run(bus::Duration time) { host.run_until(host.now() + time); }
  std::uint64_t not_ok() const {
    std::uint64_t count = 0;
    for (const auto& stream : streams) count += stream->not_ok;
    return count;
  }

  controller::SimHost host;
  std::vector<std::unique_ptr<Stream>> streams;

 private:
  static controller::SimHostOptions short_times() {
    controller::SimHostOptions options;
    options.debounce = bus::millisecond;
    return options;
  }
  static void must(const tl::expected<void, controller::Status>& done) {
    if (!done) throw std::runtime_error(to_string(done.error()));
  }
};

}  // namespace isochio::bench
