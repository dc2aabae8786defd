// isochio: the USB/IP server: sockets, connections, and the loop that lets clients and bus time pass in turn. One
// thread. One client has the device at a time; others may list it meanwhile.
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
#include "serve/session.h"
#include "serve/usbip_wire.h"

namespace isochio::serve {

struct ServerOptions {
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

class Server {
 public:
  /// Enumerates the device and listens. The error says what to do. The host must outlive the server.
  static tl::expected<std::unique_ptr<Server>, std::string> listen(controller::SimHost& host,
                                                                   const ServerOptions& options, ServerEvents events);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  std::uint16_t port() const { return port_; }
  const DeviceInfo& device() const { return device_; }
  /// Serves until `stop`, or until the device is gone; true: stopped.
  bool run(const std::atomic<bool>& stop);

  /// Of all clients so far.
  SessionCounters counters() const;
  bool attached() const { return session_ != nullptr; }

 private:
  struct Connection;
  using Connections = std::list<std::unique_ptr<Connection>>;

  Server(controller::SimHost& host, const ServerOptions& options, ServerEvents events);
  void say(const std::string& line) const;
  void wait(int timeout_ms);
  void accept_client();
  bool read(Connection& connection);
  bool take_messages(Connection& connection);
  bool operation(Connection& connection, const std::variant<ListRequest, ImportRequest>& content);
  bool import(Connection& connection, const std::string& bus_id);
  bool command(Connection& connection, const std::variant<Submit, Unlink>& content);
  bool refuse(Connection& connection, const std::string& why);
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
  std::unique_ptr<Session> session_;
  Connection* owner_ = nullptr;  ///< of the session
  SessionCounters past_;         ///< of sessions that are over
};

}  // namespace isochio::serve
