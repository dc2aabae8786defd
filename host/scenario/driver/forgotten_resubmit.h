// isochio: forgets every 16th buffer, until nothing is in flight [driverkit-facts 2.5: a slot lost for good].
#pragma once

#include "scenario/driver/pattern.h"

namespace isochio::scenario::driver {

class ForgottenResubmit final : public Pattern {
 public:
  AfterCompletion after_completion(const Completed& completed) const override {
    constexpr std::uint64_t every = 16;
    return completed.count % every == 0 ? AfterCompletion::forget : Pattern::after_completion(completed);
  }
};

}  // namespace isochio::scenario::driver
