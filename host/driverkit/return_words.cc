#include "driverkit/return_words.h"

#include <charconv>

#include <fmt/format.h>

namespace isochio::driverkit {
namespace {

struct Word {
  IOReturn code;
  const char* word;
};

constexpr Word words[] = {
    {kIOReturnSuccess, "success"},
    {kIOReturnInvalid, "invalid"},
    {kIOReturnError, "error"},
    {kIOReturnNoResources, "no_resources"},
    {kIOReturnNoDevice, "no_device"},
    {kIOReturnBadArgument, "bad_argument"},
    {kIOReturnExclusiveAccess, "exclusive_access"},
    {kIOReturnUnsupported, "unsupported"},
    {kIOReturnInternalError, "internal_error"},
    {kIOReturnIOError, "io_error"},
    {kIOReturnNotOpen, "not_open"},
    {kIOReturnBusy, "busy"},
    {kIOReturnTimeout, "timeout"},
    {kIOReturnOffline, "offline"},
    {kIOReturnNotReady, "not_ready"},
    {kIOReturnNotAttached, "not_attached"},
    {kIOReturnNotPermitted, "not_permitted"},
    {kIOReturnUnderrun, "underrun"},
    {kIOReturnOverrun, "overrun"},
    {kIOReturnDeviceError, "device_error"},
    {kIOReturnAborted, "aborted"},
    {kIOReturnNoBandwidth, "no_bandwidth"},
    {kIOReturnNotResponding, "not_responding"},
    {kIOReturnIsoTooOld, "iso_too_old"},
    {kIOReturnIsoTooNew, "iso_too_new"},
    {kIOReturnNotFound, "not_found"},
    {kUSBHostReturnPipeStalled, "pipe_stalled"},
    {kIOUSBCRCErr, "crc_error"},
    {kIOUSBBitstufErr, "bit_stuff"},
    {kIOUSBPIDCheckErr, "pid_check"},
    {kIOUSBWrongPIDErr, "wrong_pid"},
    {kIOUSBBufferOverrunErr, "buffer_overrun"},
    {kIOUSBBufferUnderrunErr, "buffer_underrun"},
    {kIOUSBNotSent1Err, "not_sent"},
    {kIOUSBNotSent2Err, "not_sent_2"},
};

}  // namespace

std::string return_word(IOReturn code) {
  for (const auto& word : words)
    if (word.code == code) return word.word;
  return fmt::format("0x{:08x}", static_cast<std::uint32_t>(code));
}

std::string failed_with(std::string_view what, IOReturn code) {
  const auto word = return_word(code);
  const auto number = fmt::format("0x{:08x}", static_cast<std::uint32_t>(code));
  return word == number ? fmt::format("{} failed with {}", what, number)
                        : fmt::format("{} failed with {} ({})", what, word, number);
}

std::optional<IOReturn> return_code(std::string_view word) {
  for (const auto& known : words)
    if (word == known.word) return known.code;
  if (!word.starts_with("0x")) return std::nullopt;
  std::uint32_t number = 0;
  const auto* end = word.data() + word.size();
  const auto read = std::from_chars(word.data() + 2, end, number, 16);
  if (read.ec != std::errc() || read.ptr != end || word.size() < 3) return std::nullopt;
  return static_cast<IOReturn>(number);
}

std::vector<std::string> return_words() {
  std::vector<std::string> all;
  for (const auto& word : words) all.emplace_back(word.word);
  return all;
}

}  // namespace isochio::driverkit
