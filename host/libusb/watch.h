// isochio: devices that come and go.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "bus/bus_time.h"
#include "libusb/selection.h"

struct libusb_context;

namespace isochio::libusb {

struct Change {
  bool arrived = true;  ///< else it has left
  Attached device;
};

/// What `now` has that `before` had not, and the other way round; those that left come first. A device that came back
/// has another address.
std::vector<Change> changes(const std::vector<Attached>& before, const std::vector<Attached>& now);

/// Libusb's hot-plug events wake it; what is attached it reads anew then, and twice a second in any case: the events
/// come from udev's daemon, which not every system runs.
class Watch {
 public:
  static tl::expected<std::unique_ptr<Watch>, std::string> start();
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  /// As of start() or the last next().
  const std::vector<Attached>& attached() const { return attached_; }
  /// What has changed; waits for it at most so long. Empty: nothing.
  tl::expected<std::vector<Change>, std::string> next(bus::Duration most);

 private:
  explicit Watch(libusb_context* context) : context_(context) {}
  void wait(bus::Duration most);

  libusb_context* context_;
  int callback_ = 0;       ///< libusb's handle of it; 0 = no hot-plug events here
  bool notified_ = false;  ///< by the callback
  std::vector<Attached> attached_;
};

/// Returns as soon as a device that `wanted` names is attached, and udev has had its time to give permission. The error
/// is a sentence for the user: it did not come in time, or `stop` said so.
tl::expected<void, std::string> wait_until_attached(const Selection& wanted, bus::Duration most,
                                                    const std::function<bool()>& stop);

}  // namespace isochio::libusb
