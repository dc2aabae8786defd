// isochio: how fast a served device is, with a USB/IP client over loopback: URBs and simulated payload per second of
// wall clock, and how much of the server's processor time is not the simulation of the device. That share is sampled
// every millisecond of the server thread's own processor time, so that other load on the machine does not count.
//   isochio_serve_bench [SECONDS]
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "check/suite.h"
#include "description/description.h"
#include "serve/server.h"
#include "simulated_device.h"

using namespace isochio;

namespace {

volatile std::sig_atomic_t in_simulation = 0;
volatile long samples_inside = 0, samples_outside = 0;

/// For the time of its life the thread is (or is not) in the simulation.
class Where {
 public:
  explicit Where(bool inside) : before_(in_simulation) { in_simulation = inside ? 1 : 0; }
  ~Where() { in_simulation = before_; }
  Where(const Where&) = delete;
  Where& operator=(const Where&) = delete;

 private:
  std::sig_atomic_t before_;
};

template <typename Call>
auto in(Call&& call) {
  const Where here(true);
  return call();
}

/// The device's Link; what observes it is not simulation.
class SampledLink final : public bus::Link, private bus::PacketObserver {
 public:
  explicit SampledLink(bus::Link& link) : link_(link) {}
  bus::BusTime now() const override { return link_.now(); }
  void advance(bus::BusTime until) override {
    return in([&] { link_.advance(until); });
  }
  bus::Packet send(std::span<const std::uint8_t> bytes, bool long_eop) override {
    return in([&] { return link_.send(bytes, long_eop); });
  }
  bool receive(bus::BusTime start_before, bus::Packet& packet) override {
    return in([&] { return link_.receive(start_before, packet); });
  }
  void drive(bus::LineState state) override {
    in([&] { link_.drive(state); });
  }
  void release() override {
    in([&] { link_.release(); });
  }
  bool wait_device_drives(bus::LineState state, bus::BusTime until) override {
    return in([&] { return link_.wait_device_drives(state, until); });
  }
  bool wait_device_releases(bus::BusTime until) override {
    return in([&] { return link_.wait_device_releases(until); });
  }
  void set_speed(usb::Speed speed) override { link_.set_speed(speed); }
  usb::Speed speed() const override { return link_.speed(); }
  void set_attached(bool attached) override { link_.set_attached(attached); }
  bool device_present() const override { return link_.device_present(); }
  void set_observer(bus::PacketObserver* observer) override {
    observer_ = observer;
    link_.set_observer(this);
  }
  Clocks clocks() const override { return link_.clocks(); }

 private:
  void on_packet(const bus::Packet& packet, usb::Speed speed) override {
    const Where here(false);
    if (observer_ != nullptr) observer_->on_packet(packet, speed);
  }
  void on_line(LineEvent event, bus::BusTime at) override {
    const Where here(false);
    if (observer_ != nullptr) observer_->on_line(event, at);
  }

  bus::Link& link_;
  bus::PacketObserver* observer_ = nullptr;
};

/// A USB/IP client with the connection's end as its end.
class Client {
 public:
  explicit Client(std::uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) std::abort();
    std::vector<std::uint8_t> import{0x01, 0x11, 0x80, 0x03, 0, 0, 0, 0, '1', '-', '1'};
    import.resize(40);
    put(import);
    std::array<std::uint8_t, 8 + 0x138> reply{};
    get(reply.data(), reply.size());
  }
  ~Client() { close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void control(std::array<std::uint8_t, 8> setup) {
    submit(0, false, 0, 0, 0, setup);
    reply();
  }
  void submit(std::uint32_t endpoint, bool in, std::uint32_t length, std::uint32_t packets = 0,
              std::uint32_t packet = 0, std::array<std::uint8_t, 8> setup = {}) {
    std::vector<std::uint8_t> message;
    for (const std::uint32_t word : {1U, ++number_, 0x10002U, in ? 1U : 0U, endpoint, 0U, length, 0U, packets, 1U})
      word_to(message, word);
    message.insert(message.end(), setup.begin(), setup.end());
    if (!in) message.resize(message.size() + length, 0x5a);
    for (std::uint32_t i = 0; i < packets; ++i) {
      for (const std::uint32_t word : {i * packet, packet, 0U, 0U}) word_to(message, word);
    }
    in_.push_back(in);
    put(message);
  }
  /// False: the server has ended.
  bool reply() {
    std::array<std::uint32_t, 12> words{};
    if (!get(reinterpret_cast<std::uint8_t*>(words.data()), sizeof words)) return false;
    const std::uint32_t number = ntohl(words[1]), length = ntohl(words[6]), packets = ntohl(words[8]);
    if (words[5] != 0) {
      fmt::print(stderr, "URB {}: status {}\n", number, static_cast<std::int32_t>(ntohl(words[5])));
      std::abort();
    }
    rest_.resize((in_[number - 1] ? length : 0) + packets * 16U);
    return rest_.empty() || get(rest_.data(), rest_.size());
  }

 private:
  static void word_to(std::vector<std::uint8_t>& to, std::uint32_t word) {
    for (int shift = 24; shift >= 0; shift -= 8) to.push_back(static_cast<std::uint8_t>(word >> shift & 0xffU));
  }
  void put(const std::vector<std::uint8_t>& bytes) {
    std::size_t sent = 0;
    while (sent < bytes.size()) {
      const auto n = send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return;
      sent += static_cast<std::size_t>(n);
    }
  }
  bool get(std::uint8_t* to, std::size_t size) {
    while (size != 0) {
      const auto n = recv(fd_, to, size, 0);
      if (n <= 0) return false;
      to += n;
      size -= static_cast<std::size_t>(n);
    }
    return true;
  }

  int fd_;
  std::uint32_t number_ = 0;
  std::vector<bool> in_;
  std::vector<std::uint8_t> rest_;
};

/// Pairs of a bulk OUT and an IN of the same bytes, four of them in flight.
void bulk_loopback(Client& client) {
  constexpr std::uint32_t size = 16384;
  client.control({0, 9, 1, 0, 0, 0, 0, 0});
  const auto pair = [&] {
    client.submit(2, false, size);
    client.submit(2, true, size);
  };
  for (int i = 0; i < 4; ++i) pair();
  while (client.reply() && client.reply()) pair();
}

/// URBs of four frames, eight of them in flight.
void isochronous_in(Client& client) {
  constexpr std::uint32_t packet = 3072, packets = 32;
  client.control({0, 9, 3, 0, 0, 0, 0, 0});
  client.control({1, 11, 2, 0, 0, 0, 0, 0});
  for (int i = 0; i < 8; ++i) client.submit(2, true, packet * packets, packets, packet);
  while (client.reply()) client.submit(2, true, packet * packets, packets, packet);
}

void sample(int) {
  if (in_simulation != 0) {
    samples_inside = samples_inside + 1;
  } else {
    samples_outside = samples_outside + 1;
  }
}

timer_t start_sampling() {
  std::signal(SIGPROF, sample);
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = SIGPROF;
  event._sigev_un._tid = gettid();
  timer_t timer{};
  if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) != 0) std::abort();
  const itimerspec every{{0, 1'000'000}, {0, 1'000'000}};
  timer_settime(timer, 0, &every, nullptr);
  return timer;
}

int measure(const char* name, const std::string& device, void (*load)(Client&), double seconds) {
  const auto description = description::load(std::string(ISOCHIO_SOURCE_DIR "/rtl/devices/") + device + ".toml");
  if (!description) return 1;
  const auto image = description::compile_image(*description);
  if (!image) return 1;
  const auto simulated = verilated::make_simulated_device({.image = *image, .fs_only = false, .wave_path = {}});
  SampledLink link(*simulated);
  // As isochio serve has it.
  struct Sink final : check::ViolationSink {
    void report(const check::Violation& violation) override { fmt::print("{}\n", check::to_string(violation)); }
  } sink;
  check::SuiteOptions options;
  options.payload = false;
  options.device_log = false;
  check::Suite suite(options, sink);
  link.set_observer(&suite);
  controller::SimHost host(link);
  host.add_observer(&suite);
  serve::ServerOptions server_options;
  server_options.port = 0;
  auto server = serve::Server::listen(host, server_options, {});
  if (!server) {
    fmt::print(stderr, "{}\n", server.error());
    return 1;
  }

  std::atomic<bool> stop{false};
  std::thread client([&, port = (*server)->port()] {
    Client connection(port);
    load(connection);
  });
  std::thread clock([&] {
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    stop = true;
  });
  samples_inside = 0;
  samples_outside = 0;
  const timer_t timer = start_sampling();
  const auto bus_began = host.now();
  const auto began = std::chrono::steady_clock::now();
  timespec cpu_began{}, cpu_ended{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu_began);
  (*server)->run(stop);
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu_ended);
  const double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  timer_delete(timer);
  const double bus = bus::to_seconds(host.now() - bus_began);
  const auto counters = (*server)->counters();
  server->reset();
  client.join();
  clock.join();
  suite.finish(host.now());
  const double cpu = static_cast<double>(cpu_ended.tv_sec - cpu_began.tv_sec) +
                     static_cast<double>(cpu_ended.tv_nsec - cpu_began.tv_nsec) * 1e-9;
  const double samples = static_cast<double>(samples_inside + samples_outside);
  fmt::print("{:<24} {:>8.0f} {:>8.2f} {:>10.3f} {:>12.2f} {:>17.1f} %\n", name,
             static_cast<double>(counters.urbs) / wall, static_cast<double>(counters.bytes) / wall / 1e6, bus / wall,
             static_cast<double>(counters.bytes) / cpu / 1e6, 100.0 * static_cast<double>(samples_outside) / samples);
  return counters.failed == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 3;
  fmt::print("served by USB/IP          URBs/s     MB/s  real time  MB/s of CPU  outside simulation\n");
  const int bulk = measure("HS bulk loopback", "test", bulk_loopback, seconds);
  const int isochronous = measure("HS 3x1024 isochronous IN", "gadget-zero", isochronous_in, seconds);
  return bulk != 0 ? bulk : isochronous;
}
