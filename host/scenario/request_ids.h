// isochio: which id and first frame the host gave the request that was submitted last; DriverKit does not tell, but
// violations name them.
#pragma once

#include <cstdint>

#include "controller/host.h"

namespace isochio::scenario {

class RequestIds final : public controller::RequestObserver {
 public:
  void on_submit(const controller::IsochRequest& request, bus::BusTime) override {
    id_ = request.id;
    first_frame_ = request.first_frame;
  }
  std::uint64_t id() const { return id_; }
  std::uint64_t first_frame() const { return first_frame_; }

 private:
  std::uint64_t id_ = 0, first_frame_ = 0;
};

}  // namespace isochio::scenario
