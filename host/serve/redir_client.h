// isochio: a usbredir client, such as QEMU's usb-redir: greets, gets the device at once if it is free, sends transfers
// and starts streams. Messages are built and checked by libusbredirparser.
//
// Isochronous and interrupt IN streams run by themselves: URBs are submitted anew as they end, so that no service
// interval is left out. An isochronous OUT stream begins when half of its buffer is there, or when the client sends no
// more for a while; what comes faster than the bus takes it makes the client wait, and nothing is dropped.
#pragma once

#include <array>
#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <usbredirparser.h>

#include "serve/conversation.h"
#include "serve/redir_wire.h"

namespace isochio::serve {

struct RedirStream {  ///< isochronous
  unsigned urbs = 2, packets = 1;
  std::uint32_t capacity = 0;  ///< bytes of a packet
  std::uint64_t sent = 0;      ///< IN: packets given to the client
  std::deque<Bytes> waiting;   ///< OUT: packets not submitted yet
  std::size_t in_flight = 0;   ///< packets
  bool running = false;        ///< OUT: enough had come to begin
  Session::WallTime last{};    ///< OUT: when the client sent the last one
  bool in = false;
  usb::EndpointAddress endpoint{};
};

struct RedirPolled {  ///< interrupt IN
  std::uint64_t sent = 0;
  std::uint32_t capacity = 0;
};

class RedirClient final : public Conversation, private UrbClient {
 public:
  /// The desk outlives the client.
  RedirClient(Desk& desk, const Limits& limits);
  ~RedirClient() override;

  tl::expected<std::size_t, std::string> take(ByteView bytes) override;
  bool listening() const override;
  Session::Activity advance(Session::WallTime now) override;
  const Session* session() const override { return session_.get(); }

 private:
  struct Callbacks;  ///< of the parser
  enum class Kind : std::uint8_t {
    control,
    set_configuration,
    get_configuration,
    set_interface,
    get_interface,
    bulk,
    interrupt_out,
    interrupt_in,
    isochronous,
  };
  struct Pending {  ///< an URB in flight
    Kind kind{};
    std::uint64_t id = 0;  ///< the client's number
    usb_redir_control_packet_header control{};
    usb_redir_bulk_packet_header bulk{};
    std::uint8_t interface = 0, value = 0;  ///< value: of a configuration or alternate setting that is set
  };
  using Stream = RedirStream;
  using Polled = RedirPolled;

  void feed(ByteView message);
  void flush();
  void wrong(std::string what);

  void greeted();
  void send_info();
  void reset();
  void submit(Pending pending, Urb urb);
  void submit_control(Pending pending, std::array<std::uint8_t, 8> setup, Bytes data = {});
  bool number_is_free(std::uint64_t id);
  void control(std::uint64_t id, const usb_redir_control_packet_header& header, Bytes data);
  void bulk(std::uint64_t id, const usb_redir_bulk_packet_header& header, Bytes data);
  void interrupt_out(std::uint64_t id, const usb_redir_interrupt_packet_header& header, Bytes data);
  void isochronous_out(const usb_redir_iso_packet_header& header, Bytes data);
  void start_stream(std::uint64_t id, const usb_redir_start_iso_stream_header& header);
  void stop_stream(std::size_t index);
  void start_polling(std::uint64_t id, std::uint8_t endpoint);
  void stop_polling(std::size_t index);
  void stop_all();
  void cancel(std::uint64_t id);

  void submit_in(Stream& stream);
  void submit_out(Stream& stream);
  void pump();
  void poll_once(usb::EndpointAddress endpoint, const Polled& polled);
  std::optional<usb::EndpointConfig> find(std::uint8_t endpoint, usb::TransferType type) const;

  void on_end(const Urb& urb, const UrbResult& result) override;
  void end_control(const Pending& pending, std::uint8_t status, const UrbResult& result);
  void end_stream(const Urb& urb, const UrbResult& result);
  void end_poll(const Urb& urb, const UrbResult& result);
  void answer(const Pending& pending, std::uint8_t endpoint, std::uint8_t status, std::size_t actual, ByteView data);
  void stream_status(std::uint64_t id, std::uint8_t endpoint, std::uint8_t status);
  void polling_status(std::uint64_t id, std::uint8_t endpoint, std::uint8_t status);

  Desk& desk_;
  const Limits limits_;
  std::unique_ptr<usbredirparser, decltype(&usbredirparser_destroy)> parser_;
  RedirState state_;
  ByteView unread_;      ///< of the message that the parser is given
  std::string problem_;  ///< with that message; empty: none
  std::uint64_t newest_ = 0;
  std::map<std::uint64_t, Pending> pending_;          ///< by the URB's number
  std::map<std::uint64_t, std::uint64_t> by_number_;  ///< the URB's number by the client's
  std::array<std::optional<Stream>, 32> streams_;
  std::array<std::optional<Polled>, 32> polled_;
  std::unique_ptr<Session> session_;
};

}  // namespace isochio::serve
