// isochio: time that periodic transactions took.
#include "check/bandwidth_check.h"

#include <fmt/format.h>

namespace isochio::check {

void BandwidthCheck::on_transaction(const Transaction& t) {
  if (t.type != usb::TransferType::isochronous && t.type != usb::TransferType::interrupt) return;
  if (busy_.bits != 0 && t.at != at_) judge(t.speed);  // the SOF between them did not come
  busy_ += t.end - t.start;
  at_ = t.at;
  last_ = t.end;
}

void BandwidthCheck::on_sof(const Sof& s) {
  if (s.first) busy_ = {};
  judge(s.speed);
}

void BandwidthCheck::judge(usb::Speed speed) {
  const bool full = speed == usb::Speed::full;
  const std::int64_t percent = percent_ != 0 ? percent_ : full ? 90 : 80;
  const bus::Duration share{(full ? bus::frame : bus::microframe).bits * percent / 100};
  if (busy_ > share && reporter_.count_only(Rule::bandwidth))
    reporter_.forward({Rule::bandwidth,
                       0,
                       -1,
                       {},
                       at_,
                       last_,
                       fmt::format("periodic transactions take at most {} ns of a {}", bus::to_ns(share),
                                   full ? "frame" : "microframe"),
                       fmt::format("{} ns", bus::to_ns(busy_))});
  busy_ = {};
}

}  // namespace isochio::check
