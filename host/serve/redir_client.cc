#include "serve/redir_client.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

#include "serve/linux_errno.h"

namespace isochio::serve {

using usb::Direction;
using usb::EndpointAddress;
using usb::TransferType;

namespace {

/// Those that QEMU's usb-redir asks for at most; usbredirhost takes no more either.
constexpr unsigned most_urbs = 16, most_packets = 32;
/// OUT packets of a stream that wait; with more the client is not read from.
constexpr std::size_t most_waiting = 1024;
/// An OUT stream whose client goes quiet begins with what there is.
constexpr std::chrono::milliseconds gather{50};

enum StandardRequest : std::uint8_t { get_configuration = 8, set_configuration, get_interface, set_interface };

}  // namespace

// --- the parser -----------------------------------------------------------------------------------------------------

struct RedirClient::Callbacks {
  static RedirClient& self(void* client) { return *static_cast<RedirClient*>(client); }

  static void log(void* client, int level, const char* text) {
    if (level == usbredirparser_error) self(client).wrong(text);
  }
  static int read(void* client, std::uint8_t* to, int count) {
    ByteView& unread = self(client).unread_;
    const std::size_t size = std::min(unread.size(), static_cast<std::size_t>(std::max(count, 0)));
    std::copy_n(unread.begin(), size, to);
    unread = unread.subspan(size);
    return static_cast<int>(size);
  }
  static int write(void* client, std::uint8_t* from, int count) {
    Bytes& out = self(client).output_;
    out.insert(out.end(), from, from + count);
    return count;
  }
  /// What the parser gives away, copied and freed.
  static Bytes data(void* client, std::uint8_t* from, int size) {
    Bytes bytes;
    if (from != nullptr && size > 0) bytes.assign(from, from + size);
    if (from != nullptr) usbredirparser_free_packet_data(self(client).parser_.get(), from);
    return bytes;
  }

  static void hello(void* client, usb_redir_hello_header*) { self(client).greeted(); }
  static void reset(void* client) { self(client).reset(); }
  static void set_configuration(void* client, std::uint64_t id, usb_redir_set_configuration_header* header) {
    self(client).submit_control({.kind = Kind::set_configuration, .id = id, .value = header->configuration},
                                {0, serve::set_configuration, header->configuration, 0, 0, 0, 0, 0});
  }
  static void get_configuration(void* client, std::uint64_t id) {
    self(client).submit_control({.kind = Kind::get_configuration, .id = id},
                                {0x80, serve::get_configuration, 0, 0, 0, 0, 1, 0}, Bytes(1));
  }
  static void set_alt_setting(void* client, std::uint64_t id, usb_redir_set_alt_setting_header* header) {
    self(client).submit_control(
        {.kind = Kind::set_interface, .id = id, .interface = header->interface, .value = header->alt},
        {1, serve::set_interface, header->alt, 0, header->interface, 0, 0, 0});
  }
  static void get_alt_setting(void* client, std::uint64_t id, usb_redir_get_alt_setting_header* header) {
    self(client).submit_control({.kind = Kind::get_interface, .id = id, .interface = header->interface},
                                {0x81, serve::get_interface, 0, 0, header->interface, 0, 1, 0}, Bytes(1));
  }
  static void start_iso_stream(void* client, std::uint64_t id, usb_redir_start_iso_stream_header* header) {
    self(client).start_stream(id, *header);
  }
  static void stop_iso_stream(void* client, std::uint64_t id, usb_redir_stop_iso_stream_header* header) {
    self(client).stop_stream(redir_index(header->endpoint));
    self(client).stream_status(id, header->endpoint, usb_redir_success);
  }
  static void start_interrupt(void* client, std::uint64_t id, usb_redir_start_interrupt_receiving_header* header) {
    self(client).start_polling(id, header->endpoint);
  }
  static void stop_interrupt(void* client, std::uint64_t id, usb_redir_stop_interrupt_receiving_header* header) {
    self(client).stop_polling(redir_index(header->endpoint));
    self(client).polling_status(id, header->endpoint, usb_redir_success);
  }
  static void alloc_streams(void* client, std::uint64_t id, usb_redir_alloc_bulk_streams_header* header) {
    refuse_streams(client, id, header->endpoints);
  }
  static void free_streams(void* client, std::uint64_t id, usb_redir_free_bulk_streams_header* header) {
    refuse_streams(client, id, header->endpoints);
  }
  /// Those of USB 3; the greeting does not offer them.
  static void refuse_streams(void* client, std::uint64_t id, std::uint32_t endpoints) {
    usb_redir_bulk_streams_status_header status{};
    status.endpoints = endpoints;
    status.status = usb_redir_inval;
    usbredirparser_send_bulk_streams_status(self(client).parser_.get(), id, &status);
  }
  static void cancel(void* client, std::uint64_t id) { self(client).cancel(id); }
  static void filter_reject(void* client) {
    self(client).desk_.say("the client's filter refuses the device");
    self(client).closing_ = true;
  }
  static void filter(void*, usbredirfilter_rule* rules, int) { std::free(rules); }  // the client judges by itself
  static void disconnect_ack(void*) {}
  static void start_bulk_receiving(void*, std::uint64_t, usb_redir_start_bulk_receiving_header*) {}  // not offered
  static void stop_bulk_receiving(void*, std::uint64_t, usb_redir_stop_bulk_receiving_header*) {}
  static void control(void* client, std::uint64_t id, usb_redir_control_packet_header* header, std::uint8_t* bytes,
                      int size) {
    self(client).control(id, *header, data(client, bytes, size));
  }
  static void bulk(void* client, std::uint64_t id, usb_redir_bulk_packet_header* header, std::uint8_t* bytes,
                   int size) {
    self(client).bulk(id, *header, data(client, bytes, size));
  }
  static void isochronous(void* client, std::uint64_t, usb_redir_iso_packet_header* header, std::uint8_t* bytes,
                          int size) {
    self(client).isochronous_out(*header, data(client, bytes, size));
  }
  static void interrupt(void* client, std::uint64_t id, usb_redir_interrupt_packet_header* header, std::uint8_t* bytes,
                        int size) {
    self(client).interrupt_out(id, *header, data(client, bytes, size));
  }

  static void install(usbredirparser& parser) {
    parser.log_func = log;
    parser.read_func = read;
    parser.write_func = write;
    parser.hello_func = hello;
    parser.reset_func = reset;
    parser.set_configuration_func = set_configuration;
    parser.get_configuration_func = get_configuration;
    parser.set_alt_setting_func = set_alt_setting;
    parser.get_alt_setting_func = get_alt_setting;
    parser.start_iso_stream_func = start_iso_stream;
    parser.stop_iso_stream_func = stop_iso_stream;
    parser.start_interrupt_receiving_func = start_interrupt;
    parser.stop_interrupt_receiving_func = stop_interrupt;
    parser.alloc_bulk_streams_func = alloc_streams;
    parser.free_bulk_streams_func = free_streams;
    parser.cancel_data_packet_func = cancel;
    parser.filter_reject_func = filter_reject;
    parser.filter_filter_func = filter;
    parser.device_disconnect_ack_func = disconnect_ack;
    parser.start_bulk_receiving_func = start_bulk_receiving;
    parser.stop_bulk_receiving_func = stop_bulk_receiving;
    parser.control_packet_func = control;
    parser.bulk_packet_func = bulk;
    parser.iso_packet_func = isochronous;
    parser.interrupt_packet_func = interrupt;
  }
};

RedirClient::RedirClient(Desk& desk, const Limits& limits)
    : desk_(desk), limits_(limits), parser_(usbredirparser_create(), usbredirparser_destroy) {
  parser_->priv = this;
  Callbacks::install(*parser_);
  std::uint32_t offers[USB_REDIR_CAPS_SIZE] = {};
  for (const int offer :
       {usb_redir_cap_connect_device_version, usb_redir_cap_filter, usb_redir_cap_device_disconnect_ack,
        usb_redir_cap_ep_info_max_packet_size, usb_redir_cap_64bits_ids, usb_redir_cap_32bits_bulk_length})
    usbredirparser_caps_set_cap(offers, offer);
  usbredirparser_init(parser_.get(), "isochio", offers, USB_REDIR_CAPS_SIZE, usbredirparser_fl_usb_host);
  flush();
}

RedirClient::~RedirClient() = default;

tl::expected<std::size_t, std::string> RedirClient::take(ByteView bytes) {
  std::size_t used = 0;
  while (!closing_ && listening()) {
    const auto size = redir_message(bytes.subspan(used), state_, limits_);
    if (!size) return tl::unexpected(size.error());
    if (*size == 0) break;
    feed(bytes.subspan(used, *size));
    used += *size;
    if (!problem_.empty()) return tl::unexpected(problem_);
  }
  pump();
  flush();
  return used;
}

void RedirClient::feed(ByteView message) {
  unread_ = message;
  usbredirparser_do_read(parser_.get());
  if (!unread_.empty()) wrong("a usbredir message is not as long as it says");
}

/// The parser keeps what it is to send in a list that it walks for each message: it is kept short.
void RedirClient::flush() { usbredirparser_do_write(parser_.get()); }

void RedirClient::wrong(std::string what) {
  if (problem_.empty()) problem_ = std::move(what);
}

bool RedirClient::listening() const {
  return std::ranges::none_of(streams_, [](const auto& one) { return one && one->waiting.size() >= most_waiting; });
}

Session::Activity RedirClient::advance(Session::WallTime now) {
  bool gathering = false;
  for (auto& stream : streams_) {
    if (!stream || stream->running || stream->waiting.empty()) continue;
    stream->running = now - stream->last > gather;
    gathering = gathering || !stream->running;
  }
  pump();
  const auto activity = session_->advance(now);
  flush();
  if (!problem_.empty()) {  // of what was sent
    desk_.say(problem_);
    closing_ = true;
  }
  return activity == Session::Activity::idle && gathering ? Session::Activity::waiting : activity;
}

// --- the device -----------------------------------------------------------------------------------------------------

void RedirClient::greeted() {
  state_.greeted = true;
  state_.wide_ids = usbredirparser_peer_has_cap(parser_.get(), usb_redir_cap_64bits_ids) != 0;
  auto session = desk_.attach(*this);
  if (!session) {
    desk_.say("refused: " + session.error());
    closing_ = true;
    return;
  }
  session_ = std::move(*session);
  send_info();
  auto connect = redir_connect(describe(session_->host()));
  usbredirparser_send_device_connect(parser_.get(), &connect);
}

void RedirClient::send_info() {
  auto endpoints = redir_endpoints(current_endpoints(session_->host()));
  usbredirparser_send_ep_info(parser_.get(), &endpoints);
  auto interfaces = redir_interfaces(describe(session_->host()));
  usbredirparser_send_interface_info(parser_.get(), &interfaces);
}

void RedirClient::reset() {
  if (!session_) return;
  stop_all();
  const auto done = session_->reset();
  if (done) return;
  desk_.say("after the client's bus reset: " + done.error());
  usbredirparser_send_device_disconnect(parser_.get());
  closing_ = true;
}

std::optional<usb::EndpointConfig> RedirClient::find(std::uint8_t endpoint, TransferType type) const {
  for (const auto& config : session_->host().endpoints()) {
    if (config.address.value == endpoint && config.type == type) return config;
  }
  return std::nullopt;
}

void RedirClient::submit(Pending pending, Urb urb) {
  urb.id = ++newest_;
  const bool numbered = pending.kind != Kind::isochronous && pending.kind != Kind::interrupt_in;
  if (numbered) by_number_[pending.id] = urb.id;
  pending_[urb.id] = pending;
  session_->submit(std::move(urb));
}

/// A number that is used twice would make two answers of one.
bool RedirClient::number_is_free(std::uint64_t id) {
  if (session_ && !by_number_.contains(id)) return true;
  wrong(session_ ? fmt::format("usbredir packet {} is sent while one of this number is in flight", id)
                 : fmt::format("usbredir packet {} is sent without a device", id));
  return false;
}

// --- control, bulk, interrupt OUT -----------------------------------------------------------------------------------

void RedirClient::submit_control(Pending pending, std::array<std::uint8_t, 8> setup, Bytes data) {
  if (!number_is_free(pending.id)) return;
  if (pending.kind == Kind::set_configuration) stop_all();
  Urb urb;
  urb.endpoint = usb::endpoint(0, (setup[0] & 0x80U) != 0 ? Direction::in : Direction::out);
  urb.setup = setup;
  urb.buffer = std::move(data);
  submit(pending, std::move(urb));
}

void RedirClient::control(std::uint64_t id, const usb_redir_control_packet_header& header, Bytes data) {
  const bool in = (header.requesttype & 0x80U) != 0;
  if ((header.endpoint & 0x7fU) != 0 || in != ((header.endpoint & 0x80U) != 0)) {
    if (number_is_free(id))
      answer({.kind = Kind::control, .id = id, .control = header}, header.endpoint, usb_redir_inval, 0, {});
    return;
  }
  const auto low = [](std::uint16_t word) { return static_cast<std::uint8_t>(word & 0xffU); };
  const auto high = [](std::uint16_t word) { return static_cast<std::uint8_t>(word >> 8U); };
  if (in) data.resize(header.length);
  submit_control({.kind = Kind::control, .id = id, .control = header},
                 {header.requesttype, header.request, low(header.value), high(header.value), low(header.index),
                  high(header.index), low(header.length), high(header.length)},
                 std::move(data));
}

void RedirClient::bulk(std::uint64_t id, const usb_redir_bulk_packet_header& header, Bytes data) {
  if (!number_is_free(id)) return;
  const Pending pending{.kind = Kind::bulk, .id = id, .bulk = header};
  const std::uint32_t length = std::uint32_t{header.length_high} << 16U | header.length;
  const bool in = (header.endpoint & 0x80U) != 0;
  if ((header.endpoint & 0x0fU) == 0 || length > limits_.transfer_bytes || header.stream_id != 0 ||
      !find(header.endpoint, TransferType::bulk))
    return answer(pending, header.endpoint, usb_redir_inval, 0, {});
  Urb urb;
  urb.endpoint = {header.endpoint};
  urb.buffer = std::move(data);
  if (in) urb.buffer.resize(length);
  submit(pending, std::move(urb));
}

void RedirClient::interrupt_out(std::uint64_t id, const usb_redir_interrupt_packet_header& header, Bytes data) {
  if (!number_is_free(id)) return;
  const Pending pending{.kind = Kind::interrupt_out, .id = id};
  if (!find(header.endpoint, TransferType::interrupt)) return answer(pending, header.endpoint, usb_redir_inval, 0, {});
  Urb urb;
  urb.endpoint = {header.endpoint};
  urb.buffer = std::move(data);
  submit(pending, std::move(urb));
}

void RedirClient::cancel(std::uint64_t id) {
  const auto found = by_number_.find(id);
  if (found == by_number_.end()) return;  // its answer is already on the way
  const std::uint64_t urb = found->second;
  const Pending pending = pending_.at(urb);
  const bool data_packet =
      pending.kind == Kind::control || pending.kind == Kind::bulk || pending.kind == Kind::interrupt_out;
  if (!data_packet || !session_->take_back(urb)) return;
  by_number_.erase(found);
  pending_.erase(urb);
  answer(pending, pending.bulk.endpoint, usb_redir_cancelled, 0, {});
}

// --- streams --------------------------------------------------------------------------------------------------------

void RedirClient::start_stream(std::uint64_t id, const usb_redir_start_iso_stream_header& header) {
  const std::size_t index = redir_index(header.endpoint);
  const auto config = session_ ? find(header.endpoint, TransferType::isochronous) : std::nullopt;
  if (!config || streams_[index] || header.pkts_per_urb == 0 || header.pkts_per_urb > most_packets ||
      header.no_urbs > most_urbs)
    return stream_status(id, header.endpoint, streams_[index] ? usb_redir_inval : usb_redir_stall);
  Stream& stream = streams_[index].emplace();
  stream.urbs = std::max<unsigned>(header.no_urbs, 2);
  stream.packets = header.pkts_per_urb;
  stream.capacity = config->capacity();
  stream.endpoint = config->address;
  stream.in = config->address.is_in();
  stream_status(id, header.endpoint, usb_redir_success);
  if (!stream.in) return;
  for (unsigned i = stream.urbs; i > 0 && streams_[index]; --i) submit_in(stream);
}

void RedirClient::submit_in(Stream& stream) {
  Urb urb;
  urb.endpoint = stream.endpoint;
  urb.buffer.resize(std::size_t{stream.packets} * stream.capacity);
  for (std::uint32_t i = 0; i < stream.packets; ++i)
    urb.packets.push_back({.offset = i * stream.capacity, .length = stream.capacity});
  submit({.kind = Kind::isochronous}, std::move(urb));
}

void RedirClient::isochronous_out(const usb_redir_iso_packet_header& header, Bytes data) {
  const std::size_t index = redir_index(header.endpoint);
  if (!session_ || !streams_[index] || streams_[index]->in) return;  // it may have been stopped meanwhile
  Stream& stream = *streams_[index];
  if (data.size() > stream.capacity) return stream_status(0, header.endpoint, usb_redir_inval);
  stream.waiting.push_back(std::move(data));
  stream.last = std::chrono::steady_clock::now();
  if (stream.waiting.size() >= std::size_t{stream.urbs} * stream.packets / 2) stream.running = true;
}

void RedirClient::pump() {
  for (auto& stream : streams_) {
    while (stream && stream->running && !stream->waiting.empty() &&
           stream->in_flight < std::size_t{stream->urbs} * stream->packets)
      submit_out(*stream);
  }
}

/// The first packets go in two URBs at least: bus time waits for the client only behind a stream.
void RedirClient::submit_out(Stream& stream) {
  std::size_t count = std::min<std::size_t>(stream.packets, stream.waiting.size());
  if (stream.in_flight == 0 && stream.waiting.size() > 1) count = std::min(count, stream.waiting.size() / 2);
  Urb urb;
  urb.endpoint = stream.endpoint;
  for (std::size_t i = 0; i < count; ++i) {
    const Bytes& data = stream.waiting.front();
    urb.packets.push_back(
        {.offset = static_cast<std::uint32_t>(urb.buffer.size()), .length = static_cast<std::uint32_t>(data.size())});
    urb.buffer.insert(urb.buffer.end(), data.begin(), data.end());
    stream.waiting.pop_front();
  }
  stream.in_flight += count;
  submit({.kind = Kind::isochronous}, std::move(urb));
}

void RedirClient::stop_stream(std::size_t index) {
  if (!streams_[index]) return;
  const EndpointAddress endpoint = streams_[index]->endpoint;
  streams_[index].reset();
  session_->take_back_all(endpoint);
  std::erase_if(pending_, [&](const auto& one) { return !session_->contains(one.first); });
}

void RedirClient::start_polling(std::uint64_t id, std::uint8_t endpoint) {
  const std::size_t index = redir_index(endpoint);
  const auto config = session_ ? find(endpoint, TransferType::interrupt) : std::nullopt;
  if (!config || polled_[index])
    return polling_status(id, endpoint, polled_[index] ? usb_redir_inval : usb_redir_stall);
  polled_[index] = Polled{.capacity = config->capacity()};
  polling_status(id, endpoint, usb_redir_success);
  poll_once(config->address, *polled_[index]);
}

void RedirClient::poll_once(EndpointAddress endpoint, const Polled& polled) {
  Urb urb;
  urb.endpoint = endpoint;
  urb.buffer.resize(polled.capacity);
  submit({.kind = Kind::interrupt_in}, std::move(urb));
}

void RedirClient::stop_polling(std::size_t index) {
  if (!polled_[index]) return;
  polled_[index].reset();
  session_->take_back_all(
      usb::endpoint(static_cast<std::uint8_t>(index % 16U), index >= 16 ? Direction::in : Direction::out));
  std::erase_if(pending_, [&](const auto& one) { return !session_->contains(one.first); });
}

void RedirClient::stop_all() {
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    stop_stream(i);
    stop_polling(i);
  }
}

void RedirClient::stream_status(std::uint64_t id, std::uint8_t endpoint, std::uint8_t status) {
  usb_redir_iso_stream_status_header header{};
  header.status = status;
  header.endpoint = endpoint;
  usbredirparser_send_iso_stream_status(parser_.get(), id, &header);
}

void RedirClient::polling_status(std::uint64_t id, std::uint8_t endpoint, std::uint8_t status) {
  usb_redir_interrupt_receiving_status_header header{};
  header.status = status;
  header.endpoint = endpoint;
  usbredirparser_send_interrupt_receiving_status(parser_.get(), id, &header);
}

// --- results --------------------------------------------------------------------------------------------------------

void RedirClient::on_end(const Urb& urb, const UrbResult& result) {
  const auto found = pending_.extract(urb.id);
  if (found.empty()) return;
  const Pending& pending = found.mapped();
  if (pending.kind == Kind::isochronous) {
    end_stream(urb, result);
  } else if (pending.kind == Kind::interrupt_in) {
    end_poll(urb, result);
  } else {
    by_number_.erase(pending.id);
    answer(pending, urb.endpoint.value, redir_status(result.status), result.actual, result.data);
  }
  flush();
}

void RedirClient::answer(const Pending& pending, std::uint8_t endpoint, std::uint8_t status, std::size_t actual,
                         ByteView data) {
  // The parser reads from what it does not declare const.
  auto* const bytes = data.empty() ? nullptr : const_cast<std::uint8_t*>(data.data());
  const int size = static_cast<int>(data.size());
  const std::uint8_t first = data.empty() ? std::uint8_t{0} : data.front();
  const auto changed = [&] {
    if (status == usb_redir_success) send_info();
  };
  switch (pending.kind) {
    case Kind::control: {
      auto header = pending.control;
      header.status = status;
      header.length = static_cast<std::uint16_t>(actual);
      return usbredirparser_send_control_packet(parser_.get(), pending.id, &header, bytes, size);
    }
    case Kind::bulk: {
      auto header = pending.bulk;
      header.status = status;
      header.length = static_cast<std::uint16_t>(actual & 0xffffU);
      header.length_high = static_cast<std::uint16_t>(actual >> 16U);
      return usbredirparser_send_bulk_packet(parser_.get(), pending.id, &header, bytes, size);
    }
    case Kind::interrupt_out: {
      usb_redir_interrupt_packet_header header{endpoint, status, static_cast<std::uint16_t>(actual)};
      return usbredirparser_send_interrupt_packet(parser_.get(), pending.id, &header, nullptr, 0);
    }
    case Kind::set_configuration:
    case Kind::get_configuration: {
      if (pending.kind == Kind::set_configuration) changed();
      usb_redir_configuration_status_header header{status,
                                                   pending.kind == Kind::set_configuration ? pending.value : first};
      return usbredirparser_send_configuration_status(parser_.get(), pending.id, &header);
    }
    case Kind::set_interface:
    case Kind::get_interface: {
      if (pending.kind == Kind::set_interface) changed();
      usb_redir_alt_setting_status_header header{status, pending.interface,
                                                 pending.kind == Kind::set_interface ? pending.value : first};
      return usbredirparser_send_alt_setting_status(parser_.get(), pending.id, &header);
    }
    case Kind::interrupt_in:
    case Kind::isochronous:
      return;
  }
}

void RedirClient::end_stream(const Urb& urb, const UrbResult& result) {
  const std::size_t index = redir_index(urb.endpoint.value);
  auto& stream = streams_[index];
  if (!stream) return;
  if (result.status != 0) {
    stop_stream(index);
    return stream_status(0, urb.endpoint.value, usb_redir_stall);
  }
  if (!stream->in) {
    stream->in_flight -= urb.packets.size();
    if (stream->in_flight == 0 && stream->waiting.empty()) stream->running = false;
    return pump();
  }
  std::size_t at = 0;
  for (const IsoPacket& packet : urb.packets) {
    usb_redir_iso_packet_header header{urb.endpoint.value, redir_status(packet.status),
                                       static_cast<std::uint16_t>(packet.actual_length)};
    auto* const bytes = packet.actual_length == 0 ? nullptr : const_cast<std::uint8_t*>(&result.data[at]);
    usbredirparser_send_iso_packet(parser_.get(), stream->sent++, &header, bytes,
                                   static_cast<int>(packet.actual_length));
    at += packet.actual_length;
  }
  submit_in(*stream);
}

void RedirClient::end_poll(const Urb& urb, const UrbResult& result) {
  const std::size_t index = redir_index(urb.endpoint.value);
  if (!polled_[index]) return;
  if (result.status != 0) {
    polled_[index].reset();
    return polling_status(0, urb.endpoint.value, usb_redir_stall);
  }
  usb_redir_interrupt_packet_header header{urb.endpoint.value, usb_redir_success,
                                           static_cast<std::uint16_t>(result.actual)};
  auto* const bytes = result.data.empty() ? nullptr : const_cast<std::uint8_t*>(result.data.data());
  usbredirparser_send_interrupt_packet(parser_.get(), polled_[index]->sent++, &header, bytes,
                                       static_cast<int>(result.actual));
  poll_once(urb.endpoint, *polled_[index]);
}

}  // namespace isochio::serve
