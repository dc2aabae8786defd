// isochio: a device double behind a Link, at packet level: full and high speed, answers the standard requests from
// given bytes, sources and sinks isochronous data, loops bulk data back, and misbehaves when told to. Time is exact:
// packets take what their bytes take on the wire, answers come `response` bit times after the host's packet.
// Source: USB 2.0 sections 7.1.7.5, 8.4, 8.5, 9.4, 5.9.1.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "bus/link.h"
#include "support/descriptor_bytes.h"
#include "usb/packet.h"
#include "usb/types.h"

namespace isochio::test {

enum class Fault : std::uint8_t {
  // the device's answer, whatever the endpoint (counted by transaction)
  late_answer,   ///< argument: bit times until it answers; 0: a little beyond the host's patience
  no_answer,     ///< the transaction is ignored as if it had not been heard
  lost_answer,   ///< heard and acted upon, but the answer is lost
  bad_crc,       ///< the last byte of the data packet is wrong
  wrong_pid,     ///< argument: the PID byte sent instead
  rx_error,      ///< the answer carries a bit stuffing error
  extra_packet,  ///< the answer is followed by itself; argument: bit times between them
  babble,        ///< argument: bytes of payload beyond what there is
  nak,           ///< bulk, control, interrupt
  nyet,          ///< bulk OUT at high speed: accepted, but no room for another
  stall,         ///< this transaction only
  corrupt,       ///< payload byte `argument` is inverted, CRC16 good (IN: as sent, OUT: as the sink gets it)
  truncate,      ///< argument: bytes cut off the end of the payload, CRC16 good
  // isochronous IN: what the source gave for a service interval (counted by interval)
  duplicate,    ///< the packets of the interval before again; the fresh ones come later
  reorder,      ///< this interval and the next change places
  lose,         ///< the interval's packets are dropped, the next ones sent
  wrong_stamp,  ///< the source is told a microframe number that is `argument` off
  // chirp (endpoint 0)
  no_chirp,       ///< the device stays at full speed
  endless_chirp,  ///< chirp K does not end within the reset
};

struct Misbehaviour {
  Fault fault{};
  usb::EndpointAddress endpoint{};  ///< control: 0x00 for both directions
  std::uint64_t after = 0;          ///< transactions (intervals) that go well before
  std::uint64_t times = 1;          ///< how many then go wrong
  std::uint32_t argument = 0;
};

struct ScriptedDeviceOptions {
  Bytes device = device_bytes();
  Bytes configuration_full, configuration_high;  ///< as answered at each speed
  std::map<std::uint8_t, Bytes> strings{{0, {4, 3, 0x09, 0x04}}};
  bool high_speed = true;
  std::uint32_t response_full = 3, response_high = 96;  ///< bit times of the speed from a packet to its answer
};

class ScriptedDevice final : public bus::Link {
 public:
  using Packets = std::vector<Bytes>;
  /// What an isochronous IN endpoint sends in one service interval: one to three payloads. `stamp` as in
  /// FrameTime::stamp(), from the SOFs received. Without a source: zero length.
  using Source = std::function<Packets(std::uint16_t stamp)>;
  /// A good OUT packet.
  using Sink = std::function<void(std::uint16_t stamp, usb::Pid pid, std::span<const std::uint8_t> payload)>;
  struct Setup {
    std::uint8_t request_type, request;
    std::uint16_t value, index, length;
  };
  /// Class and vendor requests: empty = stall. IN: the bytes to send. OUT: `data` came, return empty Bytes to accept.
  using RequestHandler = std::function<std::optional<Bytes>(const Setup&, std::span<const std::uint8_t> data)>;

  explicit ScriptedDevice(ScriptedDeviceOptions options);

  void misbehave(Misbehaviour what) { misbehaviours_.push_back({what, 0}); }
  void set_source(usb::EndpointAddress endpoint, Source source) { sources_[endpoint.value] = std::move(source); }
  void set_sink(usb::EndpointAddress endpoint, Sink sink) { sinks_[endpoint.value] = std::move(sink); }
  void set_request_handler(RequestHandler handler) { handler_ = std::move(handler); }
  /// The endpoint is halted until CLEAR_FEATURE(ENDPOINT_HALT) or a new setting.
  void halt(usb::EndpointAddress endpoint) { halted_[endpoint.value] = true; }
  /// Drives resume K from `at` for 5 ms [7.1.7.7].
  void wake(bus::BusTime at);

  std::uint8_t address() const { return address_; }
  std::uint8_t configuration() const { return configuration_; }
  std::uint8_t alternate(std::uint8_t interface) const;
  usb::Speed device_speed() const { return device_speed_; }
  std::uint16_t stamp() const { return stamp_; }
  std::uint64_t transactions(usb::EndpointAddress endpoint) const;  ///< tokens for it so far, PING apart
  std::uint64_t pings() const { return pings_; }
  /// K-J pairs the host sent in the last reset, and how long each state was held.
  const std::vector<bus::Duration>& chirp_states() const { return chirp_states_; }

  // Link
  bus::BusTime now() const override { return now_; }
  void advance(bus::BusTime until) override;
  bus::Packet send(std::span<const std::uint8_t> bytes, bool long_eop = false) override;
  bool receive(bus::BusTime start_before, bus::Packet& packet) override;
  void drive(bus::LineState state) override;
  void release() override;
  bool wait_device_drives(bus::LineState state, bus::BusTime until) override;
  bool wait_device_releases(bus::BusTime until) override;
  void set_speed(usb::Speed speed) override { speed_ = speed; }
  usb::Speed speed() const override { return speed_; }
  void set_attached(bool attached) override;
  bool device_present() const override { return attached_; }
  void set_observer(bus::PacketObserver* observer) override { observer_ = observer; }
  Clocks clocks() const override { return {}; }

 private:
  struct Planned {
    Misbehaviour what;
    std::uint64_t seen;
  };
  struct Answer {
    bus::BusTime start;
    Bytes bytes;
    bool rx_error;
  };
  struct Endpoint {
    usb::EndpointConfig config;
    bool toggle = false;
    std::deque<Bytes> waiting;   ///< bulk IN: loopback; isochronous IN: rest of the interval
    Packets last;                ///< isochronous IN: the interval before
    std::deque<Packets> held;    ///< isochronous IN: intervals that come later (duplicate, reorder)
    std::int64_t interval = -1;  ///< isochronous IN: the service interval that `waiting` belongs to
    std::uint64_t tokens = 0;
  };

  bus::Duration bits(std::uint64_t n) const;
  void deliver(Answer& answer, bus::Packet& packet);
  void line_event(bus::PacketObserver::LineEvent event);
  const Misbehaviour* strike(usb::EndpointAddress endpoint, Fault fault);
  Endpoint* find(usb::EndpointAddress address);

  void hear(std::span<const std::uint8_t> bytes);
  void hear_sof(std::uint16_t frame_number);
  void hear_token(const usb::ParsedPacket& token);
  void hear_data(const usb::ParsedPacket& data);
  void hear_ack();
  void in_token(usb::EndpointAddress address);
  void isochronous_in(Endpoint& endpoint);
  void open_interval(Endpoint& endpoint);
  void bulk_in(Endpoint& endpoint);
  void endpoint_out(Endpoint& endpoint, const usb::ParsedPacket& data);
  void bulk_out(Endpoint& endpoint, usb::Pid pid, std::span<const std::uint8_t> payload);
  void hand_to_sink(usb::EndpointAddress address, usb::Pid pid, std::span<const std::uint8_t> payload);
  void answer(usb::EndpointAddress endpoint, std::span<const std::uint8_t> bytes);
  void answer_data(usb::EndpointAddress endpoint, usb::Pid pid, std::span<const std::uint8_t> payload);
  void answer_handshake(usb::EndpointAddress endpoint, usb::Pid pid);

  void control_setup(std::span<const std::uint8_t> payload);
  void control_in();
  void control_out(usb::Pid pid, std::span<const std::uint8_t> payload);
  void control_ack();
  void finish_control();
  std::optional<Bytes> standard_in(const Setup& setup) const;
  std::optional<Bytes> descriptor(std::uint8_t type, std::uint8_t index) const;
  bool standard_out(const Setup& setup);
  void set_endpoints();
  void reset();

  ScriptedDeviceOptions options_;
  std::vector<Planned> misbehaviours_;
  std::map<std::uint8_t, Source> sources_;
  std::map<std::uint8_t, Sink> sinks_;
  std::map<std::uint8_t, bool> halted_;
  RequestHandler handler_;
  bus::PacketObserver* observer_ = nullptr;

  bus::BusTime now_{};
  usb::Speed speed_ = usb::Speed::full;
  usb::Speed device_speed_ = usb::Speed::full;
  bool attached_ = false;
  std::deque<Answer> answers_;
  Bytes receiving_;  ///< keeps the bytes of the packet handed out last

  std::optional<bus::LineState> driven_;  ///< by the host
  bus::BusTime driven_since_{}, reset_begin_{};
  bus::BusTime device_k_begin_{-1}, device_k_end_{-1};
  bool in_reset_ = false;
  std::vector<bus::Duration> chirp_states_;

  std::uint8_t address_ = 0, configuration_ = 0;
  std::map<std::uint8_t, std::uint8_t> alternates_;
  std::map<std::uint8_t, Endpoint> endpoints_;
  std::uint16_t stamp_ = 0;
  bool stamp_valid_ = false;
  std::optional<usb::ParsedPacket> token_;    ///< the OUT or SETUP that a data packet may follow
  std::optional<usb::EndpointAddress> sent_;  ///< a data packet that waits for its ACK
  std::map<std::uint8_t, std::uint64_t> tokens_;
  std::uint64_t pings_ = 0;

  Setup setup_{};
  Bytes control_data_;
  std::size_t control_at_ = 0;
  bool control_toggle_ = false, control_stalled_ = false, control_status_ = false;
};

}  // namespace isochio::test
