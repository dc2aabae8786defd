// isochio: reads the packets on the wire once for all checkers: PIDs, CRCs, the (micro)frame in which they moved (SOF
// numbers extended to 64 bits), and the transactions they make up. Source: USB 2.0 sections 8.3 to 8.5. Nothing is
// allocated per packet.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "bus/link.h"
#include "usb/pid.h"
#include "usb/types.h"

namespace isochio::check {

namespace pid {  // PID bytes as on the wire, with their check nibble [8.3.1]
inline constexpr std::uint8_t out = usb::pid_byte(usb::Pid::out), in = usb::pid_byte(usb::Pid::in);
inline constexpr std::uint8_t sof = usb::pid_byte(usb::Pid::sof), setup = usb::pid_byte(usb::Pid::setup);
inline constexpr std::uint8_t ping = usb::pid_byte(usb::Pid::ping);
inline constexpr std::uint8_t data0 = usb::pid_byte(usb::Pid::data0), data1 = usb::pid_byte(usb::Pid::data1);
inline constexpr std::uint8_t data2 = usb::pid_byte(usb::Pid::data2), mdata = usb::pid_byte(usb::Pid::mdata);
inline constexpr std::uint8_t ack = usb::pid_byte(usb::Pid::ack), nak = usb::pid_byte(usb::Pid::nak);
inline constexpr std::uint8_t stall = usb::pid_byte(usb::Pid::stall), nyet = usb::pid_byte(usb::Pid::nyet);
constexpr usb::PidKind kind(std::uint8_t byte) { return usb::kind(usb::pid_of(byte)); }
constexpr bool is_token(std::uint8_t byte) { return kind(byte) == usb::PidKind::token; }
constexpr bool is_data(std::uint8_t byte) { return kind(byte) == usb::PidKind::data; }
constexpr bool is_handshake(std::uint8_t byte) { return kind(byte) == usb::PidKind::handshake; }
std::string_view name(std::uint8_t byte);  ///< "DATA0" …; "none" for 0; "?" if the check nibble is wrong
}  // namespace pid

/// What is wrong with a packet by itself.
enum class Fault : std::uint8_t { none, empty, rx_error, babble, pid_check, pid_unknown, length, crc5, crc16 };
const char* to_string(Fault fault);

struct DecodedPacket {
  const bus::Packet* packet = nullptr;
  usb::Speed speed{};
  usb::FrameTime at;  ///< the (micro)frame; a SOF belongs to the one it begins
  std::uint8_t pid = 0;
  Fault fault = Fault::none;
  std::uint8_t address = 0, endpoint = 0;  ///< of tokens
  std::uint16_t frame_number = 0;          ///< of SOFs, 11 bits
  std::span<const std::uint8_t> data;      ///< of data packets, without PID and CRC16
};

struct Sof {
  usb::FrameTime at;  ///< by bus time since the last one
  bus::BusTime time;
  usb::Speed speed{};
  std::uint16_t number = 0;  ///< as on the wire
  bool number_expected = true;
  bool first = false;        ///< after power-on, reset or suspend: no interval
  bus::Duration interval{};  ///< since the last SOF
};

/// How a transaction ended, as far as the wire shows.
enum class Outcome : std::uint8_t { ok, no_response, crc_error, bit_stuff, babble, pid_error, nak, nyet, stall };
const char* to_string(Outcome outcome);

struct Transaction {
  usb::FrameTime at;
  bus::BusTime start, end;  ///< first bit of the token, last bit of the last packet
  usb::Speed speed{};
  std::uint8_t address = 0;
  usb::EndpointAddress endpoint;  ///< control: direction of the data of this transaction
  usb::TransferType type = usb::TransferType::control;
  std::uint8_t token = 0, data_pid = 0, handshake = 0;  ///< PID bytes, 0: did not come
  bool handshake_from_host = false;
  std::uint32_t length = 0;  ///< bytes of data
  Outcome outcome = Outcome::ok;
  /// The device's packet began when a host may have given up already: after 16 FS or 736 HS bit times [7.1.19] …
  bool late = false;
  bool too_late = false;  ///< … or has to: after 18 or 816
};

/// Do these data PIDs of one IN service interval count down, as they must [5.9.2], and to DATA0 if it is the `whole` of
/// it? A host that has all it asked for may stop before.
bool high_bandwidth_in_good(std::span<const std::uint8_t> pids, bool whole);

class WireListener {
 public:
  virtual ~WireListener() = default;
  virtual void on_sof(const Sof&) {}
  virtual void on_packet(const DecodedPacket&) {}
  /// A data packet that is good by itself; `bytes` are valid during the call only.
  virtual void on_data(const Transaction&, std::span<const std::uint8_t> bytes) { (void)bytes; }
  virtual void on_transaction(const Transaction&) {}
  /// Reset, suspend or detach: time counting begins anew.
  virtual void on_break(bus::BusTime) {}
};

class Wire {
 public:
  /// `first_frame`: the number of a frame near the first SOF.
  explicit Wire(std::uint64_t first_frame = 0) : anchor_frame_(first_frame) {}

  void add(WireListener* listener) { listeners_.push_back(listener); }
  void endpoints(std::span<const usb::EndpointConfig> endpoints);
  void packet(const bus::Packet& packet, usb::Speed speed);
  /// The host's frame counter was set: a frame near the next SOF has this number.
  void renumber(std::uint64_t frame);
  void line(bus::PacketObserver::LineEvent event, bus::BusTime at);
  /// The transaction under way will get no further packet: the host says so, or the next token came.
  void settle();
  /// The (micro)frame running at `time`.
  usb::FrameTime frame_at(bus::BusTime time) const;
  bus::BusTime last_time() const { return last_time_; }  ///< end of the last packet

 private:
  void sof(const DecodedPacket& packet);
  void token(const DecodedPacket& packet);
  void data(const DecodedPacket& packet);
  void handshake(const DecodedPacket& packet);
  void spoilt(const DecodedPacket& packet);
  void note_delay(const DecodedPacket& packet);
  void emit();
  std::optional<usb::FrameTime> after_a_break(const Sof& sof) const;
  usb::FrameTime first_sof(std::uint16_t number) const;
  const usb::EndpointConfig* config(std::uint8_t number, bool is_in) const;

  std::vector<WireListener*> listeners_;
  std::array<usb::EndpointConfig, 32> configs_{};  ///< [number + 16 for IN]; max_packet 0 and type control: none
  std::uint64_t anchor_frame_;
  bool have_sof_ = false, microframe_known_ = false, broken_ = true;
  usb::Speed speed_{};
  usb::FrameTime last_at_;
  bus::BusTime last_sof_, last_time_;
  std::uint16_t last_number_ = 0;
  bool open_ = false;
  Transaction transaction_;
};

}  // namespace isochio::check
