#include "reference/terms.h"

namespace isochio::reference {

// The table of docs/profiles.md, column by column.
std::optional<Terms> terms_of(std::string_view profile) {
  Terms terms;
  if (profile == "neutral") return terms;
  if (profile == "xhci") {
    terms.threshold_microframes = 4;
    terms.horizon_frames = 895;
    terms.missed = kIOReturnOverrun;
    return terms;
  }
  terms.takes_zero = false;
  terms.takes_past_frames = true;
  terms.short_is_underrun = true;
  if (profile == "ehci") {
    terms.threshold_microframes = 1;
    return terms;
  }
  if (profile == "ohci") {
    terms.tells_errors_apart = true;
    terms.late_request_is_too_old = true;
    return terms;
  }
  if (profile == "uhci") {
    terms.tells_stuffing_apart = true;
    terms.missed = kIOUSBNotSent2Err;
    return terms;
  }
  return std::nullopt;
}

}  // namespace isochio::reference
