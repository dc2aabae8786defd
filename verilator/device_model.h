// isochio: the Verilated isochio_device as the Model of a UtmiLink: pins, clock, image, waves. Inline and without
// virtual functions; one evaluation a clock.
#pragma once

#include <verilated.h>
#include <verilated_fst_c.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

#include "simulated_device.h"
#include "utmi_link.h"

namespace isochio::verilated {

/// `Top` is a class made by Verilator, `Root` the class of its contents (Top___024root). With `traced` it was made with
/// --trace-fst and writes DeviceOptions::wave_path; time there is bus time in picoseconds.
template <typename Top, typename Root, bool traced>
class DeviceModel {
 public:
  static constexpr std::size_t image_capacity = 8192;

  /// Loads the image in reset, releases reset. Throws std::runtime_error if the image is too long or the wave file
  /// can't be opened.
  explicit DeviceModel(const DeviceOptions& options) : context_(std::make_unique<VerilatedContext>()), top_(nullptr) {
    if (options.image.size() > image_capacity) {
      throw std::runtime_error("device image has " + std::to_string(options.image.size()) + " bytes; a device holds " +
                               std::to_string(image_capacity));
    }
    if constexpr (traced) context_->traceEverOn(true);
    top_ = std::make_unique<Top>(context_.get());
    root_ = top_->rootp;
    load(options);
    if constexpr (traced) open_wave(options);
  }

  void set_data(std::uint8_t byte) { root_->utmi_data_i = byte; }
  void set_rx_valid(bool on) { root_->utmi_rx_valid_i = on; }
  void set_rx_active(bool on) { root_->utmi_rx_active_i = on; }
  void set_rx_error(bool on) { root_->utmi_rx_error_i = on; }
  void set_line_state(std::uint8_t state) { root_->utmi_line_state_i = state; }
  void set_tx_ready(bool on) { root_->utmi_tx_ready_i = on; }
  void set_remote_wakeup(bool on) { root_->remote_wakeup_i = on; }

  std::uint8_t data() const { return root_->utmi_data_o; }
  bool tx_valid() const { return root_->utmi_tx_valid_o != 0; }
  std::uint8_t mode() const {
    return DeviceMode::pack(root_->utmi_xcvr_select_o, root_->utmi_term_select_o, root_->utmi_op_mode_o,
                            root_->utmi_suspend_n_o);
  }
  bool quiet() const { return root_->quiet_o != 0; }
  std::uint32_t wake() const { return root_->wake_o - root_->skipped_i; }

  /// Nothing but time changes, so nothing is evaluated: the device reads the time when it is clocked next.
  void skip(std::uint32_t edges) {
    root_->skipped_i += edges;
    if constexpr (traced) edge_ += edges;
  }

  void clock() {
    // work_o is from before what was skipped; at the end of that a timer may have ended.
    rise(root_->work_o != 0 || root_->skipped_i == root_->wake_o);
    root_->skipped_i = 0;
    if constexpr (traced) {
      top_->eval();  // or the wave would show the time twice as far ahead
      ++edge_;
      if (edge_ >= first_wave_edge_ && edge_ <= last_wave_edge_)
        wave_->dump(static_cast<std::uint64_t>(edge_) * 50'000 / 3);
    }
  }

 private:
  /// The part of the device on clk_work_i sees the edge only if it has `work` (docs/rtl.md); with waves always.
  void rise(bool work = true) {
    // Verilator finds an edge by comparing with the clock it saw last. Telling it that this was 0 saves the evaluation
    // of the falling edge, at which nothing happens; telling it that it was 1 hides the edge. Where these variables are
    // not reachable, the clocks really fall.
    if constexpr (requires { root_->__Vtrigrprev__TOP__clk_i + root_->__Vtrigrprev__TOP__clk_work_i; } && !traced) {
      root_->__Vtrigrprev__TOP__clk_i = 0;
      root_->__Vtrigrprev__TOP__clk_work_i = work ? 0 : 1;
    } else {
      root_->clk_i = root_->clk_work_i = 0;
      top_->eval();
    }
    root_->clk_i = root_->clk_work_i = 1;
    top_->eval();
  }

  void load(const DeviceOptions& options) {
    root_->rst_i = 1;
    root_->fs_only_i = options.fs_only;
    root_->utmi_line_state_i = 1;
    constexpr int reset_clocks = 16;
    for (int i = 0; i < reset_clocks; ++i) rise();
    root_->image_we_i = 1;
    for (std::size_t address = 0; address < options.image.size(); ++address) {
      root_->image_addr_i = static_cast<std::uint16_t>(address);
      root_->image_data_i = options.image[address];
      rise();
    }
    root_->image_we_i = 0;
    for (int i = 0; i < reset_clocks; ++i) rise();
    root_->rst_i = 0;
  }

  void open_wave(const DeviceOptions& options) {
    first_wave_edge_ = options.wave_from.bits / bus::utmi_clock.bits;
    last_wave_edge_ = options.wave_until.bits / bus::utmi_clock.bits;
    const std::string& path = options.wave_path;
    constexpr int hierarchy_levels = 99;
    context_->timeunit(-12);
    context_->timeprecision(-12);
    wave_ = std::make_unique<VerilatedFstC>();
    top_->trace(wave_.get(), hierarchy_levels);
    wave_->open(path.c_str());
    if (!wave_->isOpen()) throw std::runtime_error("can't write the wave file '" + path + "'");
  }

  struct CloseWave {
    void operator()(VerilatedFstC* wave) const {
      wave->close();
      delete wave;
    }
  };

  std::unique_ptr<VerilatedContext> context_;
  std::unique_ptr<Top> top_;
  Root* root_ = nullptr;
  std::unique_ptr<VerilatedFstC> wave_;
  std::int64_t edge_ = 0;
  std::int64_t first_wave_edge_ = 0, last_wave_edge_ = 0;  ///< those that the wave file holds
};

}  // namespace isochio::verilated
