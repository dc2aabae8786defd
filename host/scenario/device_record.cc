#include "scenario/device_record.h"

#include <utility>

#include "scenario/register_names.h"

namespace isochio::scenario {
namespace {

constexpr std::uint64_t window_frames = 40;

}  // namespace

tl::expected<void, std::string> DeviceRecord::look(std::uint64_t elapsed_frames) {
  if (life_ != nullptr || !length_known_ || setup_.access() == nullptr || !scenario_.checks.device_log) return {};
  const auto frames = scenario_.frames;
  if (window_ == Window::first && elapsed_frames >= window_frames && frames > 4 * window_frames) {
    window_ = Window::between;
    return read_log();
  }
  if (window_ == Window::between && elapsed_frames + window_frames >= frames) {
    window_ = Window::last;
    return restart_log();
  }
  return {};
}

tl::expected<void, std::string> DeviceRecord::restart_log() {
  auto* access = setup_.access();
  if (access == nullptr || !scenario_.checks.device_log) return {};
  suite_.device_log_lost(1);  // what came before is missing on purpose
  return access->write(reg::control, reg::control_log_enabled | reg::control_clear_log);
}

tl::expected<void, std::string> DeviceRecord::read_log() {
  auto* access = setup_.access();
  if (access == nullptr || !device_answers() || !scenario_.checks.device_log) return {};
  if (std::exchange(log_cut_, false))
    if (auto again = restart_log(); !again) return again;
  if (auto stopped = access->write(reg::control, 0); !stopped) return stopped;
  const auto lost = access->read(reg::log_lost, 1);
  if (!lost) return tl::unexpected(lost.error());
  auto taken = access->take_log([this](std::span<const std::uint8_t> entries) { suite_.device_log(entries); });
  suite_.device_log_lost(lost->front());  // a full log keeps the oldest: what is missing comes behind
  return taken;
}

tl::expected<void, std::string> DeviceRecord::read_counters() {
  auto* access = setup_.access();
  if (access == nullptr || !device_answers()) return {};
  for (const auto* targets : {&plan_.streams, &plan_.bulk}) {
    for (const auto& target : *targets) {
      const bool in = target.endpoint.address.is_in();
      const auto base = in ? reg::in_engine(target.engine) : reg::out_engine(target.engine);
      const auto values = access->read(base, reg::engine_registers);
      if (!values) return tl::unexpected(values.error());
      suite_.device_counters(target.endpoint.address, *values);
    }
  }
  return {};
}

/// Whether log and counters can be read: the device is there, awake and configured.
bool DeviceRecord::device_answers() {
  if (life_ == nullptr) return true;
  if (life_->device_usable() && host_->suspended()) {
    host_->resume();
    log_cut_ = true;  // over a time without SOFs it can't be held against the wire
  }
  return life_->device_usable() && host_->connected();
}

}  // namespace isochio::scenario
