// isochio: --register NAME=VALUE: registers of the device (docs/registers.md) as a command line writes them.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "controller/host.h"

namespace isochio::cli {

using RegisterWrites = std::vector<std::pair<std::uint16_t, std::uint32_t>>;

/// Names and words as in scenario files, numbers decimal or hex, -2^31 … 2^32 - 1. The error says what was not
/// understood.
tl::expected<RegisterWrites, std::string> parse_registers(const std::vector<std::string>& texts);
/// `request`: bRequest of REGISTERS. The device has been enumerated. Blocks in bus time. The error names the register.
tl::expected<void, std::string> write_registers(controller::Host& host, std::uint8_t request,
                                                const RegisterWrites& writes);

}  // namespace isochio::cli
