#include "serve/server.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>

#include "usb/descriptors.h"

namespace isochio::serve {

namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* bus_id = "1-1";
constexpr std::size_t read_at_once = 1U << 18U;
/// A client that does not read its replies is not read from, and has no bus time, above this.
constexpr std::size_t most_unsent = 1U << 22U;
constexpr int idle_ms = 200, waiting_ms = 1;

DeviceInfo describe(const controller::SimHost& host) {
  DeviceInfo info;
  info.path = "/sys/devices/isochio/usb1/1-1";
  info.bus_id = bus_id;
  info.speed = host.speed() == usb::Speed::full ? 2 : 3;
  if (const auto device = usb::as_device(host.device_descriptor())) {
    info.vendor_id = device->vendor_id;
    info.product_id = device->product_id;
    info.version = device->device_version;
    info.class_code = device->class_code;
    info.subclass = device->subclass;
    info.protocol = device->protocol;
    info.configurations = device->configurations;
  }
  usb::DescriptorWalker walker(host.configuration_descriptor());
  while (const auto view = walker.next()) {
    const auto interface = usb::as_interface(view->bytes);
    if (interface && interface->alternate == 0)
      info.interfaces.push_back({interface->class_code, interface->subclass, interface->protocol});
  }
  return info;
}

std::string why() { return std::strerror(errno); }

}  // namespace

struct Server::Connection {
  int fd;
  std::string peer;
  Clock::time_point since;
  Bytes in, out;
  std::size_t sent = 0;  ///< bytes of `out`
  bool closed = false;
  bool closing = false;  ///< after what is in `out`

  std::size_t unsent() const { return out.size() - sent; }
};

Server::Server(controller::SimHost& host, const ServerOptions& options, ServerEvents events)
    : host_(host), options_(options), events_(std::move(events)) {}

Server::~Server() {
  detach();
  for (const auto& connection : connections_) close(connection->fd);
  if (listener_ >= 0) close(listener_);
}

tl::expected<std::unique_ptr<Server>, std::string> Server::listen(controller::SimHost& host,
                                                                  const ServerOptions& options, ServerEvents events) {
  if (const auto done = host.enumerate(); !done) return tl::unexpected("the device did not enumerate: " + done.error());
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(options.address.c_str(), std::to_string(options.port).c_str(), &hints, &found) != 0)
    return tl::unexpected(
        fmt::format("'{}' is no address to listen at; give one of this machine by number, as 127.0.0.1 or 0.0.0.0",
                    options.address));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> address(found, freeaddrinfo);

  std::unique_ptr<Server> server(new Server(host, options, std::move(events)));
  server->device_ = describe(host);
  server->listener_ = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int fd = server->listener_;
  if (fd < 0) return tl::unexpected("no socket: " + why());
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, address->ai_addr, address->ai_addrlen) != 0 || ::listen(fd, 8) != 0) {
    std::string advice;
    if (errno == EADDRINUSE) advice = "; another server (usbipd?) has it: stop that, or choose another one by --port";
    if (errno == EADDRNOTAVAIL) advice = "; --listen takes an address of this machine";
    if (errno == EACCES) advice = "; choose a port above 1023 by --port";
    return tl::unexpected(
        fmt::format("can't listen at {} port {}: {}{}", options.address, options.port, why(), advice));
  }
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size);
  server->port_ = ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(bound).sin6_port
                                                    : reinterpret_cast<sockaddr_in&>(bound).sin_port);
  return server;
}

void Server::say(const std::string& line) const {
  if (events_.say) events_.say(line);
}

SessionCounters Server::counters() const {
  SessionCounters sum = past_;
  if (!session_) return sum;
  const auto& more = session_->counters();
  sum.urbs += more.urbs;
  sum.failed += more.failed;
  sum.unlinked += more.unlinked;
  sum.bytes += more.bytes;
  sum.held += more.held;
  sum.given_up += more.given_up;
  return sum;
}

// --- the loop -------------------------------------------------------------------------------------------------------

bool Server::run(const std::atomic<bool>& stop) {
  auto activity = Session::Activity::idle;
  while (!stop) {
    wait(activity == Session::Activity::running ? 0 : activity == Session::Activity::waiting ? waiting_ms : idle_ms);
    activity = let_bus_run();
    drop_closed();
    if (events_.tick) events_.tick();
    if (activity == Session::Activity::gone) {
      say("the device is gone");
      detach();
      return false;
    }
  }
  return true;
}

Session::Activity Server::let_bus_run() {
  if (!session_) return Session::Activity::idle;
  if (owner_->unsent() > most_unsent) return Session::Activity::idle;  // poll() says when there is room
  const auto activity = session_->advance(Clock::now());
  auto& replies = session_->output();
  owner_->out.insert(owner_->out.end(), replies.begin(), replies.end());
  replies.clear();
  if (owner_->unsent() != 0 && !write(*owner_)) owner_->closed = true;
  return activity;
}

void Server::wait(int timeout_ms) {
  std::vector<pollfd> polled{{listener_, POLLIN, 0}};
  std::vector<Connection*> order;
  for (const auto& connection : connections_) {
    short events = connection->unsent() > most_unsent || connection->closing ? short{0} : short{POLLIN};
    if (connection->unsent() != 0) events = static_cast<short>(events | POLLOUT);
    polled.push_back({connection->fd, events, 0});
    order.push_back(connection.get());
  }
  if (poll(polled.data(), polled.size(), timeout_ms) <= 0) return;
  for (std::size_t i = 0; i < order.size(); ++i) {
    Connection& connection = *order[i];
    const auto seen = polled[i + 1].revents;
    if ((seen & POLLOUT) != 0 && !write(connection)) connection.closed = true;
    if ((seen & POLLIN) != 0 && !connection.closed && !read(connection)) connection.closed = true;
    if ((seen & (POLLERR | POLLHUP | POLLNVAL)) != 0 && (seen & POLLIN) == 0) connection.closed = true;
  }
  if ((polled.front().revents & POLLIN) != 0) accept_client();
}

void Server::accept_client() {
  sockaddr_storage from{};
  socklen_t size = sizeof from;
  const int fd = accept4(listener_, reinterpret_cast<sockaddr*>(&from), &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return;
  if (connections_.size() >= options_.connections) {
    close(fd);
    return say("a connection was refused: there are too many");
  }
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  char host[NI_MAXHOST] = "?";
  getnameinfo(reinterpret_cast<sockaddr*>(&from), size, host, sizeof host, nullptr, 0, NI_NUMERICHOST);
  auto connection = std::make_unique<Connection>();
  connection->fd = fd;
  connection->peer = host;
  connection->since = Clock::now();
  connections_.push_back(std::move(connection));
}

void Server::drop_closed() {
  const auto now = Clock::now();
  for (auto i = connections_.begin(); i != connections_.end();) {
    Connection& connection = **i;
    const bool silent = &connection != owner_ && now - connection.since > options_.greeting;
    if (!connection.closed && !silent && !(connection.closing && connection.unsent() == 0)) {
      ++i;
      continue;
    }
    if (&connection == owner_) detach();
    close(connection.fd);
    i = connections_.erase(i);
  }
}

void Server::detach() {
  if (!session_) return;
  past_ = counters();
  session_.reset();
  say(fmt::format("{}: detached", owner_->peer));
  owner_->closed = true;
  owner_ = nullptr;
}

// --- one connection: false = it is to be closed ---------------------------------------------------------------------

bool Server::read(Connection& connection) {
  const std::size_t before = connection.in.size();
  connection.in.resize(before + read_at_once);
  const auto got = recv(connection.fd, connection.in.data() + before, read_at_once, 0);
  connection.in.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  return got != 0 && take_messages(connection);
}

bool Server::take_messages(Connection& connection) {
  std::size_t used = 0;
  bool good = true;
  // What is left when the client has to wait is taken up with the next bytes it sends, or none: it waits for replies.
  while (good && !connection.closing && used < connection.in.size()) {
    const auto rest = ByteView(connection.in).subspan(used);
    const auto take = [&](auto&& parsed, auto&& act) {
      if (!parsed) return refuse(connection, parsed.error());
      if (std::holds_alternative<Incomplete>(*parsed)) return false;
      const auto& message = std::get<1>(*parsed);
      used += message.size;
      good = act(connection, message.content);
      return good;
    };
    const bool more =
        &connection == owner_
            ? take(parse_command(rest, options_.limits), [this](auto& c, auto& content) { return command(c, content); })
            : take(parse_operation(rest), [this](auto& c, auto& content) { return operation(c, content); });
    if (!more) break;
  }
  connection.in.erase(connection.in.begin(), connection.in.begin() + static_cast<std::ptrdiff_t>(used));
  return good && !connection.closed;
}

bool Server::refuse(Connection& connection, const std::string& reason) {
  say(fmt::format("{}: {}; connection closed", connection.peer, reason));
  connection.closed = true;
  return false;
}

bool Server::operation(Connection& connection, const std::variant<ListRequest, ImportRequest>& content) {
  if (const auto* request = std::get_if<ImportRequest>(&content)) return import(connection, request->bus_id);
  build_list_reply(connection.out, {&device_, 1});
  connection.closing = true;
  return write(connection);
}

bool Server::import(Connection& connection, const std::string& wanted) {
  const auto refusal = [&](const std::string& reason) {
    say(fmt::format("{}: refused: {}", connection.peer, reason));
    build_import_refusal(connection.out);
    connection.closing = true;
    return write(connection);
  };
  if (wanted != device_.bus_id) return refusal(fmt::format("there is only {}", device_.bus_id));
  if (session_) return refusal(fmt::format("{} has the device", owner_->peer));
  auto session = Session::begin(host_, device_.id(), options_.session);
  if (!session) return refusal(session.error());
  session_ = std::move(*session);
  owner_ = &connection;
  build_import_reply(connection.out, device_);
  say(fmt::format("{}: attached", connection.peer));
  return write(connection);
}

bool Server::command(Connection& connection, const std::variant<Submit, Unlink>& content) {
  const auto handled = std::visit([this](const auto& kind) { return session_->handle(kind); }, content);
  return handled ? true : refuse(connection, handled.error());
}

bool Server::write(Connection& connection) {
  while (connection.unsent() != 0) {
    const auto done = send(connection.fd, connection.out.data() + connection.sent, connection.unsent(), MSG_NOSIGNAL);
    if (done < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return false;
      break;
    }
    connection.sent += static_cast<std::size_t>(done);
  }
  if (connection.unsent() == 0) {
    connection.out.clear();
    connection.sent = 0;
  }
  return true;
}

}  // namespace isochio::serve
