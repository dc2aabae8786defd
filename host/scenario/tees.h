// isochio: one observer's place for several: what a Runtime is given once goes to all who want to know.
#pragma once

#include <utility>
#include <vector>

#include "controller/host.h"
#include "driverkit/isoch_observer.h"

namespace isochio::scenario {

/// Refusals of the DriverKit layer go to all who watch requests.
class RefusalTee final : public controller::RequestObserver {
 public:
  void add(controller::RequestObserver* observer) { observers_.push_back(observer); }
  void on_refused(const controller::IsochRequest& request, controller::Status why, bus::BusTime at) override {
    for (auto* observer : observers_) observer->on_refused(request, why, at);
  }

 private:
  std::vector<controller::RequestObserver*> observers_;
};

/// What callers of IsochIO see goes to all who want to know.
class IsochTee final : public driverkit::IsochObserver {
 public:
  void add(driverkit::IsochObserver* observer) { observers_.push_back(observer); }
  void on_call(const driverkit::IsochCall& call) override {
    for (auto* observer : observers_) observer->on_call(call);
  }
  void on_abort(usb::EndpointAddress endpoint) override {
    for (auto* observer : observers_) observer->on_abort(endpoint);
  }
  void on_accepted(const controller::IsochRequest& request, std::uint64_t running) override {
    for (auto* observer : observers_) observer->on_accepted(request, running);
  }
  void on_refused(usb::EndpointAddress endpoint, std::uint64_t first_frame, IOReturn code,
                  std::uint64_t running) override {
    for (auto* observer : observers_) observer->on_refused(endpoint, first_frame, code, running);
  }
  void on_entry(const controller::IsochRequest& request, std::size_t index, IOReturn status) override {
    for (auto* observer : observers_) observer->on_entry(request, index, status);
  }
  void on_complete(const controller::IsochRequest& request, IOReturn overall) override {
    for (auto* observer : observers_) observer->on_complete(request, overall);
  }

 private:
  std::vector<driverkit::IsochObserver*> observers_;
};

}  // namespace isochio::scenario
