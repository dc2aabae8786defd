// isochio: see status.h.
#include "driverkit/status.h"

namespace isochio::driverkit {

using controller::Status;

IOReturn to_return(Status status) {
  switch (status) {
    case Status::ok:
    case Status::short_packet:
      return kIOReturnSuccess;
    case Status::no_response:
    case Status::crc_error:
    case Status::bit_stuff:
    case Status::pid_error:
    case Status::sequence_error:
      return kIOReturnNotResponding;
    case Status::overrun:
      return kIOReturnOverrun;
    case Status::missed:
      return kIOUSBNotSent1Err;
    case Status::aborted:
      return kIOReturnAborted;
    case Status::stall:
      return kUSBHostReturnPipeStalled;
    case Status::timeout:
      return kIOReturnTimeout;
    case Status::no_device:
      return kIOReturnNoDevice;
    case Status::too_old:
      return kIOReturnIsoTooOld;
    case Status::too_new:
      return kIOReturnIsoTooNew;
    case Status::bad_argument:
      return kIOReturnBadArgument;
    case Status::not_open:
      return kIOReturnNotOpen;
    case Status::not_ready:
      return kIOReturnNotReady;
    case Status::not_permitted:
      return kIOReturnNotPermitted;
    case Status::no_bandwidth:
      return kIOReturnNoBandwidth;
    case Status::no_resources:
      return kIOReturnNoResources;
    case Status::pending:
      return kIOReturnInvalid;
  }
  return kIOReturnInternalError;
}

IOReturn entry_return(Status status, const RuntimeOptions& options) {
  const bool detailed = options.wire_errors == WireErrors::detailed;
  switch (status) {
    case Status::short_packet:
      return options.short_in == ShortIn::underrun ? kIOReturnUnderrun : kIOReturnSuccess;
    case Status::crc_error:
      return detailed ? kIOUSBCRCErr : kIOReturnNotResponding;
    case Status::bit_stuff:
      return options.wire_errors != WireErrors::not_responding ? kIOUSBBitstufErr : kIOReturnNotResponding;
    case Status::pid_error:
      return detailed ? kIOUSBPIDCheckErr : kIOReturnNotResponding;
    case Status::sequence_error:
      return detailed ? kIOUSBWrongPIDErr : kIOReturnNotResponding;
    case Status::missed:
      switch (options.missed_entry) {
        case MissedEntry::not_sent:
          return kIOUSBNotSent1Err;
        case MissedEntry::overrun:
          return kIOReturnOverrun;
        case MissedEntry::not_sent_2:
          return kIOUSBNotSent2Err;
      }
      return kIOUSBNotSent1Err;
    case Status::pending:
    case Status::aborted:
    case Status::no_device:
      return kIOUSBNotSent1Err;
    default:
      return to_return(status);
  }
}

void AccumulatedStatus::add(IOReturn entry) {
  if (entry == kIOReturnSuccess) return;
  if (entry != kIOReturnUnderrun || value_ == kIOReturnSuccess) value_ = entry;
}

}  // namespace isochio::driverkit
