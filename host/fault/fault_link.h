// isochio: a bad cable and bad clocks, by plan: a Link over another Link that makes the faults of a FaultPlan between
// arm() and disarm(), and passes everything on untouched otherwise. The same plan and the same traffic give the same
// faults. Nothing is allocated per packet; packets that no fault matches are not copied.
//
// The observer stands at the receiver's end of the cable: it sees packets as they arrive. One that does not arrive at
// all (lost, no answer, SYNC spoiled) it does not see. The device, however, has spent the time to send it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "bus/link.h"
#include "fault/fault_plan.h"

namespace isochio::fault {

/// A fault that was made.
struct InjectedFault {
  std::uint64_t id = 0;  ///< 1, 2, … in the order in which they were made
  const PlannedFault* plan = nullptr;
  bus::BusTime time;  ///< when the packet began; of what did not come, when it was due
  usb::FrameTime at;  ///< the (micro)frame by the host's count
  bool from_host = true;
  usb::Pid pid{};                 ///< as sent; clocks: reserved
  usb::EndpointAddress endpoint;  ///< of the transaction; SOF and clocks: 0
  bool has_endpoint = false;
  std::int64_t detail = 0;  ///< which bit or byte, how many bytes, HS bit times, the number, the address, ppm
};
/// "fault 3 \"name\" (bit_error) in frame 1012.3: bit 5 of the payload of DATA0 from the device, endpoint 0x81".
std::string to_string(const InjectedFault& fault);
/// What was done, without id and time: "bit 5 of the payload of DATA0 from the device".
std::string describe(const InjectedFault& fault);

class FaultListener {
 public:
  virtual ~FaultListener() = default;
  /// Right before the observer sees the packet concerned.
  virtual void on_fault(const InjectedFault& fault) = 0;
};

class FaultLink final : public bus::Link, private bus::PacketObserver {
 public:
  /// What the (micro)frame is by the host's count. Asked once for each SOF.
  using FrameNow = std::function<usb::FrameTime()>;

  /// `link` and `listener` must outlive this. `plan` has been resolved.
  FaultLink(bus::Link& link, FaultPlan plan, FaultListener& listener);

  /// Faults are made from now on; frame 0 of the plan is `origin`.
  void arm(usb::FrameTime origin, FrameNow now);
  /// From now on none; clocks are right again.
  void disarm();
  bool armed() const { return armed_; }
  const FaultPlan& plan() const { return plan_; }

  // Link
  bus::BusTime now() const override { return link_.now(); }
  void advance(bus::BusTime until) override;
  bus::Packet send(std::span<const std::uint8_t> bytes, bool long_eop = false) override;
  bool receive(bus::BusTime start_before, bus::Packet& packet) override;
  void drive(bus::LineState state) override {
    forget();
    link_.drive(state);
  }
  void release() override { link_.release(); }
  bool wait_device_drives(bus::LineState s, bus::BusTime until) override { return link_.wait_device_drives(s, until); }
  bool wait_device_releases(bus::BusTime until) override { return link_.wait_device_releases(until); }
  void set_speed(usb::Speed speed) override {
    forget();
    link_.set_speed(speed);
  }
  usb::Speed speed() const override { return link_.speed(); }
  void set_attached(bool attached) override { link_.set_attached(attached); }
  bool device_present() const override { return link_.device_present(); }
  void set_observer(bus::PacketObserver* observer) override { observer_ = observer; }
  bool inject_rx_error(std::size_t byte) override { return link_.inject_rx_error(byte); }
  bool set_device_clock(std::int32_t ppm) override { return link_.set_device_clock(ppm); }
  Clocks clocks() const override { return link_.clocks(); }

 private:
  static constexpr std::size_t most_bytes = 4096;
  static constexpr std::size_t no_error = ~std::size_t{0};
  static constexpr bus::BusTime never{std::numeric_limits<std::int64_t>::max()};

  /// SplitMix64: small, and the same everywhere.
  struct Random {
    std::uint64_t state = 0;
    std::uint64_t operator()() {
      std::uint64_t z = state += 0x9e3779b97f4a7c15U;
      z = (z ^ z >> 30U) * 0xbf58476d1ce4e5b9U;
      z = (z ^ z >> 27U) * 0x94d049bb133111ebU;
      return z ^ z >> 31U;
    }
    std::uint64_t below(std::uint64_t n) { return (*this)() % n; }
  };

  /// A planned fault under way.
  struct Trigger {
    const PlannedFault* fault = nullptr;
    Random random;
    usb::FrameTime begin, end;
    std::uint64_t matches = 0, made = 0;
    std::uint32_t in_frame = 0;
    usb::FrameTime counted;   ///< the (micro)frame of in_frame
    std::int32_t offset = 0;  ///< frame_jump: of the frame number; device_clock: ppm
  };

  /// What becomes of one packet.
  struct Edit {
    std::span<const std::uint8_t> bytes;
    std::size_t error_at = no_error;
    bool lost = false, repeat = false;
    bool answer_follows = false;  ///< a handshake of the device comes behind
    std::uint8_t answer = 0;
    bus::Duration delay{}, longer{};
  };

  /// A packet of the host that was not asked for, to be sent as soon as the bus is free.
  struct Insertion {
    std::array<std::uint8_t, 3> bytes{};
    std::size_t size = 0;
    bool answered = false;
  };

  void on_packet(const bus::Packet& packet, usb::Speed speed) override;
  void on_line(LineEvent event, bus::BusTime at) override {
    if (observer_ != nullptr) observer_->on_line(event, at);
  }

  /// Reset, suspend, resume: what was to come next does not.
  void forget();
  void sort_triggers();
  bool strikes(Trigger& trigger, usb::FrameTime at);
  bool concerns(const PlannedFault& fault, bool has_endpoint) const;
  void apply_all(const std::vector<Trigger*>& triggers, Edit& edit, bus::BusTime start);
  static bool suits(const PlannedFault& fault, const Edit& edit);
  void apply(Trigger& trigger, Edit& edit, bus::BusTime start);
  std::int64_t flip(Trigger& trigger, Edit& edit);
  void lengthen(Edit& edit, std::size_t count, Random& random);
  std::span<std::uint8_t> own(Edit& edit, std::size_t size);
  void record(const PlannedFault& fault, bus::BusTime time, usb::FrameTime at, usb::Pid pid, std::int64_t detail);

  bus::Packet send_token(std::span<const std::uint8_t> bytes);
  bus::Packet send_edited(const std::vector<Trigger*>& triggers, std::span<const std::uint8_t> bytes, bool long_eop);
  bus::Packet put(const Edit& edit, bool long_eop);
  void answer_behind(std::uint8_t handshake);
  void insert();
  void wait_gap();

  bus::Packet send_sof(std::span<const std::uint8_t> bytes, bool long_eop);
  void send_early_sof();
  void plan_shift();
  void jump();
  void set_clock();

  bus::Duration bits(double n) const;
  bus::Duration interval() const;

  bus::Link& link_;
  FaultPlan plan_;
  FaultListener& listener_;
  bus::PacketObserver* observer_ = nullptr;
  FrameNow frame_now_;
  bool armed_ = false;
  bool passing_ = false;  ///< what comes now is an inserted packet's: not looked at

  std::vector<Trigger> triggers_;
  std::vector<Trigger*> sof_, token_, data_out_, handshake_out_, data_in_, handshake_in_;  ///< out: from the host
  std::vector<Trigger*> shifts_, jumps_, clocks_;

  usb::FrameTime current_;         ///< the (micro)frame whose SOF was due last
  usb::EndpointAddress endpoint_;  ///< of the transaction under way
  bus::BusTime sent_end_{}, bus_end_{};
  Insertion insertion_;

  // The next SOF.
  Trigger* shift_ = nullptr;  ///< what moves it
  bus::Duration shift_by_{};
  bus::BusTime early_at_ = never;
  bus::BusTime early_due_{};  ///< when the one that came early was due
  bool early_sent_ = false;
  std::int32_t device_ppm_ = 0;

  // The device's packet that came last.
  bus::Packet answer_;
  bool changed_ = false, answer_lost_ = false;

  std::uint64_t injected_ = 0;
  std::array<std::uint8_t, most_bytes> buffer_{};
};

}  // namespace isochio::fault
