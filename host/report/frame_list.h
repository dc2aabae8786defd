// isochio: the frame list of a run for the JSON report: what each request asked for in each (micro)frame and what it
// was told. Requests that say the same and follow one another are one row, up to about a second of them, so that a
// regular run takes next to nothing. Rows wait in a temporary file: memory does not grow.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "controller/host.h"

namespace isochio::report {

class FrameList final : public controller::RequestObserver {
 public:
  static constexpr std::uint64_t longest_row = 1024;  ///< frames

  FrameList();
  ~FrameList() override;

  void on_refused(const controller::IsochRequest& request, controller::Status why, bus::BusTime at) override;
  void on_complete(const controller::IsochRequest& request, controller::Status overall, bus::BusTime due,
                   bus::BusTime now) override;
  void on_endpoints(std::span<const usb::EndpointConfig> endpoints, usb::Speed speed, bus::BusTime at) override;

  /// Ends the list. Calls `write` with pieces of the rows' text: JSON objects separated by commas.
  template <typename Write>
  void finish(Write write) {
    end_rows();
    std::array<char, 1U << 16U> block{};
    std::rewind(spool_.get());
    while (const std::size_t n = std::fread(block.data(), 1, block.size(), spool_.get()))
      write(std::string_view(block.data(), n));
  }
  /// False if rows are missing, because the temporary file can't be written.
  bool whole() const { return whole_; }

 private:
  struct Row {
    std::string shape;  ///< the JSON text of what repeated requests share
    std::uint64_t request = 0, begin = 0, step = 0, last = 0, repeat = 0;  ///< places in steps of usb::FrameTime
  };
  void add(const controller::IsochRequest& request, bool refused, std::string shape);
  void write_row(std::uint16_t key, const Row& row);
  void end_rows();

  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Close> spool_;
  std::array<std::uint32_t, 32> intervals_{};  ///< of each endpoint, in steps of usb::FrameTime
  /// The rows that may still grow, by endpoint address; plus 256 for refusals, which stand apart because they come at
  /// once.
  std::map<std::uint16_t, Row> open_;
  bool first_ = true, whole_ = true;
};

}  // namespace isochio::report
