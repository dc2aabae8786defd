// isochio: requests: submission, ends, completions, cancelling.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "controller/isoch_pipe.h"
#include "libusb/flight.h"
#include "libusb/status.h"

namespace isochio::libusb {

using bus::Duration;
using controller::BulkRequest;
using controller::ControlSetup;
using controller::IsochEntry;
using controller::IsochRequest;
using controller::Status;

namespace {

void LIBUSB_CALL given_back(libusb_transfer* transfer) { *static_cast<bool*>(transfer->user_data) = true; }

/// Milliseconds, rounded up; 0 = never.
unsigned milliseconds(Duration timeout) {
  constexpr std::int64_t most = std::numeric_limits<int>::max();
  const std::int64_t whole = timeout / bus::millisecond;
  return static_cast<unsigned>(std::clamp<std::int64_t>(whole + (timeout > whole * bus::millisecond ? 1 : 0), 0, most));
}

constexpr std::size_t most_bytes = 1U << 30U;  // of one request; libusb counts in int

}  // namespace

tl::expected<void, Status> LibusbHost::launch(Pipe& pipe, std::unique_ptr<Flight> flight) {
  flight->begin = now();
  const int code = libusb_submit_transfer(flight->transfer);
  if (code == LIBUSB_ERROR_NO_DEVICE) lost_ = true;
  if (code != LIBUSB_SUCCESS) {
    const Status status = call_status(code, errno);
    // Of a device that is just going, the kernel's answer may be that its interface is nobody's.
    ask_whether_lost();
    return tl::unexpected(lost_ ? Status::no_device : status);
  }
  pipe.flights.push_back(std::move(flight));
  return {};
}

/// A request has failed: is it because the device is gone? The kernel knows before libusb has told anybody.
void LibusbHost::ask_whether_lost() {
  if (!lost_) lost_ = libusb_kernel_driver_active(handle_, 0) == LIBUSB_ERROR_NO_DEVICE;
}

// --- isochronous ----------------------------------------------------------------------------------------------------

Status LibusbHost::check(const IsochRequest& request) {
  if (!connected_ || lost_) return Status::no_device;
  const Pipe& p = pipe(request.endpoint);
  if (!p.open) return Status::not_open;
  if (request.client == nullptr || p.config.type != usb::TransferType::isochronous) return Status::bad_argument;
  if (p.aborting != 0 && !p.in_aborted_callback) return Status::not_permitted;
  if (p.flights.size() >= options_.pipe_depth) return Status::no_resources;
  const std::size_t n = request.entries.size();
  if (n == 0 || n > controller::IsochPipe::most_entries ||
      (!request.by_interval && !controller::fills_whole_frames(n, p.config.interval, speed_)))
    return Status::bad_argument;
  std::uint64_t bytes = 0;
  for (const IsochEntry& entry : request.entries) {
    if (entry.request > p.config.capacity()) return Status::bad_argument;
    bytes += entry.request;
  }
  return bytes > request.data.size() ? Status::bad_argument : Status::ok;
}

std::uint64_t LibusbHost::next_frame(const Pipe& p) const {
  const std::uint64_t alignment = controller::frame_alignment(p.config.interval, speed_);
  const std::uint64_t next = p.flights.empty() ? std::max(p.available, frame_number() + 1) : p.available;
  return (next + alignment - 1) / alignment * alignment;
}

tl::expected<void, Status> LibusbHost::submit(IsochRequest& request) {
  const auto refuse = [&](Status status) {
    for (auto* observer : observers_) observer->on_refused(request, status, now());
    return tl::unexpected(status);
  };
  if (const Status status = check(request); status != Status::ok) return refuse(status);
  Pipe& p = pipe(request.endpoint);
  std::size_t bytes = 0;
  for (const IsochEntry& entry : request.entries) bytes += entry.request;
  auto flight = std::make_unique<Flight>(request.entries.size(), bytes);
  if (flight->transfer == nullptr) return refuse(Status::no_resources);
  flight->isoch = &request;
  if (!request.endpoint.is_in()) std::copy_n(request.data.begin(), bytes, flight->buffer.begin());
  // Packets lie back to back in the buffer, by their lengths: as the request's entries do.
  libusb_fill_iso_transfer(flight->transfer, handle_, request.endpoint.value, flight->buffer.data(),
                           static_cast<int>(bytes), static_cast<int>(request.entries.size()), given_back,
                           &flight->ended, 0);
  for (std::size_t i = 0; i < request.entries.size(); ++i) {
    request.entries[i] = {.request = request.entries[i].request};
    flight->transfer->iso_packet_desc[i].length = request.entries[i].request;
  }
  const std::uint64_t estimate = next_frame(p);
  if (const auto launched = launch(p, std::move(flight)); !launched) return refuse(launched.error());
  request.id = ++isoch_id_;
  request.explicit_start = request.first_frame != 0;
  request.first_microframe = 0;
  if (!request.explicit_start) request.first_frame = estimate;
  p.available = request.first_frame + controller::list_frames(request.entries.size(), p.config.interval, speed_);
  for (auto* observer : observers_) observer->on_submit(request, now());
  return {};
}

void LibusbHost::end_isochronous(Pipe& p, Flight& flight) {
  IsochRequest& request = *flight.isoch;
  const libusb_transfer& transfer = *flight.transfer;
  const bus::BusTime time = now();
  const bool in = request.endpoint.is_in();
  const std::span packets(transfer.iso_packet_desc, request.entries.size());
  if (transfer.status == LIBUSB_TRANSFER_NO_DEVICE) lost_ = true;
  const bool failed = std::ranges::any_of(packets, [](const auto& packet) { return packet.status != 0; });
  if (failed || transfer.status != LIBUSB_TRANSFER_COMPLETED) ask_whether_lost();
  if (lost_ && connected_) disconnected();
  Status overall = Status::ok;
  bool any_lost = false, any_aborted = false;
  std::size_t offset = 0;
  for (std::size_t i = 0; i < request.entries.size(); ++i) {
    IsochEntry& entry = request.entries[i];
    entry.time = time;
    entry.status = Status::no_device;
    if (flight.ended) {
      const libusb_iso_packet_descriptor& packet = packets[i];
      entry.complete = std::min(packet.actual_length, entry.request);
      entry.status = packet_status({transfer.status, packet.status, entry.request, packet.actual_length, in});
      // The kernel ends what an unplugged device had in flight in several ways; a killed packet may look empty.
      const bool good = entry.status == Status::ok || entry.status == Status::short_packet;
      if (lost_ && (!good || (entry.complete == 0 && entry.request != 0))) entry.status = Status::no_device;
    }
    any_lost |= entry.status == Status::no_device;
    any_aborted |= entry.status == Status::aborted;
    if (in)
      std::copy_n(flight.buffer.begin() + static_cast<std::ptrdiff_t>(offset), entry.complete,
                  request.data.begin() + static_cast<std::ptrdiff_t>(offset));
    offset += entry.request;
    overall = controller::accumulate(overall, entry.status);
    for (auto* observer : observers_) observer->on_entry(request, i, time);
    request.client->on_entry(request, i);
  }
  if (any_lost) {
    overall = Status::no_device;
  } else if (any_aborted) {  // not if the cancel came after the last packet
    overall = Status::aborted;
  }
  if (flight.cancelled) --p.aborting;
  for (auto* observer : observers_) observer->on_complete(request, overall, time, now());
  const bool outer = std::exchange(p.in_aborted_callback, flight.cancelled);
  request.client->on_complete(request, overall);
  p.in_aborted_callback = outer;
}

// --- bulk and interrupt ---------------------------------------------------------------------------------------------

tl::expected<void, Status> LibusbHost::submit(BulkRequest& request) {
  if (!connected_ || lost_) return tl::unexpected(Status::no_device);
  Pipe& p = pipe(request.endpoint);
  if (!p.open) return tl::unexpected(Status::not_open);
  const bool interrupt = p.config.type == usb::TransferType::interrupt;
  if (!interrupt && p.config.type != usb::TransferType::bulk) return tl::unexpected(Status::bad_argument);
  if (interrupt && request.timeout != Duration{}) return tl::unexpected(Status::bad_argument);
  if (p.aborting != 0 && !p.in_aborted_callback) return tl::unexpected(Status::not_permitted);
  if (p.halted) return tl::unexpected(Status::stall);
  if (request.data.size() > most_bytes) return tl::unexpected(Status::bad_argument);
  if (p.flights.size() >= options_.pipe_depth) return tl::unexpected(Status::no_resources);
  auto flight = std::make_unique<Flight>(0, request.data.size());
  if (flight->transfer == nullptr) return tl::unexpected(Status::no_resources);
  flight->bulk = &request;
  if (!request.endpoint.is_in()) std::ranges::copy(request.data, flight->buffer.begin());
  const auto fill = interrupt ? libusb_fill_interrupt_transfer : libusb_fill_bulk_transfer;
  fill(flight->transfer, handle_, request.endpoint.value, flight->buffer.data(),
       static_cast<int>(flight->buffer.size()), given_back, &flight->ended, milliseconds(request.timeout));
  if (const auto launched = launch(p, std::move(flight)); !launched) return launched;
  request.id = ++bulk_id_;
  request.complete = 0;
  request.status = Status::pending;
  return {};
}

void LibusbHost::end_bulk(Pipe& p, Flight& flight) {
  BulkRequest& request = *flight.bulk;
  const int moved = flight.ended ? std::max(0, flight.transfer->actual_length) : 0;
  request.complete = std::min(static_cast<std::size_t>(moved), request.data.size());
  if (request.endpoint.is_in()) std::copy_n(flight.buffer.begin(), request.complete, request.data.begin());
  request.status = flight.ended ? transfer_status(flight.transfer->status) : Status::no_device;
  if (request.status == Status::no_device) lost_ = true;
  if (request.status != Status::ok && request.status != Status::timeout) ask_whether_lost();
  if (request.status != Status::ok && lost_) request.status = Status::no_device;
  const bool fault = request.status != Status::ok && request.status != Status::timeout &&
                     request.status != Status::aborted && request.status != Status::no_device;
  p.halted |= fault;
  if (flight.cancelled) --p.aborting;
  for (auto* observer : observers_) observer->on_bulk(request, flight.begin, now());
  const bool outer = std::exchange(p.in_aborted_callback, flight.cancelled);
  // The request may be freed or submitted again in its own callback.
  if (const auto callback = request.on_complete) callback(request);
  p.in_aborted_callback = outer;
}

// --- control --------------------------------------------------------------------------------------------------------

tl::expected<std::size_t, Status> LibusbHost::control(const ControlSetup& setup, std::span<std::uint8_t> data,
                                                      Duration timeout) {
  if (data.size() < setup.length) return tl::unexpected(Status::bad_argument);
  if (lost_) return tl::unexpected(Status::no_device);
  auto flight = std::make_unique<Flight>(0, LIBUSB_CONTROL_SETUP_SIZE + std::size_t{setup.length});
  if (flight->transfer == nullptr) return tl::unexpected(Status::no_resources);
  libusb_fill_control_setup(flight->buffer.data(), setup.request_type, setup.request, setup.value, setup.index,
                            setup.length);
  const bool in = (setup.request_type & 0x80U) != 0;
  const auto payload = std::span(flight->buffer).subspan(LIBUSB_CONTROL_SETUP_SIZE);
  if (!in) std::copy_n(data.begin(), setup.length, payload.begin());
  libusb_fill_control_transfer(flight->transfer, handle_, flight->buffer.data(), given_back, &flight->ended,
                               milliseconds(timeout));
  const bus::BusTime begin = now();
  Status status = Status::ok;
  std::size_t moved = 0;
  if (const int code = libusb_submit_transfer(flight->transfer); code != LIBUSB_SUCCESS) {
    status = call_status(code, errno);
  } else {
    // libusb ends it when its time has run out; if not even that comes, we do.
    const bus::BusTime late = begin + milliseconds(timeout) * bus::millisecond + options_.give_back;
    flight = wait_for(std::move(flight), timeout == Duration{} ? controller::EventQueue::never : late);
    status = flight ? transfer_status(flight->transfer->status) : Status::no_device;
    if (flight)
      moved =
          std::min<std::size_t>(static_cast<std::size_t>(std::max(0, flight->transfer->actual_length)), setup.length);
  }
  if (status == Status::no_device) lost_ = true;
  if (in && moved > 0) std::copy_n(payload.begin(), moved, data.begin());
  for (auto* observer : observers_) observer->on_control(setup, data.first(moved), status, begin, now());
  if (status != Status::ok) return tl::unexpected(status);
  return moved;
}

/// The flight when libusb has given it back; null, and the device given up, if that does not come.
std::unique_ptr<LibusbHost::Flight> LibusbHost::wait_for(std::unique_ptr<Flight> flight, bus::BusTime deadline) {
  run_until(deadline, [&] { return flight->ended || lost_; });
  if (!flight->ended) {
    libusb_cancel_transfer(flight->transfer);
    run_until(now() + options_.give_back, [&] { return flight->ended; });
  }
  if (flight->ended) return flight;
  abandoned_.push_back(std::move(flight));
  give_up();
  return nullptr;
}

// --- pipes ----------------------------------------------------------------------------------------------------------

void LibusbHost::cancel(Pipe& p) {
  for (const auto& flight : p.flights) {
    if (flight->cancelled) continue;
    flight->cancelled = true;
    ++p.aborting;
    if (!flight->ended) libusb_cancel_transfer(flight->transfer);
  }
}

void LibusbHost::abort(usb::EndpointAddress endpoint) { cancel(pipe(endpoint)); }

/// Waits for the ends of all that was cancelled. False: the device is lost, also because they did not come.
bool LibusbHost::drain(const std::function<bool(const Pipe&)>& which) {
  const auto ended = [&] {
    return std::none_of(pipes_.begin(), pipes_.end(), [&](const Pipe& p) { return which(p) && p.aborting != 0; });
  };
  if (!run_until(now() + options_.give_back, ended)) give_up();
  return !lost_;
}

/// The kernel keeps what was cancelled. It is set aside, and ends for its callers as if the device were unplugged.
void LibusbHost::give_up() {
  lost_ = given_up_ = true;
  deliver();
}

tl::expected<void, Status> LibusbHost::clear_halt(usb::EndpointAddress endpoint, bool with_request) {
  if (!connected_ || lost_) return tl::unexpected(Status::no_device);
  Pipe& p = pipe(endpoint);
  if (!p.open) return tl::unexpected(Status::not_open);
  if (p.config.type == usb::TransferType::isochronous) return tl::unexpected(Status::bad_argument);
  abort(endpoint);
  p.halted = false;
  if (!with_request) return {};
  // CLEAR_FEATURE makes the device begin anew with DATA0, so the kernel has to, too: this call does both. It wants the
  // pipe to be empty.
  if (!drain([&](const Pipe& other) { return &other == &p; })) return tl::unexpected(Status::no_device);
  const int code = libusb_clear_halt(handle_, endpoint.value);
  if (code != LIBUSB_SUCCESS) return tl::unexpected(call_status(code, errno));
  return {};
}

}  // namespace isochio::libusb
