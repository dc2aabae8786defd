// isochio devices: what is attached to this machine, and which scenarios each device can run.
#include <atomic>
#include <csignal>
#include <cstdio>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/command.h"
#include "description/description.h"
#include "libusb/libusb_host.h"
#include "libusb/watch.h"
#include "scenario/catalogue.h"
#include "scenario/real_host.h"
#include "scenario/scenario.h"

namespace isochio::cli {
namespace {

struct Runnable {
  std::string scenario;
  usb::Speed speed{};
  libusb::Identity device;
};

std::vector<Runnable> runnable(int& code) {
  std::vector<Runnable> all;
  for (const auto& file : scenario::list(scenario::Shelf::scenarios)) {
    const auto loaded = scenario::load_scenario(file);
    if (!loaded) {
      code = complain(loaded.error().to_string());
      continue;
    }
    if (!scenario::simulation_only(*loaded).empty()) continue;
    const auto found = scenario::find(scenario::Shelf::devices, loaded->device, file.parent_path());
    const auto device = found ? description::load(*found) : tl::unexpected(found.error());
    if (!device) {
      code = complain(device.error().to_string());
      continue;
    }
    all.push_back({loaded->name, loaded->speed, {device->vendor_id, device->product_id}});
  }
  return all;
}

std::atomic<bool> interrupted{false};  // set by the handler, the only thing that it may do

void show(const libusb::Attached& device, const std::vector<Runnable>& scenarios, const char* mark) {
  std::vector<std::string> names;
  for (const auto& one : scenarios)
    if (one.device == device.identity && one.speed == device.speed) names.push_back(one.scenario);
  fmt::print("{}{:<8} {}  {:<2}  {}\n", mark, to_string(device.place), to_string(device.identity),
             device.speed ? usb::to_string(*device.speed) : "-", device.product);
  if (!names.empty()) fmt::print("         runs {}\n", fmt::join(names, ", "));
  if (!names.empty() && !device.permitted)
    fmt::print("         you have no permission for it: isochio devices --help says which udev rule to add\n");
}

int list_devices() {
  int code = passed;
  const auto attached = libusb::list_attached();
  if (!attached) {
    complain(attached.error());
    return target_not_available;
  }
  if (attached->empty()) fmt::print("no USB device is attached\n");
  const auto scenarios = runnable(code);
  for (const auto& device : *attached) show(device, scenarios, "");
  return code;
}

/// Until Ctrl-C.
int watch_devices() {
  int code = passed;
  const auto scenarios = runnable(code);
  const auto watch = libusb::Watch::start();
  const auto unavailable = [](const std::string& why) {
    complain(why);
    return target_not_available;
  };
  if (!watch) return unavailable(watch.error());
  for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, [](int) { interrupted = true; });
  for (const auto& device : (*watch)->attached()) show(device, scenarios, "  ");
  fmt::print(stderr, "isochio: watching; Ctrl-C ends\n");
  while (!interrupted) {
    std::fflush(stdout);
    const auto changes = (*watch)->next(bus::second);
    if (!changes) return unavailable(changes.error());
    for (const auto& change : *changes)
      change.arrived ? show(change.device, scenarios, "+ ") : show(change.device, {}, "- ");
  }
  return code;
}

}  // namespace

void add_devices(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("devices", "List the USB devices that are attached, and what each can run");
  const auto watch = std::make_shared<bool>(false);
  command->add_flag("--watch", *watch, "Go on, with a line for each device that comes (+) or goes (-), until Ctrl-C");
  command->footer(
      "One line a device: bus and ports, vendor and product, speed, name; below it the scenarios of isochio list\n"
      "that are for this device at this speed.\n"
      "No permission? Copy 70-isochio.rules (share/isochio, or host/libusb in the source) to /etc/udev/rules.d,\n"
      "run 'udevadm control --reload', and plug the device in again.\n"
      "\n"
      "Examples:\n"
      "  isochio devices\n"
      "  isochio devices --watch\n"
      "  isochio run hs-1x1024-in --target libusb\n"
      "  isochio run hs-1x1024-in --target libusb --bus-port 1-4.2");
  command->callback([&action, watch] { action = [watch] { return *watch ? watch_devices() : list_devices(); }; });
}

}  // namespace isochio::cli
