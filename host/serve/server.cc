#include "serve/server.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>
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

#include "serve/redir_client.h"
#include "serve/usbip_client.h"

namespace isochio::serve {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t read_at_once = 1U << 18U;
/// A client that does not read its replies is not read from, and has no bus time, above this.
constexpr std::size_t most_unsent = 1U << 22U;
constexpr int idle_ms = 200, waiting_ms = 1;

/// Of a connection that is about to be closed.
class Silence final : public Conversation {
 public:
  tl::expected<std::size_t, std::string> take(ByteView bytes) override { return bytes.size(); }
  Session::Activity advance(Session::WallTime) override { return Session::Activity::idle; }
  const Session* session() const override { return nullptr; }
};

std::string why() { return std::strerror(errno); }

}  // namespace

struct Server::Connection {
  int fd;
  std::string peer;
  Clock::time_point since;
  std::unique_ptr<Conversation> conversation;
  Bytes in;              ///< not taken yet
  std::size_t sent = 0;  ///< bytes of what the conversation puts out
  bool closed = false;

  std::size_t unsent() const { return conversation->output().size() - sent; }
  bool listening() const { return unsent() <= most_unsent && !conversation->closing() && conversation->listening(); }
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

void Server::say(const std::string& line) {
  if (events_.say) events_.say(speaking_ != nullptr ? speaking_->peer + ": " + line : line);
}

SessionCounters Server::counters() const {
  SessionCounters sum = past_;
  const Session* session = owner_ != nullptr ? owner_->conversation->session() : nullptr;
  if (session == nullptr) return sum;
  const auto& more = session->counters();
  sum.urbs += more.urbs;
  sum.failed += more.failed;
  sum.unlinked += more.unlinked;
  sum.bytes += more.bytes;
  sum.held += more.held;
  sum.given_up += more.given_up;
  return sum;
}

std::size_t Server::in_flight() const {
  const Session* session = owner_ != nullptr ? owner_->conversation->session() : nullptr;
  return session != nullptr ? session->in_flight() : 0;
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
  if (owner_ == nullptr) return Session::Activity::idle;
  Connection& owner = *owner_;
  if (owner.unsent() > most_unsent) return Session::Activity::idle;  // poll() says when there is room
  speaking_ = owner_;
  const auto activity = owner.conversation->advance(Clock::now());
  speaking_ = nullptr;
  if (!owner.in.empty() && !owner.closed && owner.listening() && !take(owner)) owner.closed = true;
  if (owner.unsent() != 0 && !write(owner)) owner.closed = true;
  return activity;
}

void Server::wait(int timeout_ms) {
  std::vector<pollfd> polled{{listener_, POLLIN, 0}};
  std::vector<Connection*> order;
  for (const auto& connection : connections_) {
    short events = connection->listening() ? POLLIN : short{0};
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
  if (options_.protocol == Protocol::usbredir) {
    connection->conversation = std::make_unique<RedirClient>(*this, options_.limits);
  } else {
    connection->conversation = std::make_unique<UsbipClient>(*this, options_.limits, options_.session.urbs);
  }
  if (!write(*connection)) connection->closed = true;  // a greeting
  connections_.push_back(std::move(connection));
}

void Server::drop_closed() {
  const auto now = Clock::now();
  for (auto i = connections_.begin(); i != connections_.end();) {
    Connection& connection = **i;
    const bool silent = &connection != owner_ && now - connection.since > options_.greeting;
    if (!connection.closed && !silent && !(connection.conversation->closing() && connection.unsent() == 0)) {
      ++i;
      continue;
    }
    if (&connection == owner_) detach();
    close(connection.fd);
    i = connections_.erase(i);
  }
}

void Server::detach() {
  if (owner_ == nullptr) return;
  past_ = counters();
  Connection& owner = *std::exchange(owner_, nullptr);
  speaking_ = &owner;
  say("detached");
  speaking_ = nullptr;
  owner.conversation.reset();  // the session must be over before the next one begins
  owner.conversation = std::make_unique<Silence>();
  owner.closed = true;
}

tl::expected<std::unique_ptr<Session>, std::string> Server::attach(UrbClient& client) {
  if (owner_ != nullptr) return tl::unexpected(owner_->peer + " has the device");
  auto session = Session::begin(host_, client, options_.session);
  if (!session) return tl::unexpected(session.error());
  owner_ = speaking_;
  say("attached");
  return session;
}

// --- one connection: false = it is to be closed ---------------------------------------------------------------------

bool Server::read(Connection& connection) {
  const std::size_t before = connection.in.size();
  connection.in.resize(before + read_at_once);
  const auto got = recv(connection.fd, connection.in.data() + before, read_at_once, 0);
  connection.in.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  return got != 0 && take(connection);
}

bool Server::take(Connection& connection) {
  speaking_ = &connection;
  const auto used = connection.conversation->take(connection.in);
  if (!used) say(used.error() + "; connection closed");
  speaking_ = nullptr;
  if (!used) return false;
  connection.in.erase(connection.in.begin(), connection.in.begin() + static_cast<std::ptrdiff_t>(*used));
  return connection.unsent() == 0 || write(connection);
}

bool Server::write(Connection& connection) {
  Bytes& out = connection.conversation->output();
  while (connection.unsent() != 0) {
    const auto done = send(connection.fd, out.data() + connection.sent, connection.unsent(), MSG_NOSIGNAL);
    if (done < 0) {
      if (errno == EINTR) continue;
      if (errno != EAGAIN) return false;
      break;
    }
    connection.sent += static_cast<std::size_t>(done);
  }
  if (connection.unsent() == 0) {
    out.clear();
    connection.sent = 0;
  }
  return true;
}

}  // namespace isochio::serve
