// isochio: what was done, for people.
#include <fmt/format.h>

#include "fault/fault_link.h"
#include "fault/kinds.h"

namespace isochio::fault {
namespace {

std::string what(const InjectedFault& f) {
  const PlannedFault& p = *f.plan;
  switch (p.kind) {
    case Kind::bit_error:
      if (p.place == Place::sync) return "SYNC spoiled, nobody takes it for a packet: ";
      return fmt::format("bit {} of the {} inverted: ", f.detail, p.place == Place::pid ? "PID" : to_string(p.place));
    case Kind::wrong_pid:
    case Kind::wrong_data_pid:
      return fmt::format("PID {} instead: ", usb::to_string(static_cast<usb::Pid>(f.detail)));
    case Kind::truncated:
      return fmt::format("{} bytes cut off: ", f.detail);
    case Kind::oversized:
      return fmt::format("{} bytes too long: ", f.detail);
    case Kind::babble:
      return fmt::format("{} bytes of babble behind: ", f.detail);
    case Kind::missing_eop:
      return "no EOP: ";
    case Kind::stuffing_error:
      return fmt::format("bit stuffing violated in byte {}: ", f.detail);
    case Kind::lost:
    case Kind::no_answer:
    case Kind::sof_lost:
      return "did not arrive: ";
    case Kind::late_answer:
      return fmt::format("began {} ns after the {}: ", bus::to_ns(bus::Duration{f.detail}),
                         f.from_host ? "packet before" : "host's packet");
    case Kind::other_address:
      return fmt::format("address {} instead: ", f.detail);
    case Kind::spurious_handshake:
      return fmt::format("{} of the {} at ", usb::to_string(static_cast<usb::Pid>(f.detail)),
                         f.from_host ? "host" : "device");
    case Kind::repeated_token:
    case Kind::sof_repeated:
      return "sent twice: ";
    case Kind::sof_early:
    case Kind::sof_late:
    case Kind::sof_jitter:
      return fmt::format("{} ns {}: ", bus::to_ns(bus::Duration{f.detail < 0 ? -f.detail : f.detail}),
                         f.detail < 0 ? "early" : "late");
    case Kind::sof_number:
      return fmt::format("number {} instead: ", f.detail);
    case Kind::frame_jump:
      return fmt::format("numbers go on from {}: ", f.detail);
    case Kind::device_clock:
    case Kind::bus_clock:
      return fmt::format("{} clock {:+} ppm{}", p.kind == Kind::bus_clock ? "the bus" : "the device's", f.detail,
                         p.to_ppm ? fmt::format(", going to {:+} ppm", *p.to_ppm) : "");
  }
  return "";
}

}  // namespace

std::string describe(const InjectedFault& f) {
  std::string text = what(f);
  if (f.plan->packets.bits == 0) return text;
  text += usb::to_string(f.pid);
  if (f.plan->kind != Kind::spurious_handshake) text += f.from_host ? " from the host" : " from the device";
  if (f.has_endpoint) text += fmt::format(", endpoint 0x{:02x}", f.endpoint.value);
  return text;
}

std::string to_string(const InjectedFault& f) {
  return fmt::format("fault {} \"{}\" ({}) in frame {}.{}: {}", f.id, f.plan->name, to_string(f.plan->kind),
                     f.at.frame(), f.at.microframe(), describe(f));
}

}  // namespace isochio::fault
