// isochio: what the reference promises of entries: driverkit-facts 2.4, USB 2.0 7.1.19.
#include <doctest/doctest.h>

#include "reference/entry.h"

using namespace isochio;
using namespace isochio::reference;

namespace {

usb::EndpointConfig endpoint(std::uint8_t address, std::uint8_t transactions = 1) {
  return {.address = {address},
          .type = usb::TransferType::isochronous,
          .max_packet = 512,
          .transactions = transactions,
          .interval = 1};
}

/// What an IN entry of 512 bytes may say when this struck its data.
EntryPromise after(fault::Kind kind, fault::Place place, std::int64_t detail, usb::Speed speed, const Terms& terms) {
  fault::PlannedFault plan;
  plan.kind = kind;
  plan.place = place;
  const fault::InjectedFault fault{.plan = &plan, .from_host = false, .pid = usb::Pid::data0, .detail = detail};
  const auto in = endpoint(0x81);
  const Effect effect = effect_of(fault, in, speed, true);
  EntryPromise promise;
  if (effect.spares) promise = undisturbed(terms, in, 512, {512}, effect.any_size);
  for (const End end : effect.ends) promise.outcomes.push_back(outcome_of(end, terms, in, 512));
  return promise;
}

}  // namespace

TEST_SUITE("reference: entries") {
  TEST_CASE("OUT is success with all its bytes, whatever the device does") {
    const auto promise = undisturbed({}, endpoint(0x01), 300, {}, false);
    CHECK(promise.allows(kIOReturnSuccess, 300));
    CHECK_FALSE(promise.allows(kIOReturnSuccess, 299));
    CHECK_FALSE(promise.allows(kIOReturnNotResponding, 0));
  }

  TEST_CASE("a short packet is Success or Underrun, by the terms") {
    Terms terms;
    CHECK(undisturbed(terms, endpoint(0x81), 512, {100}, false).allows(kIOReturnSuccess, 100));
    CHECK_FALSE(undisturbed(terms, endpoint(0x81), 512, {100}, false).allows(kIOReturnUnderrun, 100));
    terms.short_is_underrun = true;
    CHECK(undisturbed(terms, endpoint(0x81), 512, {100}, false).allows(kIOReturnUnderrun, 100));
    CHECK_FALSE(undisturbed(terms, endpoint(0x81), 512, {100}, false).allows(kIOReturnSuccess, 100));
  }

  TEST_CASE("what was not sent counts nothing, of several transactions, too") {
    const auto in = endpoint(0x81, 3);
    const EntryPromise missed{{outcome_of(End::missed, {}, in, 1536)}},
        aborted{{outcome_of(End::aborted, {}, in, 1536)}};
    CHECK(missed.allows(Terms{}.missed, 0));
    CHECK_FALSE(missed.allows(Terms{}.missed, 512));
    CHECK(aborted.allows(kIOUSBNotSent1Err, 0));
    CHECK_FALSE(aborted.allows(kIOUSBNotSent1Err, 512));
  }

  TEST_CASE("a packet larger than the request is Overrun") {
    const auto promise = undisturbed({}, endpoint(0x81), 99, {100}, false);
    CHECK(promise.allows(kIOReturnOverrun, 99));
    CHECK_FALSE(promise.allows(kIOReturnSuccess, 99));
  }

  TEST_CASE("errors on the wire are NotResponding, or have codes of their own where the terms say so") {
    using fault::Kind;
    using fault::Place;
    const Terms folded;
    Terms apart;
    apart.tells_errors_apart = true;
    const struct {
      Kind kind;
      Place place;
      Code code;
    } rows[] = {{Kind::bit_error, Place::payload, kIOUSBCRCErr},
                {Kind::bit_error, Place::pid, kIOUSBPIDCheckErr},
                {Kind::bit_error, Place::sync, kIOReturnNotResponding},
                {Kind::stuffing_error, Place::payload, kIOUSBBitstufErr},
                {Kind::no_answer, Place::payload, kIOReturnNotResponding}};
    for (const auto& row : rows) {
      CAPTURE(fault::to_string(row.kind));
      CHECK(after(row.kind, row.place, 0, usb::Speed::high, folded).allows(kIOReturnNotResponding, 0));
      CHECK(after(row.kind, row.place, 0, usb::Speed::high, apart).allows(row.code, 0));
      CHECK_FALSE(after(row.kind, row.place, 0, usb::Speed::high, apart).allows(kIOReturnSuccess, 512));
    }
    // UHCI has one bit for all but stuffing.
    const auto uhci = *terms_of("uhci");
    CHECK(after(Kind::bit_error, Place::payload, 0, usb::Speed::full, uhci).allows(kIOReturnNotResponding, 0));
    CHECK_FALSE(after(Kind::bit_error, Place::payload, 0, usb::Speed::full, uhci).allows(kIOUSBCRCErr, 0));
    CHECK(after(Kind::stuffing_error, Place::payload, 0, usb::Speed::full, uhci).allows(kIOUSBBitstufErr, 0));
  }

  TEST_CASE("a late answer is taken before 736 bit times (16 at full speed), and none after 816 (18)") {
    const auto late = [](std::int64_t bits, usb::Speed speed) {
      return after(fault::Kind::late_answer, {}, bits, speed, {});
    };
    CHECK_FALSE(late(735, usb::Speed::high).allows(kIOReturnNotResponding, 0));
    CHECK(late(780, usb::Speed::high).allows(kIOReturnNotResponding, 0));
    CHECK(late(780, usb::Speed::high).allows(kIOReturnSuccess, 512));
    CHECK_FALSE(late(816, usb::Speed::high).allows(kIOReturnSuccess, 512));
    CHECK_FALSE(late(15 * 40, usb::Speed::full).allows(kIOReturnNotResponding, 0));
    CHECK_FALSE(late(18 * 40, usb::Speed::full).allows(kIOReturnSuccess, 512));
  }
}
