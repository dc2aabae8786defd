// isochio: a UTMI device core in a few lines, so that a UtmiLink can be measured without a Verilated model: it writes
// down every input that changes, with its clock edge, and sends what it is told to.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "utmi_link.h"

namespace isochio::test {

struct PinChange {
  std::int64_t edge;
  std::string pin;
  int value;
  bool operator==(const PinChange&) const = default;
};

class FakeCore {
 public:
  // What a test sets up.
  struct Send {
    std::int64_t edge;  ///< tx_valid rises with this edge
    std::vector<std::uint8_t> bytes;
    bool endless = false;
  };
  std::deque<Send> sends;
  struct ModeChange {
    std::int64_t edge;
    std::uint8_t mode;
  };
  std::deque<ModeChange> modes;
  std::int64_t drive_from = -1, drive_to = -1;  ///< tx_valid with data 0, op_mode is the test's business

  // What a test looks at.
  std::vector<PinChange> changes;
  std::vector<std::uint8_t> received;
  std::vector<std::int64_t> taken_at;  ///< edges with tx_valid and tx_ready
  std::int64_t edge = 0;
  bool skipped_too_far = false;

  std::vector<PinChange> changes_of(const std::string& pin) const {
    std::vector<PinChange> found;
    for (const auto& change : changes) {
      if (change.pin == pin) found.push_back(change);
    }
    return found;
  }

  // The pins.
  void set_data(std::uint8_t byte) { inputs_.data = byte; }
  void set_rx_valid(bool on) { inputs_.rx_valid = on; }
  void set_rx_active(bool on) { inputs_.rx_active = on; }
  void set_rx_error(bool on) { inputs_.rx_error = on; }
  void set_line_state(std::uint8_t state) { inputs_.line_state = state; }
  void set_tx_ready(bool on) { inputs_.tx_ready = on; }
  void set_remote_wakeup(bool on) { inputs_.remote_wakeup = on; }
  std::uint8_t data() const { return data_; }
  bool tx_valid() const { return tx_valid_; }
  std::uint8_t mode() const { return mode_; }
  bool quiet() const { return true; }
  std::uint32_t wake() const {
    std::int64_t next = edge + 1'000'000;
    if (!sends.empty() && !sending_) next = std::min(next, sends.front().edge - 1);
    if (!modes.empty()) next = std::min(next, modes.front().edge - 1);
    for (const auto at : {drive_from, drive_to}) {
      if (at > edge) next = std::min(next, at - 1);
    }
    return static_cast<std::uint32_t>(std::max<std::int64_t>(next - edge, 0));
  }

  void skip(std::uint32_t edges) {
    if (edges > wake() || inputs_ != seen_) skipped_too_far = true;
    edge += edges;
  }
  void clock() {
    ++edge;
    note_inputs();
    if (!modes.empty() && modes.front().edge == edge) {
      mode_ = modes.front().mode;
      modes.pop_front();
    }
    if (edge == drive_from || edge == drive_to) {
      tx_valid_ = edge == drive_from;
      data_ = 0;
    }
    send();
  }

 private:
  struct Inputs {
    int data = 0, line_state = 1;
    bool rx_valid = false, rx_active = false, rx_error = false, tx_ready = false, remote_wakeup = false;
    bool operator==(const Inputs&) const = default;
  };

  void note(const char* pin, int now, int before) {
    if (now != before) changes.push_back({edge, pin, now});
  }
  void note_inputs() {
    note("line_state", inputs_.line_state, seen_.line_state);
    note("rx_active", inputs_.rx_active, seen_.rx_active);
    note("rx_error", inputs_.rx_error, seen_.rx_error);
    note("remote_wakeup", inputs_.remote_wakeup, seen_.remote_wakeup);
    if (inputs_.rx_valid) {
      changes.push_back({edge, "byte", inputs_.data});
      received.push_back(static_cast<std::uint8_t>(inputs_.data));
    }
    seen_ = inputs_;
  }
  void send() {
    if (sending_ && inputs_.tx_ready) {
      taken_at.push_back(edge);
      auto& bytes = sends.front().bytes;
      if (++sent_ == bytes.size() && !sends.front().endless) {
        sending_ = tx_valid_ = false;
        sends.pop_front();
      } else {
        data_ = bytes[sent_ % bytes.size()];
      }
    } else if (!sending_ && !sends.empty() && sends.front().edge == edge) {
      sending_ = tx_valid_ = true;
      sent_ = 0;
      data_ = sends.front().bytes[0];
    }
  }

  Inputs inputs_, seen_;
  std::uint8_t data_ = 0;
  std::uint8_t mode_ = verilated::DeviceMode::pack(1, 1, 0, 1);
  bool tx_valid_ = false, sending_ = false;
  std::size_t sent_ = 0;
};

inline constexpr std::uint8_t high_speed_mode = verilated::DeviceMode::pack(0, 0, 0, 1);
inline constexpr std::uint8_t chirp_mode = verilated::DeviceMode::pack(0, 1, 2, 1);
inline constexpr std::uint8_t full_speed_mode = verilated::DeviceMode::pack(1, 1, 0, 1);

}  // namespace isochio::test
