// isochio: see fake_libusb.h.
#include "unit/libusb/fake_libusb.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>

using isochio::test::FakeUsb;

struct libusb_device {};
struct libusb_device_handle {};
struct libusb_context {
  struct Callback {
    libusb_hotplug_callback_fn function;
    void* data;
    int events;
  };
  std::vector<Callback> callbacks;
};

namespace isochio::test {
namespace {

FakeUsb* current = nullptr;
libusb_device the_device;
libusb_device_handle the_handle;

bool is_control(const libusb_transfer* transfer) { return transfer->type == LIBUSB_TRANSFER_TYPE_CONTROL; }

/// What the kernel makes of transfers that end: cancelled, or of a device that is gone.
bool end_what_ends(FakeUsb& usb, const std::set<libusb_transfer*>& cancelled) {
  const auto snapshot = usb.in_flight;
  bool any = false;
  for (auto* transfer : snapshot) {
    if (usb.gives_back && !usb.attached) {
      if (usb.killed) {
        for (int i = 0; i < transfer->num_iso_packets; ++i) transfer->iso_packet_desc[i].status = LIBUSB_TRANSFER_ERROR;
      }
      usb.give_back(transfer,
                    usb.killed && !is_control(transfer) ? LIBUSB_TRANSFER_COMPLETED : LIBUSB_TRANSFER_NO_DEVICE);
      any = true;
    } else if (usb.gives_back && cancelled.contains(transfer)) {
      usb.give_back(transfer, LIBUSB_TRANSFER_CANCELLED);
      any = true;
    } else if (usb.attached && usb.answers_control && is_control(transfer)) {
      const auto* setup = libusb_control_transfer_get_setup(transfer);
      std::uint8_t* data = libusb_control_transfer_get_data(transfer);
      const std::size_t length = libusb_le16_to_cpu(setup->wLength);
      std::size_t moved = length;
      if (setup->bmRequestType == 0x80 && setup->bRequest == LIBUSB_REQUEST_GET_DESCRIPTOR) {
        const auto& bytes = libusb_le16_to_cpu(setup->wValue) >> 8U == 1 ? usb.device : usb.configuration;
        moved = std::min(length, bytes.size());
        std::copy_n(bytes.begin(), moved, data);
      } else if (usb.on_control) {
        moved = usb.on_control(*setup, data);
      } else if ((setup->bmRequestType & 0x80U) != 0) {
        std::fill_n(data, length, std::uint8_t{0});
      }
      transfer->actual_length = static_cast<int>(moved);
      usb.give_back(transfer, LIBUSB_TRANSFER_COMPLETED);
      any = true;
    }
  }
  return any;
}

std::set<libusb_transfer*>& cancelled_transfers() {
  static std::set<libusb_transfer*> all;
  return all;
}

void call_back(libusb_context* context, libusb_hotplug_event event) {
  for (const auto& callback : context->callbacks)
    if ((callback.events & event) != 0) callback.function(context, &the_device, event, callback.data);
}

}  // namespace

FakeUsb::FakeUsb() { current = this; }
FakeUsb::~FakeUsb() {
  cancelled_transfers().clear();
  current = nullptr;
}
FakeUsb& FakeUsb::get() { return *current; }

void FakeUsb::give_back(libusb_transfer* transfer, libusb_transfer_status status) {
  std::erase(in_flight, transfer);
  cancelled_transfers().erase(transfer);
  transfer->status = status;
  transfer->callback(transfer);
}

void FakeUsb::complete(std::size_t n, std::uint8_t fill) {
  const auto snapshot = in_flight;
  for (auto* transfer : snapshot) {
    if (is_control(transfer)) continue;
    if (n-- == 0) return;
    if ((transfer->endpoint & 0x80U) != 0) std::fill_n(transfer->buffer, transfer->length, fill);
    transfer->actual_length = transfer->num_iso_packets > 0 ? 0 : transfer->length;
    for (int i = 0; i < transfer->num_iso_packets; ++i) {
      auto& packet = transfer->iso_packet_desc[i];
      packet.actual_length = packet.length;
      packet.status = LIBUSB_TRANSFER_COMPLETED;
    }
    give_back(transfer, LIBUSB_TRANSFER_COMPLETED);
  }
}

void FakeUsb::unplug() {
  attached = false;
  removal_pending = hotplug;
}

void FakeUsb::plug_in() {
  attached = true;
  ++address;
  arrival_pending = hotplug;
}

}  // namespace isochio::test

// --- what LibusbHost calls ------------------------------------------------------------------------------------------

using isochio::test::call_back;
using isochio::test::cancelled_transfers;
using isochio::test::end_what_ends;
using isochio::test::the_device;
using isochio::test::the_handle;

namespace {
int gone_or(int code) { return FakeUsb::get().attached ? code : int{LIBUSB_ERROR_NO_DEVICE}; }
void note(const std::string& call) { FakeUsb::get().calls.push_back(call); }
}  // namespace

extern "C" {

int LIBUSB_CALL libusb_init(libusb_context** context) {
  *context = new libusb_context;
  return LIBUSB_SUCCESS;
}
void LIBUSB_CALL libusb_exit(libusb_context* context) { delete context; }
int LIBUSB_CALL libusb_has_capability(std::uint32_t) { return FakeUsb::get().hotplug ? 1 : 0; }

int LIBUSB_CALL libusb_hotplug_register_callback(libusb_context* context, int events, int, int, int, int,
                                                 libusb_hotplug_callback_fn function, void* data,
                                                 libusb_hotplug_callback_handle* handle) {
  context->callbacks.push_back({function, data, events});
  *handle = 1;
  return LIBUSB_SUCCESS;
}
void LIBUSB_CALL libusb_hotplug_deregister_callback(libusb_context* context, libusb_hotplug_callback_handle) {
  context->callbacks.clear();
}

ssize_t LIBUSB_CALL libusb_get_device_list(libusb_context*, libusb_device*** list) {
  const bool one = FakeUsb::get().attached;
  *list = new libusb_device* [2] { one ? &the_device : nullptr, nullptr };
  return one ? 1 : 0;
}
void LIBUSB_CALL libusb_free_device_list(libusb_device** list, int) { delete[] list; }
int LIBUSB_CALL libusb_get_device_descriptor(libusb_device*, libusb_device_descriptor* descriptor) {
  *descriptor = {};
  const auto& bytes = FakeUsb::get().device;
  descriptor->iProduct = 1;
  descriptor->idVendor = static_cast<std::uint16_t>(bytes[8] | bytes[9] << 8U);
  descriptor->idProduct = static_cast<std::uint16_t>(bytes[10] | bytes[11] << 8U);
  return LIBUSB_SUCCESS;
}
std::uint8_t LIBUSB_CALL libusb_get_bus_number(libusb_device*) { return 1; }
std::uint8_t LIBUSB_CALL libusb_get_device_address(libusb_device*) { return FakeUsb::get().address; }
int LIBUSB_CALL libusb_get_device_speed(libusb_device*) { return FakeUsb::get().speed; }
int LIBUSB_CALL libusb_get_port_numbers(libusb_device*, std::uint8_t* ports, int) {
  ports[0] = 4;
  return 1;
}
int LIBUSB_CALL libusb_open(libusb_device*, libusb_device_handle** handle) {
  *handle = &the_handle;
  return gone_or(FakeUsb::get().open_code);
}
void LIBUSB_CALL libusb_close(libusb_device_handle*) {
  note("close");
  // From here on neither libusb nor the kernel knows the transfers.
  FakeUsb::get().in_flight.clear();
  cancelled_transfers().clear();
}
libusb_device* LIBUSB_CALL libusb_get_device(libusb_device_handle*) { return &the_device; }
int LIBUSB_CALL libusb_get_string_descriptor_ascii(libusb_device_handle*, std::uint8_t, unsigned char* text, int) {
  std::memcpy(text, "fake", 4);
  return 4;
}

int LIBUSB_CALL libusb_kernel_driver_active(libusb_device_handle*, int interface) {
  return gone_or(FakeUsb::get().kernel_drivers.contains(interface) ? 1 : 0);
}
int LIBUSB_CALL libusb_detach_kernel_driver(libusb_device_handle*, int interface) {
  note("detach " + std::to_string(interface));
  FakeUsb::get().kernel_drivers.erase(interface);
  return gone_or(0);
}
int LIBUSB_CALL libusb_attach_kernel_driver(libusb_device_handle*, int interface) {
  note("attach " + std::to_string(interface));
  FakeUsb::get().kernel_drivers.insert(interface);
  return gone_or(0);
}
int LIBUSB_CALL libusb_claim_interface(libusb_device_handle*, int interface) {
  note("claim " + std::to_string(interface));
  return gone_or(FakeUsb::get().kernel_drivers.contains(interface) ? int{LIBUSB_ERROR_BUSY} : 0);
}
int LIBUSB_CALL libusb_release_interface(libusb_device_handle*, int interface) {
  note("release " + std::to_string(interface));
  return gone_or(0);
}
int LIBUSB_CALL libusb_get_configuration(libusb_device_handle*, int* value) {
  *value = 1;
  return gone_or(0);
}
int LIBUSB_CALL libusb_set_configuration(libusb_device_handle*, int value) {
  note("configuration " + std::to_string(value));
  return gone_or(0);
}
int LIBUSB_CALL libusb_set_interface_alt_setting(libusb_device_handle*, int interface, int alternate) {
  note("alternate " + std::to_string(interface) + " " + std::to_string(alternate));
  return gone_or(FakeUsb::get().alternate_code);
}
int LIBUSB_CALL libusb_clear_halt(libusb_device_handle*, unsigned char) { return gone_or(0); }
int LIBUSB_CALL libusb_reset_device(libusb_device_handle*) {
  note("reset");
  return gone_or(0);
}

libusb_transfer* LIBUSB_CALL libusb_alloc_transfer(int packets) {
  const auto size = sizeof(libusb_transfer) + sizeof(libusb_iso_packet_descriptor) * static_cast<std::size_t>(packets);
  return static_cast<libusb_transfer*>(std::calloc(1, size));
}
void LIBUSB_CALL libusb_free_transfer(libusb_transfer* transfer) {
  if (FakeUsb::get().in_flight.end() != std::ranges::find(FakeUsb::get().in_flight, transfer))
    std::abort();  // freed while the kernel has it
  std::free(transfer);
}
int LIBUSB_CALL libusb_submit_transfer(libusb_transfer* transfer) {
  FakeUsb& usb = FakeUsb::get();
  if (!usb.attached) return LIBUSB_ERROR_NO_DEVICE;
  transfer->actual_length = 0;
  for (int i = 0; i < transfer->num_iso_packets; ++i) {
    transfer->iso_packet_desc[i].actual_length = 0;
    transfer->iso_packet_desc[i].status = LIBUSB_TRANSFER_COMPLETED;
  }
  usb.in_flight.push_back(transfer);
  usb.most_in_flight = std::max(usb.most_in_flight, usb.in_flight.size());
  return LIBUSB_SUCCESS;
}
int LIBUSB_CALL libusb_cancel_transfer(libusb_transfer* transfer) {
  cancelled_transfers().insert(transfer);
  return gone_or(0);
}

int LIBUSB_CALL libusb_handle_events_timeout_completed(libusb_context* context, timeval* wait, int*) {
  FakeUsb& usb = FakeUsb::get();
  ++usb.events_handled;
  if (usb.events_code != 0) return usb.events_code;
  if (usb.on_events) usb.on_events();
  bool any = end_what_ends(usb, cancelled_transfers());
  if (std::exchange(usb.removal_pending, false)) call_back(context, LIBUSB_HOTPLUG_EVENT_DEVICE_LEFT), any = true;
  if (std::exchange(usb.arrival_pending, false)) call_back(context, LIBUSB_HOTPLUG_EVENT_DEVICE_ARRIVED), any = true;
  const auto most = std::chrono::seconds(wait->tv_sec) + std::chrono::microseconds(wait->tv_usec);
  if (!any) std::this_thread::sleep_for(std::min<std::chrono::microseconds>(most, std::chrono::microseconds(500)));
  return LIBUSB_SUCCESS;
}

}  // extern "C"
