// isochio describe: a device description for people, as TOML or as the image that a core is loaded with.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>

#include <fmt/format.h>

#include "cli/command.h"
#include "description/description.h"
#include "scenario/catalogue.h"

namespace isochio::cli {
namespace {

struct Options {
  std::string device, import_file, speed;
  unsigned configuration = 0;
  bool toml = false, hex = false;
};

tl::expected<description::Description, InputError> import_dump(const Options& options) {
  std::ifstream stream(options.import_file, std::ios::binary);
  if (!stream) return tl::unexpected(InputError{options.import_file, 0, "", "can't be read"});
  const std::vector<std::uint8_t> dump{std::istreambuf_iterator<char>(stream), {}};
  description::ImportOptions how;
  if (options.configuration != 0) how.configuration = static_cast<std::uint8_t>(options.configuration);
  if (!options.speed.empty()) how.speed = options.speed == "fs" ? usb::Speed::full : usb::Speed::high;
  return description::import_descriptors(dump, options.import_file, how);
}

int describe(const Options& options) {
  if (options.device.empty() == options.import_file.empty())
    return complain("give a device or --import FILE; isochio describe --help");
  tl::expected<description::Description, InputError> device = tl::unexpected(InputError{});
  if (options.import_file.empty()) {
    const auto file = scenario::find(scenario::Shelf::devices, options.device);
    if (!file) return complain(file.error().to_string());
    device = description::load(*file);
  } else {
    device = import_dump(options);
  }
  if (!device) return complain(device.error().to_string());
  if (options.toml) {
    fmt::print("{}", description::to_toml(*device));
  } else if (options.hex) {
    const auto image = description::compile_image(*device);
    if (!image) return complain(image.error().to_string());
    fmt::print("{}", description::hex_image(*image));
  } else {
    fmt::print("{}", description::page(*device));
  }
  return passed;
}

}  // namespace

void add_describe(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("describe", "Show what a device is: descriptors, endpoints, answers");
  const auto options = std::make_shared<Options>();
  command->add_option("DEVICE", options->device, "A device that came with isochio, or the path of a description");
  command
      ->add_option("--import", options->import_file,
                   "Make the description from a binary dump of device and configuration descriptors")
      ->check(CLI::ExistingFile);
  command
      ->add_option("--configuration", options->configuration, "With --import: bConfigurationValue to take (the first)")
      ->check(CLI::Range(1, 255))
      ->needs("--import");
  command->add_option("--speed", options->speed, "With --import: fs or hs, at which the dump was taken (guessed)")
      ->check(CLI::IsMember({"fs", "hs"}))
      ->needs("--import");
  auto* toml = command->add_flag("--toml", options->toml, "Print a description file (TOML)");
  command->add_flag("--hex", options->hex, "Print the device image, one byte a line, for $readmemh")->excludes(toml);
  command->footer(
      "A description says what the simulated device is; docs/device-description.md explains every key.\n"
      "Devices are found as scenarios are (isochio list --help).\n"
      "\n"
      "Examples:\n"
      "  isochio describe uac1-audio\n"
      "  isochio describe --import /sys/bus/usb/devices/1-2/descriptors --toml > mine.toml\n"
      "  isochio run hs-3x1024-in --device mine.toml       run a scenario on it\n"
      "  isochio describe test --hex > image.hex           for a board");
  command->callback([&action, options] { action = [options] { return describe(*options); }; });
}

}  // namespace isochio::cli
