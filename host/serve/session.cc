#include "serve/session.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "serve/linux_errno.h"

namespace isochio::serve {

using controller::Status;
using usb::EndpointAddress;

namespace {

constexpr bus::Duration slice = bus::frame;
/// A control transfer blocks the other work of this thread; a device may take 5 s for it [9.2.6.4], a simulated one
/// that takes more than this does not answer at all.
constexpr bus::Duration control_timeout = 500 * bus::millisecond;
/// Simulation slower than real time: bus time does not try to make up for more than this.
constexpr std::chrono::milliseconds most_lag{100};

enum StandardRequest : std::uint8_t {
  clear_feature = 1,
  set_feature = 3,
  set_address = 5,
  set_configuration = 9,
  set_interface = 11
};

/// Of sequence numbers, which wrap.
constexpr bool newer(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(a - b) > 0; }

constexpr std::uint16_t test_mode = 2;  // feature selector [table 9-6]

controller::ControlSetup setup_of(const std::array<std::uint8_t, 8>& bytes) {
  const auto word = [&](std::size_t i) { return static_cast<std::uint16_t>(bytes[i] | bytes[i + 1] << 8U); };
  return {bytes[0], bytes[1], word(2), word(4), word(6)};
}

}  // namespace

struct Session::Urb final : controller::IsochClient {
  Urb(Session& owner, const Submit& command)
      : session(owner),
        submit(command),
        address(usb::endpoint(command.endpoint, command.in ? usb::Direction::in : usb::Direction::out)) {
    submit.data = {};  // belongs to the caller
  }
  void on_entry(controller::IsochRequest&, std::size_t) override {}
  void on_complete(controller::IsochRequest&, Status overall) override { session.end_isochronous(*this, overall); }

  Session& session;
  Submit submit;
  EndpointAddress address;
  Bytes buffer;
  controller::IsochRequest isoch;
  controller::BulkRequest bulk;
  bool at_host = false;
  bool taken_back = false;
  bool closing_packet = false;                ///< the zero-length packet behind the data is under way
  std::optional<std::int32_t> forced_status;  ///< instead of what an abort would give
};

tl::expected<std::unique_ptr<Session>, std::string> Session::begin(controller::SimHost& host, std::uint32_t devid,
                                                                   const SessionOptions& options) {
  if (const auto done = host.enumerate(); !done) return tl::unexpected(done.error());
  return std::unique_ptr<Session>(new Session(host, devid, options));
}

Session::Session(controller::SimHost& host, std::uint32_t devid, const SessionOptions& options)
    : host_(host), devid_(devid), options_(options) {}

Session::~Session() {
  for (auto& [seqnum, urb] : urbs_) {
    urb->taken_back = true;
    if (urb->at_host) taken_back_.push_back(std::move(urb));
  }
  urbs_.clear();
  for (const auto& endpoint : host_.endpoints()) host_.abort(endpoint.address);
  host_.run_until(host_.now() + bus::second, [this] { return taken_back_.empty(); });
}

// --- commands -------------------------------------------------------------------------------------------------------

tl::expected<void, std::string> Session::handle(const Submit& submit) {
  if (submit.devid != devid_)
    return tl::unexpected(
        fmt::format("URB {} is for device {:#x}; this is {:#x}", submit.seqnum, submit.devid, devid_));
  if (urbs_.contains(submit.seqnum))
    return tl::unexpected(fmt::format("URB {} is submitted while one of this number is in flight", submit.seqnum));
  Urb& urb = *urbs_.emplace(submit.seqnum, std::make_unique<Urb>(*this, submit)).first->second;
  bytes_ += submit.length;
  if (urbs_.size() + taken_back_.size() > options_.urbs || bytes_ > options_.bytes) {
    give_back(urb, -enomem, 0, {});
    return {};
  }
  urb.buffer.assign(submit.data.begin(), submit.data.end());
  urb.buffer.resize(submit.length);
  if (newer(submit.seqnum, newest_)) newest_ = submit.seqnum;
  if (const auto unlink = early_.extract(submit.seqnum)) {
    auto owned = std::move(urbs_.at(submit.seqnum));
    urbs_.erase(submit.seqnum);
    take_back(std::move(owned), unlink.mapped());
    return {};
  }
  start(urb);
  return {};
}

tl::expected<void, std::string> Session::handle(const Unlink& unlink) {
  if (unlink.devid != devid_) return tl::unexpected(fmt::format("unlink {} is for another device", unlink.seqnum));
  const auto found = urbs_.find(unlink.unlink_seqnum);
  if (found != urbs_.end()) {
    auto urb = std::move(found->second);
    urbs_.erase(found);
    take_back(std::move(urb), unlink.seqnum);
    return {};
  }
  // Linux' vhci-hcd sends what waits in two queues, so that an unlink may overtake the URB that it is for.
  if (newer(unlink.unlink_seqnum, newest_)) {
    if (early_.size() >= options_.urbs)
      return tl::unexpected(fmt::format("{} unlinks are for URBs that were never submitted", early_.size()));
    early_[unlink.unlink_seqnum] = unlink.seqnum;
    return {};
  }
  build(output_, UnlinkReply{unlink.seqnum, 0});  // the URB's reply is already on the way
  return {};
}

void Session::take_back(std::unique_ptr<Urb> urb, std::uint32_t unlink_seqnum) {
  std::erase(control_, urb->submit.seqnum);
  urb->taken_back = true;
  ++counters_.unlinked;
  build(output_, UnlinkReply{unlink_seqnum, -econnreset});
  if (!urb->at_host) {
    bytes_ -= urb->submit.length;
    return;
  }
  Urb& waiting = *urb;
  taken_back_.push_back(std::move(urb));
  if (waiting.submit.packets.empty()) {
    host_.abort_request(waiting.bulk);
  } else {
    stream(waiting.address).owed = 0;  // a client that takes back does not go on
    host_.abort_request(waiting.isoch);
  }
}

const usb::EndpointConfig* Session::find(EndpointAddress endpoint) const {
  const auto all = host_.endpoints();
  const auto found = std::ranges::find(all, endpoint, &usb::EndpointConfig::address);
  return found == all.end() ? nullptr : &*found;
}

void Session::start(Urb& urb) {
  if (urb.submit.endpoint == 0) {
    control_.push_back(urb.submit.seqnum);
    return;
  }
  const auto* endpoint = find(urb.address);
  if (endpoint == nullptr) return give_back(urb, host_.connected() ? -enoent : -eshutdown, 0, {});
  const bool isochronous = endpoint->type == usb::TransferType::isochronous;
  if (isochronous == urb.submit.packets.empty()) return give_back(urb, -einval, 0, {});
  if (isochronous) return start_isochronous(urb, *endpoint);
  urb.bulk.endpoint = urb.address;
  urb.bulk.data = urb.buffer;
  urb.bulk.on_complete = [this, &urb](controller::BulkRequest& request) { end_acknowledged(urb, request); };
  start_acknowledged(urb);
}

// --- isochronous ----------------------------------------------------------------------------------------------------

/// The packets may lie anywhere in the URB's buffer; the host wants them back to back.
void Session::start_isochronous(Urb& urb, const usb::EndpointConfig& endpoint) {
  Bytes packed;
  for (const IsoPacket& packet : urb.submit.packets) {
    if (packet.length > endpoint.capacity()) return give_back(urb, -emsgsize, 0, {});
    urb.isoch.entries.push_back({.request = packet.length});
    const auto begin = urb.buffer.begin() + packet.offset;
    packed.insert(packed.end(), begin, begin + packet.length);
  }
  urb.buffer = std::move(packed);
  urb.isoch.endpoint = urb.address;
  urb.isoch.data = urb.buffer;
  urb.isoch.by_interval = true;
  urb.isoch.client = &urb;
  const auto done = host_.submit(urb.isoch);
  if (!done) return give_back(urb, urb_status(done.error()), 0, {});
  urb.at_host = true;
  Stream& s = stream(urb.address);
  const auto now = std::chrono::steady_clock::now();
  if (s.in_flight == 0) {
    s.first = s.depth != 1 || now - s.last_change > options_.gather;
    s.depth = 0;
  }
  s.last_change = now;
  s.depth = std::max(s.depth, ++s.in_flight);
  if (s.owed != 0) --s.owed;
  held_since_.reset();
}

void Session::end_isochronous(Urb& urb, Status overall) {
  Stream& s = stream(urb.address);
  --s.in_flight;
  s.first = false;
  s.last_change = std::chrono::steady_clock::now();
  // Without another URB in flight the stream has ended for now, and waiting would not help it.
  s.owed = urb.taken_back || s.in_flight == 0 ? 0 : s.owed + 1;
  if (urb.taken_back) return forget(urb);
  std::size_t from = 0, to = 0;
  for (std::size_t i = 0; i < urb.isoch.entries.size(); ++i) {
    const auto& entry = urb.isoch.entries[i];
    urb.submit.packets[i].actual_length = entry.complete;
    urb.submit.packets[i].status = urb_status(entry.status);
    if (urb.submit.in && to != from) std::memmove(&urb.buffer[to], &urb.buffer[from], entry.complete);
    from += entry.request;
    to += entry.complete;
  }
  const bool ended_early = overall == Status::aborted || overall == Status::no_device;
  give_back(urb, ended_early ? urb_status(overall) : 0, to,
            urb.submit.in ? ByteView(urb.buffer).first(to) : ByteView());
}

// --- bulk and interrupt ---------------------------------------------------------------------------------------------

void Session::start_acknowledged(Urb& urb) {
  auto done = host_.submit(urb.bulk);
  if (!done && done.error() == Status::not_permitted) {  // an abort is about to be over
    host_.run_until(host_.now() + 20 * bus::microsecond);
    done = host_.submit(urb.bulk);
  }
  urb.at_host = done.has_value();
  if (!done) give_back(urb, urb_status(done.error()), 0, {});
}

void Session::end_acknowledged(Urb& urb, const controller::BulkRequest& request) {
  urb.at_host = false;
  if (urb.taken_back) return forget(urb);
  const auto* endpoint = find(urb.address);
  const bool whole = endpoint != nullptr && urb.submit.length != 0 && urb.submit.length % endpoint->max_packet == 0;
  if (request.status == Status::ok && !urb.submit.in && whole && !urb.closing_packet &&
      (urb.submit.flags & zero_packet) != 0) {
    urb.closing_packet = true;
    urb.bulk.data = {};
    return start_acknowledged(urb);
  }
  const std::size_t moved = urb.closing_packet ? urb.submit.length : request.complete;
  std::int32_t status = urb_status(request.status);
  if (request.status == Status::aborted && urb.forced_status) status = *urb.forced_status;
  if (status == 0 && urb.submit.in && moved < urb.submit.length && (urb.submit.flags & short_not_ok) != 0)
    status = -eremoteio;
  const auto address = urb.address;
  const bool halted = request.status != Status::ok && request.status != Status::aborted;
  give_back(urb, status, moved, urb.submit.in ? ByteView(urb.buffer).first(moved) : ByteView());
  if (halted) fail_others(address, status);
}

/// The pipe has halted: what waits behind would meet the same, as it does with Linux host controllers.
void Session::fail_others(EndpointAddress endpoint, std::int32_t status) {
  for (auto& [seqnum, urb] : urbs_) {
    if (urb->address == endpoint && urb->at_host) urb->forced_status = status;
  }
  host_.abort(endpoint);
}

// --- control --------------------------------------------------------------------------------------------------------

void Session::run_control() {
  while (!control_.empty() && output_.empty()) {
    Urb& urb = *urbs_.at(control_.front());
    control_.pop_front();
    std::size_t moved = 0;
    std::int32_t status = control(urb, moved);
    if (status == 0 && urb.submit.in && moved < urb.submit.length && (urb.submit.flags & short_not_ok) != 0)
      status = -eremoteio;
    give_back(urb, status, moved, urb.submit.in ? ByteView(urb.buffer).first(moved) : ByteView());
  }
}

/// What changes pipes goes to the host's own methods, so that they follow.
std::int32_t Session::control(Urb& urb, std::size_t& moved) {
  const auto setup = setup_of(urb.submit.setup);
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

  const bool device_sends = (setup.request_type & 0x80U) != 0;
  if (setup.length != 0 && device_sends != urb.submit.in) return -einval;
  if (setup.length > urb.submit.length) return -einval;
  const auto done = host_.control(setup, urb.buffer, control_timeout);
  if (!done) return urb_status(done.error());
  moved = *done;
  return 0;
}

// --- results --------------------------------------------------------------------------------------------------------

void Session::give_back(Urb& urb, std::int32_t status, std::size_t actual, ByteView data) {
  SubmitReply reply;
  reply.seqnum = urb.submit.seqnum;
  reply.status = status;
  reply.actual_length = static_cast<std::uint32_t>(actual);
  reply.packets_as_sent = urb.submit.packets_as_sent;
  reply.data = data;
  reply.packets = urb.submit.packets;
  const auto bad = [](const IsoPacket& packet) { return packet.status != 0; };
  reply.error_count = static_cast<std::uint32_t>(std::ranges::count_if(urb.submit.packets, bad));
  // Linux counts frames at full and microframes at high speed.
  const std::uint64_t start = urb.isoch.start().value / (host_.speed() == usb::Speed::full ? 8U : 1U);
  reply.start_frame = static_cast<std::uint32_t>(start & 0x7fffffffU);
  build(output_, reply);
  ++counters_.urbs;
  if (status != 0) ++counters_.failed;
  counters_.bytes += actual;
  forget(urb);
}

void Session::forget(Urb& urb) {
  bytes_ -= urb.submit.length;
  if (urb.taken_back) {
    std::erase_if(taken_back_, [&](const auto& one) { return one.get() == &urb; });
  } else {
    urbs_.erase(urb.submit.seqnum);
  }
}

// --- time -----------------------------------------------------------------------------------------------------------

std::optional<Session::Hold> Session::hold(WallTime now) const {
  std::optional<Hold> first;
  if (options_.grace.count() == 0) return first;
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    const Stream& s = streams_[i];
    const bool beginning = s.first && s.in_flight == 1 && now - s.last_change < options_.gather;
    if (s.owed == 0 && !beginning) continue;
    const auto direction = i >= 16 ? usb::Direction::in : usb::Direction::out;
    const auto available = host_.available(usb::endpoint(static_cast<std::uint8_t>(i % 16U), direction));
    if (available && (!first || *available < first->at)) first = {*available, s.owed != 0};
  }
  return first;
}

/// Bus time stands at a hole: true while there is hope that the client fills it.
bool Session::wait_for_client(const Hold& hold, WallTime now) {
  if (!hold.owed) return true;  // not for long
  if (!held_since_) {
    held_since_ = now;
    ++counters_.held;
  }
  if (now - *held_since_ < options_.grace) return true;
  ++counters_.given_up;
  held_since_.reset();
  for (Stream& s : streams_) s.owed = 0;
  return false;
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
  auto held = hold(now);
  if (held && host_.frame_time() >= held->at) {
    if (wait_for_client(*held, now)) return Activity::waiting;
    held.reset();
  }
  run_control();
  if (!output_.empty()) return Activity::running;
  const auto limit = bus_limit(now);
  if (limit <= host_.now()) return Activity::waiting;
  // A completion may make another stream's hole the first one.
  host_.run_until(limit, [&] { return !output_.empty() || (held && host_.frame_time() >= held->at); });
  return host_.connected() ? Activity::running : Activity::gone;
}

}  // namespace isochio::serve
