#include "reference/entry.h"

#include <algorithm>

#include <fmt/format.h>

#include "driverkit/return_words.h"

namespace isochio::reference {

bool EntryPromise::allows(Code status, std::uint32_t bytes) const {
  return std::ranges::any_of(
      outcomes, [&](const Outcome& o) { return o.status == status && o.least <= bytes && bytes <= o.most; });
}

std::string EntryPromise::to_string() const {
  std::string text;
  for (const auto& o : outcomes) {
    const auto word = driverkit::return_word(o.status);
    const auto bytes = o.least == o.most ? fmt::format("{}", o.least) : fmt::format("{} to {}", o.least, o.most);
    const auto one = fmt::format("{}, {} bytes", word, bytes);
    if (text.find(one) == std::string::npos) text += (text.empty() ? "" : " or ") + one;
  }
  return text;
}

Outcome outcome_of(End end, const Terms& terms, const usb::EndpointConfig& endpoint, std::uint32_t asked) {
  const auto wire = [&](Code code) { return terms.tells_errors_apart ? code : kIOReturnNotResponding; };
  // Of several transactions, those before the failing one may have moved something.
  const std::uint32_t before = endpoint.transactions > 1 ? asked : 0;
  switch (end) {
    case End::good:
      return {kIOReturnSuccess, asked, asked};
    case End::no_answer:
      return {kIOReturnNotResponding, 0, before};
    case End::crc:
      return {wire(kIOUSBCRCErr), 0, asked};
    case End::stuffing:
      return {terms.tells_stuffing_apart ? kIOUSBBitstufErr : wire(kIOUSBBitstufErr), 0, asked};
    case End::pid:
      return {wire(kIOUSBPIDCheckErr), 0, asked};
    case End::sequence:
      return {wire(kIOUSBWrongPIDErr), 0, asked};
    case End::missed:
      return {terms.missed, 0, 0};
    case End::aborted:
      return {kIOUSBNotSent1Err, 0, 0};
  }
  return {};
}

namespace {

/// An IN packet of `sent` bytes for an entry that asks for `asked`.
Outcome received(const Terms& terms, std::uint32_t asked, std::uint32_t sent) {
  if (sent > asked) return {kIOReturnOverrun, 0, asked};
  const bool short_packet = sent < asked;
  return {short_packet && terms.short_is_underrun ? kIOReturnUnderrun : kIOReturnSuccess, sent, sent};
}

}  // namespace

EntryPromise undisturbed(const Terms& terms, const usb::EndpointConfig& endpoint, std::uint32_t asked,
                         const DeviceSizes& sizes, bool any_size) {
  // OUT has no handshake: what was sent is good [5.6.5].
  if (!endpoint.address.is_in()) return {{{kIOReturnSuccess, asked, asked}}};
  EntryPromise promise;
  for (const auto sent : sizes) promise.outcomes.push_back(received(terms, asked, sent));
  if (!sizes.empty() && !any_size) return promise;
  promise.outcomes.push_back({kIOReturnSuccess, terms.short_is_underrun ? asked : 0, asked});
  if (terms.short_is_underrun && asked > 0) promise.outcomes.push_back({kIOReturnUnderrun, 0, asked - 1});
  promise.outcomes.push_back({kIOReturnOverrun, 0, asked});
  return promise;
}

}  // namespace isochio::reference
