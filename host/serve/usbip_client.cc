#include "serve/usbip_client.h"

#include <fmt/format.h>

#include "serve/linux_errno.h"

namespace isochio::serve {

namespace {
/// Of sequence numbers, which wrap.
constexpr bool newer(std::uint32_t a, std::uint32_t b) { return static_cast<std::int32_t>(a - b) > 0; }
}  // namespace

tl::expected<std::size_t, std::string> UsbipClient::take(ByteView bytes) {
  std::size_t used = 0;
  while (!closing_) {
    const auto rest = bytes.subspan(used);
    const Step step = session_ ? take_command(rest) : take_operation(rest);
    if (!step) return tl::unexpected(step.error());
    if (*step == 0) break;
    used += *step;
  }
  return used;
}

UsbipClient::Step UsbipClient::take_operation(ByteView bytes) {
  const auto parsed = parse_operation(bytes);
  if (!parsed) return tl::unexpected(parsed.error());
  if (std::holds_alternative<Incomplete>(*parsed)) return 0;
  const auto& message = std::get<1>(*parsed);
  if (const auto* request = std::get_if<ImportRequest>(&message.content)) {
    import(request->bus_id);
  } else {
    build_list_reply(output_, {&desk_.device(), 1});
    closing_ = true;
  }
  return message.size;
}

void UsbipClient::import(const std::string& wanted) {
  const auto refuse = [&](const std::string& reason) {
    desk_.say("refused: " + reason);
    build_import_refusal(output_);
    closing_ = true;
  };
  const DeviceInfo& device = desk_.device();
  if (wanted != device.bus_id) return refuse(fmt::format("there is only {}", device.bus_id));
  auto session = desk_.attach(*this);
  if (!session) return refuse(session.error());
  session_ = std::move(*session);
  build_import_reply(output_, device);
}

UsbipClient::Step UsbipClient::take_command(ByteView bytes) {
  const auto parsed = parse_command(bytes, limits_);
  if (!parsed) return tl::unexpected(parsed.error());
  if (std::holds_alternative<Incomplete>(*parsed)) return 0;
  const auto& message = std::get<1>(*parsed);
  const auto handled = std::visit([this](const auto& command) { return handle(command); }, message.content);
  if (!handled) return tl::unexpected(handled.error());
  return message.size;
}

tl::expected<void, std::string> UsbipClient::handle(const Submit& submit) {
  if (submit.devid != desk_.device().id())
    return tl::unexpected(
        fmt::format("URB {} is for device {:#x}; this is {:#x}", submit.seqnum, submit.devid, desk_.device().id()));
  if (session_->contains(submit.seqnum))
    return tl::unexpected(fmt::format("URB {} is submitted while one of this number is in flight", submit.seqnum));
  if (newer(submit.seqnum, newest_)) newest_ = submit.seqnum;
  if (const auto unlink = early_.extract(submit.seqnum)) {
    build(output_, UnlinkReply{unlink.mapped(), -econnreset});
    return {};
  }
  Urb urb;
  urb.id = submit.seqnum;
  urb.endpoint = usb::endpoint(submit.endpoint, submit.in ? usb::Direction::in : usb::Direction::out);
  urb.short_not_ok = (submit.flags & short_not_ok) != 0;
  urb.zero_packet = (submit.flags & zero_packet) != 0;
  urb.setup = submit.setup;
  urb.buffer.reserve(submit.length);
  urb.buffer.assign(submit.data.begin(), submit.data.end());
  urb.buffer.resize(submit.length);
  urb.packets = submit.packets;
  packets_as_sent_[submit.seqnum] = submit.packets_as_sent;
  session_->submit(std::move(urb));
  return {};
}

tl::expected<void, std::string> UsbipClient::handle(const Unlink& unlink) {
  if (unlink.devid != desk_.device().id())
    return tl::unexpected(fmt::format("unlink {} is for another device", unlink.seqnum));
  if (session_->take_back(unlink.unlink_seqnum)) {
    packets_as_sent_.erase(unlink.unlink_seqnum);
    build(output_, UnlinkReply{unlink.seqnum, -econnreset});
    return {};
  }
  // Linux' vhci-hcd sends what waits in two queues, so that an unlink may overtake the URB that it is for.
  if (newer(unlink.unlink_seqnum, newest_)) {
    if (early_.size() >= most_)
      return tl::unexpected(fmt::format("{} unlinks are for URBs that were never submitted", early_.size()));
    early_[unlink.unlink_seqnum] = unlink.seqnum;
    return {};
  }
  build(output_, UnlinkReply{unlink.seqnum, 0});  // the URB's reply is already on the way
  return {};
}

void UsbipClient::on_end(const Urb& urb, const UrbResult& result) {
  SubmitReply reply;
  reply.seqnum = static_cast<std::uint32_t>(urb.id);
  reply.status = result.status;
  reply.actual_length = static_cast<std::uint32_t>(result.actual);
  reply.start_frame = result.start_frame;
  const auto sent = packets_as_sent_.extract(reply.seqnum);
  reply.packets_as_sent = sent.empty() ? 0 : sent.mapped();
  reply.error_count = result.errors;
  reply.data = result.data;
  reply.packets = urb.packets;
  build(output_, reply);
}

}  // namespace isochio::serve
