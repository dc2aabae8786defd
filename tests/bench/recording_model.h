// isochio: a device model that writes down its input pins at every clock, so that the same activity can be replayed
// into a bare model without a host.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace isochio::bench {

struct Pins {
  std::uint8_t data = 0, rx_valid = 0, rx_active = 0, rx_error = 0, line_state = 1, tx_ready = 0;
};

template <typename Model>
class RecordingModel {
 public:
  explicit RecordingModel(Model model) : model_(std::move(model)) {}

  void set_data(std::uint8_t byte) { model_.set_data(pins_.data = byte); }
  void set_rx_valid(bool on) { model_.set_rx_valid((pins_.rx_valid = on) != 0); }
  void set_rx_active(bool on) { model_.set_rx_active((pins_.rx_active = on) != 0); }
  void set_rx_error(bool on) { model_.set_rx_error((pins_.rx_error = on) != 0); }
  void set_line_state(std::uint8_t state) { model_.set_line_state(pins_.line_state = state); }
  void set_tx_ready(bool on) { model_.set_tx_ready((pins_.tx_ready = on) != 0); }
  void set_remote_wakeup(bool on) { model_.set_remote_wakeup(on); }
  std::uint8_t data() const { return model_.data(); }
  bool tx_valid() const { return model_.tx_valid(); }
  std::uint8_t mode() const { return model_.mode(); }
  bool quiet() const { return model_.quiet(); }
  std::uint32_t wake() const { return model_.wake(); }
  void skip(std::uint32_t edges) { model_.skip(edges); }
  void clock() {
    recorded.push_back(pins_);
    model_.clock();
    sent = sent * 31 + (model_.tx_valid() ? model_.data() : 0);
  }

  std::vector<Pins> recorded;
  std::uint64_t sent = 0;  ///< a hash of all that the device sent

 private:
  Model model_;
  Pins pins_;
};

/// The bare device: its pins at clock n are the recorded ones, nothing else happens.
template <typename Model>
void replay(Model& model, const Pins* begin, const Pins* end) {
  for (const Pins* pins = begin; pins != end; ++pins) {
    model.set_data(pins->data);
    model.set_rx_valid(pins->rx_valid != 0);
    model.set_rx_active(pins->rx_active != 0);
    model.set_rx_error(pins->rx_error != 0);
    model.set_line_state(pins->line_state);
    model.set_tx_ready(pins->tx_ready != 0);
    model.clock();
  }
}

}  // namespace isochio::bench
