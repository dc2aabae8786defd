#include "serve/session.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "serve/linux_errno.h"

namespace isochio::serve {

using controller::Status;
using usb::EndpointAddress;

namespace {

constexpr bus::Duration slice = bus::frame;
/// What a device may take for a control transfer [9.2.6.4].
constexpr bus::Duration control_timeout = 5 * bus::second;
/// Simulation slower than real time: bus time does not try to make up for more than this.
constexpr std::chrono::milliseconds most_lag{100};

enum StandardRequest : std::uint8_t {
  clear_feature = 1,
  set_feature = 3,
  set_address = 5,
  set_configuration = 9,
  set_interface = 11
};

constexpr std::uint16_t test_mode = 2;  // feature selector [table 9-6]

controller::ControlSetup setup_of(const std::array<std::uint8_t, 8>& bytes) {
  const auto word = [&](std::size_t i) { return static_cast<std::uint16_t>(bytes[i] | bytes[i + 1] << 8U); };
  return {bytes[0], bytes[1], word(2), word(4), word(6)};
}

}  // namespace

struct Session::Flight final : controller::IsochClient {
  Flight(Session& owner, Urb what) : session(owner), urb(std::move(what)), size(urb.buffer.size()) {}
  void on_entry(controller::IsochRequest&, std::size_t) override {}
  void on_complete(controller::IsochRequest&, Status overall) override { session.end_isochronous(*this, overall); }

  Session& session;
  Urb urb;
  const std::size_t size;  ///< of the buffer as submitted
  controller::IsochRequest isoch;
  controller::BulkRequest bulk;
  controller::ControlRequest control;
  bool at_host = false;
  bool taken_back = false;
  bool closing_packet = false;                ///< the zero-length packet behind the data is under way
  std::optional<std::int32_t> forced_status;  ///< instead of what an abort would give
};

tl::expected<std::unique_ptr<Session>, std::string> Session::begin(controller::SimHost& host, UrbClient& client,
                                                                   const SessionOptions& options) {
  if (const auto done = host.enumerate(); !done) return tl::unexpected(done.error());
  return std::unique_ptr<Session>(new Session(host, client, options));
}

Session::Session(controller::SimHost& host, UrbClient& client, const SessionOptions& options)
    : host_(host), client_(client), options_(options) {}

Session::~Session() {
  for (auto& [id, flight] : urbs_) {
    flight->taken_back = true;
    if (!flight->at_host) continue;
    if (flight->urb.endpoint.number() == 0) host_.abort_request(flight->control);
    taken_back_.push_back(std::move(flight));
  }
  urbs_.clear();
  control_.clear();
  const std::vector<usb::EndpointConfig> endpoints(host_.endpoints().begin(), host_.endpoints().end());
  for (const auto& endpoint : endpoints) end_interval(endpoint.address);
  for (const auto& endpoint : endpoints) host_.abort(endpoint.address);
  host_.run_until(host_.now() + bus::second, [this] { return taken_back_.empty(); });
}

void Session::submit(Urb urb) {
  const std::uint64_t id = urb.id;
  Flight& flight = *urbs_.emplace(id, std::make_unique<Flight>(*this, std::move(urb))).first->second;
  bytes_ += flight.size;
  if (urbs_.size() + taken_back_.size() > options_.urbs || bytes_ > options_.bytes) return give_back(flight, -enomem);
  start(flight);
}

bool Session::take_back(std::uint64_t id) {
  const auto found = urbs_.find(id);
  if (found == urbs_.end()) return false;
  auto flight = std::move(found->second);
  urbs_.erase(found);
  std::erase(control_, id);
  flight->taken_back = true;
  ++counters_.unlinked;
  if (!flight->at_host) {
    bytes_ -= flight->size;
    return true;
  }
  Flight& waiting = *flight;
  taken_back_.push_back(std::move(flight));
  if (!waiting.urb.packets.empty()) {
    end_interval(waiting.urb.endpoint);
    const auto same = [&](const auto& one) { return one.get() == &waiting; };
    if (std::ranges::none_of(taken_back_, same)) return true;  // it has ended meanwhile
  }
  if (waiting.urb.endpoint.number() == 0) {
    host_.abort_request(waiting.control);
  } else if (waiting.urb.packets.empty()) {
    host_.abort_request(waiting.bulk);
  } else {
    stream(waiting.urb.endpoint).owed = 0;  // a client that takes back does not go on
    host_.abort_request(waiting.isoch);
  }
  return true;
}

/// What is taken back may not have moved part of a service interval.
void Session::end_interval(EndpointAddress endpoint) {
  const auto* config = find(endpoint);
  if (config == nullptr || config->transactions == 1 || between_ == host_.now()) return;
  const auto running = host_.frame_time();
  host_.run_until(host_.now() + bus::millisecond, [&] { return host_.frame_time() != running; });
  between_ = host_.now();
}

void Session::take_back_all(EndpointAddress endpoint) {
  std::vector<std::uint64_t> ids;
  for (const auto& [id, flight] : urbs_) {
    if (flight->urb.endpoint == endpoint) ids.push_back(id);
  }
  for (const std::uint64_t id : ids) take_back(id);
}

tl::expected<void, std::string> Session::reset() {
  const auto waiting = std::exchange(control_, {});
  for (const std::uint64_t id : waiting) give_back(*urbs_.at(id), -eshutdown);
  auto done = host_.reset_device();
  streams_ = {};
  holding_ = false;
  return done;
}

const usb::EndpointConfig* Session::find(EndpointAddress endpoint) const {
  const auto all = host_.endpoints();
  const auto found = std::ranges::find(all, endpoint, &usb::EndpointConfig::address);
  return found == all.end() ? nullptr : &*found;
}

void Session::start(Flight& flight) {
  const Urb& urb = flight.urb;
  if (urb.endpoint.number() == 0) {
    control_.push_back(urb.id);
    return;
  }
  const auto* endpoint = find(urb.endpoint);
  if (endpoint == nullptr) return give_back(flight, host_.connected() ? -enoent : -eshutdown);
  const bool isochronous = endpoint->type == usb::TransferType::isochronous;
  if (isochronous == urb.packets.empty()) return give_back(flight, -einval);
  if (isochronous) return start_isochronous(flight, *endpoint);
  flight.bulk.endpoint = urb.endpoint;
  flight.bulk.data = flight.urb.buffer;
  flight.bulk.on_complete = [this, &flight](controller::BulkRequest& request) { end_acknowledged(flight, request); };
  start_acknowledged(flight);
}

// --- isochronous ----------------------------------------------------------------------------------------------------

/// The packets may lie anywhere in the URB's buffer; the host wants them back to back, as clients mostly have them.
void Session::start_isochronous(Flight& flight, const usb::EndpointConfig& endpoint) {
  Urb& urb = flight.urb;
  std::uint64_t end = 0;
  bool in_place = true;
  flight.isoch.entries.reserve(urb.packets.size());
  for (const IsoPacket& packet : urb.packets) {
    if (packet.length > endpoint.capacity()) return give_back(flight, -emsgsize);
    flight.isoch.entries.push_back({.request = packet.length});
    in_place = in_place && packet.offset == end;
    end += packet.length;
  }
  if (!in_place) {
    Bytes packed;
    packed.reserve(end);
    for (const IsoPacket& packet : urb.packets) {
      const auto begin = urb.buffer.begin() + packet.offset;
      packed.insert(packed.end(), begin, begin + packet.length);
    }
    urb.buffer = std::move(packed);
  }
  flight.isoch.endpoint = urb.endpoint;
  flight.isoch.data = std::span(urb.buffer).first(end);
  flight.isoch.by_interval = true;
  flight.isoch.client = &flight;
  const auto done = host_.submit(flight.isoch);
  if (!done) return give_back(flight, urb_status(done.error()));
  flight.at_host = true;
  Stream& s = stream(urb.endpoint);
  const auto now = std::chrono::steady_clock::now();
  if (s.in_flight == 0) {
    s.first = s.depth != 1 || now - s.last_change > options_.gather;
    s.depth = 0;
  }
  s.last_change = now;
  s.depth = std::max(s.depth, ++s.in_flight);
  if (s.owed != 0) --s.owed;
  // The client is alive: it may be preparing the others' next ones, too.
  for (Stream& other : streams_) other.late_since.reset();
}

void Session::end_isochronous(Flight& flight, Status overall) {
  Urb& urb = flight.urb;
  Stream& s = stream(urb.endpoint);
  if (s.in_flight != 0) --s.in_flight;
  s.first = false;
  s.last_change = std::chrono::steady_clock::now();
  // Without another URB in flight the stream has ended for now, and waiting would not help it.
  if (s.owed == 0) s.late_since.reset();
  s.owed = flight.taken_back || s.in_flight == 0 ? 0 : s.owed + 1;
  if (flight.taken_back) return forget(flight);
  const bool in = urb.endpoint.is_in();
  std::size_t from = 0, to = 0;
  for (std::size_t i = 0; i < flight.isoch.entries.size(); ++i) {
    const auto& entry = flight.isoch.entries[i];
    urb.packets[i].actual_length = entry.complete;
    urb.packets[i].status = urb_status(entry.status);
    if (in && to != from) std::memmove(&urb.buffer[to], &urb.buffer[from], entry.complete);
    from += entry.request;
    to += entry.complete;
  }
  const bool ended_early = overall == Status::aborted || overall == Status::no_device;
  give_back(flight, ended_early ? urb_status(overall) : 0, to);
}

// --- bulk and interrupt ---------------------------------------------------------------------------------------------

void Session::start_acknowledged(Flight& flight) {
  auto done = host_.submit(flight.bulk);
  if (!done && done.error() == Status::not_permitted) {  // an abort is about to be over
    host_.run_until(host_.now() + 20 * bus::microsecond);
    done = host_.submit(flight.bulk);
  }
  flight.at_host = done.has_value();
  if (!done) give_back(flight, urb_status(done.error()));
}

void Session::end_acknowledged(Flight& flight, const controller::BulkRequest& request) {
  const Urb& urb = flight.urb;
  flight.at_host = false;
  if (flight.taken_back) return forget(flight);
  const bool in = urb.endpoint.is_in();
  const auto* endpoint = find(urb.endpoint);
  const bool whole = endpoint != nullptr && flight.size != 0 && flight.size % endpoint->max_packet == 0;
  if (request.status == Status::ok && !in && whole && urb.zero_packet && !flight.closing_packet) {
    flight.closing_packet = true;
    flight.bulk.data = {};
    return start_acknowledged(flight);
  }
  const std::size_t moved = flight.closing_packet ? flight.size : request.complete;
  std::int32_t status = urb_status(request.status);
  if (request.status == Status::aborted && flight.forced_status) status = *flight.forced_status;
  if (status == 0 && in && moved < flight.size && urb.short_not_ok) status = -eremoteio;
  const auto address = urb.endpoint;
  const bool halted = request.status != Status::ok && request.status != Status::aborted;
  give_back(flight, status, moved);
  if (halted) fail_others(address, status);
}

/// The pipe has halted: what waits behind would meet the same, as it does with Linux host controllers.
void Session::fail_others(EndpointAddress endpoint, std::int32_t status) {
  for (auto& [id, flight] : urbs_) {
    if (flight->urb.endpoint == endpoint && flight->at_host) flight->forced_status = status;
  }
  host_.abort(endpoint);
}

// --- control --------------------------------------------------------------------------------------------------------

void Session::run_control() {
  while (!control_busy_ && !control_.empty() && !news_) {
    Flight& flight = *urbs_.at(control_.front());
    control_.pop_front();
    start_control(flight);
  }
}

void Session::start_control(Flight& flight) {
  const Urb& urb = flight.urb;
  const auto setup = setup_of(urb.setup);
  if (const auto status = control_of_host(setup)) return end_control(flight, *status, 0);
  const bool device_sends = (setup.request_type & 0x80U) != 0;
  if (setup.length != 0 && device_sends != urb.endpoint.is_in()) return end_control(flight, -einval, 0);
  if (setup.length > flight.size) return end_control(flight, -einval, 0);
  flight.control.setup = setup;
  flight.control.data = flight.urb.buffer;
  flight.control.timeout = control_timeout;
  flight.control.on_complete = [this, &flight](controller::ControlRequest& request) {
    control_busy_ = false;
    if (flight.taken_back) return forget(flight);
    end_control(flight, urb_status(request.status), request.complete);
  };
  const auto done = host_.submit(flight.control);
  if (!done) return end_control(flight, urb_status(done.error()), 0);
  flight.at_host = control_busy_ = true;
}

/// What changes pipes goes to the host's own methods, so that they follow. They block, for a second of bus time at
/// most. Empty: nothing of that kind.
std::optional<std::int32_t> Session::control_of_host(const controller::ControlSetup& setup) {
  const auto result = [](const tl::expected<void, Status>& done) { return done ? 0 : urb_status(done.error()); };
  const EndpointAddress target{static_cast<std::uint8_t>(setup.index & 0xffU)};
  const auto* endpoint = find(target);
  const bool has_pipe_halt = endpoint != nullptr && endpoint->type != usb::TransferType::isochronous;
  if (setup.request_type == 0x00 && setup.request == set_address) return 0;  // the client numbers its own bus
  // Only unplugging ends a test mode [9.4.9], and then nobody else could use the device.
  if (setup.request_type == 0x00 && setup.request == set_feature && setup.value == test_mode) return -epipe;
  if (setup.request_type == 0x00 && setup.request == set_configuration)
    return result(host_.set_configuration(static_cast<std::uint8_t>(setup.value & 0xffU)));
  if (setup.request_type == 0x01 && setup.request == set_interface && setup.index <= 0xff && setup.value <= 0xff)
    return result(host_.set_interface(static_cast<std::uint8_t>(setup.index), static_cast<std::uint8_t>(setup.value)));
  if (setup.request_type == 0x02 && setup.request == clear_feature && setup.value == 0 && has_pipe_halt)
    return result(host_.clear_halt(target, true));
  return std::nullopt;
}

void Session::end_control(Flight& flight, std::int32_t status, std::size_t moved) {
  if (status == 0 && flight.urb.endpoint.is_in() && moved < flight.size && flight.urb.short_not_ok) status = -eremoteio;
  give_back(flight, status, moved);
}

// --- results --------------------------------------------------------------------------------------------------------

void Session::give_back(Flight& flight, std::int32_t status, std::size_t actual) {
  const auto owned = std::move(urbs_.extract(flight.urb.id).mapped());
  bytes_ -= flight.size;
  const Urb& urb = flight.urb;
  UrbResult result;
  result.status = status;
  result.actual = actual;
  if (urb.endpoint.is_in()) result.data = ByteView(urb.buffer).first(actual);
  const auto bad = [](const IsoPacket& packet) { return packet.status != 0; };
  result.errors = static_cast<std::uint32_t>(std::ranges::count_if(urb.packets, bad));
  // Linux counts frames at full and microframes at high speed.
  const std::uint64_t start = flight.isoch.start().value / (host_.speed() == usb::Speed::full ? 8U : 1U);
  result.start_frame = static_cast<std::uint32_t>(start & 0x7fffffffU);
  ++counters_.urbs;
  if (status != 0) ++counters_.failed;
  counters_.bytes += actual;
  news_ = true;
  client_.on_end(urb, result);
}

void Session::forget(Flight& flight) {
  bytes_ -= flight.size;
  std::erase_if(taken_back_, [&](const auto& one) { return one.get() == &flight; });
}

// --- time -----------------------------------------------------------------------------------------------------------

/// Where the stream would get a hole; empty: it has no place in the schedule.
std::optional<usb::FrameTime> Session::hole_of(std::size_t stream) const {
  const auto direction = stream >= 16 ? usb::Direction::in : usb::Direction::out;
  return host_.available(usb::endpoint(static_cast<std::uint8_t>(stream % 16U), direction));
}

std::optional<Session::Hold> Session::hold(WallTime now) const {
  std::optional<Hold> first;
  if (options_.grace.count() == 0) return first;
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    const Stream& s = streams_[i];
    const bool beginning = s.first && s.in_flight == 1 && now - s.last_change < options_.gather;
    if (s.owed == 0 && !beginning) continue;
    const auto hole = hole_of(i);
    if (hole && (!first || *hole < first->at)) first = {*hole, s.owed != 0};
  }
  return first;
}

/// Bus time stands at a hole: true while there is hope that the client fills it. Else the streams that have it are
/// given up; others, which have theirs later, are not.
bool Session::wait_for_client(const Hold& hold, WallTime now) {
  if (!hold.owed) return true;  // not for long
  if (!holding_) ++counters_.held;
  holding_ = true;
  const bool control_waits = control_busy_ || !control_.empty();
  if (control_waits && !control_late_since_) control_late_since_ = now;
  const auto over = [&](const auto& since) { return since && now - *since >= options_.grace; };
  bool hope = false;
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    Stream& s = streams_[i];
    if (s.owed == 0) continue;
    if (!s.late_since) s.late_since = now;
    const auto hole = hole_of(i);
    if (!hole || *hole > host_.frame_time()) continue;
    if (over(s.late_since) || (control_waits && over(control_late_since_))) {
      s.owed = 0;
    } else {
      hope = true;
    }
  }
  if (hope) return true;
  ++counters_.given_up;
  holding_ = false;
  return false;
}

/// Bus time goes on, and what other streams owe is no sign that they have ended.
void Session::client_was_in_time() {
  holding_ = false;
  for (Stream& s : streams_) s.late_since.reset();
}

/// How far bus time may go now.
bus::BusTime Session::bus_limit(WallTime now) {
  const auto most = host_.now() + slice;
  if (options_.pace == Pace::fast) return most;
  if (!anchor_) anchor_ = {now, host_.now()};
  const auto passed = std::chrono::duration_cast<std::chrono::nanoseconds>(now - anchor_->first);
  const auto due = anchor_->second + bus::from_ns(passed.count());
  if (due - host_.now() > bus::from_ns(std::chrono::nanoseconds(most_lag).count())) anchor_ = {now, host_.now()};
  return std::min(most, due);
}

Session::Activity Session::advance(WallTime now) {
  if (!host_.connected()) return Activity::gone;
  if (urbs_.empty() && taken_back_.empty()) {
    anchor_.reset();
    return Activity::idle;
  }
  news_ = false;
  if (!control_busy_ && control_.empty()) control_late_since_.reset();
  auto held = hold(now);
  const auto at_hole = [&] { return held && host_.frame_time() >= held->at; };
  if (holding_ && !at_hole()) client_was_in_time();
  while (at_hole()) {
    if (wait_for_client(*held, now)) return Activity::waiting;
    held = hold(now);
  }
  run_control();
  if (news_) return Activity::running;
  const auto limit = bus_limit(now);
  if (limit <= host_.now()) return Activity::waiting;
  // A completion may make another stream's hole the first one.
  host_.run_until(limit, [&] { return news_ || at_hole(); });
  return host_.connected() ? Activity::running : Activity::gone;
}

}  // namespace isochio::serve
