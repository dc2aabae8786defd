// isochio: what a connection of the server speaks, apart from sockets: bytes in, bytes out, and the session it may
// hold.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include <tl/expected.hpp>

#include "serve/device_info.h"
#include "serve/session.h"

namespace isochio::serve {

/// The one device, which one client has at a time.
class Desk {
 public:
  virtual ~Desk() = default;
  /// The error says why not; the client may come again later.
  virtual tl::expected<std::unique_ptr<Session>, std::string> attach(UrbClient& client) = 0;
  virtual const DeviceInfo& device() const = 0;
  virtual void say(const std::string& line) = 0;  ///< for people
};

class Conversation {
 public:
  virtual ~Conversation() = default;
  Conversation() = default;
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;

  /// Takes whole messages from the front of `bytes`; how many bytes that was. What is left is shown again, with more
  /// behind it if more came. The error says what was wrong; there is no way to go on after it.
  virtual tl::expected<std::size_t, std::string> take(ByteView bytes) = 0;
  /// False: take() is to be called only after another advance().
  virtual bool listening() const { return true; }
  /// Lets bus time pass, with a session.
  virtual Session::Activity advance(Session::WallTime now) = 0;

  /// Replies to send; the caller empties it.
  Bytes& output() { return output_; }
  /// The connection is to be closed after what is in output().
  bool closing() const { return closing_; }
  /// Empty: the client does not have the device.
  virtual const Session* session() const = 0;

 protected:
  Bytes output_;
  bool closing_ = false;
};

}  // namespace isochio::serve
