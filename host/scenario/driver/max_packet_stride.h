// isochio: writes packets at a stride of wMaxPacketSize though the entries are smaller [driverkit-facts 6, row 29].
#pragma once

#include "scenario/driver/pattern.h"

namespace isochio::scenario::driver {

class MaxPacketStride final : public Pattern {
 public:
  std::size_t offset(std::size_t, std::size_t index, std::size_t max_packet) const override {
    return index * max_packet;
  }
};

}  // namespace isochio::scenario::driver
