#include "scenario/fault_record.h"

#include <algorithm>

#include "fault/fault_link.h"

namespace isochio::scenario {
namespace {

/// A violation so many microframes after a fault is put down to it: what is lost shows at the next packet, what is late
/// when its service interval is over.
constexpr std::uint64_t consequences = 64;

bool lasts(fault::Kind kind) {
  return kind == fault::Kind::frame_jump || kind == fault::Kind::device_clock || kind == fault::Kind::bus_clock;
}

}  // namespace

FaultRecord::FaultRecord(fault::FaultPlan plan, check::ViolationSink& next) : plan_(std::move(plan)), next_(next) {
  for (const auto& fault : plan_.faults) summary_.planned.push_back({fault.name, fault::to_string(fault.kind), 0});
}

tl::expected<bus::Link*, std::string> FaultRecord::attach(bus::Link& link) {
  if (plan_.empty()) return &link;
  if (plan_.needs_device_clock() && !link.set_device_clock(0))
    return tl::unexpected(std::string("a fault of kind \"device_clock\" needs the simulated device"));
  link_ = std::make_unique<fault::FaultLink>(link, plan_, *this);
  return link_.get();
}

void FaultRecord::begin(controller::Host& host) { host_ = &host; }

void FaultRecord::begin_now(controller::Host& host) {
  host_ = nullptr;
  if (!link_) return;
  const auto next = usb::FrameTime::of(host.frame_number() + 1);
  link_->arm(next, [&host] { return host.frame_time(); });
}

void FaultRecord::on_submit(const controller::IsochRequest& request, bus::BusTime) {
  if (host_ == nullptr) return;
  auto& host = *host_;
  host_ = nullptr;
  if (link_) link_->arm(request.start(), [&host] { return host.frame_time(); });
}

void FaultRecord::end() {
  host_ = nullptr;
  if (link_) link_->disarm();
}

void FaultRecord::on_fault(const fault::InjectedFault& fault) {
  const auto row = static_cast<std::size_t>(fault.plan - link_->plan().faults.data());
  ++summary_.made;
  ++summary_.planned[row].made;
  made_[fault.id % remembered] = {fault.id, fault.at, fault.endpoint, !fault.has_endpoint, lasts(fault.plan->kind)};
  if (summary_.first.size() < listed)
    summary_.first.push_back({fault.id, row, fault.at, fault.time, fault.from_host,
                              fault.plan->packets.bits == 0 ? "" : std::string(usb::to_string(fault.pid)),
                              fault.endpoint, fault.has_endpoint, fault::describe(fault)});
  if (capture_ != nullptr) capture_->note(fault::to_string(fault));
  if (also_ != nullptr) also_->on_fault(fault);
}

/// The newest fault at or before the violation that concerns its endpoint and is not long past; else one that lasts;
/// else, for what comes out at the end of a run (counters, log), the newest of that endpoint.
const FaultRecord::Made* FaultRecord::blamed(const check::Violation& violation) const {
  // The device's log has the number of an endpoint for either direction.
  const bool by_number = check::group_of(violation.rule) == check::Group::device_log;
  const Made *near = nullptr, *lasting = nullptr, *any = nullptr;
  for (std::uint64_t i = 0; i < std::min<std::uint64_t>(summary_.made, remembered); ++i) {
    const Made& made = made_[(summary_.made - i) % remembered];
    const bool concerned = made.any_endpoint || violation.endpoint.value == 0 || made.endpoint == violation.endpoint ||
                           (by_number && made.endpoint.number() == violation.endpoint.number());
    if (!concerned || made.at > violation.at) continue;
    if (any == nullptr) any = &made;
    if (made.lasting && lasting == nullptr) lasting = &made;
    if (near == nullptr && violation.at.value - made.at.value <= consequences) near = &made;
  }
  const bool from_the_device = violation.request == 0 && (check::group_of(violation.rule) == check::Group::device_log ||
                                                          check::group_of(violation.rule) == check::Group::payload);
  if (near != nullptr) return near;
  return lasting != nullptr ? lasting : from_the_device ? any : nullptr;
}

void FaultRecord::report(const check::Violation& violation) {
  const Made* made = summary_.made == 0 ? nullptr : blamed(violation);
  if (made == nullptr) return next_.report(violation);
  check::Violation with = violation;
  with.fault = made->id;
  with.fault_at = made->at;
  next_.report(with);
}

}  // namespace isochio::scenario
