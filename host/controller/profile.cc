#include "controller/profile.h"

#include <algorithm>

namespace isochio::controller {
namespace {

// Sources: "facts" are the rules gathered for DriverKit and USB 2.0 (docs/profiles.md says how sure they are); the
// kernel's are file names below drivers/usb/host, libusb's below libusb/os.

constexpr ProfileFact neutral_facts[] = {
    {"frame counter", "64 bits of frames, never wraps", "DriverKit's GetFrameNumber, facts 1.2"},
    {"first frame 0", "the next frame, behind what is queued", "facts 2.5"},
    {"keep-away", "the frame after the running one", "facts 7: the least lead is not documented"},
    {"horizon", "1024 frames", "facts 2.5"},
    {"missed slot", "not_sent", "facts 2.4"},
    {"completions", "when the (micro)frame of the last entry is over", "facts 2.6"},
    {"short IN", "success", "facts 2.4, 7"},
};

constexpr ProfileFact xhci_facts[] = {
    {"speeds", "full and high", "xHCI 4.19"},
    {"frame counter", "MFINDEX, 14 bits of microframes: wraps every 2.048 s", "xHCI 5.5.1"},
    {"first frame 0", "SIA in the Isoch TRB: the next one that can be had", "xHCI 4.11.2.5, facts 2.5"},
    {"keep-away", "IST of 4 microframes: first = round up (MFINDEX + IST + 1) to a frame",
     "xHCI 4.11.2.5, 5.3.4; 4 as in HCSPARAMS2 0x84000054 of many machines"},
    {"horizon", "895 ms: last = round down (MFINDEX + 895 ms) to a frame", "xHCI 4.11.2.5"},
    {"frames in the past", "refused", "facts 2.5: macOS as observed by four drivers' authors"},
    {"missed slot", "Missed Service Error for that TD, the ring goes on; macOS: overrun", "xHCI 4.10.3.2, facts 2.4"},
    {"event order", "as they happen, on one event ring", "xHCI 4.9.4"},
    {"ring runs dry", "Ring Underrun (OUT) or Ring Overrun (IN) event, the endpoint keeps its state", "xHCI 4.10.3.1"},
    {"too much data", "Isoch Buffer Overrun or Babble Detected Error", "xHCI 6.4.5"},
    {"short IN", "Short Packet; macOS: success", "facts 2.4: folded in by AppleUSBXHCI"},
    {"transaction errors", "one code for CRC, stuffing, PID and no answer; macOS: not_responding",
     "xHCI 6.4.5, facts 2.4"},
    {"periodic share", "80 % high speed, 90 % full speed; Bandwidth Error at Configure Endpoint",
     "xHCI 4.14.2, USB 2.0 5.6.4"},
    {"macOS shows", "the entry's status in the frame list", "facts 2.4"},
    {"Linux shows", "iso_frame_desc[].status", "drivers/usb/host/xhci-ring.c"},
    {"libusb shows", "libusb_iso_packet_descriptor.status on Linux; the transfer is COMPLETED",
     "libusb/os/linux_usbfs.c"},
};

constexpr ProfileFact ehci_facts[] = {
    {"speeds", "high; full speed is a companion's or a hub's", "EHCI 4.2"},
    {"frame counter", "FRINDEX, 14 bits of microframes: wraps every 2.048 s", "EHCI 2.3.4"},
    {"first frame 0", "no such thing: software picks the slot; here a frame long past",
     "EHCI 4.7, facts 2.5: documented as xHCI only"},
    {"keep-away", "the frame that is cached: first = round up (FRINDEX + 2) to a frame",
     "EHCI 2.2.4, 4.7.2.1; ehci-sched.c does the same"},
    {"horizon", "1024 frames: the list's length (256, 512 or 1024); Linux uses 512", "EHCI 2.3.1; ehci-hcd.c"},
    {"frames in the past", "accepted up to 1024 back, entries missed", "facts 2.5: old kernel extensions"},
    {"missed slot", "iTD stays Active, software reaps it; macOS: not_sent", "EHCI 3.3, facts 2.4"},
    {"event order", "by frame of the list; interrupts every 8 microframes",
     "EHCI 2.3.1: interrupt threshold 08h after reset"},
    {"ring runs dry", "nothing happens", "facts: USB 2.0 page"},
    {"too much data", "Babble Detected", "EHCI 3.3"},
    {"short IN", "length in the iTD; macOS: underrun", "facts 2.4"},
    {"transaction errors", "XactErr for CRC, stuffing, PID and no answer; macOS: not_responding",
     "EHCI 3.3, facts 2.4"},
    {"periodic share", "by software, 80 %", "USB 2.0 5.6.4"},
    {"macOS shows", "the entry's status in the frame list", "facts 2.4"},
    {"Linux shows", "iso_frame_desc[].status", "drivers/usb/host/ehci-sched.c"},
    {"libusb shows", "libusb_iso_packet_descriptor.status on Linux; the transfer is COMPLETED",
     "libusb/os/linux_usbfs.c"},
};

constexpr ProfileFact ohci_facts[] = {
    {"speeds", "full", "OHCI 1.1"},
    {"frame counter", "HcFmNumber, 16 bits of frames: wraps every 65.536 s", "OHCI 7.3.3"},
    {"first frame 0", "no such thing: the TD names its frame; here a frame long past", "OHCI 4.3.2, facts 2.5"},
    {"keep-away", "the frame after the running one", "facts: about a frame"},
    {"horizon", "1024 frames, by software; the TD's 16 bits reach 32767", "OHCI 4.3.2, facts 2.5"},
    {"frames in the past", "accepted up to 1024 back, entries missed", "facts 2.5: old kernel extensions"},
    {"missed slot",
     "TD retired with DataOverrun, its packets NotAccessed; macOS: not_sent, a whole late request iso_too_old",
     "OHCI 4.3.2, 4.3.3, facts 2.4"},
    {"event order", "done queue, newest first, written once a frame; software turns it round", "OHCI 6.5"},
    {"ring runs dry", "nothing happens", "facts: USB 2.0 page"},
    {"too much data", "DataOverrun", "OHCI 4.3.3"},
    {"short IN", "DataUnderrun; macOS: underrun", "OHCI 4.3.3, facts 2.4"},
    {"transaction errors", "CRC, BitStuffing, PIDCheckFailure, UnexpectedPID, DeviceNotResponding apart",
     "OHCI 4.3.3, facts 2.4"},
    {"periodic share", "by software, 90 %", "USB 2.0 5.6.4"},
    {"macOS shows", "the entry's status in the frame list", "facts 2.4"},
    {"Linux shows", "iso_frame_desc[].status", "drivers/usb/host/ohci-q.c, ohci.h"},
    {"libusb shows", "libusb_iso_packet_descriptor.status on Linux; the transfer is COMPLETED",
     "libusb/os/linux_usbfs.c"},
};

constexpr ProfileFact uhci_facts[] = {
    {"speeds", "full", "UHCI 1.1"},
    {"frame counter", "FRNUM, 11 bits of frames: wraps every 2.048 s (10 bits index the list)", "UHCI 2.1.4"},
    {"first frame 0", "no such thing: software picks the slot; here a frame long past", "UHCI 3.1, facts 2.5"},
    {"keep-away", "the frame after the running one", "facts: about a frame"},
    {"horizon", "1024 frames: the list's length", "UHCI 2.1.5"},
    {"frames in the past", "accepted up to 1024 back, entries missed", "facts 2.5: old kernel extensions"},
    {"missed slot", "TD stays Active, software reaps it; macOS: not_sent_2", "UHCI 3.2, facts 2.4"},
    {"event order", "by frame of the list; interrupts at the end of a frame", "UHCI 2.1.2"},
    {"ring runs dry", "nothing happens", "facts: USB 2.0 page"},
    {"too much data", "Babble Detected", "UHCI 3.2"},
    {"short IN", "ActLen; macOS: underrun", "UHCI 3.2, facts 2.4"},
    {"transaction errors", "one bit for CRC, PID and no answer (not_responding), one for stuffing (bit_stuff)",
     "UHCI 3.2; AppleUSBUHCI's TDToUSBError"},
    {"periodic share", "by software, 90 %", "USB 2.0 5.6.4"},
    {"macOS shows", "the entry's status in the frame list", "facts 2.4"},
    {"Linux shows", "iso_frame_desc[].status", "drivers/usb/host/uhci-q.c"},
    {"libusb shows", "libusb_iso_packet_descriptor.status on Linux; the transfer is COMPLETED",
     "libusb/os/linux_usbfs.c"},
};

// Linux: xhci-ring.c, ehci-sched.c, ohci-q.c and ohci.h, uhci-q.c. libusb: linux_usbfs.c, the packets of an iso URB.
constexpr StatusView neutral_statuses[] = {
    {Status::ok, "good", "success", "0", "COMPLETED"},
    {Status::short_packet, "short", "success", "0", "COMPLETED"},
    {Status::no_response, "no answer", "not_responding", "-EPROTO", "ERROR"},
    {Status::crc_error, "CRC error", "not_responding", "-EILSEQ", "ERROR"},
    {Status::bit_stuff, "bit stuffing error", "not_responding", "-EPROTO", "ERROR"},
    {Status::pid_error, "PID error", "not_responding", "-EPROTO", "ERROR"},
    {Status::sequence_error, "PID out of order", "not_responding", "-EPROTO", "ERROR"},
    {Status::overrun, "babble", "overrun", "-EOVERFLOW", "OVERFLOW"},
    {Status::missed, "missed", "not_sent", "-EXDEV", "ERROR"},
};
constexpr StatusView xhci_statuses[] = {
    {Status::ok, "Success", "success", "0", "COMPLETED"},
    {Status::short_packet, "Short Packet", "success", "0", "COMPLETED"},
    {Status::no_response, "USB Transaction Error", "not_responding", "-EPROTO", "ERROR"},
    {Status::crc_error, "USB Transaction Error", "not_responding", "-EPROTO", "ERROR"},
    {Status::bit_stuff, "USB Transaction Error", "not_responding", "-EPROTO", "ERROR"},
    {Status::pid_error, "USB Transaction Error", "not_responding", "-EPROTO", "ERROR"},
    {Status::sequence_error, "USB Transaction Error", "not_responding", "-EPROTO", "ERROR"},
    {Status::overrun, "Isoch Buffer Overrun", "overrun", "-EOVERFLOW", "OVERFLOW"},
    {Status::missed, "Missed Service Error", "overrun", "-EXDEV", "ERROR"},
};
constexpr StatusView ehci_statuses[] = {
    {Status::ok, "inactive", "success", "0", "COMPLETED"},
    {Status::short_packet, "inactive, less length", "underrun", "0", "COMPLETED"},
    {Status::no_response, "XactErr", "not_responding", "-EPROTO", "ERROR"},
    {Status::crc_error, "XactErr", "not_responding", "-EPROTO", "ERROR"},
    {Status::bit_stuff, "XactErr", "not_responding", "-EPROTO", "ERROR"},
    {Status::pid_error, "XactErr", "not_responding", "-EPROTO", "ERROR"},
    {Status::sequence_error, "XactErr", "not_responding", "-EPROTO", "ERROR"},
    {Status::overrun, "Babble Detected", "overrun", "-EOVERFLOW", "OVERFLOW"},
    {Status::missed, "still Active", "not_sent", "-EXDEV", "ERROR"},
};
constexpr StatusView ohci_statuses[] = {
    {Status::ok, "NoError", "success", "0", "COMPLETED"},
    {Status::short_packet, "DataUnderrun", "underrun", "0", "COMPLETED"},
    {Status::no_response, "DeviceNotResponding", "not_responding", "-ETIME", "ERROR"},
    {Status::crc_error, "CRC", "crc_error", "-EILSEQ", "ERROR"},
    {Status::bit_stuff, "BitStuffing", "bit_stuff", "-EPROTO", "ERROR"},
    {Status::pid_error, "PIDCheckFailure", "pid_check", "-EPROTO", "ERROR"},
    {Status::sequence_error, "UnexpectedPID", "wrong_pid", "-EPROTO", "ERROR"},
    {Status::overrun, "DataOverrun", "overrun", "-EOVERFLOW", "OVERFLOW"},
    {Status::missed, "NotAccessed", "not_sent", "-EALREADY", "ERROR"},
};
constexpr StatusView uhci_statuses[] = {
    {Status::ok, "inactive", "success", "0", "COMPLETED"},
    {Status::short_packet, "inactive, less length", "underrun", "0", "COMPLETED"},
    {Status::no_response, "CRC/Time Out", "not_responding", "-EILSEQ", "ERROR"},
    {Status::crc_error, "CRC/Time Out", "not_responding", "-EILSEQ", "ERROR"},
    {Status::bit_stuff, "Bitstuff Error", "bit_stuff", "-EPROTO", "ERROR"},
    {Status::pid_error, "CRC/Time Out", "not_responding", "-EILSEQ", "ERROR"},
    {Status::sequence_error, "CRC/Time Out", "not_responding", "-EILSEQ", "ERROR"},
    {Status::overrun, "Babble Detected", "overrun", "-EOVERFLOW", "OVERFLOW"},
    {Status::missed, "still Active", "not_sent_2", "-EXDEV", "ERROR"},
};

constexpr ControllerProfile all[] = {
    {.name = "neutral",
     .title = "no controller in particular: DriverKit's rules as current macOS was seen to keep them",
     .full_speed = true,
     .high_speed = true,
     .counter_bits = 0,
     .counts_microframes = false,
     .threshold = 0,
     .horizon_frames = 1024,
     .accept_past_frames = false,
     .start_asap = true,
     .completion_grain_us = 0,
     .ring_events = false,
     .missed_entry = "not_sent",
     .short_is_underrun = false,
     .wire_errors = "not_responding",
     .late_request_is_too_old = false,
     .facts = neutral_facts,
     .statuses = neutral_statuses},
    {.name = "xhci",
     .title = "eXtensible Host Controller Interface 1.2",
     .full_speed = true,
     .high_speed = true,
     .counter_bits = 14,
     .counts_microframes = true,
     .threshold = 4,
     .horizon_frames = 895,
     .accept_past_frames = false,
     .start_asap = true,
     .completion_grain_us = 0,
     .ring_events = true,
     .missed_entry = "overrun",
     .short_is_underrun = false,
     .wire_errors = "not_responding",
     .late_request_is_too_old = false,
     .facts = xhci_facts,
     .statuses = xhci_statuses},
    {.name = "ehci",
     .title = "Enhanced Host Controller Interface 1.0",
     .full_speed = false,
     .high_speed = true,
     .counter_bits = 14,
     .counts_microframes = true,
     .threshold = 1,
     .horizon_frames = 1024,
     .accept_past_frames = true,
     .start_asap = false,
     .completion_grain_us = 1000,
     .ring_events = false,
     .missed_entry = "not_sent",
     .short_is_underrun = true,
     .wire_errors = "not_responding",
     .late_request_is_too_old = false,
     .facts = ehci_facts,
     .statuses = ehci_statuses},
    {.name = "ohci",
     .title = "Open Host Controller Interface 1.0a",
     .full_speed = true,
     .high_speed = false,
     .counter_bits = 16,
     .counts_microframes = false,
     .threshold = 0,
     .horizon_frames = 1024,
     .accept_past_frames = true,
     .start_asap = false,
     .completion_grain_us = 1000,
     .ring_events = false,
     .missed_entry = "not_sent",
     .short_is_underrun = true,
     .wire_errors = "detailed",
     .late_request_is_too_old = true,
     .facts = ohci_facts,
     .statuses = ohci_statuses},
    {.name = "uhci",
     .title = "Universal Host Controller Interface 1.1",
     .full_speed = true,
     .high_speed = false,
     .counter_bits = 11,
     .counts_microframes = false,
     .threshold = 0,
     .horizon_frames = 1024,
     .accept_past_frames = true,
     .start_asap = false,
     .completion_grain_us = 1000,
     .ring_events = false,
     .missed_entry = "not_sent_2",
     .short_is_underrun = true,
     .wire_errors = "bit_stuff_apart",
     .late_request_is_too_old = false,
     .facts = uhci_facts,
     .statuses = uhci_statuses},
};

}  // namespace

const StatusView* ControllerProfile::view(Status status) const {
  const auto found = std::ranges::find_if(statuses, [&](const auto& view) { return view.status == status; });
  return found == statuses.end() ? nullptr : &*found;
}

std::span<const ControllerProfile> profiles() { return all; }

const ControllerProfile* find_profile(std::string_view name) {
  const auto* found = std::ranges::find_if(all, [&](const auto& profile) { return profile.name == name; });
  return found == std::end(all) ? nullptr : found;
}

std::vector<std::string> profile_names() {
  std::vector<std::string> names;
  for (const auto& profile : all) names.emplace_back(profile.name);
  return names;
}

void apply(const ControllerProfile& profile, SimHostOptions& options) {
  options.threshold_microframes = profile.threshold;
  options.horizon_frames = profile.horizon_frames;
  options.accept_past_frames = profile.accept_past_frames;
  options.ring_events = profile.ring_events;
  if (profile.completion_grain_us == 0) return;
  // What is over when the interrupt is due is told then, not one interrupt later.
  options.interrupts.coalesce = bus::microsecond * profile.completion_grain_us;
  options.interrupt_latency = {};
}

}  // namespace isochio::controller
