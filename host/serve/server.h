// isochio: the server of one simulated device, by USB/IP or usbredir: sockets, connections, and the loop that lets
// clients and bus time pass in turn. One thread. One client has the device at a time; others may list it meanwhile.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include <tl/expected.hpp>

#include "controller/sim_host.h"
#include "serve/conversation.h"

namespace isochio::serve {

enum class Protocol : std::uint8_t { usbip, usbredir };

struct ServerOptions {
  Protocol protocol = Protocol::usbip;
  std::string address = "127.0.0.1";  ///< IPv4 or IPv6, by number
  std::uint16_t port = 3240;          ///< 0: any free one
  SessionOptions session;
  Limits limits;
  std::size_t connections = 8;                 ///< at a time
  std::chrono::milliseconds greeting{10'000};  ///< a connection that asks for nothing in this time is closed
};

/// What happens, for people.
struct ServerEvents {
  std::function<void(const std::string&)> say;  ///< a line: attached, detached, refused and why
  std::function<void()> tick;                   ///< now and then: a status line
};

class Server final : public Desk {
 public:
  /// Enumerates the device and listens. The error says what to do. The host must outlive the server.
  static tl::expected<std::unique_ptr<Server>, std::string> listen(controller::SimHost& host,
                                                                   const ServerOptions& options, ServerEvents events);
  ~Server() override;
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const { return port_; }
  const DeviceInfo& device() const override { return device_; }
  /// Serves until `stop`, or until the device is gone; true: stopped.
  bool run(const std::atomic<bool>& stop);

  /// Of all clients so far.
  SessionCounters counters() const;
  bool attached() const { return owner_ != nullptr; }
  std::size_t in_flight() const;

 private:
  struct Connection;
  using Connections = std::list<std::unique_ptr<Connection>>;

  Server(controller::SimHost& host, const ServerOptions& options, ServerEvents events);
  tl::expected<std::unique_ptr<Session>, std::string> attach(UrbClient& client) override;
  void say(const std::string& line) override;
  void wait(int timeout_ms);
  void accept_client();
  bool read(Connection& connection);
  bool take(Connection& connection);
  bool write(Connection& connection);
  void drop_closed();
  void detach();
  Session::Activity let_bus_run();

  controller::SimHost& host_;
  const ServerOptions options_;
  ServerEvents events_;
  DeviceInfo device_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  Connections connections_;
  Connection* speaking_ = nullptr;  ///< whose bytes are being taken
  Connection* owner_ = nullptr;     ///< of the device
  SessionCounters past_;            ///< of sessions that are over
};

}  // namespace isochio::serve
