// isochio: submits again whatever the completion says, also when the device has gone [driverkit-facts 6, row 20].
#pragma once

#include "scenario/driver/pattern.h"

namespace isochio::scenario::driver {

class RearmOnAbort final : public Pattern {
 public:
  AfterCompletion after_completion(const Completed&) const override { return AfterCompletion::resubmit; }
  AfterRefusal after_refusal(IOReturn code, bool may_vanish) const override {
    const bool late = code == kIOReturnIsoTooOld || code == kIOReturnIsoTooNew;
    return late ? Pattern::after_refusal(code, may_vanish) : AfterRefusal::same_again;
  }
  bool rearms_aborted() const override { return true; }
};

}  // namespace isochio::scenario::driver
