// isochio: a USB/IP client: lists devices or imports the device, then sends URBs and unlinks.
#pragma once

#include <map>
#include <memory>
#include <variant>

#include "serve/conversation.h"
#include "serve/usbip_wire.h"

namespace isochio::serve {

class UsbipClient final : public Conversation, private UrbClient {
 public:
  /// The desk outlives the client. `pending`: most unlinks that are for URBs yet to come.
  UsbipClient(Desk& desk, const Limits& limits, std::size_t pending) : desk_(desk), limits_(limits), most_(pending) {}

  tl::expected<std::size_t, std::string> take(ByteView bytes) override;
  Session::Activity advance(Session::WallTime now) override { return session_->advance(now); }
  const Session* session() const override { return session_.get(); }

 private:
  using Step = tl::expected<std::size_t, std::string>;  ///< bytes of a message; 0: it is not whole yet
  Step take_operation(ByteView bytes);
  Step take_command(ByteView bytes);
  void import(const std::string& bus_id);
  tl::expected<void, std::string> handle(const Submit& submit);
  tl::expected<void, std::string> handle(const Unlink& unlink);
  void on_end(const Urb& urb, const UrbResult& result) override;

  Desk& desk_;
  const Limits limits_;
  const std::size_t most_;
  std::uint32_t newest_ = 0;                      ///< highest number submitted
  std::map<std::uint32_t, std::uint32_t> early_;  ///< unlinks by the number they are for, which is yet to come
  std::map<std::uint32_t, std::uint32_t> packets_as_sent_;  ///< of the URBs in flight
  std::unique_ptr<Session> session_;
};

}  // namespace isochio::serve
