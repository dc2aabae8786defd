#include "driverkit/profile_options.h"

namespace isochio::driverkit {

void apply(const controller::ControllerProfile& profile, RuntimeOptions& options) {
  options.short_in = profile.short_is_underrun ? ShortIn::underrun : ShortIn::success;
  options.missed_entry = profile.missed_entry == "overrun"      ? MissedEntry::overrun
                         : profile.missed_entry == "not_sent_2" ? MissedEntry::not_sent_2
                                                                : MissedEntry::not_sent;
  options.wire_errors = profile.wire_errors == "detailed"          ? WireErrors::detailed
                        : profile.wire_errors == "bit_stuff_apart" ? WireErrors::bit_stuff_apart
                                                                   : WireErrors::not_responding;
  options.zero_start = profile.start_asap ? ZeroStart::next_frame : ZeroStart::too_old;
  options.late_request = profile.late_request_is_too_old ? LateRequest::iso_too_old : LateRequest::accumulated;
}

}  // namespace isochio::driverkit
